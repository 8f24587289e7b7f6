"""What an outage of six hours, left in as zeros, may do to the forecast of the week after."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.structural import structural

DAYS, WEEK = 60, 168
T = np.arange(DAYS * 24)


def series(seed):
    """A season of day and week with errors that remember themselves."""
    error = np.random.default_rng(seed).normal(size=len(T)) * 3
    for k in range(1, len(T)):
        error[k] += 0.5 * error[k - 1]
    return np.maximum(100 + 40 * np.sin(2 * np.pi * (T - 8) / 24) - 25 * (T % WEEK >= 120) + error, 0)


PLAIN = np.stack([series(seed) for seed in range(10)])


def with_outage(day, hours=6):
    hurt = PLAIN.copy()
    hurt[:, day * 24 + 9 : day * 24 + 9 + hours] = 0.0
    return hurt


def bands(y, model, rows=10):
    """Quantiles 0.1, 0.5 and 0.9 of the next week, shape (rows, WEEK, 3)."""
    ds = pd.date_range("2026-01-05", periods=len(T), freq="h", tz="UTC")
    data = pd.concat(pd.DataFrame({"unique_id": f"s{i}", "ds": ds, "y": row}) for i, row in enumerate(y[:rows]))
    got = forecast(
        data.astype({"unique_id": "category"}),
        horizon=WEEK,
        season_lengths=(24, WEEK),
        quantiles=(0.1, 0.5, 0.9),
        model=model,
        lower=0.0,
        budget_seconds=0.05,
    )
    return got.frame[["q0.1", "q0.5", "q0.9"]].to_numpy().reshape(rows, WEEK, 3)


def widths(q):
    return q[..., 2] - q[..., 0]


@pytest.fixture(scope="module")
def untouched():
    return {"auto": bands(PLAIN, "auto"), structural: bands(PLAIN, structural)}


@pytest.mark.parametrize("day", [20, 45, 57, 58])
@pytest.mark.parametrize("hours", [2, 6])
def test_an_outage_hardly_widens_the_structural_band(day, hours, untouched):
    q = bands(with_outage(day, hours), structural)
    change = widths(q).mean(axis=1) / widths(untouched[structural]).mean(axis=1) - 1
    assert np.abs(change).max() < 0.05
    assert np.abs(q[..., 1] / untouched[structural][..., 1] - 1).mean() < 0.02


@pytest.mark.parametrize("day", [20, 45])
def test_an_outage_before_the_last_season_hardly_changes_the_band_of_the_tournament(day, untouched):
    q = bands(with_outage(day), "auto")
    change = widths(q).mean(axis=1) / widths(untouched["auto"]).mean(axis=1) - 1
    assert np.abs(np.median(change)) < 0.05
    assert np.abs(change).max() < 0.1
    assert np.abs(q[..., 1] / untouched["auto"][..., 1] - 1).mean() < 0.02


def test_an_outage_in_the_last_season_is_not_repeated(untouched):
    """What repeats the last season in the mixture leaves the outage out."""
    q = bands(with_outage(57), "auto")
    change = widths(q).mean(axis=1) / widths(untouched["auto"]).mean(axis=1) - 1
    assert 0 < np.median(change) < 0.1  # the errors of the newest moment hold it
    assert np.abs(q[..., 1] / untouched["auto"][..., 1] - 1).mean() < 0.02
