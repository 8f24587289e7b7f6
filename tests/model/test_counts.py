import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle
from tutordex_analysis.errors import FrameError
from tutordex_analysis.model.backtest import QUANTILES
from tutordex_analysis.model.counts import MOST, _level, counts, is_count
from tutordex_analysis.model.score import pinball
from tutordex_analysis.model.structural import structural

DAY, WEEK = 24, 168


def ahead(y, horizon=24, seasons=(), quantiles=QUANTILES, model=counts):
    y = np.atleast_2d(y)
    ds = pd.date_range("2026-01-05", periods=y.shape[1], freq="h", tz="UTC")
    return model(y, ds=ds, horizon=horizon, season_lengths=seasons, quantiles=quantiles)


def middle(q, quantiles=QUANTILES):
    return q[..., quantiles.index(0.5)]


def rate(n, mean):
    """A profile of the day: nearly nothing at night, most in the evening; `mean` events an hour over the day."""
    shape = np.maximum(0.1, 1 - np.cos(2 * np.pi * (np.arange(n) % DAY - 6) / DAY))
    return mean * shape / shape[:DAY].mean()


@pytest.mark.parametrize("seasons", [(), (24,), (24, 168)])
@pytest.mark.parametrize("seed", [0, 1])
def test_counts_equal_their_twin(seasons, seed):
    rng = np.random.default_rng(seed)
    level = 3.0 * np.exp(0.4 * np.repeat(rng.normal(size=8), 70)[:550])  # it wanders, so no half-life is everyone's
    y = rng.poisson(level).astype(float)
    y[100:130] = y[7::50] = np.nan
    want = oracle.counts(y, 30, seasons, (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(ahead(y, 30, seasons, (0.1, 0.5, 0.9))[0], want)


def test_a_steady_level_equals_its_twin():
    y = np.random.default_rng(2).poisson(400.0, size=400).astype(float)  # the longest half-life is the likeliest
    want = oracle.counts(y, 30, (24,), (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(ahead(y, 30, (24,), (0.1, 0.5, 0.9))[0], want)


def test_the_next_count_is_the_negative_binomial_of_harvey_and_fernandes():
    y = np.tile([1.0, 2.0, 1.0, 2.0], 60)  # steadier than chance, so nothing is added to what the filter does not know
    last, _ = max(
        (oracle.poisson_gamma(y, np.ones(240), 0.5 ** (1 / (24 * h))) for h in (0.5, 32)), key=lambda one: one[1]
    )
    shape, base = last[-1]
    pace = 0.5 ** (1 / (24 * 32))
    levels = (0.1, 0.5, 0.9, 0.99)
    want = [oracle.negative_binomial_quantile(p, pace * shape, pace * base) for p in levels]
    assert ahead(y, 1, quantiles=levels)[0, 0].tolist() == want


def test_the_filter_equals_the_loop():
    rng = np.random.default_rng(3)
    y, profile = rng.poisson(2.0, size=(2, 90)).astype(float), rng.uniform(0.5, 1.5, size=(2, 90))
    y[1, 20:40] = np.nan
    level, shape, pace = _level(y, profile, half_lives=[12.0])
    assert pace.tolist() == [2 ** (-1 / 12)] * 2
    for i in (0, 1):
        path, _ = oracle.poisson_gamma(y[i], profile[i], pace[0])
        np.testing.assert_allclose(shape[i], [a for a, _ in path])
        np.testing.assert_allclose(level[i], [a / b for a, b in path])


def test_the_half_life_is_the_likeliest():
    rng = np.random.default_rng(4)
    for scale in (0.02, 0.6):
        y = rng.poisson(np.exp(1 + (scale * rng.normal(size=400)).cumsum() % 2)).astype(float)
        _, _, pace = _level(y[None], np.ones((1, 400)), half_lives=[6.0, 24.0, 96.0])
        told = {h: oracle.poisson_gamma(y, np.ones(400), 2 ** (-1 / h))[1] for h in (6.0, 24.0, 96.0)}
        assert pace[0] == pytest.approx(2 ** (-1 / max(told, key=told.__getitem__)))


small = st.lists(st.one_of(st.integers(0, 40).map(float), st.just(0.0), st.just(np.nan)), min_size=30, max_size=120)


@settings(max_examples=40)
@given(y=small, horizon=st.integers(1, 40))
def test_whatever_is_counted_quantiles_are_whole_finite_and_rise(y, horizon):
    q = ahead(np.array(y), horizon, (7, 24))
    assert np.isfinite(q).all()
    assert (q == np.floor(q)).all()
    assert (q >= 0).all()
    assert (np.diff(q, axis=2) >= 0).all()


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
def test_the_other_rows_and_their_order_change_nothing(seed, order):
    rng = np.random.default_rng(seed)
    y = rng.poisson([[0.2], [1.0], [5.0], [80.0]], size=(4, 120)).astype(float)
    y[2, 40:50] = np.nan
    whole = ahead(y, 12, (24,))
    assert np.array_equal(ahead(y[list(order)], 12, (24,)), whole[list(order)])
    assert np.array_equal(ahead(y[1], 12, (24,))[0], whole[1])


def test_what_is_no_count_is_refused_and_named():
    for bad in (-1.0, 0.5):
        with pytest.raises(FrameError, match=f"counts are whole numbers from 0, got {bad:g}"):
            ahead(np.array([1.0, 2.0, bad] * 20))


def test_which_rows_are_counts():
    rows = np.array(
        [[0, 1, 3], [0, 0, 0], [np.nan, 2, 0], [1, -1, 2], [1, 0.5, 2], [np.nan] * 3, [MOST] * 3, [MOST + 1] * 3]
    )
    assert is_count(rows).tolist() == [True, False, True, False, False, False, True, False]


def test_few_events_are_covered_and_no_worse_than_the_structural_model():
    rng = np.random.default_rng(11)
    y = rng.poisson(rate(60 * DAY + WEEK, 0.3), size=(24, 60 * DAY + WEEK)).astype(float)
    past, came = y[:, : 60 * DAY], y[:, 60 * DAY :]
    ours, theirs = (ahead(past, WEEK, (DAY, WEEK), model=one) for one in (counts, structural))
    low, high = (ours[..., QUANTILES.index(p)] for p in (0.1, 0.9))
    assert 0.8 <= ((came >= low) & (came <= high)).mean() < 0.97
    loss, other = (pinball(came, np.maximum(q, 0), quantiles=QUANTILES).mean() for q in (ours, theirs))
    assert loss <= other


@pytest.mark.parametrize("mean", [3.0, 30.0])
def test_eight_in_ten_fall_into_the_80_percent_band(mean):
    rng = np.random.default_rng(12)
    y = rng.poisson(rate(28 * DAY + DAY, mean), size=(60, 29 * DAY)).astype(float)
    q = ahead(y[:, :-DAY], DAY, (DAY,))
    inside = (y[:, -DAY:] >= q[..., QUANTILES.index(0.1)]) & (y[:, -DAY:] <= q[..., QUANTILES.index(0.9)])
    assert 0.78 < inside.mean() < (0.93 if mean < 10 else 0.86)


@pytest.mark.parametrize("hurt", ["outage", "burst"])
@pytest.mark.parametrize(("days", "before"), [(60, 10), (60, 1), (15, 1)])
@pytest.mark.parametrize("mean", [0.3, 6.0, 30.0])
def test_an_incident_hardly_moves_next_week(mean, days, before, hurt):
    rng = np.random.default_rng(13)
    y = rng.poisson(rate(days * DAY, mean), size=(8, days * DAY)).astype(float)
    other = y.copy()
    at = slice((days - before) * DAY + 17, (days - before) * DAY + 22)  # five busy hours
    other[:, at] = np.nan if hurt == "outage" else rng.poisson(10 * rate(days * DAY, mean)[at], size=(8, 5))
    fine = tuple(np.linspace(0.025, 0.975, 39))
    plain, moved = (ahead(one, WEEK, (DAY, WEEK), fine) for one in (y, other))
    near = 0.05 if days > 30 else 0.1  # a hundred events know no better
    assert moved.mean() / plain.mean() == pytest.approx(1, abs=near)
    width, wider = (one[..., 35].mean() - one[..., 3].mean() for one in (plain, moved))
    assert wider / width == pytest.approx(1, abs=near)
    if mean > 1:  # else the median is 0 or 1, and one hour more or less is much
        half, shifted = (np.median(one, axis=2).mean() for one in (plain, moved))
        assert shifted / half == pytest.approx(1, abs=near)


def test_bursts_that_come_often_are_no_incidents():
    rng = np.random.default_rng(17)
    mean = rate(60 * DAY + WEEK, 2.0) * rng.gamma(0.5, 2.0, size=(12, 60 * DAY + WEEK))
    y = rng.poisson(mean).astype(float)
    q, came = ahead(y[:, :-WEEK], WEEK, (DAY, WEEK), (0.025, 0.1, 0.9, 0.975)), y[:, -WEEK:]
    assert 0.8 < ((came >= q[..., 1]) & (came <= q[..., 2])).mean() < 0.93
    assert 0.92 < ((came >= q[..., 0]) & (came <= q[..., 3])).mean() < 0.98


def test_a_batch_every_night_is_no_incident():
    y = np.zeros(30 * DAY)
    y[3::DAY] = 40.0
    assert middle(ahead(y, DAY, (DAY,)))[0, 3] > 35


def test_a_gap_is_no_zero():
    y = np.random.default_rng(14).poisson(4.0, size=480).astype(float)
    gone, zero = y.copy(), y.copy()
    gone[-48:], zero[-48:] = np.nan, 0.0
    assert middle(ahead(gone, 24, (DAY,)))[0].mean() > 2 * middle(ahead(zero, 24, (DAY,)))[0].mean()


def test_a_new_level_is_followed_within_days():
    rng = np.random.default_rng(15)
    y = np.concatenate([rng.poisson(2.0, size=40 * DAY), rng.poisson(8.0, size=5 * DAY)]).astype(float)
    assert 6 < middle(ahead(y, DAY, (DAY,)))[0].mean() < 9


def test_the_band_never_narrows_along_the_horizon():
    y = np.random.default_rng(16).poisson(20.0, size=480).astype(float)
    q = ahead(y, 300)[0]
    assert (np.diff(q[:, -1] - q[:, 0]) >= 0).all()
