"""What is usual of gauges and shares: quantiles beyond a sample, held-out weeks, and days that are incidents."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.model import threshold
from tutordex_analysis.model.usual import edge, quantile

HOUR, WEEK = pd.Timedelta(hours=1), 168
H = np.arange(20 * WEEK)
SHAPE = 5 + 2 * np.sin(2 * np.pi * H / 24) + ((H // 24) % 7 >= 5)
NOISE = {
    "gauss": lambda rng, size: rng.normal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "wider by day": lambda rng, size: (
        rng.normal(size=size) * (1 + 2 * np.sin(2 * np.pi * np.arange(size[1]) / 24) ** 2)
    ),
}


def around(n):
    return threshold.timeline(pd.Timestamp("2026-01-05T00:00Z") + (n - 1) * HOUR, step=HOUR, horizon=WEEK)


def test_a_quantile_inside_the_sample_is_the_conformal_one():
    z = np.append(np.arange(999.0), np.nan)
    assert quantile(z, 0.9) == 899  # the 900th of 999: (999 + 1) * 0.9
    assert quantile(z, 0.1) == 99
    assert np.isnan(quantile(np.array([np.nan]), 0.9))
    assert quantile(np.zeros(500), 0.999) == 0


@pytest.mark.parametrize("level", [0.999, 0.9999])
def test_beyond_the_sample_an_exponential_goes_on(level):
    z = np.random.default_rng(0).exponential(2.0, size=20_000)[:2000]
    assert quantile(z, level) == pytest.approx(-2.0 * np.log(1 - level), rel=0.15)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("direction", ["above", "below"])
def test_held_out_weeks_pass_the_edge_as_rarely_as_asked(noise, direction):
    n, chance, series = 12 * WEEK, 0.005, 60
    y = SHAPE[: n + WEEK] + NOISE[noise](np.random.default_rng(3), (series, n + WEEK))
    found = edge(y[:, :n], time=around(n), chance=chance, direction=direction)
    late = y[:, n:]
    beyond = late > found.value if direction == "above" else late < found.value
    error = np.sqrt(chance / beyond.size)
    assert beyond.mean() < 2 * chance + 3 * error
    if noise != "exponential" or direction == "above":
        assert beyond.mean() > 0.3 * chance
    assert ((late >= found.lower) & (late <= found.upper)).mean() == pytest.approx(0.8, abs=0.04)


def test_below_is_above_turned_round():
    y = SHAPE[None, : 8 * WEEK] + np.random.default_rng(0).normal(size=(2, 8 * WEEK))
    up, down = (
        edge(y, time=around(8 * WEEK), chance=0.01),
        edge(-y, time=around(8 * WEEK), chance=0.01, direction="below"),
    )
    np.testing.assert_allclose(down.value, -up.value)
    np.testing.assert_allclose(down.lower, -up.upper)


def test_days_that_are_incidents_are_not_what_is_usual():
    rng = np.random.default_rng(0)
    y = SHAPE[None, : 16 * WEEK] + 0.3 * rng.normal(size=(1, 16 * WEEK))
    hurt = y.copy()
    for day in (20, 41, 66, 90, 101):
        hurt[0, day * 24 + 9 : day * 24 + 14] += 60
    clean, found = (edge(one, time=around(16 * WEEK), chance=0.001).value for one in (y, hurt))
    assert found.max() < clean.max() + 1.0


def test_an_age_that_is_nought_but_in_incidents_has_nought_as_its_edge():
    y = np.zeros((1, 16 * WEEK))
    for day in (20, 41, 66, 90, 101):
        y[0, day * 24 + 9 : day * 24 + 14] = 9000
    assert (edge(y, time=around(16 * WEEK), chance=0.001).value == 0).all()


def test_hours_without_any_reading_have_no_edge_only_where_nothing_is_known():
    y = SHAPE[None, : 8 * WEEK] + np.random.default_rng(0).normal(size=(1, 8 * WEEK))
    y[0, H[: 8 * WEEK] % 24 < 5] = np.nan
    found = edge(y, time=around(8 * WEEK), chance=0.01).value[0]
    assert np.isnan(found[np.arange(WEEK) % 24 < 5]).all()
    assert np.isfinite(found[np.arange(WEEK) % 24 >= 5]).all()


@pytest.mark.parametrize(("hours", "told"), [(8, False), (60, True)])
def test_a_last_week_of_a_few_hours_tells_no_level(hours, told):
    """Eight hours of a night would pass for the level of the week, and every day lie beyond the edge."""
    y = SHAPE[None, : 8 * WEEK] + np.random.default_rng(0).normal(size=(1, 8 * WEEK))
    y[0, -WEEK:-hours] = np.nan
    assert np.isfinite(edge(y, time=around(8 * WEEK), chance=0.01).value).any() == told
