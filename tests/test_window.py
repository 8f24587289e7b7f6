"""Maintenance windows: when they begin, also where clocks change, and the silences that follow from them."""

import datetime as dt
import zoneinfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.windows import ENTRY, calendar
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.maintenance import windows
from tutordex_analysis.window import Window, begin

ONCE = {key: value for key, value in ENTRY.items() if key != "weekdays"}


def spans(made):
    return [(f"{one.start:%m-%d %H:%M}", f"{one.end:%m-%d %H:%M}") for one in made]


@pytest.mark.parametrize(
    ("day", "at", "zone", "utc"),
    [
        ("2026-12-06", "03:00", "Asia/Singapore", "2026-12-05T19:00Z"),
        ("2026-03-29", "02:30", "Europe/Berlin", "2026-03-29T01:00Z"),  # not there: when clocks are put forward
        ("2026-03-29", "03:00", "Europe/Berlin", "2026-03-29T01:00Z"),
        ("2026-10-25", "02:30", "Europe/Berlin", "2026-10-25T00:30Z"),  # there twice: the first
        ("2026-03-08", "02:00", "America/New_York", "2026-03-08T07:00Z"),
        ("2026-11-01", "01:15", "America/New_York", "2026-11-01T05:15Z"),
        ("2026-10-25", "01:30", "Europe/Dublin", "2026-10-25T00:30Z"),  # whose winter counts as the time that is saved
        ("2011-12-30", "12:00", "Pacific/Apia", "2011-12-30T10:00Z"),  # a day that Samoa left out
    ],
)
def test_a_start_that_is_not_there_is_when_clocks_change_and_one_that_is_twice_is_the_first(day, at, zone, utc):
    assert begin(dt.date.fromisoformat(day), at, zone) == pd.Timestamp(utc)


@given(
    day=st.dates(dt.date(2000, 1, 1), dt.date(2037, 12, 31)),
    minute=st.integers(0, 1439),
    zone=st.sampled_from(["Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
def test_no_earlier_moment_of_that_day_shows_that_time_or_a_later_one(day, minute, zone):
    """The moment before, clocks showed less; at it, they show the time, or they were put forward over it."""
    at = f"{minute // 60:02}:{minute % 60:02}"
    found = begin(day, at, zone)
    wanted = dt.datetime.combine(day, dt.time.fromisoformat(at))
    there = zoneinfo.ZoneInfo(zone)
    shown, before = (
        (one.to_pydatetime().astimezone(there)).replace(tzinfo=None) for one in (found, found - pd.Timedelta("1s"))
    )
    assert before < wanted
    assert shown >= wanted
    if shown > wanted:
        assert shown - before > pd.Timedelta("1min")


def test_a_weekly_window_keeps_its_civil_time_and_its_length_through_a_change_of_clocks():
    made = windows(calendar(zone="Europe/Berlin", at="01:30", lasts="2h"), "2026-03-20T00:00Z", "2026-04-07T00:00Z")
    assert spans(made) == [
        ("03-22 00:30", "03-22 02:30"),
        ("03-29 00:30", "03-29 02:30"),  # two hours, though clocks move by three
        ("04-04 23:30", "04-05 01:30"),
    ]


def test_days_of_the_month_narrow_weekdays_and_stand_alone():
    first_sundays = calendar(days_of_month=["1:7"])
    assert spans(windows(first_sundays, "2026-11-30T00:00Z", "2027-02-01T00:00Z")) == [
        ("12-05 19:00", "12-05 20:00"),
        ("01-02 19:00", "01-02 20:00"),
    ]
    last_days = calendar(weekdays=[], days_of_month=[-1], zone="UTC")
    found = [start for start, _ in spans(windows(last_days, "2028-02-01T00:00Z", "2028-04-30T00:00Z"))]
    assert found == ["02-29 03:00", "03-31 03:00"]
    thirty_first = calendar(weekdays=[], days_of_month=[31], zone="UTC")
    found = [start for start, _ in spans(windows(thirty_first, "2027-01-01T00:00Z", "2027-06-01T00:00Z"))]
    assert found == ["01-31 03:00", "03-31 03:00", "05-31 03:00"]


def test_first_last_and_days_left_out_bound_a_window_that_comes_again():
    some = calendar(first="2026-12-06", last="2026-12-27", leaving_out=["2026-12-20"], zone="UTC")
    found = [start for start, _ in spans(windows(some, "2026-11-01T00:00Z", "2027-02-01T00:00Z"))]
    assert found == ["12-06 03:00", "12-13 03:00", "12-27 03:00"]


def test_a_stretch_holds_every_window_that_touches_it_and_no_other():
    some = calendar(zone="UTC")
    for start, end, n in (
        ("2026-12-06T03:30Z", "2026-12-06T03:31Z", 1),
        ("2026-12-06T04:00Z", "2026-12-06T05:00Z", 0),  # it has just ended
        ("2026-12-06T02:00Z", "2026-12-06T03:00Z", 0),  # it has not begun
    ):
        assert len(windows(some, start, end)) == n


@given(st.integers(0, 14 * 24 * 60), st.integers(1, 14 * 24 * 60))
def test_a_silence_is_the_same_whichever_stretch_is_asked(start, length):
    again = {
        "one": {**ENTRY, "zone": "UTC"},
        "two": {**ENTRY, "zone": "UTC", "at": "03:30", "reason": "more"},
        "three": {**ENTRY, "zone": "UTC", "weekdays": ["wednesday"], "days_of_month": []},
    }
    several = calendar(again)
    whole = windows(several, "2026-11-01T00:00Z", "2027-02-01T00:00Z")
    first = pd.Timestamp("2026-12-01T00:00Z") + pd.Timedelta(minutes=start)
    last = first + pd.Timedelta(minutes=length)
    assert windows(several, first, last) == tuple(one for one in whole if one.start < last and one.end > first)
    assert len({one.fingerprint for one in whole}) == len(whole)


def test_windows_that_overlap_or_touch_and_silence_the_same_are_one_silence():
    entries = {
        "vacuum": {**ENTRY, "zone": "UTC"},
        "index": {**ENTRY, "zone": "UTC", "at": "04:00", "reason": "index rebuilt", "by": "dba", "lasts": "90m"},
        "other": {**ENTRY, "zone": "UTC", "at": "03:10", "matchers": '{component="dm"}'},
    }
    one, other = windows(calendar(entries), "2026-12-06T00:00Z", "2026-12-07T00:00Z")
    assert spans([one]) == [("12-06 03:00", "12-06 05:30")]
    assert (one.names, one.reason, one.by, one.link) == (
        ("vacuum", "index"),
        "vacuum of the queue; index rebuilt",
        "ops; dba",
        ENTRY["link"],
    )
    assert other.names == ("other",)


def test_overlapping_windows_that_are_together_too_long_are_refused_by_name():
    entries = {
        "night": {**ENTRY, "zone": "UTC", "lasts": "4h"},
        "morning": {**ENTRY, "zone": "UTC", "at": "06:00", "lasts": "90m"},
    }
    with pytest.raises(CatalogueError, match=r"night and morning together silence .* from 2026-12-06 03:00 to .* 4h"):
        windows(calendar(entries), "2026-12-06T00:00Z", "2026-12-07T00:00Z")
    assert windows(calendar(entries), "2026-12-07T00:00Z", "2026-12-08T00:00Z") == ()
    entries["morning"] |= {"approved_by": "the owner"}
    (one,) = windows(calendar(entries), "2026-12-06T00:00Z", "2026-12-07T00:00Z")
    assert one.approved_by == "the owner"


def test_a_window_that_never_ends_is_refused():
    every_day = [f"{day}day" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")]
    always = calendar(weekdays=every_day, lasts="4d", approved_by="nobody")
    with pytest.raises(CatalogueError, match=r"without a gap, longer than the 4d"):
        windows(always, "2026-12-06T00:00Z", "2026-12-07T00:00Z")


def test_the_fingerprint_follows_from_what_stands_in_the_silence():
    def only(**changes):
        (one,) = windows(calendar(zone="UTC", **changes), "2026-12-06T00:00Z", "2026-12-07T00:00Z")
        return one.fingerprint

    assert only() == only()
    others = [{"reason": "else"}, {"by": "else"}, {"lasts": "2h"}, {"matchers": '{component="dm"}'}, {"critical": True}]
    assert len({only(), *(only(**one) for one in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zone": "Asia/Singapur"}, "'Asia/Singapur' is not a time zone"),
        ({"at": "25:00"}, "'25:00' is not a time of day"),
        ({"at": 780}, "write it in quotes"),
        ({"lasts": "soon"}, "'soon' is not a duration"),
        ({"lasts": "90s"}, "whole minutes"),
        ({"reason": "  "}, "it is empty"),
        ({"by": ""}, "it is empty"),
        ({"reason": "move | maintenance of x"}, "which parts what stands on a silence"),
        ({"link": "ticket 42"}, "'ticket 42' is no link"),
        ({"weekdays": []}, "give either dates, or weekdays and days_of_month"),
        ({"dates": ["2026-12-06"]}, "give either dates, or weekdays and days_of_month"),
        ({"weekdays": ["sun"]}, "'monday', 'tuesday'"),
        ({"days_of_month": [32]}, "'32' is no day of a month|32 is no day of a month"),
        ({"days_of_month": [0]}, "is no day of a month"),
        ({"days_of_month": ["7:1"]}, 'write "1:7"'),
        ({"days_of_month": ["-3:5"]}, "is no day of a month"),
        ({"template": "load_test"}, "give either template or matchers"),
        ({"matchers": None}, "give either template or matchers"),
        ({"values": {"channel": "x"}}, "has matchers of its own"),
        ({"matchers": "{}"}, "would fit every alert"),
        ({"matchers": '{alertname=~".*"}'}, "would fit every alert"),
        ({"matchers": '{alertname!="X"}'}, "would fit every alert"),
        ({"matchers": '{component=~"("}'}, "cannot be read"),
        ({"matchers": "sum(x)"}, "must be one plain selector"),
        ({"matchers": '{a="b" or c="d"}'}, "must be one plain selector"),
        ({"matchers": 'X{a="b"} offset 5m'}, "must be one plain selector"),
        ({"first": "2026-12-07", "last": "2026-12-06"}, "is before first"),
        ({"typo": 1}, "Extra inputs"),
    ],
)
def test_what_is_wrong_with_a_window_is_a_clear_sentence(changes, said):
    with pytest.raises(ValidationError, match=said):
        Window.model_validate({**ENTRY, **changes})


def test_dates_have_no_bounds():
    with pytest.raises(ValidationError, match="are for a window that comes again"):
        Window.model_validate({**ONCE, "dates": ["2026-12-06"], "last": "2026-12-07"})
