"""Urgency ranks: more of anything never ranks lower; and the labels of GitLab's capacity planning."""

from dataclasses import dataclass, replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis.question import tamland
from tutordex_analysis.question.urgency import EFFORT, LEAD, SEVERITY, urgency, word

CHANCE = st.floats(0, 1)
LEVELS, SCALINGS = st.sampled_from(list(SEVERITY)), st.sampled_from(list(EFFORT))
AT = pd.Timestamp("2026-11-15T16:00Z")


@given(CHANCE, CHANCE, CHANCE, CHANCE, LEVELS, LEVELS, SCALINGS, SCALINGS, st.booleans(), st.booleans())
def test_urgency_never_falls_when_a_factor_rises(a, b, c, d, level, worse, scaling, slower, burst, calm):
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    level, worse = sorted((level, worse), key=SEVERITY.__getitem__)
    scaling, slower = sorted((scaling, slower), key=EFFORT.__getitem__)
    burst, calm = burst or calm, burst and calm
    less = urgency(a, c, level=level, scaling=scaling, in_bursts=burst)
    assert 0 <= less <= urgency(b, d, level=worse, scaling=slower, in_bursts=calm) <= 100


def test_what_is_certain_bad_and_slow_is_100_and_what_cannot_happen_is_0():
    assert urgency(1, 1, level="physical", scaling="weeks", in_bursts=False) == 100
    assert urgency(0, 0, level="physical", scaling="weeks", in_bursts=False) == 0


def test_a_chance_beyond_the_lead_time_still_ranks_above_none():
    assert 0 < urgency(0, 1, level="soft", scaling="days", in_bursts=False) < 5


def test_where_we_did_not_look_as_far_as_the_lead_the_horizon_stands_for_it():
    nan = float("nan")
    got = urgency(nan, 0.5, level="hard", scaling="weeks", in_bursts=False)
    assert got == urgency(0.5, 0.5, level="hard", scaling="weeks", in_bursts=False) == 40


def test_slower_scaling_must_be_known_earlier():
    leads = [LEAD[one] for one in ("minutes", "days", "weeks")]
    assert leads == sorted(leads)
    assert [word(one) for one in (100, 30, 29.9, 10, 1, 0.9, 0)] == [
        *("act", "act", "plan", "plan", "watch", "none", "none")
    ]


@dataclass(frozen=True)
class Date:
    level: str
    earliest: pd.Timestamp
    likely: pd.Timestamp


def day(n):
    return AT + pd.Timedelta(days=n) if n is not None else pd.NaT


@pytest.mark.parametrize(
    ("hard", "physical", "wanted"),
    [
        ((None, None), (None, None), ()),
        ((89, None), (None, None), ("violation-80%-confidence",)),
        ((10, 80), (91, None), ("violation", "violation-80%-confidence")),
        ((10, 80), (60, 120), ("violation", "saturation-80%-confidence", "violation-80%-confidence")),
        ((0, 0), (5, 90), tamland.LABELS),
        ((91, 200), (150, None), ()),
    ],
)
def test_labels_are_those_of_the_dates_within_90_days(hard, physical, wanted):
    rows = [Date("soft", day(0), day(0)), Date("physical", *map(day, physical)), Date("hard", *map(day, hard))]
    assert tamland.labels(rows, at=AT) == wanted


@given(st.lists(st.one_of(st.none(), st.integers(0, 200)), min_size=4, max_size=4))
def test_saturation_has_all_the_others_as_theirs_does(days):
    """Dates as first passages have them: the likely one after the earliest, the physical limit after the hard one."""
    far = [200 if one is None else one for one in days]
    hard = sorted(far[:2])
    physical = [max(a, b) for a, b in zip(hard, sorted(far[2:]), strict=True)]
    rows = [Date("hard", *map(day, hard)), Date("physical", *map(day, physical))]
    got = tamland.labels(rows, at=AT)
    if "saturation" in got:
        assert got == tamland.LABELS
    assert ("violation" not in got) or ("violation-80%-confidence" in got)
    assert tamland.labels([replace(one, level="soft") for one in rows], at=AT) == ()
