"""Old rules beside new: tables that a test counts by hand, and a file that comes back as it was."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from tests.question.test_backtest_rules import SPAN, at, incident, replayed, rule
from tutordex_analysis.errors import FrameError
from tutordex_analysis.question import rules_beside as question
from tutordex_analysis.question.backtest_rules import backtest


@pytest.fixture
def result():
    """Two incidents; the old A finds one and fires twice for nothing, ours finds both, B cannot be replayed."""
    old = replayed([rule(0, "A")], [(0, "{}", 10.0, 10.1), (0, "{}", 100, 101), (0, "{}", 150, 151)])
    human = replayed(
        [rule(0, "A"), rule(1, "B", problem="no"), rule(2, "C")],
        [(0, "{}", 10.5, 11), (2, "{}", 200.25, 201)],
    )
    return backtest({"old": old, "human": human, "learnt": human}, [incident(10, 11), incident(200, 201)])


def test_one_row_an_alert_and_all_together_last(result):
    rows = question.alerts(result).set_index("alert")
    assert list(rows.index) == ["A", "C", "B", "all alerts"]
    a = rows.loc["A"]
    assert (a["fired_old"], a["found_old"], a["minutes_old"]) == (3, 1, 0)
    assert (a["fired_human"], a["minutes_human"], a["false_human"]) == (1, 30, 0)
    assert a["false_old"] == pytest.approx(2 / (2 - 7 / 168))  # two hours after each of two hours, half one before
    assert np.isnan(rows.loc["C", "fired_old"])
    assert np.isnan(rows.loc["B", "fired_human"])
    assert rows.loc["B", "problem"] == "no"
    assert rows.loc["all alerts", ["found_old", "found_learnt"]].tolist() == [1, 2]


def test_one_row_an_incident_with_the_first_alert_of_each_set(result):
    first, second = question.incidents(result).to_dict("records")
    assert (first["first_old"], first["minutes_old"], first["minutes_learnt"]) == ("A", 0, 30)
    assert (second["first_old"], second["first_human"], second["minutes_human"]) == ("", "C", 15)
    assert math.isnan(second["minutes_old"])


def test_the_answer_is_one_sentence_and_a_finding(result):
    said = (
        "In 2 weeks ours with learned limits would have found 2 of 2 known incidents with 0 false alarms a week, the "
    )
    assert question.sentence(result) == said + "old rules 1 with 1.02 false alarms a week."
    assert question.finding_of(result).effect == 1
    both = backtest({name: replayed([rule(0, "A")], [(0, "{}", 1, 2)]) for name in ("old", "human")}, [])
    told = "In 2 weeks the old rules would have fired 1 times, ours with human limits 1; no incident is known"
    assert question.sentence(both).startswith(told)
    alone = backtest({"human": replayed([rule(0, "A")], [(0, "{}", 1, 2)])}, [])
    assert question.sentence(alone).endswith("no incident is known, so which were right cannot be told.")
    assert math.isnan(question.finding_of(alone).effect)


def test_a_file_comes_back_as_it_was(result):
    back = question.parsed(question.text(result))
    assert question.text(back) == question.text(result)
    assert back.range == SPAN
    pd.testing.assert_frame_equal(question.alerts(back), question.alerts(result))
    pd.testing.assert_frame_equal(question.incidents(back), question.incidents(result), check_dtype=False)
    assert question.sentence(back) == question.sentence(result)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', "null", "[" * 100_000])
def test_another_file_is_refused(text):
    with pytest.raises(FrameError, match="no kept backtest"):
        question.parsed(text)


def test_a_damaged_row_is_refused(result):
    document = json.loads(question.text(result))
    document["alerts"][0]["fired"] = "often"
    with pytest.raises(FrameError, match="no kept backtest"):
        question.parsed(json.dumps(document))


def test_limits_of_a_walk_are_none_where_the_human_one_was_in_force():
    moments = pd.date_range(at(0), periods=4, freq="1h")
    rows = [("A", {"c": "x"}, moments[1], 2.0), ("A", {"c": "x"}, moments[2], 3.0), ("A", {"c": "y"}, moments[0], 5.0)]
    found = question.limits(pd.DataFrame(rows, columns=["alert", "labels", "ds", "value"]), moments)["A"]
    assert found["c"].tolist() == ["x"] * 4 + ["y"] * 4
    np.testing.assert_array_equal(found["value"], [np.nan, 2, 3, np.nan, 5, np.nan, np.nan, np.nan])
