"""What of all that is unusual is let through: sides, least deviations, ranges, persistence."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.unusual import SEASONS, WEEK, counts, found, frame, gauges, named
from tutordex_analysis.errors import FrameError
from tutordex_analysis.model.anomaly import detect, within
from tutordex_analysis.model.budget import allowed
from tutordex_analysis.model.policy import Policy


def table(rows):
    """Rows of y, expected, score and kind of series a, or of the series that comes fifth."""
    rows = [(*row, "a")[:5] for row in rows]
    return pd.DataFrame(rows, columns=["y", "expected", "score", "kind", "unique_id"])


def let_through(rows, **policy):
    return allowed(table(rows), Policy(**policy)).tolist()


UP, DOWN = (15.0, 10.0, 2.0, "spike"), (4.0, 10.0, 3.0, "dip")


def test_without_a_policy_all_scores_count_but_returns_and_what_is_unknown():
    rows = [
        UP,
        DOWN,
        (10.0, 9.0, 0.9, ""),
        (10.0, 9.0, 0.5, ""),
        (9.0, 4.0, 4.0, "return"),
        (np.nan, 9.0, np.nan, "missing"),
    ]
    assert let_through(rows) == [2.0, 3.0, 0.9, 0.0, 0.0, 0.0]  # far inside the band nothing counts


@pytest.mark.parametrize(("direction", "want"), [("both", [2, 3, 4, 5, 6]), ("up", [2, 0, 4, 5, 0])])
def test_the_other_side_never_counts_and_what_has_no_side_always_does(direction, want):
    sides = [UP, DOWN, (9.0, 10.0, 4.0, "noise"), (9.0, 10.0, 5.0, "flat"), (9.0, 10.0, 6.0, "level")]
    assert let_through(sides, direction=direction) == want


def test_silence_goes_down_even_where_nothing_was_expected():
    rows = [(0.0, 0.0, 2.0, "silence"), UP, DOWN]
    assert let_through(rows, direction="down") == [2.0, 0.0, 3.0]
    assert let_through(rows, direction="up") == [0.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("policy", "want"),
    [
        ({"least_above": 5}, [2, 3]),
        ({"least_above": 5.1}, [0, 3]),
        ({"least_below": 6}, [2, 3]),
        ({"least_below": 6.1}, [2, 0]),
        ({"share_above": 0.5}, [2, 3]),
        ({"share_above": 0.51}, [0, 3]),
        ({"share_below": 0.6}, [2, 3]),
        ({"share_below": 0.61}, [2, 0]),
        ({"least_above": 1, "share_above": 0.51}, [0, 3]),
    ],
)
def test_a_deviation_must_be_as_large_as_was_asked_on_its_own_side(policy, want):
    assert let_through([UP, DOWN], **policy) == want


def test_a_share_of_a_negative_expectation_is_a_share_of_its_size():
    assert let_through([(-5.0, -10.0, 2.0, "spike")], share_above=0.5) == [2.0]
    assert let_through([(-5.0, -10.0, 2.0, "spike")], share_above=0.6) == [0.0]


def test_out_of_range_is_infinite_whatever_else_is_asked():
    rows = [(1.1, 1.0, 0.1, ""), (1.0, 1.0, 0.0, ""), (-0.1, 0.0, np.nan, ""), (0.0, 0.0, 0.0, "return")]
    policy = {"lowest": 0, "highest": 1, "direction": "down", "least_above": 9, "least_below": 9}
    assert let_through(rows, **policy) == [np.inf, 0, np.inf, 0]
    assert let_through(rows, **policy, persistence=3) == [np.inf, 0, np.inf, 0]


def test_persistence_takes_the_least_of_the_last_steps_of_one_series():
    scores = [2, 3, 1.5, 0.9, 4, 5, 6]
    rows = [(15.0, 10.0, score, "spike", "a" if i < 5 else "b") for i, score in enumerate(scores)]
    assert let_through(rows, persistence=1) == scores
    assert let_through(rows, persistence=2) == [0, 2, 1.5, 0.9, 0.9, 0, 5]
    assert let_through(rows, persistence=3) == [0, 0, 1.5, 0.9, 0.9, 0, 0]
    assert let_through(rows, persistence=99) == [0] * 7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"direction": "left"}, "direction is both, up or down, got 'left'"),
        ({"least_above": -1.0}, "least_above is a number from 0, got -1.0"),
        ({"least_below": np.nan}, "least_below is a number from 0"),
        ({"share_above": np.inf}, "share_above is a number from 0"),
        ({"share_below": -0.1}, "share_below is a number from 0, got -0.1"),
        ({"lowest": 3, "highest": 3}, "lowest (3) must be less than highest (3)"),
        ({"lowest": np.nan}, "lowest (nan) must be less than highest (inf)"),
        ({"persistence": 0}, "persistence is a count of steps from 1, got 0"),
        ({"alerts_per_week": 0}, "alerts_per_week is a number above 0, or None, got 0"),
        ({"alerts_per_week": -2}, "alerts_per_week is a number above 0"),
        ({"alerts_per_week": np.nan}, "alerts_per_week is a number above 0"),
        ({"alerts_per_week": np.inf}, "alerts_per_week is a number above 0"),
    ],
)
def test_a_policy_that_makes_no_sense_is_one_sentence(options, says):
    with pytest.raises(FrameError, match=re.escape(says)):
        Policy(**options)


HURT = gauges(6, 3 * WEEK, seed=1)
HURT[:3, 400] += 15
HURT[3:, 400] -= 15


@pytest.mark.parametrize(("direction", "want"), [("up", [1, 1, 1, 0, 0, 0]), ("down", [0, 0, 0, 1, 1, 1])])
def test_detect_alerts_on_the_side_that_was_asked_for(direction, want):
    got = found(HURT, policy=Policy(direction=direction))
    assert got["is_anomaly"][:, 400].tolist() == [bool(one) for one in want]
    assert (got["score"][:, 400] > 1).all()


def test_detect_fires_out_of_range_in_the_first_season_too():
    y = gauges(1, 60)
    y[0, [5, 50]] = 250
    got = found(y, policy=Policy(highest=200, alerts_per_week=0.01, persistence=4))
    assert got["is_anomaly"][0].nonzero()[0].tolist() == [5, 50]


def test_detect_waits_for_as_many_steps_as_were_asked_for():
    y = gauges(8, 3 * WEEK, seed=1)
    y[:, 400] += 20
    y[:4, 401:404] += [40, 80, 120]
    got = found(y, policy=Policy(persistence=3))["is_anomaly"]
    assert not got[:, 400:402].any()
    assert got[:4, 402].all()
    assert not got[4:, 402].any()


def of(y, **policy):
    return detect(frame(named(y)), season_lengths=SEASONS, policy=Policy(**policy))


def test_one_budget_over_two_signals_is_the_budget_over_all_their_series():
    y = gauges(6, 5 * WEEK, seed=4)
    y[0, 700] += 30
    y[4, 710] -= 30
    together = of(y, alerts_per_week=1)
    parts = within({"one": of(y[:2]), "two": of(y[2:])}, alerts_per_week=1)
    flags = np.concatenate([parts[name].frame["is_anomaly"] for name in ("one", "two")])
    np.testing.assert_array_equal(flags, together.frame["is_anomaly"])
    assert parts["one"].threshold == parts["two"].threshold == together.threshold > 1
    assert {one.policy.alerts_per_week for one in parts.values()} == {1}
    assert parts["two"].incidents["unique_id"].tolist() == ["s0002"]  # named within its own signal


def test_each_signal_keeps_its_own_policy_under_the_one_budget():
    y, events = gauges(2, 5 * WEEK, seed=4), counts(2, 5 * WEEK, mean=30)
    y[0, 700] += 30
    y[1, 700] -= 30
    events[:, 705] = 0
    parts = within({"y": of(y, direction="up"), "events": of(events, least_below=1000)}, alerts_per_week=5)
    assert parts["y"].frame["is_anomaly"].to_numpy().reshape(2, -1)[:, 700].tolist() == [True, False]
    assert not parts["events"].frame["is_anomaly"].any()
    assert parts["y"].policy == Policy(direction="up", alerts_per_week=5)
    assert parts["events"].policy == Policy(least_below=1000, alerts_per_week=5)


def test_one_budget_needs_one_step_and_a_number():
    hours = of(gauges(1, 60))
    minutes = detect(frame(named(gauges(1, 60)), freq="5min"), season_lengths=("1h",))
    with pytest.raises(FrameError, match="signals of one step; these have 0 days 00:05:00, 0 days 01"):
        within({"a": hours, "b": minutes}, alerts_per_week=1)
    with pytest.raises(FrameError, match="alerts_per_week is a number above 0"):
        within({"a": hours}, alerts_per_week=0)
    assert within({}, alerts_per_week=1) == {}
