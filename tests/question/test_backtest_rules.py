"""What rules would have been worth, from stretches that a test can count by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.question.backtest_rules import ALL, backtest, beside, by_signals
from tutordex_analysis.source.replay_rules import Replay

DAY = pd.Timestamp("2026-03-02T00:00Z")
SPAN = TimeRange(DAY, DAY + pd.Timedelta("14D"), "60s")


def at(hours):
    return DAY + pd.Timedelta(hours=hours)


def rule(number, alert, *, metrics=("jobs",), hold="0s", keep="0s", problem=""):
    facts = {"group": "g", "file": "f", "severity": "warning", "metrics": metrics, "problem": problem}
    return {"rule": number, "alert": alert, "hold": pd.Timedelta(hold), "keep": pd.Timedelta(keep), **facts}


def replayed(rules, active):
    """`active` holds (rule, labels, first hour, last hour)."""
    rows = [(number, labels, at(first), at(last)) for number, labels, first, last in active]
    return Replay(
        range=SPAN,
        rules=pd.DataFrame(rules),
        active=pd.DataFrame(rows, columns=["rule", "labels", "first", "last"]),
    )


def incident(first, last, *signals):
    end = pd.Timestamp("2100-01-01", tz="UTC")
    return Mask(start=at(first), end=at(last), reason="r", origin="incident", signals=signals, expires=end)


def row(result, alert, rules="new"):
    return result.alerts.set_index(["rules", "alert"]).loc[(rules, alert)]


def test_found_in_time_false_and_hours():
    one = replayed(
        [rule(0, "A", hold="10m"), rule(1, "B")],
        [
            (0, "{a=1}", 10.0, 12.0),  # in the incident, 40 minutes late
            (0, "{a=2}", 11.0, 12.0),  # the same alert, no second time
            (0, "{a=1}", 100.0, 101.0),  # false
            (0, "{a=1}", 101.2, 102.0),  # half an hour after: the same one
            (1, "{}", 9.4, 9.5),  # six minutes before the incident's start
            (1, "{}", 100.1, 100.2),  # false, together with A
        ],
    )
    result = backtest({"new": one}, [incident(9.5, 11), incident(200, 201)])
    a, b, every = row(result, "A"), row(result, "B"), row(result, ALL)
    assert (a["fired"], a["found"], a["known"], a["false"]) == (2, 1, 2, 1)
    assert a["delay"] == pd.Timedelta("40m")
    assert b["delay"] == pd.Timedelta("-6m")
    assert (every["fired"], every["found"], every["false"]) == (3, 1, 1)
    minute, ten = 1 / 60, 1 / 6
    assert a["hours"] == pytest.approx((2 - ten + minute) + (1 - ten + minute) + (0.8 - ten + minute))
    assert every["false_a_week"] == pytest.approx(1 / (2 - (0.5 + 1.5 + 2 + 0.5 + 1 + 2) / 168))
    first, second = result.incidents.to_dict("records")
    assert (first["found"], first["first"], first["delay"]) == (True, "B", pd.Timedelta("-6m"))
    assert (second["found"], second["first"]) == (False, "")


def test_an_alert_tells_only_of_signals_that_it_reads():
    one = replayed([rule(0, "A", metrics=("queue_pending",))], [(0, "{}", 10, 11)])
    concerns = by_signals(catalogue_file.load())
    told = backtest({"new": one}, [incident(9, 12, "queue_pending")], concerns=concerns)
    other = backtest({"new": one}, [incident(9, 12, "disk_used")], concerns=concerns)
    assert [row(each, "A")["found"] for each in (told, other)] == [1, 0]
    assert row(other, "A")["false"] == 0  # it may have been of that time all the same


def test_what_fires_by_design_or_could_not_be_replayed_is_in_no_sum():
    one = replayed(
        [rule(0, "Watchdog", metrics=()), rule(1, "Bad", metrics=(), problem="no"), rule(2, "A")], [(0, "{}", -1, 400)]
    )
    result = backtest({"new": one}, [incident(10, 11)])
    assert row(result, "Watchdog")["hours"] == 14 * 24
    assert pd.isna(row(result, "Watchdog")["false"])
    assert row(result, ALL)["fired"] == 0
    assert result.remarks == ("new: Bad could not be replayed; see problem",)


def test_without_a_known_incident_nothing_is_called_false():
    result = backtest({"new": replayed([rule(0, "A")], [(0, "{}", 10, 11)])})
    assert row(result, "A")["fired"] == 1
    assert pd.isna(row(result, "A")["false_a_week"])
    assert "no incident is known" in result.remarks[0]


def test_old_rules_stand_beside_new_ones():
    old = replayed([rule(0, "A"), rule(1, "Gone")], [(0, "{}", 10, 11), (1, "{}", 50, 51)])
    new = replayed([rule(0, "A"), rule(1, "Born")], [(0, "{}", 10, 11)])
    result = backtest({"old": old, "new": new}, [incident(9, 12)])
    table = beside(result).set_index("alert")
    assert table.index.tolist() == ["A", "Gone", "Born", ALL]
    assert table.loc["Gone", "old fired"] == 1
    assert pd.isna(table.loc["Gone", "new fired"])
    assert table.loc[ALL, ["old false_a_week", "new false_a_week"]].tolist() == [pytest.approx(1 / (2 - 5.5 / 168)), 0]
    assert beside(backtest({"new": new})).columns[1] == "fired"
