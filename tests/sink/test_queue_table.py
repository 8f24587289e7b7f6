"""Tables of a queue: every state of a wait is a sentence, never inf or nan."""

import pandas as pd
import pytest

from tutordex_analysis.sink import queue_table

INF, NAN = float("inf"), float("nan")


def load(factor=1.0, **more):
    base = {"jobs_a_day": 566.4, "busy": 0.0567, "busiest": 0.149, "wait_seconds": 1.688, "busiest_wait_seconds": 2.31}
    return {"title": "Extraction", "factor": factor, **base, "hours_over": 0, "behind_seconds": 0.0} | more


def fact(**more):
    base = {"job_seconds": 8.66, "job_lower": 7.96, "job_upper": 9.26, "cv2": 0.7, "measured": True}
    spec = {"poll_seconds": 2.0, "busiest_hour": 20, "capacity_a_day": 7981.3, "room": 5.36, "batch": 10}
    ahead = {"full_likely": pd.NaT, "full_chance": 0.0, "horizon": pd.Timedelta(days=90)}
    return load() | base | spec | ahead | more


def test_facts_are_said_in_units_of_people_with_what_the_wait_is_made_of():
    got = queue_table.facts(pd.DataFrame([fact()]), (), tz="Asia/Singapore")
    said = dict(got.frame.to_numpy().tolist())
    assert said["Jobs a day"] == "566"
    assert said["Time of a job"] == "8.7 s (8 s to 9.3 s on eight of ten days)"
    assert said["Busy in its busiest hour"] == "14.9 % (Mon 20:00)"
    assert said["Mean wait before a job starts"] == "1.7 s"
    assert said["Jobs a day at 80 % busy"] == "7,981, 14 times today's"
    assert said["When that comes"] == "not within 90 days"
    assert got.notes[0] == "Up to 2 s of a wait, 1 s on average, is the sleep of the idle server."
    assert "Claiming 10 jobs at once adds nothing" in got.notes[1]
    assert "was measured" in got.notes[2]


def test_two_queues_have_a_column_each_and_an_assumed_spread_is_said():
    rows = pd.DataFrame([fact(), fact(title="Sending", batch=1, poll_seconds=0.0, measured=False, full_chance=NAN)])
    rows.loc[1, "horizon"] = pd.NaT
    got = queue_table.facts(rows, ("Third: no.",), tz="UTC")
    assert list(got.frame.columns) == ["", "Extraction", "Sending"]
    assert got.frame["Sending"].iloc[-1] == "cannot be told yet"
    assert [one.split(":")[0] for one in got.notes] == ["Extraction"] * 3 + ["Sending", "Third"]
    assert "is assumed: 95 of 100" in got.notes[3]


def test_without_a_queue_that_is_one_sentence():
    none = queue_table.facts(pd.DataFrame(), (), tz="UTC")
    assert none._repr_html_() == f"<p>{queue_table.NO_QUEUE}</p>"
    refused = queue_table.facts(pd.DataFrame(), ("Extraction: not yet.",), tz="UTC")
    assert "<p>Extraction: not yet.</p>" in refused._repr_html_()
    assert queue_table.NO_QUEUE not in refused._repr_html_()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"wait_seconds": 95.1}, "95 s"),
        ({"wait_seconds": INF, "behind_seconds": INF, "hours_over": 168}, "never catches up"),
        ({"wait_seconds": NAN, "behind_seconds": 751.0, "hours_over": 5}, "falls behind in 5 hours of the week"),
    ],
)
def test_a_wait_that_is_no_number_is_words(more, said):
    rows = pd.DataFrame([load(), load(2.0, **more)])
    dates = pd.DataFrame(columns=["title"])
    frame = queue_table.what_if(rows, dates, factor=2.0, tz="UTC").frame.set_index("What")
    assert frame.columns.tolist() == ["Today's work", "2 times the work"]
    assert frame.loc["Extraction: mean wait", "2 times the work"].startswith(said)
    assert "nan" not in frame.to_string()
    assert "inf" not in frame.to_string()


def test_limits_that_follow_the_work_have_a_date_a_chance_or_none():
    day, horizon = pd.Timestamp("2026-12-14T00:00Z"), pd.Timedelta(days=90)
    base = {"title": "Disk", "where": "/data", "value": 0.8, "unit": "ratio", "horizon": horizon}
    rows = [
        base | {"now_likely": pd.NaT, "now_chance": 0.04, "then_likely": day, "then_chance": 0.9},
        base | {"where": "", "now_likely": pd.NaT, "now_chance": 0.3, "then_likely": pd.NaT, "then_chance": 1.0},
    ]
    got = queue_table.what_if(pd.DataFrame(columns=["title"]), pd.DataFrame(rows), factor=3.0, tz="UTC").frame
    assert got.to_numpy().tolist() == [
        ["Disk (/data) at 80 %", "not within 90 days", "14 Dec 2026"],
        ["Disk at 80 %", "30 % within 90 days, no date", "over 99 % within 90 days, no date"],
    ]
    many = queue_table.what_if(pd.DataFrame(columns=["title"]), pd.DataFrame(rows * 6), factor=3.0, tz="UTC")
    assert len(many.frame) == 10
    assert "10 of 12 rows shown" in many.caption


def test_catching_up_is_told_in_minutes_and_hours_or_never():
    base = {"title": "Extraction", "jobs": 565.9, "slices": 4, "in_slices": 277.7, "waiting": 651.1}
    rows = [base | {"outage_hours": 24.0, "typical_hours": 1.517, "worst_hours": INF}]
    got = queue_table.catch_up(pd.DataFrame(rows)).frame
    assert got.iloc[0].tolist() == ["24 h", "566", "4", "278", "651", "91 min", "never catches up"]
    none = queue_table.catch_up(pd.DataFrame(columns=["title"]))
    assert none._repr_html_() == "<p>Without a queue there is no backlog to work off.</p>"
