"""Tables of alerts say what the rows hold, in words."""

import pandas as pd

from tutordex_analysis.sink import alert_table

AT = pd.Timestamp("2026-11-15T16:00Z")
TZ = "Asia/Singapore"


def limit(alert, value, **more):
    row = {"alert": alert, "where": "", "value": value, "learnt": value, "human": 5.0, "floor": 1.0, "ceiling": 9.0}
    row |= {"unit": "jobs", "in_force": "learnt", "why": "learned; usually 2", "read": AT - pd.Timedelta("1h")}
    return row | {"pin_until": pd.NaT, "pin_reason": ""} | more


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
    assert cells(alert_table.limits(rows, moving=True, at=AT, tz=TZ)) == [
        [
            "A",
            "held by a rail (2), learned (1)",
            "3 jobs to 7 jobs",
            "3 jobs to 7 jobs (60 min)",
            "1 job / 5 jobs / 9 jobs",
            "3 series, each with its own",
        ],
        ["B", "learned", "1 job", "1 job (60 min)", "1 job / 5 jobs / 9 jobs", "learned; usually 2"],
    ]
    assert cells(alert_table.limits(rows, moving=False, at=AT, tz=TZ)) == [["C", "50 %"]]


def test_a_limit_learned_from_old_readings_is_stale_and_one_that_is_not_learned_has_no_age():
    rows = pd.DataFrame(
        [
            limit("A", 3.0, read=AT - pd.Timedelta("25h")),
            limit("B", 5.0, learnt=float("nan"), read=pd.NaT, in_force="human"),
        ]
    )
    assert [row[3] for row in cells(alert_table.limits(rows, moving=True, at=AT, tz=TZ))] == [
        "3 jobs (25 h, stale)",
        "–",
    ]


def test_a_pin_is_told_with_its_end_and_its_reason():
    held = {"in_force": "pinned", "pin_until": pd.Timestamp("2026-11-16T01:00Z"), "pin_reason": "backfill"}
    rows = pd.DataFrame([limit("A", 3.0), limit("A", 8.0, where="x", learnt=2.0, **held)])
    assert cells(alert_table.pins(rows, tz=TZ)) == [["A x", "8 jobs", "2 jobs", "16 Nov 2026 09:00", "backfill"]]
    (row,) = cells(alert_table.limits(rows, moving=True, at=AT, tz=TZ))
    assert row[-1] == "2 series, each with its own; 1 held until 16 Nov 2026 09:00: backfill"
    assert repr(alert_table.pins(rows.iloc[:1], tz=TZ)).endswith("No limit is pinned.")


def test_noise_and_weeks_are_told_in_civil_time():
    noisy = {"alert": "A", "firings": 6, "a_week": 1.5, "night": 0.5, "flapping": 1 / 3}
    rows = pd.DataFrame([noisy | {"median_minutes": 10.0, "longest_minutes": 90.0, "hours": 3.0}])
    assert cells(alert_table.noisiest(rows)) == [["A", "6", "1.5", "50 %", "33 %", "10 min", "90 min"]]
    weeks = pd.DataFrame({"week": [pd.Timestamp("2026-08-30T16:00Z")], "firings": [6], "night": [3]})
    assert cells(alert_table.weeks(weeks, tz="Asia/Singapore")) == [["31 Aug 2026", "6", "3"]]
    assert "1 of 2" in alert_table.noisiest(pd.concat([rows, rows]), most=1).caption
    assert alert_table.noisiest(rows.iloc[:0])._repr_html_() == "<p>No alert fired.</p>"
