import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model.calendar import civil, continued, days_of, holidays_of, regressors

HOUR = pd.Timedelta(hours=1)
BREAK = ("2026-03-14", "2026-03-22")


def hours(start, n):
    return pd.date_range(start, periods=n, freq="h", tz="UTC")


def columns(ds, n_history=None, step=HOUR, tz="Asia/Singapore", **options):
    return regressors(ds, n_history=n_history or len(ds), step=step, tz=tz, **options)


@pytest.mark.parametrize(
    "pair",
    [
        BREAK,
        (dt.date(2026, 3, 14), dt.date(2026, 3, 22)),
        (pd.Timestamp("2026-03-14"), "2026-03-22T23:00"),
        list(BREAK),
    ],
)
def test_a_break_holds_its_first_and_its_last_day(pair):
    days = days_of(pair)
    assert len(days) == 9
    assert str(days[0]) == "2026-03-14 00:00:00"
    assert str(days[-1]) == "2026-03-22 00:00:00"


def test_a_break_may_be_one_day():
    assert len(days_of(("2026-03-14", "2026-03-14"))) == 1


@pytest.mark.parametrize(
    "pair",
    [
        ("2026-03-22", "2026-03-14"),
        ("2026-03-14",),
        ("2026-03-14", "2026-03-15", "2026-03-16"),
        ("easter", "2026-03-14"),
        ("2026-02-30", "2026-03-14"),
        "2026-03-14",
        "20",
        (None, "2026-03-14"),
        (pd.NaT, pd.NaT),
        None,
        20260314,
        ("2026-03-14T00:00Z", "2026-03-15T00:00Z"),
        ("0026-03-14", "2026-03-22"),
    ],
)
def test_what_is_no_break_is_one_sentence(pair):
    with pytest.raises(FrameError, match="a break is a first and a last") as found:
        days_of(pair)
    assert "\n" not in str(found.value)


def test_a_break_starts_and_ends_at_midnight_of_its_zone():
    ds = hours("2026-03-10", 24 * 20)
    column = columns(ds, breaks=(BREAK,))[:, 0]
    # 14 March starts at 16:00 UTC of the 13th; the value at 17:00 is the first that stands for an hour of that day
    assert ds[column.argmax()] == pd.Timestamp("2026-03-13T17:00Z")
    assert column.sum() == 9 * 24
    assert ds[np.flatnonzero(column)[-1]] == pd.Timestamp("2026-03-22T16:00Z")


def test_breaks_share_one_column_and_may_overlap():
    ds = hours("2026-03-01", 24 * 40)
    both = columns(ds, breaks=(BREAK, ("2026-03-20", "2026-03-24"), ("2026-04-01", "2026-04-02")))
    assert both.shape == (len(ds), 1)
    assert both.sum() == (11 + 2) * 24


def test_a_break_that_the_history_has_not_seen_cannot_be_learnt():
    ds = hours("2026-03-01", 24 * 30)
    assert columns(ds, n_history=24 * 10, breaks=(BREAK,)).shape == (24 * 30, 0)
    assert columns(ds, n_history=24 * 10, calendar="SG", breaks=(BREAK,)).shape == (24 * 30, 0)


def test_holidays_are_those_of_the_civil_day():
    ds = hours("2025-12-20", 24 * 60)
    first = columns(ds, calendar="SG")[:, 0]
    off = holidays_of("SG", first_year=2025, last_year=2026)
    local = (ds - HOUR / 2).tz_convert("Asia/Singapore").strftime("%Y-%m-%d")
    want = np.array([day in set(off.index.strftime("%Y-%m-%d")) for day in local])
    np.testing.assert_array_equal(first.astype(bool), want)
    assert want.sum() == 2 * 24 + 31  # Christmas, New Year, and of Chinese New Year what lies before the end


def test_a_value_stands_for_the_step_before_it():
    day = civil(pd.DatetimeIndex(["2026-03-14T16:00Z", "2026-03-14T17:00Z"]), step=HOUR, tz="Asia/Singapore")
    assert [str(one) for one in day] == ["2026-03-14 23:30:00", "2026-03-15 00:30:00"]


def test_the_horizon_goes_on_in_steps():
    both = continued(hours("2026-03-01", 5), 3)
    assert len(both) == 8
    assert (np.diff(both) == np.timedelta64(1, "h")).all()


@pytest.mark.parametrize("name", ["Atlantis", "", "sg", "US-XX", "SG-"])
def test_no_such_calendar(name):
    if name == "SG-":
        assert len(holidays_of(name, first_year=2026, last_year=2026))
        return
    with pytest.raises(FrameError, match="there is no holiday calendar called"):
        holidays_of(name, first_year=2026, last_year=2026)


@pytest.mark.parametrize("tz", ["Mars/Base", "", "../etc/passwd", "\0"])
def test_no_such_zone(tz):
    with pytest.raises(FrameError, match="there is no time zone called"):
        civil(hours("2026-03-01", 2), step=HOUR, tz=tz)
