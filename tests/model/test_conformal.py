import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri
from scipy.stats import norm, t

from tests import oracle
from tutordex_analysis.model.backtest import QUANTILES
from tutordex_analysis.model.conformal import BUCKETS, LEVELS, Stretch, stretch

MANY = 1e6  # horizons in the history: chance without a heavy tail


def normal(shape, sd=1.0, mean=0.0):
    return np.broadcast_to(mean + sd * ndtri(np.asarray(QUANTILES)), (*shape, len(QUANTILES)))


def scores_of(errors, level):
    return np.abs(errors) / ndtri(0.5 + level / 2)


def test_the_factor_by_hand():
    """One moment of 4 steps, a step a part, errors 1, 2, 3 and 4 half-widths of the 80 % band.

    All parts: place 0.8 of (4 + 1) is the 4th, clipped from 4 to 3. A part alone: its only score, 1, 2, 3 and 3.
    Factor: whole^0.7 own^0.3, half of the way from 1, since one moment weighs as much as the model.
    """
    half = ndtri(0.9)
    got = stretch(half * np.array([[1.0, 2, -3, 4]]), normal((1, 4)), quantiles=QUANTILES, horizons=MANY)
    want = 0.5 + 0.5 * 3**0.7 * np.array([1.0, 2, 3, 3]) ** 0.3
    np.testing.assert_allclose(got.factors[:, LEVELS.index(0.8)], want)
    assert got.steps == 4


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_factors_equal_the_loop(moments):
    rng = np.random.default_rng(moments)
    actual = rng.normal(size=(moments, 20)) * 1.7
    actual[0, 3:6] = np.nan
    found = stretch(actual, normal((moments, 20)), quantiles=QUANTILES, horizons=MANY)
    there = ~np.isnan(actual)
    fading = np.repeat(0.8 ** np.arange(moments - 1, -1, -1.0)[:, None], 20, axis=1)
    for j, level in enumerate(LEVELS):
        score = scores_of(actual, level)
        whole = oracle.conformal_quantile(score[there], fading[there], level)
        least = 0.0
        for part in range(BUCKETS):
            some = there & (np.arange(20) // 5 == part)
            own = oracle.conformal_quantile(score[some], fading[some], level)
            both = np.clip(whole, 0.4, 3) ** 0.7 * np.clip(own, 0.4, 3) ** 0.3
            least = max(least, 1 + moments / (moments + 1) * (both - 1))  # the model's own band does not narrow
            assert found.factors[part, j] == pytest.approx(least)


def test_the_newer_moment_counts_more():
    calm, wild = np.full((1, 12), 0.5), np.full((1, 12), 2.0)
    one, two = (
        stretch(np.concatenate(pair), normal((2, 12)), quantiles=QUANTILES, horizons=MANY).factors[0, LEVELS.index(0.4)]
        for pair in ((calm, wild), (wild, calm))
    )
    assert one > two


def test_lopsided_bands_are_judged_side_by_side():
    q = normal((1, 40)).copy()
    q[..., QUANTILES.index(0.5) + 1 :] *= 3  # three times as far up as down
    errors = np.random.default_rng(0).normal(size=(1, 40))
    got = stretch(np.where(errors > 0, 3 * errors, errors), q, quantiles=QUANTILES, horizons=MANY)
    np.testing.assert_allclose(
        got.factors, stretch(errors, normal((1, 40)), quantiles=QUANTILES, horizons=MANY).factors
    )


def test_without_a_past_nothing_moves_up_to_80_percent():
    got = stretch(np.full((3, 8), np.nan), normal((3, 8)), quantiles=QUANTILES, horizons=12)
    assert (got.factors == 1).all()
    applied = got.apply(normal((8,)), quantiles=QUANTILES)
    np.testing.assert_allclose(applied[:, 1:-1], normal((8,))[:, 1:-1])
    # 12 horizons are 4 degrees of freedom: the 95 % band of a Student whose 80 % band is the Gaussian's
    want = t.ppf(0.975, 4) * norm.ppf(0.9) / t.ppf(0.9, 4)
    np.testing.assert_allclose(applied[:, -1], want)
    np.testing.assert_allclose(applied[:, 0], -want)


@pytest.mark.parametrize(("horizons", "freedom"), [(1, 2), (6, 2), (12, 4), (300, 100)])
def test_the_tail_gets_lighter_the_longer_the_history(horizons, freedom):
    assert stretch(np.zeros((1, 4)), normal((1, 4)), quantiles=QUANTILES, horizons=horizons).freedom == freedom


def test_factors_change_gradually_along_the_horizon():
    factors = np.repeat([[1.0], [2.0], [3.0], [1.5]], len(LEVELS), axis=1)
    got = Stretch(factors=factors, steps=40, freedom=MANY).apply(normal((60,)), quantiles=QUANTILES)
    factor = got[:, QUANTILES.index(0.9)] / ndtri(0.9)
    assert factor[0] == pytest.approx(1.0)
    np.testing.assert_allclose((factor[4] + factor[5]) / 2, 1.0, atol=0.06)  # the middle of the first part
    np.testing.assert_allclose((factor[14] + factor[15]) / 2, 2.0, atol=0.06)
    np.testing.assert_allclose(factor[40:], 1.5)  # later than was tried
    assert (np.diff(factor[5:24]) > 0).all()


@pytest.mark.parametrize("wrong", [0.6, 1.0, 2.0])
def test_bands_of_a_wrong_width_come_to_hold_what_they_promise(wrong):
    rng = np.random.default_rng(3)
    before, after = [], []
    for _ in range(120):
        errors = rng.normal(size=(4, 24))
        q = normal((24,), sd=wrong)
        got = stretch(errors[:3], normal((3, 24), sd=wrong), quantiles=QUANTILES, horizons=10)
        low, high = got.apply(q, quantiles=QUANTILES)[:, [1, -2]].T
        after.append(np.mean((errors[3] >= low) & (errors[3] <= high)))
        before.append(np.mean((errors[3] >= q[:, 1]) & (errors[3] <= q[:, -2])))
    assert abs(np.mean(after) - 0.8) <= 0.55 * abs(np.mean(before) - 0.8) + 0.02  # three moments go part of the way


def test_an_error_ten_times_the_band_is_no_width():
    got = stretch(np.full((3, 8), 50.0), normal((3, 8)), quantiles=QUANTILES, horizons=MANY)
    np.testing.assert_allclose(got.factors, 1 + 0.75 * (3 - 1))
    least = stretch(np.zeros((3, 8)), normal((3, 8)), quantiles=QUANTILES, horizons=MANY)
    np.testing.assert_allclose(least.factors, 1 - 0.75 * (1 - 0.4))


@given(
    actual=arrays(np.float64, (3, 7), elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan))),
    q=arrays(np.float64, (3, 7, len(QUANTILES)), elements=st.floats(-1e6, 1e6)).map(lambda q: np.sort(q, axis=-1)),
    horizons=st.floats(0.1, 1000),
)
def test_whatever_came_quantiles_stay_finite_in_order_and_round_the_median(actual, q, horizons):
    got = stretch(actual, q, quantiles=QUANTILES, horizons=horizons)
    assert np.isfinite(got.factors).all()
    assert (got.factors >= 0.4 - 1e-12).all()
    assert (got.factors <= 3 + 1e-12).all()
    applied = got.apply(q[0], quantiles=QUANTILES)
    assert np.isfinite(applied).all()
    assert (np.diff(applied, axis=1) >= 0).all()
    middle = QUANTILES.index(0.5)
    np.testing.assert_allclose(applied[:, middle], q[0, :, middle], rtol=1e-12)


@given(factor=st.sampled_from([2.0**-10, 4.0, 2.0**30]), shift=st.sampled_from([0.0, 64.0]))
def test_factors_do_not_depend_on_the_unit(factor, shift):
    rng = np.random.default_rng(1)
    actual, q = rng.normal(size=(2, 9)), normal((2, 9), sd=1.3)
    plain = stretch(actual, q, quantiles=QUANTILES, horizons=9)
    other = stretch(factor * (actual + shift), factor * (q + shift), quantiles=QUANTILES, horizons=9)
    np.testing.assert_allclose(other.factors, plain.factors, rtol=1e-9)


def test_a_band_narrows_along_the_horizon_only_where_the_model_says_so():
    actual = np.concatenate([np.full(5, 3.0), np.full(15, 0.01)])[None]  # large errors first, hardly any later
    flat = normal((1, 20))
    narrowing = flat * np.repeat([1.0, 0.5, 0.5, 0.5], 5)[None, :, None]
    for past in (flat, narrowing):
        found = stretch(actual, past, quantiles=QUANTILES, horizons=MANY)
        width = np.ptp(found.apply(past[0], quantiles=QUANTILES)[2::5, [1, -2]], axis=1) / np.ptp(
            past[0, 2::5, [1, -2]], axis=0
        )
        assert (np.diff(width) >= -1e-9).all()
    widening = flat * np.repeat([1.0, 4.0, 4.0, 4.0], 5)[None, :, None]
    factors = stretch(actual, widening, quantiles=QUANTILES, horizons=MANY).factors
    assert (factors[1] < factors[0]).all()  # a fan that is too wide is taken back,
    assert (factors[1] * 4 >= factors[0] - 1e-9).all()  # as far as the band still grows
