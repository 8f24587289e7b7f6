"""Changes that stayed, on series whose changes are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.model.changepoint import changepoints

DAYS, CHANGE = 70, 40
HOURS = np.arange(24 * DAYS)
START = pd.Timestamp("2026-01-05", tz="UTC")


def frame(y):
    """Hourly series of one grid."""
    ds = pd.date_range(START, periods=y.shape[1], freq="h")
    ids = [f"s{i:02d}" for i in range(len(y))]
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical(np.repeat(ids, y.shape[1])),
            "ds": ds.take(np.tile(np.arange(y.shape[1]), len(y))),
            "y": y.ravel(),
        }
    )


def daily(n, seed):
    rng = np.random.default_rng(seed)
    return 50 + 10 * np.sin(2 * np.pi * HOURS / 24) + rng.normal(0, 3, (n, len(HOURS)))


def plainest(y):
    """The largest change of each series that has one."""
    return found(y).sort_values("size").groupby("unique_id").last()


def found(y):
    return changepoints(frame(y), season_lengths=("1d", "7d"))


def test_a_level_shift_is_found_on_its_day_with_its_size():
    y = daily(20, 0)
    y[:, 24 * CHANGE :] += 3
    first = plainest(y)
    assert len(first) == 20
    assert (first["kind"] == "level").all()
    assert ((first["ds"] - START) / pd.Timedelta(days=1) - CHANGE).abs().max() <= 2
    assert (first["after"] - first["before"]).between(2, 4).all()


def test_a_bend_of_the_trend_is_a_trend_and_not_a_level():
    y = daily(20, 1) + np.maximum(0, HOURS / 24 - CHANGE) * 0.3
    first = plainest(y)
    assert (first["kind"] == "trend").mean() >= 0.9
    trends = first[first["kind"] == "trend"]
    assert trends["before"].abs().median() < 0.05
    assert (trends["after"] - 0.3).abs().median() < 0.05


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_a_straight_line_has_no_change(slope):
    y = daily(60, 2) + HOURS / 24 * slope
    assert len(plainest(y)) <= 3


def test_one_bad_day_is_no_change():
    y = daily(20, 3)
    y[:, 24 * CHANGE : 24 * (CHANGE + 1)] = 0
    assert len(plainest(y)) <= 1


def test_a_wandering_level_is_not_cut_to_pieces():
    rng = np.random.default_rng(4)
    walk = np.repeat(np.cumsum(rng.normal(0, 1, (20, DAYS)), axis=1), 24, axis=1)
    assert len(found(daily(20, 4) + walk)) <= 3 * 20


def test_gaps_constants_and_short_series_have_none():
    y = daily(3, 5)
    y[0] = 7
    y[1, 24 * 5 :] = np.nan
    y[2, :] = np.where(np.arange(len(HOURS)) % 3 == 0, y[2], np.nan)
    assert found(y).empty
    with pytest.raises(NotEnoughData, match="two rows"):
        found(y[:, :1])
