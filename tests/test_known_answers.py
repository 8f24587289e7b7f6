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
