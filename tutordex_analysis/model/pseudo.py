"""Pseudo-data: values that stand in for gaps and outliers, so that one set of factors serves every series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.naive import MAD_TO_SD, median, seasonal_naive
from tutordex_analysis.model.score import mean

_CLIP = 4.0  # standard deviations beyond which an error counts no further (Huber's proposal)
_GROSS = 2.0  # times that, before anything is fitted
_AVERAGED = 10.0  # standard deviations up to which errors enter their own mean
_SPIKE = 6  # steps; a longer excursion may be a new level
_FAR = 10**6  # steps to the next reading where there is none

Mask = npt.NDArray[np.bool_]


def first(y: Floats, *, season: int, explained: Mask) -> Floats:
    """Values to start from: gaps as `bridged`, gross spikes of a few steps taken off.

    Args:
        y: Shape (n_series, n), centred on 0, NaN where there is a gap.
        season: Steps; 1 for none.
        explained: Instants whose values a holiday may explain, shape (n,); nothing is taken off there.
    """
    there = ~np.isnan(y)
    # a phase that lacks a cycle would stand out against its neighbours in every other one, so gaps are filled first
    whole = y if there.all() else np.where(there, y, bridged(y, season=season))
    profile = _profile(whole, season)
    deviation = whole - profile
    local = _middle_of_three(deviation)
    limit = _GROSS * _limit(np.where(there, deviation - local, np.nan))
    return profile + np.where(explained | ~there, deviation, local + np.clip(deviation - local, -limit, limit))


def usual_season(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """The last season again, without its gross spikes: an outage of last week is not repeated.

    What takes part in mixtures in place of `seasonal_naive`; arguments and result as there.
    """
    season = min((m for m in season_lengths if 2 * m <= y.shape[1]), default=1)
    centre = np.nan_to_num(median(y))[:, None]
    nothing = np.zeros(y.shape[1], dtype=np.bool_)
    steady = np.where(np.isnan(y), np.nan, centre + first(y - centre, season=season, explained=nothing))
    return seasonal_naive(steady, ds=ds, horizon=horizon, season_lengths=season_lengths, quantiles=quantiles)


def bridged(y: Floats, *, season: int) -> Floats:
    """Gaps filled by the level of their time and the shape of the season, fitted to the readings on both sides.

    The median of a gap's phase alone would be a jump on a disk that fills, and a jump makes a band wide.

    Args:
        y: Shape (n_series, n), NaN where there is a gap; a series without any reading is 0.
        season: Steps; 1 for none.
    """
    rows, n = y.shape
    cycles = -(-n // season)
    middles = _across(median(_cut(y, season).reshape(-1, season)).reshape(rows, cycles))
    place = np.clip((np.arange(n) - (season - 1) / 2) / season, 0, cycles - 1)
    low = place.astype(np.intp)
    high = np.minimum(low + 1, cycles - 1)
    level = middles[:, low] + (place - low) * (middles[:, high] - middles[:, low])
    usual = level + _profile(y - level, season)
    return usual + _across(y - usual)


def _cut(y: Floats, season: int) -> Floats:
    """Whole cycles, NaN after the end, shape (n_series, cycles, season)."""
    rows, n = y.shape
    padded = np.full((rows, -(-n // season) * season), np.nan)
    padded[:, :n] = y
    return padded.reshape(rows, -1, season)


def _profile(y: Floats, season: int) -> Floats:
    """The median of each phase at all its instants, 0 for a phase without any reading."""
    cycles = _cut(y, season)
    by_phase = np.swapaxes(cycles, 1, 2).reshape(-1, cycles.shape[1])
    return np.tile(np.nan_to_num(median(by_phase).reshape(len(y), season)), cycles.shape[1])[:, : y.shape[1]]


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
    row, gap = np.nonzero(~there)
    if not len(row):
        return errors
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(there, at, -1), axis=1)[row, gap]
    after = np.minimum.accumulate(np.where(there, at, n)[:, ::-1], axis=1)[:, ::-1][row, gap]
    left = np.where(before >= 0, errors[row, np.maximum(before, 0)], 0.0)
    right = np.where(after < n, errors[row, np.minimum(after, n - 1)], 0.0)
    decay = memory[row]
    a = decay ** np.where(before >= 0, gap - before, _FAR)
    b = decay ** np.where(after < n, after - gap, _FAR)
    bottom = 1 - (a * b) ** 2
    result = errors.copy()
    result[row, gap] = (a * (1 - b**2) * left + b * (1 - a**2) * right) / np.where(bottom > 0, bottom, 1.0)
    return result


def _across(values: Floats) -> Floats:
    """Gaps on straight lines between the readings on both sides, at its ends like the nearest one; 0 without any."""
    there, n = ~np.isnan(values), values.shape[1]
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(there, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(there, at, n)[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before >= 0, before, np.where(after < n, after, 0))
    right = np.where(after < n, after, left)
    low, high = (np.take_along_axis(np.nan_to_num(values), one, axis=1) for one in (left, right))
    share = np.where(right > left, (at - left) / np.maximum(right - left, 1), 0.0)
    return np.where(there, values, low + share * (high - low))


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
