"""Pseudo-data: values that stand in for gaps and outliers, so that one set of factors serves every series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.naive import MAD_TO_SD, median
from tutordex_analysis.model.score import mean

_CLIP = 4.0  # standard deviations beyond which an error counts no further (Huber's proposal)
_GROSS = 2.0  # times that, before anything is fitted
_AVERAGED = 10.0  # standard deviations up to which errors enter their own mean
_SPIKE = 6  # steps; a longer excursion may be a new level
_FAR = 10**6  # steps to the next reading where there is none

Mask = npt.NDArray[np.bool_]


def first(y: Floats, *, season: int, explained: Mask) -> Floats:
    """Values to start from: gaps at the median of their phase, gross spikes of a few steps taken off.

    Args:
        y: Shape (n_series, n), centred on 0, NaN where there is a gap; a phase without any reading starts at 0.
        season: Steps; 1 for none.
        explained: Instants whose values a holiday may explain, shape (n,); nothing is taken off there.
    """
    rows, n = y.shape
    cycles = -(-n // season)
    padded = np.full((rows, cycles * season), np.nan)
    padded[:, :n] = y
    by_phase = np.swapaxes(padded.reshape(rows, cycles, season), 1, 2).reshape(-1, cycles)
    profile = np.tile(np.nan_to_num(median(by_phase).reshape(rows, season)), cycles)[:, :n]
    deviation = np.where(np.isnan(y), 0.0, y - profile)
    local = _middle_of_three(deviation)
    limit = _GROSS * _limit(np.where(np.isnan(y), np.nan, deviation - local))
    return profile + np.where(explained, deviation, local + np.clip(deviation - local, -limit, limit))


def update(y: Floats, fitted: Floats, *, memory: Floats) -> Floats:
    """The next round's values: errors clipped, gaps at what the model expects given the readings on both sides.

    Args:
        y: Shape (n_series, n), NaN where there is a gap.
        fitted: What the model explains, same shape.
        memory: Share of an error left one step later, shape (n_series,).
    """
    there = ~np.isnan(y)
    errors = np.where(there, y - fitted, np.nan)
    limit = _limit(errors)
    return fitted + bridge(np.clip(errors, -limit, limit), there, memory=memory)


def bridge(errors: Floats, there: Mask, *, memory: Floats) -> Floats:
    """Errors with the gaps at their expectation under a first-order autoregression, which decays from both sides."""
    n = errors.shape[1]
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(there, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(there, at, n)[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before >= 0, np.take_along_axis(errors, np.maximum(before, 0), axis=1), 0.0)
    right = np.where(after < n, np.take_along_axis(errors, np.minimum(after, n - 1), axis=1), 0.0)
    decay = memory[:, None]
    a = decay ** np.where(before >= 0, at - before, _FAR)
    b = decay ** np.where(after < n, after - at, _FAR)
    bottom = 1 - (a * b) ** 2
    expected = (a * (1 - b**2) * left + b * (1 - a**2) * right) / np.where(bottom > 0, bottom, 1.0)
    return np.where(there, errors, expected)


def _limit(errors: Floats) -> Floats:
    """Size beyond which an error is an outlier, shape (n_series, 1); by the mean where most errors are about 0."""
    size = np.abs(errors)
    middle, average = MAD_TO_SD * median(size), mean(size)
    ceiling = np.where(middle > average / 20, _AVERAGED * middle, np.inf)[:, None]
    result: Floats = np.nan_to_num(_CLIP * np.maximum(middle, mean(np.minimum(size, ceiling))))[:, None]
    return result


def _middle_of_three(values: Floats) -> Floats:
    """Median of each value and those a few steps before and after, which a short spike cannot move."""
    if values.shape[1] <= 2 * _SPIKE:
        return values
    before = np.concatenate([values[:, :_SPIKE], values[:, :-_SPIKE]], axis=1)
    after = np.concatenate([values[:, _SPIKE:], values[:, -_SPIKE:]], axis=1)
    low, high = np.minimum(before, after), np.maximum(before, after)
    result: Floats = np.minimum(np.maximum(values, low), high)
    return result
