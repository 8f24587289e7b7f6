"""Civil days begin where their clocks say, also where these change at midnight."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis import incidents_file, replay
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.civil import Calendar, from_civil, midnight
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model.days import by_day
from tutordex_analysis.question import alert_load, growth
from tutordex_analysis.sink.trace import busiest_hours

HOUR = pd.Timedelta(hours=1)
# A civil day without its midnight, or with two → its first instant.
STARTS = {
    ("2017-10-15", "America/Sao_Paulo"): "2017-10-15T03:00Z",  # 23:59 is followed by 01:00
    ("2022-03-27", "Asia/Beirut"): "2022-03-26T22:00Z",  # likewise
    ("2021-03-22", "Asia/Tehran"): "2021-03-21T20:30Z",  # likewise, a Monday
    ("2017-11-05", "America/Havana"): "2017-11-05T04:00Z",  # 00:59 is followed by 00:00
    ("2016-11-06", "America/Havana"): "2016-11-06T04:00Z",
    ("2017-10-15", "Asia/Singapore"): "2017-10-14T16:00Z",
}
CHANGES = pytest.mark.parametrize(("day", "tz", "start"), [(*key, pd.Timestamp(one)) for key, one in STARTS.items()])


def hourly(middle, days, tz):
    """Counts of one an hour for some days around a moment."""
    window = TimeRange(middle - days * 24 * HOUR, middle + days * 24 * HOUR, "1h")
    return frames.build(np.ones((1, len(window))), [{"__name__": "posts_seen"}], window)


@CHANGES
def test_every_moment_of_a_civil_day_has_the_same_midnight(day, tz, start):
    end = from_civil(pd.Timestamp(day) + 24 * HOUR, tz=tz).tz_convert("UTC")
    inside = pd.date_range(start, end, freq="15min", inclusive="left")
    assert len(inside) in {23 * 4, 24 * 4, 25 * 4}
    assert set(midnight(inside, tz=tz)) == {start}
    assert {midnight(one, tz=tz) for one in inside} == {start}
    assert midnight(start - pd.Timedelta("1s"), tz=tz) < start
    assert str(midnight(inside, tz=tz).tz) == tz


@CHANGES
def test_midnight_is_the_first_moment_that_a_walk_over_the_minutes_finds(day, tz, start):
    zone = ZoneInfo(tz)
    walk = pd.date_range(start - 2 * HOUR, start + 2 * HOUR, freq="1min")
    first = next(one for one in walk if one.astimezone(zone).date() == dt.date.fromisoformat(day))
    assert first == start == from_civil(pd.Timestamp(day), tz=zone)


def test_a_time_that_clocks_skip_is_the_first_one_after_and_one_that_comes_twice_the_first():
    local = pd.DatetimeIndex(["2022-03-27 00:40", "2022-03-27 02:00"])
    assert [str(one) for one in from_civil(local, tz="Asia/Beirut")] == [
        "2022-03-27 01:00:00+03:00",
        "2022-03-27 02:00:00+03:00",
    ]
    assert from_civil(pd.Timestamp("2017-11-05 00:30"), tz="America/Havana") == pd.Timestamp("2017-11-05T04:30Z")


def test_weeks_of_a_replay_end_where_a_monday_begins_without_its_midnight():
    newest = pd.Timestamp("2021-03-31T00:00Z")
    assert replay.moments(newest, weeks=2, tz="Asia/Tehran") == [
        pd.Timestamp("2021-03-14T20:30Z"),
        pd.Timestamp("2021-03-21T20:30Z"),
    ]


def test_weeks_of_alerts_are_whole_where_a_monday_begins_without_its_midnight():
    step = pd.Timedelta("30min")
    ds = pd.date_range("2021-03-21T21:00Z", "2021-04-06T00:00Z", freq=step)
    firing = pd.DataFrame({"unique_id": pd.Categorical(["{}"] * len(ds)), "ds": ds, "y": np.nan, "alertname": "A"})
    at = firing["ds"].isin(pd.to_datetime(["2021-03-21T21:00Z", "2021-03-28T19:00Z"]))
    found = alert_load.alert_load(
        firing.assign(y=np.where(at, 1.0, np.nan)),
        step=step,
        calendar=Calendar(timezone="Asia/Tehran"),
        start=pd.Timestamp("2021-03-21T20:30Z"),
        end=ds.max(),
        skip=(),
    )
    assert found.weeks["week"].tolist() == [pd.Timestamp("2021-03-21T20:30Z"), pd.Timestamp("2021-03-28T19:30Z")]
    assert found.weeks["firings"].tolist() == [2, 0]


@CHANGES
def test_days_of_a_history_hold_a_clock_change_at_midnight(day, tz, start):
    frame = hourly(start.ceil("h"), 3, tz)
    ends = by_day(frame, counted=[str(frame["unique_id"].iloc[0])], tz=tz).ends
    assert start in set(ends)
    if start == start.floor("h"):  # else no instant of the grid is a midnight
        assert growth.daily(frame, tz=tz)["y"].eq(24).all()


@CHANGES
def test_the_busiest_hour_of_a_day_is_drawn_at_its_noon(day, tz, start):
    rows = hourly(start.ceil("h"), 3, tz)
    noons = busiest_hours(rows, "y", ZoneInfo(tz))["ds"].dt.tz_convert(tz)
    assert {f"{one:%H:%M}" for one in noons} == {"12:00"}


@pytest.mark.parametrize(("day", "end"), [("03-26", "2022-03-26T22:00Z"), ("03-27", "2022-03-27T21:00Z")])
def test_an_incident_expires_at_the_end_of_its_last_day(day, end, tmp_path):
    path = tmp_path / "incidents.yaml"
    span = "from: 2022-03-01T00:00Z\n    to: 2022-03-02T00:00Z"
    path.write_text(f"incidents:\n  - {span}\n    reason: an outage\n    expires: 2022-{day}\n")
    [mask] = incidents_file.read(path, Catalogue(signals={}, calendar=Calendar(timezone="Asia/Beirut")))
    assert mask.expires == pd.Timestamp(end)
