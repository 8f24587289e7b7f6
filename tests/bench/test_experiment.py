"""The kernels of `bench experiment` against slow loops over `compare`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench import _intervals, _peeking
from bench._sample import Agreement, between
from tutordex_analysis.model.experiment import compare


def test_coverage_by_enumeration_is_that_of_compare():
    n, p, m, q = 25, 0.2, 30, 0.3
    held = below = 0.0
    for c in range(n + 1):
        for t in range(m + 1):
            chance = stats.binom.pmf(c, n, p) * stats.binom.pmf(t, m, q)
            if chance < 1e-9:
                continue
            verdict = compare({"successes": c, "n": n}, {"successes": t, "n": m}, split=(n, m))
            if verdict.refused:  # nothing converted: the interval is left out of the verdict, and never misses
                held += chance
                continue
            held += chance * (verdict.effect.ci_lo <= q - p <= verdict.effect.ci_hi)
            below += chance * (q / p - 1 < verdict.lift.ci_lo)
    found = _intervals.coverage(n, p, m, q)
    assert found["absolute"] == pytest.approx(held, abs=1e-6)
    assert found["relative_low"] == pytest.approx(below, abs=1e-6)


def test_the_kernel_of_any_look_is_compare_at_points():
    agreement = Agreement()
    _peeking.always_valid(runs=50, seed=3, agreement=agreement)
    assert agreement.checked > 60
    assert agreement.apart == 0


def test_a_difference_is_counted():
    agreement = Agreement()
    agreement.same(True, False)
    agreement.near(1.0, 1.0 + 1e-6)
    agreement.near(1.0, 1.0)
    assert [line.value for line in agreement.lines()] == [3, 2]
    assert agreement.largest == pytest.approx(1e-6)


def test_two_bounds_are_two_lines():
    assert [line.good for line in between("case", "rate", 0.05, 0.03, 0.07)] == [True, True]
    assert [line.good for line in between("case", "rate", 0.08, 0.03, 0.07)] == [False, True]


def test_bursts_vary_as_much_as_they_should():
    from bench import _units

    rng = np.random.default_rng(0)
    for inflated, memory in ((15.0, 0.0), (39.0, 3.0)):
        totals = _units._hours(rng, 4000, inflated, memory=memory).sum(axis=1)
        assert totals.mean() == pytest.approx(_units.A_DAY * _units.DAYS, rel=0.03)
        assert totals.var() / totals.mean() == pytest.approx(inflated, rel=0.15)
