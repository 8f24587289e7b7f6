"""Opponents see only the past, know no unit, and find what anybody would find."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench._opponents import ALL, FLOOR, LAGS, QUICK, grafana_adaptive, grafana_robust

LEARNERS = ("Isolation Forest", "Prophet's interval")
BANDS = tuple(name for name in QUICK if name not in LEARNERS)
EACH = [pytest.param(one, marks=pytest.mark.slow) if one in LEARNERS else one for one in ALL]


def hourly(days=21, *, seed=0):
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * days)
    y = 100 + 20 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 2, len(hour))
    y[rng.random(len(hour)) < 0.02] = np.nan
    return pd.Series(y, index=pd.date_range("2026-03-02", periods=len(hour), freq="h"))


@pytest.mark.parametrize("name", EACH)
def test_the_future_does_not_change_a_past_score(name):
    y = hourly()
    other = y.copy()
    other.iloc[400:] = np.linspace(1e4, 0, len(y) - 400)
    before, after = ALL[name](y)[:400], ALL[name](other)[:400]
    assert np.isfinite(before).sum() > 200
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", BANDS)
def test_bands_of_a_shorter_series_are_those_of_the_longer_one(name):
    y = hourly()
    np.testing.assert_array_equal(ALL[name](y)[:400], ALL[name](y.iloc[:400]))


@pytest.mark.parametrize("name", BANDS)
def test_scores_do_not_depend_on_the_unit(name):
    y = hourly()
    np.testing.assert_allclose(ALL[name](1000 * y), ALL[name](y), rtol=1e-6)


@pytest.mark.parametrize("name", EACH)
def test_a_long_drop_has_the_highest_score(name):
    y = hourly()
    y.iloc[450:456] = -300.0
    score = ALL[name](y)
    late = LAGS if name == "Isolation Forest" else 2  # it sees the drop for so long; medians of few rows come late
    assert 450 <= np.nanargmax(score) < 456 + late
    assert np.isnan(score[y.isna().to_numpy()]).all()


@pytest.mark.parametrize("power", [0.1, 2])  # a calm series, a bursty one
@pytest.mark.parametrize("minutes", [5, 60])
def test_grafanas_bands_are_the_recipes_one_instant_at_a_time(minutes, power):
    rows = 9 * 1440 // minutes
    values = np.random.default_rng(2).exponential(1, rows) ** power * np.linspace(1, 3, rows)
    y = pd.Series(values, index=pd.date_range("2026-03-02", periods=rows, freq=f"{minutes}min"))
    y.iloc[::17] = np.nan
    adaptive, robust = grafana_adaptive(y), grafana_robust(y)
    for at in np.flatnonzero(y.notna())[-12:]:
        floor = FLOOR * np.nanstd(y.to_numpy()[:at], ddof=1)
        for score, recipe in ((adaptive, _adaptive), (robust, _robust)):
            level, lower, upper = recipe(y.to_numpy(), at, minutes)
            expected = abs(level - (lower + upper) / 2) / max((upper - lower) / 2, floor)
            assert score[at] == pytest.approx(expected)


def _window(y, at, n):
    return y[max(0, at - n + 1) : at + 1]


def _adaptive(y, at, minutes):
    n = max(60 // minutes, 4)
    mean = np.nanmean(_window(y, at, n))
    kept = []
    for t in range(at - 26 * 60 // minutes + 1, at + 1):
        one = _window(y, t, n)
        if np.nanstd(one) > 0.5 * np.nanmean(one):
            kept.append(np.nanstd(one))
    width = max(2 * np.mean(kept) if kept else 0.0, 0.5 * mean)
    bands = [(mean - width, mean + width)]
    for days in (1, 7):
        one = _window(y, at - days * 1440 // minutes + n // 2, n)
        bands.append((np.nanmean(one) - 2 * np.nanstd(one), np.nanmean(one) + 2 * np.nanstd(one)))
    return y[at], min(low for low, _ in bands), max(high for _, high in bands)


def _robust(y, at, minutes):
    n, day = max(60 // minutes, 4), 1440 // minutes

    def middle(t, rows):
        return np.nanmedian(_window(y, t, rows))

    spread = np.nanmedian([abs(y[t] - middle(t, day)) for t in range(at - day + 1, at + 1)])
    width = max(2 * spread, 0.5 * middle(at, day))
    bands = [(middle(at, day) - width, middle(at, day) + width)]
    for days in (1, 7):
        then = at - days * day + n // 4
        around = np.nanmedian([abs(y[t] - middle(t, n)) for t in range(then - n + 1, then + 1)])
        bands.append((middle(then, n) - 2 * around, middle(then, n) + 2 * around))
    return middle(at, n), min(low for low, _ in bands), max(high for _, high in bands)
