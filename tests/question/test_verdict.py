"""What marks say of incidents: of this run, of a later one, and of the same hour next week."""

import math

import pandas as pd
import pytest

from tests.model.runs import HEIGHT, hours, members, run
from tutordex_analysis.model.incidents import together
from tutordex_analysis.question.verdict import Precision, judged, precision, suppressed
from tutordex_analysis.verdicts_file import Verdict


def made(*runs):
    return together(members(*runs), height=HEIGHT, step="1h")


def named(found, verdict, place=0, **rest):
    return Verdict(incident=found.frame.loc[place, "incident"], verdict=verdict, **rest)


def timed(start, end, verdict, *signals, **rest):
    return Verdict(start=hours(start), end=hours(end), signals=signals, verdict=verdict, **rest)


def words(found, *verdicts):
    return [*judged(found, verdicts)["verdict"]]


TWO = made(run("posts", 0, 3), run("jobs", 1, 4), run("asked", 40, 42))


def test_marks_by_name_and_what_nobody_said():
    got = judged(TWO, [named(TWO, "confirmed", note="the session was lost")])
    assert [*got["verdict"]] == ["confirmed", ""]
    assert [*got["note"]] == ["the session was lost", ""]
    assert [*got.columns[:-2]] == [*TWO.frame.columns]


def test_the_last_mark_counts():
    assert words(TWO, named(TWO, "confirmed"), named(TWO, "false")) == ["false", ""]


@pytest.mark.parametrize(("start", "fits"), [(1, True), (2, True), (3, False)])
def test_a_mark_follows_an_incident_whose_start_moved_a_little(start, fits):
    later = made(run("posts", start, 5), run("jobs", 2, 4))
    assert later.frame.loc[0, "incident"] != TWO.frame.loc[0, "incident"]
    assert words(later, named(TWO, "false")) == ["false" if fits else ""]


def test_a_mark_by_name_follows_its_series_where_another_one_now_begins():
    later = made(run("pending", 0, 5), run("posts", 1, 5))
    assert later.frame.loc[0, "incident"].split("-")[1] == "pending"
    assert words(later, named(TWO, "confirmed")) == ["confirmed"]
    other = made(run("posts", 0, 3, series="posts{other}"))
    assert words(other, named(TWO, "confirmed")) == [""]


def test_a_mark_by_name_is_of_one_incident_only():
    """Two of the same series two hours apart, at a step of five minutes."""
    both = together(members(run("posts", 0, 0), run("posts", 1.5, 1.5)), height=HEIGHT, step="5m")
    assert len(both.frame) == 2
    assert words(both, named(both, "false")) == ["false", ""]


def test_marks_by_time_need_the_signal():
    assert words(TWO, timed(2, 3, "confirmed", "posts")) == ["confirmed", ""]
    assert words(TWO, timed(2, 3, "confirmed", "asked")) == ["", ""]
    assert words(TWO, timed(40.2, 40.5, "false", "asked", "posts")) == ["", "false"]


WEEK = 168
BACKUP = [run("disk", 2, 2), run("cpu", 2, 2)]


def week(n, *runs):
    after = pd.Timedelta(hours=n * WEEK)
    return [one | {name: one[name] + after for name in ("start", "end", "peak")} for one in runs]


def test_what_is_expected_every_week_is_suppressed_next_week_too_and_says_why():
    mark = timed(1, 2, "expected", "disk", "cpu", every="7d", note="the backup", by="ops")
    found = made(*BACKUP, *week(1, *BACKUP), *week(5, *BACKUP), run("posts", 60, 61))
    got = suppressed(found, [mark])
    assert [*got["incident"]] == [*found.frame.loc[found.frame["signal"] == "cpu", "incident"]]
    assert {*got["why"]} == {"expected every week: the backup (ops)"}
    assert words(found, mark).count("expected") == 3


def test_it_holds_only_from_its_first_time_on():
    mark = timed(1 + WEEK, 2 + WEEK, "expected", "disk", "cpu", every="7d")
    assert suppressed(made(*BACKUP), [mark]).empty


@pytest.mark.parametrize(
    "runs",
    [
        week(1, run("disk", 2, 9)),  # it went on for hours after the backup
        week(1, *BACKUP, run("posts", 3, 3)),  # and the collector fell silent
        week(1, run("disk", 7, 7)),  # five hours later
        [run("disk", 2 + 24, 2 + 24)],  # on another day
    ],
)
def test_what_the_backup_does_not_explain_is_not_suppressed(runs):
    mark = timed(1, 2, "expected", "disk", "cpu", every="7d")
    found = made(*runs)
    assert suppressed(found, [mark]).empty
    assert words(found, mark) == [""]


def test_an_incident_named_as_expected_comes_back():
    first = made(*BACKUP)
    mark = named(first, "expected", every="7d")
    again = made(
        *BACKUP, *week(1, *BACKUP), *week(2, run("disk", 3.5, 4), run("cpu", 3, 4)), *week(3, run("disk", 2, 2))
    )
    assert words(again, mark) == ["expected", "expected", "expected", ""]  # the last began with another series
    assert len(suppressed(again, [mark])) == 3


def test_a_later_mark_takes_the_suppression_back():
    found = made(*BACKUP)
    marks = [timed(1, 2, "expected", "disk", "cpu"), named(found, "confirmed")]
    assert suppressed(found, marks).empty
    assert len(suppressed(found, marks[::-1])) == 1


def test_precision_counts_what_was_judged():
    found = made(*(run("posts", 30 * i, 30 * i) for i in range(5)))
    marks = [named(found, word, i) for i, word in enumerate(["confirmed", "confirmed", "false", "expected"])]
    got = precision(judged(found, marks))
    assert got == Precision(2, 1, 1)
    assert got.share == pytest.approx(2 / 3)
    assert math.isnan(precision(judged(found, [])).share)


def test_no_incidents_have_no_verdicts():
    none = made()
    mark = timed(1, 2, "expected", "disk", every="7d")
    assert [*judged(none, [mark]).columns][-2:] == ["verdict", "note"]
    assert [*suppressed(none, [mark]).columns] == ["incident", "why"]
    assert precision(judged(none, [mark])) == Precision(0, 0, 0)
