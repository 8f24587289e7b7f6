import numpy as np
import pandas as pd
import pytest

from tests import oracle
from tutordex_analysis.model.naive import last_value, median, seasonal_naive

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
