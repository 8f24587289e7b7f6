"""Tables of the page of anomalies: what a reader sees in each cell."""

from __future__ import annotations

import pandas as pd

from tutordex_analysis.sink import anomaly_table

NAN = float("nan")


def test_incidents_are_ten_rows_at_most_with_the_name_to_mark_them_by():
    one = {
        **{"number": 1, "when": "Tue 6 Oct 14:00–16:10", "title": "Jobs finished", "where": ""},
        **{"severity": "high", "signals": 3, "verdict": "", "incident": "20261006T0700Z-jobs_done-3fa9c1"},
    }
    shown = anomaly_table.incidents(pd.DataFrame([one | {"number": i + 1} for i in range(12)]))
    assert len(shown.frame) == 10
    assert shown.frame.iloc[0].tolist() == [
        *("1", "Tue\u00a06\u00a0Oct\u00a014:00–16:10", "Jobs finished", "high", "3", "–"),
        "20261006T0700Z-jobs_done-3fa9c1",
    ]
    assert shown.caption == "Incidents that alert, the worst first; 10 of 12 shown"
    none = anomaly_table.incidents(pd.DataFrame(columns=list(one)))
    assert none._repr_html_() == "<p>No incident in these weeks.</p>"


def test_the_week_leaves_out_what_was_not_judged_and_digits_that_do_not_matter():
    rows = pd.DataFrame(
        [
            ("Jobs waiting", "", "jobs", "gauge", 3.0, 2.7e-6, 0.02, 168),
            ("Disk in use", "/data", "ratio", "gauge", 0.73, 0.731, 0.001, 168),
            ("Failed broadcasts", "", "messages", "count", NAN, NAN, NAN, 0),
        ],
        columns=["title", "where", "unit", "kind", "seen", "expected", "outside", "judged"],
    )
    assert anomaly_table.week(rows).frame.to_numpy().tolist() == [
        ["Jobs waiting", "3 jobs", "0 jobs", "2 %"],
        ["Disk in use (/data)", "73 %", "73.1 %", "under 1 %"],
    ]


def test_what_did_not_alert_is_a_row_a_reason_with_the_newest():
    moment = pd.Timestamp("2026-10-06T06:00Z")
    rows = pd.DataFrame(
        [
            (
                "api",
                "",
                moment,
                moment,
                "23 requests, expected 196 requests",
                "budget",
                "score 1.4, under the threshold",
            ),
            *[("disk", "/data", moment, moment, "74 %, expected 70 %", "policy", "score 1.1")] * 1200,
        ],
        columns=["signal", "where", "start", "end", "what", "why", "detail"],
    )
    shown = anomaly_table.suppressed(rows, {"api": "API requests"}, tz="Asia/Singapore").frame
    assert shown["Why"].tolist() == [anomaly_table.WHY["budget"], anomaly_table.WHY["policy"]]
    assert shown["Times"].tolist() == ["1", "1,200"]
    assert shown["The newest"][0] == (
        "Tue 6 Oct 14:00 API requests: 23 requests, expected 196 requests (score 1.4, under the threshold)"
    )
    assert shown["The newest"][1].count("disk (/data)") == 3
    assert "Nothing was held back" in anomaly_table.suppressed(rows.iloc[:0], {}, tz="UTC")._repr_html_()


def test_health_shows_weeks_the_newest_first_and_what_marks_say():
    weeks = pd.DataFrame(
        {"week": pd.to_datetime(["2026-10-05", "2026-10-12"]), "alerts": [3, 1], "whole": [True, False]}
    )
    shown = anomaly_table.health(weeks, alerts_per_week=2.0, precision=(3, 1, 5))
    assert shown.frame.to_numpy().tolist() == [["12 Oct 2026 (so far)", "1", "2"], ["5 Oct 2026", "3", "2"]]
    assert shown.notes == (
        "Of 9 incidents 3 are marked as confirmed, 1 as false, 5 not: 75 % of the 4 that somebody judged were real.",
    )
    nobody = anomaly_table.health(weeks, alerts_per_week=2.0, precision=(0, 0, 0))
    assert nobody.notes[0].endswith("0 not: nobody judged any.")


def test_what_cannot_be_judged_has_its_day():
    rows = pd.DataFrame(
        {
            "title": ["New posts", "Failed broadcasts"],
            "series": [1, 2],
            "why": ["too short a history", "no value in the last 7 days"],
            "since": pd.to_datetime(["2026-10-09T00:00Z", None], utc=True),
        }
    )
    shown = anomaly_table.waiting(rows, tz="Asia/Singapore").frame
    assert shown["From"].tolist() == ["9 Oct 2026", "–"]


def test_policies_say_the_least_deviation_of_the_sides_that_matter():
    rows = pd.DataFrame(
        [
            ("Jobs finished", "jobs", "both", 10.0, 0.0, 0.5, 0.3, 1, 1.75),
            ("Failed LLM calls", "failures", "up", 5.0, 0.0, 0.0, 0.0, 2, 1.0),
            ("Targets up", "ratio", "down", 0.0, 0.05, 0.0, 0.0, 1, 1.0),
        ],
        columns=[
            *("title", "unit", "direction", "least_above", "least_below", "share_above", "share_below"),
            *("persistence", "threshold"),
        ],
    )
    assert anomaly_table.policies(rows).frame.to_numpy().tolist() == [
        ["Jobs finished", "it rises or falls", "10 jobs and 50 % above, 30 % below", "1 step", "1.75"],
        ["Failed LLM calls", "it rises", "5 failures", "2 steps", "1.00"],
        ["Targets up", "it falls", "5 %", "1 step", "1.00"],
    ]
