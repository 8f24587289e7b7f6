"""Joint simulation of a forecast: paths whose spread at each step is the forecast's, and that remember themselves.

A path's place among the quantiles moves as a Gaussian of two parts: noise that forgets at the pace of the series' own
errors, and a level that wanders and never comes back, which is where a band that widens with the horizon comes from.
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

_FORGOTTEN = 3.0  # after this many lifetimes of the noise the band's width is all noise can give


def simulate(
    quantile_values: Floats, *, quantiles: Sequence[float], memory: float, season: int, n: int, rng: np.random.Generator
) -> Floats:
    """Paths of one series.

    Args:
        quantile_values: Shape (horizon, n_quantiles), rising along the last axis.
        quantiles: Levels, rising, at least two.
        memory: Correlation of two errors one step apart, 0 to below 1.
        season: Steps over which the width of the band is averaged, since it may differ by phase.
        n: Paths.
        rng: Where chance comes from.

    Returns:
        Shape (n, horizon). At each step they are spread as the quantiles say, by straight lines between them in units
        of a standard Gaussian, beyond the outermost by going on straight.
    """
    z = _places(_width(quantile_values, quantiles), memory=memory, season=season, n=n, rng=rng)
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
    if 1 < season <= y.shape[1] // 2:
        error = y[:, season:] - y[:, :-season]
    else:
        error = _detrended(y)
    error = error - median(error)[:, None]
    limit = 5 * mean(np.abs(error))[:, None]
    error = np.clip(error, -limit, limit)
    found = ratio(mean(error[:, 1:] * error[:, :-1]), mean(error**2))
    return np.clip(np.nan_to_num(found), 0.0, 0.999)


def generator(seed: int, unique_id: str) -> np.random.Generator:
    """Chance for one series: it depends on the seed and the series' name, not on the other series."""
    return np.random.default_rng([seed, int.from_bytes(sha256(unique_id.encode()).digest()[:8], "big")])


def _places(width: Floats, *, memory: float, season: int, n: int, rng: np.random.Generator) -> Floats:
    """Standard Gaussians, shape (n, horizon), correlated along the horizon."""
    h = len(width)
    k = np.arange(1, h + 1)
    smooth = np.maximum.accumulate(_rolling(width**2, season))
    grown = 1 - memory ** (2 * k)
    settled = min(int(np.ceil(_FORGOTTEN / (1 - memory))), h) - 1
    noise = smooth[settled] * grown / grown[settled]
    wander = np.maximum.accumulate(np.maximum(smooth - noise, 0.0))
    share = np.where(smooth > 0, wander / np.where(smooth > 0, np.maximum(wander + noise, smooth), 1.0), 0.0)
    draws = rng.standard_normal((2, n, h))
    innovation = np.sqrt(1 - memory**2)
    errors = lfilter([innovation], [1.0, -memory], draws[0], axis=1) / np.sqrt(grown)
    level = np.cumsum(draws[1] * np.sqrt(np.diff(wander, prepend=0.0)), axis=1)
    level = level / np.where(wander > 0, np.sqrt(wander), 1.0)
    return np.sqrt(1 - share) * errors + np.sqrt(share) * level


def _width(quantile_values: Floats, quantiles: Sequence[float]) -> Floats:
    """Standard deviation of a Gaussian with the same middle as the quantiles at each step, shape (horizon,)."""
    levels = ndtri(np.asarray(quantiles))
    low, high = np.searchsorted(levels, (-1.3, 1.2))
    low, high = min(int(low), len(levels) - 2), max(min(int(high), len(levels) - 1), int(low) + 1)
    result: Floats = (quantile_values[:, high] - quantile_values[:, low]) / (levels[high] - levels[low])
    return result


def _rolling(values: Floats, window: int) -> Floats:
    """Mean over a centred window of whole seasons, shorter at both ends."""
    window = min(window, len(values))
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    first = np.clip(at - window // 2, 0, len(values) - window)
    return (total[first + window] - total[first]) / window


def _detrended(y: Floats) -> Floats:
    t = np.where(np.isnan(y), np.nan, np.arange(y.shape[1], dtype=np.float64))
    t = t - mean(t)[:, None]
    slope = np.nan_to_num(mean(t * y) / np.where(mean(t**2) > 0, mean(t**2), 1.0))
    return y - slope[:, None] * t
