"""Laws of the experiment methods, and edges that no engine shows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import (
    counters,
    exact,
    exposure,
    group_sequential,
    means,
    multiplicity,
    power,
    proportion,
    quantile,
    rates,
    sequential,
    srm,
    summary,
    tail,
    tally,
)
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.rates import Rate
from tutordex_analysis.model.score_interval import difference_z, difference_z1, ratio_bounds, ratio_z

counts = st.integers(0, 400)


def test_no_tail_is_zero():
    assert tail.p_value(60.0) > 0
    assert tail.p_value(-60.0, alternative="less") > 0
    assert proportion.two_proportion_z(Share(successes=1, n=10**6), Share(successes=9 * 10**5, n=10**6)).p_value > 0
    assert srm.chi_square([10**6, 1], [1, 1]).p_value > 0
    assert exact.exact(Share(successes=0, n=5000), Share(successes=5000, n=5000)).p_value > 0
    assert sequential.msprt_normal(5.0, 1e-6, tau=1.0).p_value > 0
    assert math.isnan(tail.p_value(math.nan))


@given(counts, counts, st.integers(400, 4000), st.integers(400, 4000), st.floats(-0.5, 0.5))
@settings(max_examples=100, deadline=None)
def test_one_experiment_and_many_have_the_same_score(c, t, n, m, delta):
    many = float(difference_z((c, n, t, m), delta))
    assert difference_z1(c, n, t, m, delta) == pytest.approx(many, rel=1e-7, abs=1e-7)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(400, 4000), st.integers(400, 4000), st.floats(1.0, 12.0))
@settings(max_examples=100, deadline=None)
def test_bounds_are_where_the_score_is_critical(c, t, n, m, crit):
    low, high = ratio_bounds(c, n, t, m, crit=crit)
    assert float(ratio_z((c, n, t, m), low)) == pytest.approx(crit, abs=1e-5)
    assert float(ratio_z((c, n, t, m), high)) == pytest.approx(-crit, abs=1e-5)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=30), st.lists(st.floats(-100, 100), min_size=3, max_size=30))
@settings(max_examples=60, deadline=None)
def test_sums_and_values_make_the_same_summary(a, b):
    one, two = np.array(a), np.array(b)
    halves = summary.together(summary.moments_of_values(one, one**2), summary.moments_of_values(two, two**2))
    whole = summary.moments_of_values(np.concatenate([one, two]), np.concatenate([one, two]) ** 2)
    assert halves.cov == pytest.approx(whole.cov, rel=1e-6, abs=1e-6)
    told = summary.of_sums(len(one), float(one.sum()), float((one**2).sum()))
    assert told.variance == pytest.approx(summary.of_values(one).variance, rel=1e-5, abs=1e-6)


@given(st.floats(0.5, 50), st.floats(0.5, 50), st.floats(0.1, 9), st.integers(5, 400), st.floats(0.1, 1000))
@settings(max_examples=60, deadline=None)
def test_a_relative_effect_ignores_the_unit(base, other, sd, n, unit):
    arms = [summary.Summary(n=n, mean=one, variance=sd**2) for one in (base, other)]
    scaled = [summary.Summary(n=n, mean=one.mean * unit, variance=one.variance * unit**2) for one in arms]
    for method in (means.fieller, means.relative_delta):
        one, two = method(*arms), method(*scaled)
        assert one.estimate == pytest.approx(two.estimate, abs=1e-12)
        assert one.ci_lo == pytest.approx(two.ci_lo, rel=1e-6, abs=1e-9)


def test_fieller_is_open_where_the_control_may_be_zero():
    one, two = summary.Summary(n=10, mean=0.1, variance=4.0), summary.Summary(n=10, mean=3.0, variance=4.0)
    found = means.fieller(one, two)
    assert (found.ci_lo, found.ci_hi) == (-math.inf, math.inf)
    with pytest.raises(ExperimentError, match="mean is 0"):
        means.fieller(summary.Summary(n=10, mean=0.0, variance=4.0), two)


@given(
    st.lists(st.floats(0, 0.08), min_size=1, max_size=20), st.sampled_from(["holm", "benjamini-hochberg", "bonferroni"])
)
@settings(max_examples=100, deadline=None)
def test_the_level_of_an_interval_agrees_with_the_correction(p, correction):
    adjusted = multiplicity.adjusted(p, correction=correction)
    levels = multiplicity.interval_alphas(p, correction=correction)
    close = np.abs(np.array(p) - levels) < 1e-12
    assert (((np.array(p) <= levels) == (adjusted <= 0.05)) | close).all()


@given(st.lists(st.integers(0, 500), min_size=2, max_size=5).filter(lambda n: sum(n) > 0))
@settings(max_examples=60, deadline=None)
def test_a_split_check_ignores_the_order_of_arms(n):
    weights = list(range(1, len(n) + 1))
    one, two = srm.chi_square(n, weights), srm.chi_square(n[::-1], weights[::-1])
    assert one.p_value == pytest.approx(two.p_value)
    looks = np.array([n, n])
    again = srm.sequential(looks.sum(axis=0, keepdims=True), weights).check.statistic
    assert srm.sequential(looks, weights).check.statistic == pytest.approx(again, rel=1e-6, abs=1e-6)


def test_units_in_an_arm_without_weight_are_a_failure():
    found = srm.chi_square([500, 500, 3], [1, 1, 0])
    assert found.failed
    assert found.p_value == pytest.approx(srm.chi_square([500, 500], [1, 1]).p_value)
    assert srm.threshold_text(found) == "3 units are in an arm that should get none"


def test_spending_all_is_the_whole_error_whatever_the_looks():
    rng = np.random.default_rng(1)
    for _ in range(10):
        looks = [*np.sort(rng.uniform(0.05, 0.95, 5)).tolist(), 1.0]
        for spending in (group_sequential.obrien_fleming, group_sequential.pocock, group_sequential.power_family):
            for sides in (1, 2):
                found = group_sequential.bounds(looks, spending=spending, sides=sides)
                total = group_sequential.crossing(looks, found.z, sides=sides)[-1]
                assert total == pytest.approx(0.05, abs=1e-6)


def test_an_overrun_spends_what_is_left():
    assert group_sequential.bounds([0.5, 1.2]).spent[-1] == pytest.approx(0.05)
    with pytest.raises(ExperimentError, match="the last one"):
        group_sequential.bounds([0.5, 1.0, 1.2])


def test_one_look_is_the_plain_test():
    assert group_sequential.bounds([1.0]).z[0] == pytest.approx(1.959963985, abs=1e-6)


@pytest.mark.parametrize("method", ["exact", "mid-p", "score", "wald-log"])
def test_a_rate_ratio_and_its_interval_agree(method):
    for x in range(1, 40, 3):
        found = rates.rate_ratio(Rate(events=15, exposure=100.0), Rate(events=x, exposure=130.0), method=method)
        if method != "exact":  # its two-sided p adds likelihoods, its interval halves alpha
            assert (found.p_value <= 0.05) == (not found.ci_lo <= 1 <= found.ci_hi)
        assert found.ci_lo < found.ratio < found.ci_hi


def test_increase_is_aware_of_resets_and_gaps():
    assert counters.increase([5.0, 9.0, 2.0, math.nan, 4.0]) == 8.0
    assert counters.increase([5.0, 9.0], born=True) == 9.0
    assert counters.increase([]) == 0.0
    with pytest.raises(ExperimentError, match="never negative"):
        counters.increase([3.0, -1.0])


def test_a_quantile_of_clustered_values_is_less_sure():
    rng = np.random.default_rng(2)
    unit = np.repeat(np.arange(300), 9)
    together = np.repeat(rng.lognormal(0, 1, 300), 9) * rng.lognormal(0, 0.2, 2700)
    apart = rng.permutation(together)
    one, two = (quantile.clustered(y, unit, 0.9) for y in (together, apart))
    assert one.mean == two.mean
    assert one.variance > 4 * two.variance
    with pytest.raises(ExperimentError, match="too few"):
        quantile.clustered(together[:30], unit[:30], 0.95)


def test_the_error_of_a_quantile_is_that_of_the_slow_loop():
    rng = np.random.default_rng(8)
    unit, y = np.repeat(np.arange(60), 5), rng.gamma(2, 1, 300)
    middle = np.quantile(y, 0.7)
    shares = [sum(v <= middle for v in y[unit == one]) for one in range(60)]
    mean = sum(shares) / 60
    se = math.sqrt(sum((one - mean) ** 2 for one in shares) / 59 * 60) / 300
    crit = tail.critical(0.05, df=59)
    width = np.quantile(y, 0.7 + crit * se) - np.quantile(y, 0.7 - crit * se)
    found = quantile.clustered(y, unit, 0.7)
    assert found.n == 60
    assert math.sqrt(found.variance_of_mean) == pytest.approx(width / (2 * crit))


def test_power_and_sample_size_are_inverse():
    for n in (20, 90, 400):
        effect = power.detectable_mean(2.0, n, reference="t")
        assert power.of_means(effect, 2.0, n) == pytest.approx(0.8)
        assert power.units_for_means(effect, 2.0) == pytest.approx(n, rel=1e-6)
    rise = power.detectable_proportion(0.1, 3000)
    assert power.units_for_proportions(0.1, 0.1 + rise) == pytest.approx(3000, rel=1e-6)
    assert math.isnan(power.detectable_proportion(0.1, 3))
    with pytest.raises(ExperimentError, match="power"):
        power.units_for_means(1.0, 1.0, power=1.0)


def test_only_outcomes_after_the_first_exposure_count():
    at = pd.Timestamp("2026-03-02T00:00Z")
    hours = pd.Timedelta(hours=1)
    seen = pd.DataFrame(
        {"unit": [1, 1, 2, 3, 3], "arm": ["a", "a", "b", "a", "b"], "ds": [at + 2 * hours, at, at, at, at + hours]}
    )
    exposed = exposure.first_exposures(seen)
    assert exposed.crossed == (3,)
    assert exposed.units() == {"a": 1, "b": 1}
    events = pd.DataFrame(
        {"unit": [1, 1, 1, 2, 3, 9], "ds": [at + hours, at + hours, at + 3 * hours, at - hours, at, at]}
    )
    found = tally.deeds(exposed, events.assign(event="seen"))
    assert found.taken("seen", "events").tolist() == [2, 0]
    assert found.taken("seen", "converted").tolist() == [1, 0]
    assert (found.before, found.unexposed, found.repeated) == (1, 2, 1)
    assert found.taken("seen", "events", within=2 * hours).tolist() == [1, 0]
    with pytest.raises(ExperimentError, match="unknown variant 'b'"):
        exposure.first_exposures(seen, arms=["a", "c"])
    with pytest.raises(ExperimentError, match="no zone"):
        exposure.first_exposures(seen.assign(ds=seen["ds"].dt.tz_localize(None)))
    with pytest.raises(ExperimentError, match="empty cells"):
        exposure.first_exposures(seen.assign(unit=[1, 1, 2, 3, None]))


def test_blocks_that_hang_together_are_no_independent_ones():
    rng = np.random.default_rng(5)
    swings, false = 0.25, {"paired": 0, "t": 0}  # correlation from day to day
    for _ in range(1500):
        off = [rng.normal()]
        for _ in range(13):
            off.append(swings * off[-1] + math.sqrt(1 - swings**2) * rng.normal())
        y, x = np.full(14, 100.0), 100 + 5 * np.array(off)
        found = counters.paired_blocks(y, x)
        plain = (x - y).mean() / ((x - y).std(ddof=1) / math.sqrt(14))
        false["paired"] += found.effect.p_value <= 0.05
        false["t"] += tail.p_value(plain, df=13) <= 0.05
    assert false["paired"] / 1500 <= 0.085 < false["t"] / 1500


def test_all_cosines_are_the_plain_variance():
    y, x = np.array([3.0, 5, 2, 8, 4, 6]), np.array([4.0, 4, 5, 9, 9, 6])
    found = counters.paired_blocks(y, x)  # six blocks: five cosines
    assert found.effect.se == pytest.approx((x - y).std(ddof=1) / math.sqrt(6))
    assert found.effect.df == 5
