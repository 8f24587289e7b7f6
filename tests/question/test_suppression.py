"""What was unusual and did not alert: each run once, with the right reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model.anomaly import Anomalies
from tutordex_analysis.model.incidents import intervals, together
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.question import suppression

CATALOGUE = catalogue_file.load()
HOUR = pd.Timedelta("1h")
WINDOW = TimeRange("2026-10-05T00:00Z", "2026-10-06T00:00Z", "1h")
NO_HELD = pd.DataFrame(columns=["incident", "why", "detail"])
NO_HOLIDAYS = pd.Series(dtype=object)


def scored(score, odd, *, kind="spike"):
    """Twenty expected and thirty seen, at scores by hour; `odd` are the hours that count."""
    table = frames.build(np.full((1, 24), 30.0), [{"__name__": "jobs_done"}], WINDOW)[["unique_id", "ds", "y"]]
    values = np.full(24, 0.5)
    for hour, one in score.items():
        values[hour] = one
    table = table.assign(expected=20.0, lower=10.0, upper=30.0, score=values, is_anomaly=False, kind="")
    table.loc[[*score], "kind"] = kind
    table.loc[[*odd], "is_anomaly"] = True
    return Anomalies(frame=table, incidents=intervals(table), threshold=1.0, policy=Policy())


def rows_of(edge, alerts, *, since=WINDOW.start - HOUR, held=NO_HELD):
    runs = alerts.incidents.assign(signal="jobs_done", area="worker")
    grouped = together(runs, height=CATALOGUE.heights, step="1h")
    made = suppression.table(
        {"jobs_done": edge},
        {"jobs_done": alerts},
        held,
        grouped,
        CATALOGUE,
        {},
        NO_HOLIDAYS,
        since=since,
        step=HOUR,
    )
    hours = (made["end"] - WINDOW.start) // HOUR
    return list(zip(hours, (made["end"] - made["start"]) // HOUR, made["why"], made["detail"], strict=True))


def test_a_run_that_the_policy_lets_through_and_the_budget_does_not():
    edge = scored({3: 1.2, 4: 1.5, 10: 3.0}, [3, 4, 10])
    alerts = scored({3: 1.2, 4: 1.5, 10: 3.0}, [10])
    assert rows_of(edge, alerts) == [(4, 2, "budget", "score 1.5, under the threshold")]


def test_a_run_that_the_policy_does_not_care_for_and_a_return_to_normal():
    edge = scored({3: 1.2}, [])
    assert rows_of(edge, edge) == [(3, 1, "policy", "score 1.2")]
    back = scored({3: 1.2}, [], kind="return")
    assert rows_of(back, back) == [(3, 1, "policy", "return to normal")]


def test_the_foot_of_an_alert_is_no_run_of_its_own():
    edge = scored({8: 1.2, 9: 1.3, 10: 3.0, 11: 1.1}, [9, 10])
    alerts = scored({8: 1.2, 9: 1.3, 10: 3.0, 11: 1.1}, [10])
    assert rows_of(edge, alerts) == []


def test_what_ended_before_the_weeks_is_left_out():
    edge = scored({3: 1.2, 20: 1.2}, [3, 20])
    alerts = scored({3: 1.2, 20: 1.2}, [])
    found = rows_of(edge, alerts, since=WINDOW.start + 10 * HOUR)
    assert [row[0] for row in found] == [20]


def test_an_incident_that_was_held_back_is_told_by_its_first_member():
    alerts = scored({10: 3.0, 11: 3.0}, [10, 11])
    runs = alerts.incidents.assign(signal="jobs_done", area="worker")
    name = together(runs, height=CATALOGUE.heights, step="1h").frame["incident"][0]
    held = pd.DataFrame({"incident": [name], "why": ["known"], "detail": ["load test"]})
    assert rows_of(alerts, alerts, held=held) == [(11, 2, "known", "load test")]


def context(kind, start, end, name="x"):
    hours = {"start": WINDOW.start + start * HOUR, "end": WINDOW.start + end * HOUR}
    return pd.DataFrame([{"incident": "a", "kind": kind, "name": name, **hours}])


@pytest.mark.parametrize(
    ("severity", "beside", "why"),
    [
        ("high", context("silence", 8, 14), ["silence"]),  # holds hours 9 to 12
        ("high", context("silence", 11, 14), []),  # began after it
        ("high", context("silence", 8, 10), []),  # ended before it
        ("high", context("incident file", 8, 14), ["known"]),
        ("high", context("alert", 8, 14), []),
        ("low", context("deploy", 9, 10), ["release"]),
        ("low", context("deploy", 9.5, 9.5), ["release"]),
        ("low", context("restart", 9.5, 9.5), []),  # it may be one of a loop
        ("low", context("deploy", 7, 8), []),  # an hour before
        ("low", context("deploy", 12, 12), []),  # in the middle: what it led to
        ("medium", context("deploy", 9, 10), []),
        ("low", context("holiday", 0, 24), []),
    ],
)
def test_which_contexts_keep_an_incident_from_alerting(severity, beside, why):
    start, end = WINDOW.start + 10 * HOUR, WINDOW.start + 12 * HOUR
    graded = pd.DataFrame({"incident": ["a"], "start": [start], "end": [end], "severity": [severity]})
    expected = pd.DataFrame(columns=["incident", "why"])
    found = suppression.of_incidents(graded, beside, expected, step=HOUR)
    assert found["why"].tolist() == why


def test_of_several_reasons_the_first_is_told():
    start, end = WINDOW.start + 10 * HOUR, WINDOW.start + 12 * HOUR
    graded = pd.DataFrame({"incident": ["a"], "start": [start], "end": [end], "severity": ["low"]})
    beside = pd.concat([context("deploy", 9, 10, "v7"), context("silence", 8, 14, "a move")])
    expected = pd.DataFrame({"incident": ["a"], "why": ["expected: stock-taking"]})
    (row,) = suppression.of_incidents(graded, beside, expected, step=HOUR).to_dict("records")
    assert row == {"incident": "a", "why": "silence", "detail": "a move"}
