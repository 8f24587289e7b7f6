"""Series with something planted in them, as rows of one frame, and what `detect` says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis.model.anomaly import detect

MONDAY = "2026-01-05"
DAY, WEEK = 24, 168
SEASONS = ("1d", "7d")


def frame(rows, *, freq="h", start=MONDAY):
    """Series by name; `start` is one instant for all, or one by name."""
    starts = start if isinstance(start, dict) else dict.fromkeys(rows, start)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range(starts[name], periods=len(y), freq=freq, tz="UTC"),
                "y": np.asarray(y, dtype=float),
            }
        )
        for name, y in rows.items()
    ]
    return pd.concat(parts, ignore_index=True).astype({"unique_id": "category"})


def named(y):
    """Rows of an array by name."""
    return {f"s{i:04}": row for i, row in enumerate(y)}


def gauges(n_series, n, *, seed=0, level=100.0, memory=0.3):
    """Measured values with a day, a weekend and errors of size 1 that remember themselves."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    error = rng.normal(size=(n_series, n))
    for k in range(1, n):
        error[:, k] += memory * error[:, k - 1]
    shift = rng.integers(0, DAY, size=(n_series, 1))
    return level + 10 * np.sin(2 * np.pi * (t + shift) / DAY) - 5 * (t % WEEK >= 5 * DAY) + error


def counts(n_series, n, *, mean, seed=0, depth=0.6):
    """Events an hour with a day's shape."""
    t = np.arange(n)
    rate = mean * (1 + depth * np.sin(2 * np.pi * t / DAY))
    return np.random.default_rng(seed).poisson(np.broadcast_to(rate, (n_series, n))).astype(float)


def found(y, **options):
    """What `detect` says of rows of hours, as arrays of the shape of `y` by column."""
    asked = {"season_lengths": SEASONS} | options
    freq, start = asked.pop("freq", "h"), asked.pop("start", MONDAY)
    table = detect(frame(named(y), freq=freq, start=start), **asked).frame
    return {name: table[name].to_numpy().reshape(y.shape) for name in table.columns}
