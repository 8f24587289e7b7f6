"""Cases whose numbers other engines gave, reproduced within their tolerance."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.known_answers import METHODS, answer

CASES = json.loads((Path(__file__).parent / "data" / "ab_cases.json").read_text("utf-8"))["cases"]


def apart(got, expected, tolerance):
    """Where an answer is not what is expected; empty when it is."""
    if isinstance(expected, dict):
        return [one for key in expected for one in apart(got.get(key), expected[key], tolerance)]
    if isinstance(expected, list):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            return [f"{got} for {expected}"]
        return [one for a, b in zip(got, expected, strict=True) for one in apart(a, b, tolerance)]
    if expected in ("inf", "-inf", math.inf, -math.inf):
        return [] if got == float(expected) else [f"{got} for {expected}"]
    if isinstance(expected, (bool, str)) or expected is None:
        return [] if got == expected else [f"{got} for {expected}"]
    if not isinstance(got, (int, float)) or isinstance(got, bool) or math.isnan(got):
        return [f"{got} for {expected}"]
    room = tolerance["abs"] + tolerance["rel"] * abs(expected)
    return [] if abs(got - expected) <= room else [f"{got} for {expected}"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_known_answer(case):
    assert apart(answer(case), case["expected"], case["tolerance"]) == []


def test_every_method_of_the_issue_has_its_function():
    assert len(METHODS) == 47


def test_a_wrong_number_is_seen():
    case = CASES[0]
    wrong = case["expected"] | {"p": case["expected"]["p"] * 1.001}
    assert apart(answer(case), wrong, case["tolerance"]) == [f"{answer(case)['p']} for {wrong['p']}"]


def test_a_window_of_numbers_cuts_events_whose_times_are_numbers():
    exposures = [["u1", "a", 0], ["u2", "a", 0], ["u3", "b", 10]]
    outcomes = [["u1", 5], ["u1", 9], ["u2", 6], ["u3", 9], ["u3", 15]]
    case = {"method": "conversion_by_variant_from_events", "inputs": {"exposures": exposures, "outcomes": outcomes}}
    every, early = (answer(case | {"settings": one}) for one in ({}, {"window": 5}))
    assert (every["converted"], every["events_a"], every["ignored_before"]) == ({"a": 2, "b": 1}, 3, 1)
    assert (early["converted"], early["events_a"]) == ({"a": 1, "b": 1}, 1)
