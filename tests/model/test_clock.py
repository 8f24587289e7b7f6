"""Where instants stand in day and week, also where clocks change and on holidays."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model.clock import clock_of, two

HOUR = pd.Timedelta("1h")


def hours(start, n, *, tz="UTC", step=HOUR, **options):
    ds = pd.date_range(start, periods=n, freq=step, tz="UTC")
    asked = {"short": 24, "long": 168, "step": step, "tz": tz} | options
    return ds, clock_of(ds, **asked)


@pytest.mark.parametrize(
    ("lengths", "want"),
    [([], (0, 0)), ([24], (24, 0)), ([24, 168], (24, 168)), ([168, 24, 48], (24, 168)), ([7, 7], (7, 0))],
)
def test_the_shortest_and_the_longest_season(lengths, want):
    assert two(lengths) == want


@pytest.mark.parametrize("tz", ["UTC", "Asia/Singapore", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("start", ["2026-03-27", "2026-10-23", "2025-12-30"])
def test_phases_are_those_of_the_civil_clock(tz, start):
    ds, clock = hours(start, 24 * 9, tz=tz)
    weekday = None
    for i, at in enumerate(ds):
        middle = (at - HOUR / 2).tz_convert(tz)  # a value covers the hour before its instant
        assert clock.day[i] == middle.hour
        place = (clock.week[i] - middle.hour) // 24 - middle.day_of_week
        weekday = place % 7 if weekday is None else weekday
        assert place % 7 == weekday
        assert clock.week[i] % 24 == middle.hour
    np.testing.assert_array_equal(np.diff(clock.t), 1)
    assert (clock.sunday == -1).all()


@pytest.mark.parametrize(("day", "missing", "twice"), [("2026-03-28 20:00", [2], []), ("2026-10-24 20:00", [], [2])])
def test_a_clock_change_leaves_an_hour_out_or_has_it_twice(day, missing, twice):
    _, clock = hours(day, 12, tz="Europe/Berlin")
    night = clock.day[clock.day < 6].tolist()
    assert [one for one in range(5) if one not in night] == missing
    assert [one for one in range(5) if night.count(one) == 2] == twice


def test_a_season_that_is_no_whole_number_of_days_follows_the_steps():
    _, clock = hours("2026-03-28", 48, tz="Europe/Berlin", short=7, long=30)
    np.testing.assert_array_equal(np.diff(clock.day) % 7, 1)
    np.testing.assert_array_equal(np.diff(clock.week) % 30, 1)
    _, none = hours("2026-03-28", 48, short=0, long=0)
    assert not none.day.any()
    assert not none.week.any()


def test_steps_that_do_not_divide_a_day_follow_the_steps():
    _, clock = hours("2026-01-01", 50, step=pd.Timedelta("7h"), short=24, long=0)
    np.testing.assert_array_equal(np.diff(clock.day) % 24, 1)


def test_a_holiday_has_the_phase_that_a_sunday_has_at_that_hour():
    """Friday 1 May 2026 is a holiday in Singapore, Saturday and Sunday after it are none."""
    ds, clock = hours("2026-04-30 16:00", 24 * 7, tz="Asia/Singapore", calendar="SG")
    local = (ds - HOUR / 2).tz_convert("Asia/Singapore")
    off = clock.sunday >= 0
    assert set(local[off].date.astype(str)) == {"2026-05-01"}
    assert off.sum() == 24
    sunday = local.day_of_week == 6
    by_hour = dict(zip(local[sunday].hour, clock.week[sunday], strict=True))
    assert [by_hour[hour] for hour in local[off].hour] == clock.sunday[off].tolist()


def test_a_holiday_without_a_week_is_only_marked():
    _, clock = hours("2026-04-30 16:00", 24 * 2, tz="Asia/Singapore", calendar="SG", long=0)
    assert set(clock.sunday) == {0, -1}


def test_no_instants_have_no_phases():
    _, clock = hours("2026-01-01", 0, calendar="SG")
    assert [len(one) for one in (clock.t, clock.day, clock.week, clock.sunday)] == [0, 0, 0, 0]


def test_a_zone_or_calendar_that_does_not_exist_is_one_sentence():
    with pytest.raises(FrameError, match="no time zone called 'Mars/Base'"):
        hours("2026-01-01", 3, tz="Mars/Base")
    with pytest.raises(FrameError, match="no holiday calendar called 'Atlantis'"):
        hours("2026-01-01", 3, calendar="Atlantis")
