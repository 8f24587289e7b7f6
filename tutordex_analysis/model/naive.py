"""Repeating what was: the last season, or the last value where there is no season to repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.score import mean, ratio

MAD_TO_SD = 1.4826  # a Gaussian's standard deviation over its median absolute deviation
_CLIP = 4.0  # differences beyond this many robust standard deviations are incidents, not noise


def seasonal_naive(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """The last season again, with Gaussian bands from the seasonal differences that grow with the seasons ahead.

    Each phase repeats its latest reading, so a gap at the end reaches one season further back, with the wider band of
    that age. Of several seasons each series takes the one whose repetition erred least in the history at this horizon.

    Args:
        y: Histories, shape (n_series, n), NaN where there is a gap.
        ds: Instants of the history; not used, part of every forecaster's signature.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; those without two full cycles in `n` are passed over, and
            where none is left the last value is repeated.
        quantiles: Levels, rising.

    Returns:
        Quantiles, shape (n_series, horizon, n_quantiles); NaN for a series without two readings.
    """
    usable = [m for m in season_lengths if 2 * m <= y.shape[1]]
    if not usable:
        return last_value(y, ds=ds, horizon=horizon, season_lengths=(), quantiles=quantiles)
    errors = np.stack([_error(y, m, horizon) for m in usable])
    choice = np.where(np.isnan(errors), np.inf, errors).argmin(axis=0)
    result = np.empty((len(y), horizon, len(quantiles)))
    for i, m in enumerate(usable):
        rows = choice == i
        if rows.any():
            result[rows] = _repeat(y[rows], m, horizon, quantiles)
    return result


def last_value(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """The last reading, for histories too short for anything else.

    The band at k steps is as wide as values k steps apart differed in the history, and a little wider where
    those are few; beyond a fifth of the history it grows with the square root of time. Arguments and result as in
    `seasonal_naive`.
    """
    n = y.shape[1]
    lags = np.unique(np.minimum(2 ** np.arange(32), max(n // 5, 1)))
    spread = np.stack([_rms(y[:, lag:] - y[:, :-lag]) for lag in lags], axis=1)
    spread = np.maximum.accumulate(np.where(np.isnan(spread), _rms(_centred(y))[:, None], spread), axis=1)
    spread *= np.sqrt(1 + 2 * lags / n)  # Student's variance for the n / lag differences that do not overlap
    last, age = _latest(y[:, ::-1])
    ahead = age[:, None] + np.arange(1, horizon + 1)
    sd = np.stack([np.interp(row, lags, one) for row, one in zip(ahead, spread, strict=True)])
    sd *= np.sqrt(np.maximum(ahead / lags[-1], 1.0))
    result: Floats = last[:, None, None] + sd[:, :, None] * ndtri(np.asarray(quantiles))
    return result


def drift(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """The straight line through the first and the last reading, going on; arguments and result as in `seasonal_naive`.

    References:
        Hyndman & Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5.
    """
    n = y.shape[1]
    last, age = _latest(y[:, ::-1])
    first, born = _latest(y)
    length = np.maximum(n - 1 - age - born, 1.0)
    slope = (last - first) / length
    differences = np.diff(y, axis=1) - slope[:, None]
    sd = np.nan_to_num(_rms(differences))[:, None]
    ahead = age[:, None] + np.arange(1, horizon + 1)
    spread = sd * np.sqrt(ahead * (1 + ahead / length[:, None]))
    centre = last[:, None] + slope[:, None] * ahead
    result: Floats = centre[:, :, None] + spread[:, :, None] * ndtri(np.asarray(quantiles))
    return result


def _repeat(y: Floats, m: int, horizon: int, quantiles: Sequence[float]) -> Floats:
    cycles = y.shape[1] // m
    newest_first = y[:, y.shape[1] - cycles * m :].reshape(len(y), cycles, m)[:, ::-1]
    last, age = _latest(np.swapaxes(newest_first, 1, 2))
    last = _filled(last)
    phase, seasons_ahead = np.arange(horizon) % m, np.arange(horizon) // m + 1
    sd = _seasonal_sd(y, m)[:, None] * np.sqrt(seasons_ahead + age[:, phase])
    return last[:, phase, None] + sd[:, :, None] * ndtri(np.asarray(quantiles))


def _error(y: Floats, m: int, horizon: int) -> Floats:
    """Mean absolute error in the history of repeating a season up to as far as the horizon reaches."""
    lags = [m * j for j in range(1, -(-horizon // m) + 1) if m * j < y.shape[1]][:12]
    return mean(np.stack([mean(np.abs(y[:, lag:] - y[:, :-lag])) for lag in lags], axis=1))


def _seasonal_sd(y: Floats, m: int) -> Floats:
    differences = y[:, m:] - y[:, :-m]
    sd = _rms(differences)
    return np.where(np.isnan(sd), _rms(_centred(y)), sd)


def _rms(differences: Floats) -> Floats:
    """Root mean square of each row with incidents clipped, a plain one where more than half of the row is 0."""
    size = np.abs(differences)
    ceiling = _CLIP * MAD_TO_SD * median(size)
    clipped = np.where(ceiling[:, None] > 0, np.minimum(size, ceiling[:, None]), size)
    return np.sqrt(mean(clipped**2))


def _centred(y: Floats) -> Floats:
    return y - median(y)[:, None]


def median(values: Floats) -> Floats:
    """Median of each row without its NaNs; NaN where there is nothing else."""
    if not values.size:
        return np.full(len(values), np.nan)
    n = (~np.isnan(values)).sum(axis=1)
    ordered = np.sort(values, axis=1)
    low, high = np.maximum((n - 1) // 2, 0), np.minimum(n // 2, values.shape[1] - 1)
    picked = np.take_along_axis(ordered, np.stack([low, high], axis=1), axis=1)
    return ratio(np.where(n[:, None] > 0, picked, 0.0).sum(axis=1), 2.0 * (n > 0))


def _latest(newest_first: Floats) -> tuple[Floats, Floats]:
    """The first reading along the last axis, and how many places it stands back."""
    there = ~np.isnan(newest_first)
    age = there.argmax(axis=-1)
    return np.take_along_axis(newest_first, age[..., None], axis=-1)[..., 0], age.astype(np.float64)


def _filled(season: Floats) -> Floats:
    """Phases without any reading take the value of the phase before, round the season."""
    m = season.shape[1]
    twice = np.concatenate([season, season], axis=1)
    latest = np.maximum.accumulate(np.where(np.isnan(twice), -1, np.arange(2 * m)), axis=1)[:, m:]
    return np.take_along_axis(twice, np.maximum(latest, 0), axis=1)
