"""One channel against its peers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.model.peers import peers

DAYS = 60
SHARES = np.array([0.4, 0.2, 0.15, 0.1, 0.1, 0.05])


def posts(seed, *, a_day=300.0):
    """Hourly counts of six channels whose common volume goes up and down by half from day to day."""
    rng = np.random.default_rng(seed)
    volume = np.repeat(rng.gamma(8, 1 / 8, DAYS), 24) * (1 + 0.8 * np.sin(2 * np.pi * np.arange(24 * DAYS) / 24))
    return rng.poisson(a_day / 24 * SHARES[:, None] * volume).astype(float)


def frame(y):
    ds = pd.date_range("2026-01-05", periods=y.shape[1], freq="h", tz="UTC")
    ids = [f"c{i}" for i in range(len(y))]
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical(np.repeat(ids, y.shape[1])),
            "ds": ds.take(np.tile(np.arange(y.shape[1]), len(y))),
            "y": y.ravel(),
        }
    )


def scores(y):
    return peers(frame(y))["score"].to_numpy().reshape(y.shape)


@pytest.mark.parametrize("seed", range(5))
def test_a_common_rise_and_fall_is_nobodys_anomaly(seed):
    y = posts(seed)
    y[:, 24 * 40 : 24 * 41] = np.floor(y[:, 24 * 40 : 24 * 41] / 2)
    assert np.nanmax(scores(y)) < 1.25
    assert np.nanmean(scores(y) > 1) < 0.002


def test_the_channel_that_falls_silent_alone_is_found_and_the_others_are_not():
    found = 0
    for seed in range(20):
        y = posts(seed)
        y[3, 24 * 50 : 24 * 51] = 0
        score = scores(y)[:, 24 * 50 : 24 * 51 + 12]
        found += np.nanmax(score[3]) > 1
        assert np.nanmax(np.delete(score, 3, axis=0)) < 1.3
    assert found >= 18


def test_past_scores_do_not_change_and_order_does_not_matter():
    y = posts(7)
    whole = scores(y)
    np.testing.assert_array_equal(scores(y[:, : 24 * 45]), whole[:, : 24 * 45])
    np.testing.assert_allclose(scores(y[::-1])[::-1], whole, atol=1e-12)


def test_what_cannot_be_shared_is_refused():
    y = posts(8)
    with pytest.raises(NotEnoughData, match="at least 3 series, got 2"):
        peers(frame(y[:2]))
    with pytest.raises(NotEnoughData, match="two windows"):
        peers(frame(y[:, :30]))
    with pytest.raises(FrameError, match="never negative"):
        peers(frame(y - 5))
    assert peers(frame(y * 0))["score"].isna().all()
