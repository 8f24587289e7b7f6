import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from tests import oracle
from tutordex_analysis.model.naive import drift, last_value, median, seasonal_naive

LEVELS = (0.1, 0.5, 0.9)


def instants(n):
    return pd.date_range("2026-01-01", periods=n, freq="h", tz="UTC")


def naive(y, horizon, seasons, model=seasonal_naive):
    y = np.atleast_2d(y)
    return model(y, ds=instants(y.shape[1]), horizon=horizon, season_lengths=seasons, quantiles=LEVELS)


def test_the_median_equals_its_twin_with_gaps():
    y = np.random.default_rng(0).normal(size=(5, 100))
    y[0, -30:] = y[1, 50:60] = y[2, ::5] = np.nan
    q = naive(y, 50, (24,))
    for row, one in zip(y, q, strict=True):
        np.testing.assert_allclose(one[:, 1], oracle.seasonal_naive_median(row, 24, 50))


def test_the_band_grows_with_the_square_root_of_the_seasons_ahead():
    q = naive(np.random.default_rng(0).normal(size=240), 72, (24,))[0]
    width = q[:, 2] - q[:, 0]
    assert width[24] / width[0] == pytest.approx(np.sqrt(2))
    assert width[48] / width[0] == pytest.approx(np.sqrt(3))


def test_an_old_reading_has_a_wider_band():
    y = np.random.default_rng(0).normal(size=240)
    y[-24:] = np.nan
    q = naive(y, 24, (24,))[0]
    fresh = naive(y[:-24], 24, (24,))[0]
    assert np.ptp(q[0]) / np.ptp(fresh[0]) == pytest.approx(np.sqrt(2))


def test_an_incident_hardly_moves_the_band():
    y = np.random.default_rng(0).normal(size=480)
    hurt = y.copy()
    hurt[100:106] += 1000
    assert np.ptp(naive(hurt, 1, (24,))[0, 0]) < 1.3 * np.ptp(naive(y, 1, (24,))[0, 0])


def test_each_series_repeats_the_season_that_it_has():
    t = np.arange(168 * 4)
    noise = np.random.default_rng(0).normal(size=(2, len(t)))
    daily, weekly = 10 * np.sin(2 * np.pi * t / 24) + noise[0], 10 * (t % 168 > 120) + 0.1 * noise[1]
    q = naive(np.stack([daily, weekly]), 168, (24, 168))
    np.testing.assert_allclose(q[1, :, 1], weekly[-168:])
    assert np.abs(q[0, :, 1] - 10 * np.sin(2 * np.pi * t[:168] / 24)).mean() < 1.5


def test_eight_in_ten_fall_into_the_80_percent_band():
    rng = np.random.default_rng(5)
    season = 5 * np.sin(2 * np.pi * np.arange(24 * 21) / 24)
    y = season + rng.normal(size=(200, 24 * 21)) / np.sqrt(2)
    q = naive(y[:, :-24], 24, (24,))
    inside = (y[:, -24:] >= q[:, :, 0]) & (y[:, -24:] <= q[:, :, 2])
    assert 0.77 < inside.mean() < 0.83


def test_a_short_history_repeats_the_last_value():
    y = np.array([3.0, 5.0, np.nan, 4.0])
    q = naive(y, 3, (24,))
    assert q[0, :, 1].tolist() == [4.0, 4.0, 4.0]
    assert np.all(np.diff(q[0, :, 2]) >= 0)
    np.testing.assert_array_equal(q, naive(y, 3, (), model=last_value))


def test_the_last_value_of_a_random_walk_covers():
    walks = np.random.default_rng(6).normal(size=(300, 120)).cumsum(axis=1)
    q = naive(walks[:, :100], 20, (), model=last_value)
    inside = (walks[:, 100:] >= q[:, :, 0]) & (walks[:, 100:] <= q[:, :, 2])
    assert 0.74 < inside.mean() < 0.86


def test_a_constant_series_has_no_band():
    assert np.all(naive(np.full(100, 7.0), 30, (24,)) == 7.0)


def test_the_median_without_gaps_is_numpys():
    y = np.random.default_rng(0).normal(size=(4, 9))
    y[1, :4] = np.nan
    np.testing.assert_allclose(median(y), np.nanmedian(y, axis=1))
    assert np.isnan(median(np.full((1, 3), np.nan)))[0]


def test_drift_equals_its_twin_with_gaps():
    y = np.random.default_rng(0).normal(size=(4, 60)).cumsum(axis=1)
    y[0, -5:] = y[1, :7] = y[2, 20:40] = np.nan
    for row, one in zip(y, naive(y, 12, (), model=drift), strict=True):
        np.testing.assert_allclose(one[:, 1], oracle.drift_median(row, 12))


def test_the_band_of_drift_matches_fpp3_table_5_2():
    """There the spread h steps ahead is s sqrt(h (1 + h / (T - 1))), s that of the steps about their mean."""
    y = (1.5 + np.random.default_rng(1).uniform(-1, 1, size=101)).cumsum()  # no step is clipped as an incident
    h = np.arange(1, 41)
    s = np.sqrt(np.mean((np.diff(y) - (y[-1] - y[0]) / 100) ** 2))
    want = s * np.sqrt(h * (1 + h / 100)) * ndtri(0.9)
    q = naive(y, 40, (), model=drift)[0]
    np.testing.assert_allclose(q[:, 2] - q[:, 1], want)
    np.testing.assert_allclose(q[:, 1] - q[:, 0], want)


def test_a_straight_line_goes_on_without_a_band():
    q = naive(3.0 + 0.5 * np.arange(80), 30, (), model=drift)[0]
    np.testing.assert_allclose(q, np.repeat(3.0 + 0.5 * np.arange(80, 110)[:, None], 3, axis=1))


def test_the_drift_of_a_random_walk_covers():
    walks = (0.2 + np.random.default_rng(7).normal(size=(300, 220))).cumsum(axis=1)
    q = naive(walks[:, :180], 40, (), model=drift)
    assert 0.74 < ((walks[:, 180:] >= q[:, :, 0]) & (walks[:, 180:] <= q[:, :, 2])).mean() < 0.86
