"""The rule of severity: known answers, and that more of anything is never less bad."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis.model.severity import RANK, effect, severity


def graded(size, length, **rest):
    return severity(effect=size, length=pd.Timedelta(length), **rest)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"size": 0.1, "length": "5min"}, "low"),
        ({"size": 0.1, "length": "2D"}, "low"),  # tiny, however long
        ({"size": 3.0, "length": "1h"}, "low"),
        ({"size": 3.0, "length": "2h"}, "medium"),
        (
            {"size": 1.0, "length": "2h", "signals": 3, "to_zero": True},
            "high",
        ),  # the collector fell silent, others follow
        ({"size": 1.0, "length": "6h", "to_zero": True}, "high"),
        ({"size": 0.1, "length": "1h", "to_zero": True}, "low"),  # a quiet hour of the night
        ({"size": math.nan, "length": "6h"}, "medium"),
        ({"size": 0.3, "length": "5min", "limit": "soft"}, "medium"),
        ({"size": 0.01, "length": "5min", "limit": "hard", "good": True}, "high"),
        ({"size": 0.01, "length": "5min", "limit": "physical"}, "high"),
        ({"size": 9.0, "length": "5h", "signals": 5, "good": True}, "low"),
    ],
)
def test_known_answers(facts, expected):
    assert graded(**facts) == expected


@pytest.mark.parametrize(
    ("seen", "expected", "usual", "share"),
    [
        (0.0, 12.0, 10.0, 1.0),
        (3.0, 1.0, 10.0, 0.2),
        (3.0, 1.0, math.nan, 2.0),
        (5.0, 5.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0, math.inf),
        (math.inf, 1.0, 1.0, math.inf),
    ],
)
def test_effect_is_a_share_of_what_was_expected_or_usual(seen, expected, usual, share):
    assert effect(seen, expected, usual=usual) == pytest.approx(share)


def test_effect_of_what_is_not_known_is_not_known():
    assert math.isnan(effect(math.nan, 1.0, usual=1.0))
    assert math.isnan(effect(1.0, math.nan, usual=1.0))


FACTS = st.fixed_dictionaries(
    {
        "effect": st.floats(0, 5) | st.just(math.inf),
        "length": st.integers(0, 600).map(lambda n: pd.Timedelta(minutes=n)),
        "signals": st.integers(1, 9),
        "to_zero": st.booleans(),
        "limit": st.sampled_from([None, "soft", "hard", "physical"]),
        "good": st.booleans(),
    }
)
WORSE = {
    "effect": lambda x, more: x + more,
    "length": lambda x, more: x + pd.Timedelta(hours=more),
    "signals": lambda x, more: x + int(more),
    "to_zero": lambda x, more: True,
    "limit": lambda x, more: {None: "soft", "soft": "hard"}.get(x, "physical"),
    "good": lambda x, more: False,
}


@given(FACTS, st.sampled_from(sorted(WORSE)), st.floats(0, 10))
def test_more_of_anything_is_never_less_bad(facts, what, more):
    worse = facts | {what: WORSE[what](facts[what], more)}
    assert RANK[severity(**worse)] >= RANK[severity(**facts)]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(1e-3, 1e3))
def test_effect_ignores_the_unit(seen, expected, usual, factor):
    one = effect(seen, expected, usual=usual)
    assert effect(factor * seen, factor * expected, usual=factor * usual) == pytest.approx(one, rel=1e-6, abs=1e-9)
