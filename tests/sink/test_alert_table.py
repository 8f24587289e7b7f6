"""Tables of alerts say what the rows hold, in words."""

import pandas as pd

from tutordex_analysis.sink import alert_table


def limit(alert, value, **more):
    row = {"alert": alert, "value": value, "human": 5.0, "floor": 1.0, "ceiling": 9.0, "unit": "jobs"}
    return row | {"in_force": "learnt", "why": "learned; usually 2"} | more


def cells(table):
    return [[cell.replace("\u00a0", " ") for cell in row] for row in table.frame.to_numpy()]


def test_an_alert_with_many_series_is_one_row_from_its_least_to_its_most():
    rows = pd.DataFrame(
        [
            limit("A", 3.0, in_force="railed"),
            limit("A", 7.0),
            limit("A", 4.0, in_force="railed"),
            limit("B", 1.0),
            limit("C", 0.5, floor=0.5, ceiling=0.5, human=0.5, unit="ratio", in_force="human", why="by hand"),
        ]
    )
    assert cells(alert_table.limits(rows, moving=True)) == [
        [
            "A",
            "held by a rail (2), learned (1)",
            "3 jobs to 7 jobs",
            "5 jobs",
            "1 job to 9 jobs",
            "3 series, each with its own",
        ],
        ["B", "learned", "1 job", "5 jobs", "1 job to 9 jobs", "learned; usually 2"],
    ]
    assert cells(alert_table.limits(rows, moving=False)) == [["C", "50 %"]]


def test_noise_and_weeks_are_told_in_civil_time():
    noisy = {"alert": "A", "firings": 6, "a_week": 1.5, "night": 0.5, "flapping": 1 / 3}
    rows = pd.DataFrame([noisy | {"median_minutes": 10.0, "longest_minutes": 90.0, "hours": 3.0}])
    assert cells(alert_table.noisiest(rows)) == [["A", "6", "1.5", "50 %", "33 %", "10 min", "90 min"]]
    weeks = pd.DataFrame({"week": [pd.Timestamp("2026-08-30T16:00Z")], "firings": [6], "night": [3]})
    assert cells(alert_table.weeks(weeks, tz="Asia/Singapore")) == [["31 Aug 2026", "6", "3"]]
    assert alert_table.noisiest(rows.iloc[:0])._repr_html_() == "<p>No alert fired.</p>"
