"""Joint simulation of a forecast: paths whose spread at each step is the forecast's, and that remember themselves.

A path's place among the quantiles moves as a Gaussian of two parts: noise that starts as wide as the first step's band
and forgets at the pace of the series' own errors, and, where the band widens further, a level that wanders.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtri

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.naive import median
from tutordex_analysis.model.score import mean, ratio

_EARLY = 10  # steps whose widening tells noise with a memory from a wandering level
_MOST = 0.999999  # a memory that is as good as a random walk's and can still be divided by


def simulate(
    quantile_values: Floats, *, quantiles: Sequence[float], memory: float, n: int, rng: np.random.Generator
) -> Floats:
    """Paths of one series.

    Args:
        quantile_values: Shape (horizon, n_quantiles), rising along the last axis.
        quantiles: Levels, rising, at least two.
        memory: Correlation of two errors one step apart, 0 to below 1.
        n: Paths.
        rng: Where chance comes from.

    Returns:
        Shape (n, horizon). At each step they are spread as the quantiles say, by straight lines between them in units
        of a standard Gaussian, beyond the outermost by going on straight.
    """
    z = _places(_width(quantile_values, quantiles), memory=memory, n=n, rng=rng)
    levels = ndtri(np.asarray(quantiles))
    slope = np.diff(quantile_values, axis=1) / np.diff(levels)
    cell = np.clip(np.searchsorted(levels, z) - 1, 0, len(levels) - 2)
    step = np.arange(len(quantile_values))
    result: Floats = quantile_values[step, cell] + slope[step, cell] * (z - levels[cell])
    return result


def memory_of(y: Floats, *, season: int) -> Floats:
    """How much of an error one step later is left: lag-one correlation of what a season (else a line) does not explain.

    Args:
        y: Shape (n_series, n), NaN where there is a gap.
        season: Steps; 1 for none.

    Returns:
        Shape (n_series,), 0 to 0.999; 0 where it cannot be told.
    """
    seasonal = 1 < season <= y.shape[1] // 2
    error = y[:, season:] - y[:, :-season] if seasonal else _detrended(y)
    error = error - median(error)[:, None]
    limit = 5 * mean(np.abs(error))[:, None]
    error = np.clip(error, -limit, limit)
    found = ratio(mean(error[:, 1:] * error[:, :-1]), mean(error**2))
    return np.clip(np.nan_to_num(found), 0.0, 0.999)


def generator(seed: int, unique_id: str) -> np.random.Generator:
    """Chance for one series: it depends on the seed and the series' name, not on the other series."""
    return np.random.default_rng([seed, int.from_bytes(sha256(unique_id.encode()).digest()[:8], "big")])


def _places(width: Floats, *, memory: float, n: int, rng: np.random.Generator) -> Floats:
    """Standard Gaussians, shape (n, horizon), correlated along the horizon."""
    h = len(width)
    variance = np.maximum.accumulate(width**2)
    memory = max(memory, _memory_of_band(variance))
    grown = 1 - memory ** (2 * np.arange(1, h + 1))
    noise = np.minimum(variance[0] * grown / grown[0], variance)
    wander = np.maximum.accumulate(variance - noise)
    share = wander / np.where(variance > 0, np.maximum(variance, wander + noise), 1.0)
    draws = rng.standard_normal((2, n, h))
    errors = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], draws[0], axis=1) / np.sqrt(grown)
    level = np.cumsum(draws[1] * np.sqrt(np.diff(wander, prepend=0.0)), axis=1)
    level = level / np.where(wander > 0, np.sqrt(wander), 1.0)
    result: Floats = np.sqrt(1 - share) * errors + np.sqrt(share) * level
    return result


def _memory_of_band(variance: Floats) -> float:
    """The memory with which an autoregression's band would widen so over its first steps; 0 if it does not."""
    reach = min(_EARLY, len(variance))
    if reach < 2 or variance[0] == 0:
        return 0.0
    memories = np.linspace(0.0, _MOST, 1000)
    growth = (memories[:, None] ** (2 * np.arange(reach))).sum(axis=1)
    return float(np.interp(variance[reach - 1] / variance[0], growth, memories))


def _width(quantile_values: Floats, quantiles: Sequence[float]) -> Floats:
    """Standard deviation of a Gaussian with the same middle as the quantiles at each step, shape (horizon,)."""
    levels = ndtri(np.asarray(quantiles))
    low, high = np.searchsorted(levels, (-1.3, 1.2))
    low, high = min(int(low), len(levels) - 2), max(min(int(high), len(levels) - 1), int(low) + 1)
    result: Floats = (quantile_values[:, high] - quantile_values[:, low]) / (levels[high] - levels[low])
    return result


def _detrended(y: Floats) -> Floats:
    t = np.where(np.isnan(y), np.nan, np.arange(y.shape[1], dtype=np.float64))
    t = t - mean(t)[:, None]
    slope = np.nan_to_num(mean(t * y) / np.where(mean(t**2) > 0, mean(t**2), 1.0))
    return y - slope[:, None] * t
