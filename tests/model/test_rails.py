"""Rails: no limit outside floor and ceiling, none that jumps, none that is no number."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracle
from tutordex_analysis.model.rails import BASE, Rails, excursions, explained, moved

DAY = pd.Timedelta(days=1)
VALUES = st.floats(-1e9, 1e9)
ODD = st.one_of(VALUES, st.sampled_from([np.nan, np.inf, -np.inf, 1e300]))


@st.composite
def rails(draw):
    floor, human, ceiling = sorted(draw(st.tuples(VALUES, VALUES, VALUES)))
    return Rails(floor=floor, ceiling=ceiling, human=human, largest_move=draw(st.floats(0.01, 3)))


def room(one, start):
    """What one day may move a limit by."""
    return one.largest_move * max(abs(start), BASE * (one.ceiling - one.floor))


@given(rails(), ODD, ODD, st.floats(-2, 30))
def test_a_limit_is_a_number_inside_its_rails_and_moves_by_a_days_share_at_most(one, last, wanted, days):
    (found,) = moved(np.array([last]), np.array([wanted]), one, since=days * DAY)
    assert one.floor <= found <= one.ceiling
    start = min(max(last if np.isfinite(last) else one.human, one.floor), one.ceiling)
    assert abs(found - start) <= room(one, start) * (1 + 1e-9) + 1e-9


@given(rails(), VALUES, st.lists(ODD, min_size=1, max_size=40))
def test_many_runs_a_day_come_to_no_more_than_one(one, last, wanted):
    start = min(max(last, one.floor), one.ceiling)
    value = np.array([start])
    furthest = start
    for goal in wanted:
        value = moved(value, np.array([goal]), one, since=DAY / len(wanted))
        furthest = max(furthest, abs(float(value[0])))
    most = one.largest_move * max(abs(start), furthest / (1 + one.largest_move), BASE * (one.ceiling - one.floor))
    assert abs(value[0] - start) <= most * (1 + 1e-9) + 1e-9


@given(rails(), VALUES, VALUES, st.floats(0, 1))
def test_a_move_equals_its_twin(one, last, wanted, days):
    last = min(max(last, one.floor), one.ceiling)
    want = oracle.moved(last, wanted, one.floor, one.ceiling, one.largest_move, days)
    (found,) = moved(np.array([last]), np.array([wanted]), one, since=days * DAY)
    assert found == pytest.approx(want, rel=1e-9, abs=1e-6)


SPIKE = Rails(floor=20, ceiling=1000, human=300, largest_move=0.25)


def test_a_first_run_starts_from_the_human_value():
    never = np.array([np.nan, np.nan])
    np.testing.assert_allclose(moved(never, np.array([900.0, 15.0]), SPIKE, since=DAY), [375, 240])


def test_ten_times_the_value_moves_a_limit_by_a_quarter_and_back():
    up = moved(np.array([40.0]), np.array([400.0]), Rails(floor=20, ceiling=60, human=40, largest_move=0.25), since=DAY)
    assert up[0] == 50
    assert moved(up, np.array([40.0]), SPIKE, since=DAY)[0] == pytest.approx(40)  # base is a tenth of the room at most


def test_a_limit_at_nought_can_leave_it():
    drop = Rails(floor=0, ceiling=15, human=1, largest_move=0.25)
    value = np.array([0.0])
    for _ in range(12):
        value = moved(value, np.array([3.0]), drop, since=DAY)
    assert value[0] == 3


def test_a_clock_that_was_set_back_moves_nothing():
    assert moved(np.array([40.0]), np.array([400.0]), SPIKE, since=-DAY)[0] == 40


def test_hours_within_a_day_of_each_other_are_one_excursion():
    flags = np.zeros(24 * 30, dtype=bool)
    assert excursions(flags) == 0
    flags[[5, 6, 20, 100, 600]] = True
    assert excursions(flags) == 3


def test_what_chance_explains_is_told_by_the_binomial():
    by_hand = [1 - sum(_binomial(k, 672, 0.001) for k in range(times)) for times in range(8)]
    assert [explained(times, tried=672, chance=0.001) for times in range(8)] == [p >= 0.001 for p in by_hand]
    assert explained(0, tried=0, chance=0.5)


def _binomial(k, n, p):
    from math import comb

    return comb(n, k) * p**k * (1 - p) ** (n - k)
