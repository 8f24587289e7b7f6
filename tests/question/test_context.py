"""What else was going on: releases, restarts, the calendar, alerts, silences, what was told by hand."""

import pandas as pd
import pytest

from tests.model.runs import HEIGHT, members, run
from tutordex_analysis import catalogue_file
from tutordex_analysis.change import NO_CHANGES, Change, Changes
from tutordex_analysis.mask import NO_MASKS, Mask, Masks
from tutordex_analysis.model.incidents import together
from tutordex_analysis.question.context import COLUMNS, attach

KNOWN = catalogue_file.load()


def made(start, hours=2, *signals):
    first = pd.Timestamp(start)
    runs = [run(one, 0, 0, area=KNOWN.signal(one).area) for one in signals or ("jobs_done",)]
    moved = [one | {"start": first, "peak": first, "end": first + pd.Timedelta(hours=hours)} for one in runs]
    return together(members(*moved), height=HEIGHT, step="1h")


def kinds(found, *, masks=NO_MASKS, changes=NO_CHANGES, **rest):
    return [*attach(found, catalogue=KNOWN, masks=masks, changes=changes, **rest)["kind"]]


def change(kind, start, end=None):
    words = {"deploy": "worker released as v2", "restart": "worker restarted"}
    return Change(kind=kind, component="worker", name=words[kind], start=start, end=end or start)


def test_a_release_shortly_before_is_told_with_how_long():
    found = made("2026-10-14T03:00Z")  # the value covers the hour from 02:00
    got = attach(
        found,
        catalogue=KNOWN,
        masks=NO_MASKS,
        changes=Changes(changes=(change("restart", "2026-10-14T03:30Z"), change("deploy", "2026-10-14T01:35Z"))),
    )
    assert [*got.columns] == [*COLUMNS]
    assert [*got["kind"]] == ["deploy", "restart"]
    assert [*got["sentence"]] == ["Worker released as v2, 25 min before.", "Worker restarted, at that time."]
    assert got.loc[0, "start"] == pd.Timestamp("2026-10-14T01:35Z")


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        ("2026-10-13T23:59Z", False),
        ("2026-10-14T00:00Z", True),
        ("2026-10-14T05:00Z", True),
        ("2026-10-14T05:01Z", False),
    ],
)
def test_changes_count_two_hours_before_to_the_end(moment, counts):
    changes = Changes(changes=(change("deploy", moment),))
    assert kinds(made("2026-10-14T03:00Z"), changes=changes) == ["deploy"] * counts


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-08-08T15:00Z", ["holiday"]),  # 23:00 to 01:00 in Singapore: National Day begins
        ("2026-08-08T13:00Z", []),
        ("2026-08-09T16:00Z", ["holiday", "holiday"]),  # the hour before midnight, and the day it is observed
        ("2026-12-25T03:00Z", ["holiday", "break"]),
        ("2026-06-10T03:00Z", ["break"]),
        ("2026-07-01T03:00Z", []),
    ],
)
def test_holidays_and_breaks_are_days_in_singapore(start, expected):
    assert kinds(made(start)) == expected


def test_a_holiday_has_its_name():
    got = attach(made("2026-12-25T03:00Z"), catalogue=KNOWN, masks=NO_MASKS, changes=NO_CHANGES)
    assert [*got["sentence"]] == ["Christmas Day was a public holiday.", "During the year-end holidays."]
    assert got.loc[0, "start"] == pd.Timestamp("2026-12-24T16:00Z")
    assert got.loc[1, "end"] == pd.Timestamp("2026-12-31T16:00Z")


def mask(origin, start, end, *signals):
    expires = pd.Timestamp("2027-04-01T00:00Z") if origin == "incident" else None
    moments = {"start": pd.Timestamp(start), "end": pd.Timestamp(end)}
    return Mask(reason="the database is moved", origin=origin, signals=signals, expires=expires, **moments)


def test_masks_count_where_they_concern_a_signal_of_the_incident_at_that_time():
    during = ("2026-10-14T04:00Z", "2026-10-14T16:30Z")
    masks = Masks(
        masks=(
            mask("alert", *during, "jobs_done"),
            mask("silence", *during, "cpu_used"),  # another signal
            mask("silence", "2026-10-14T05:00Z", "2026-10-14T06:00Z"),  # begins as it ends
            mask("incident", *during),
        )
    )
    found = made("2026-10-14T03:00Z", 2, "jobs_done", "posts_seen")
    got = attach(found, catalogue=KNOWN, masks=masks, changes=NO_CHANGES)
    assert [*got["kind"]] == ["incident file", "alert"]
    assert [*got["sentence"]] == [
        "Known by hand: the database is moved, 2026-10-14 12:00 to 2026-10-15 00:30.",
        "the database is moved, 2026-10-14 12:00 to 2026-10-15 00:30.",
    ]
    assert kinds(made("2026-10-14T06:00Z", 0, "cpu_used"), masks=masks) == ["incident file", "silence", "silence"]


def test_nothing_is_a_table_with_the_same_columns():
    none = made("2026-10-14T03:00Z")
    empty = together(members(), height=HEIGHT, step="1h")
    for found in (none, empty):
        got = attach(found, catalogue=KNOWN, masks=NO_MASKS, changes=NO_CHANGES)
        assert [*got.columns] == [*COLUMNS]
        assert got.empty
        assert str(got["start"].dtype).startswith("datetime64")
