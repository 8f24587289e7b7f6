"""Scores of a forecast against what happened: error, loss of the quantiles, coverage, bias.

Every function works on the last axis, so that one call scores one forecast or a thousand. A step whose actual value is
NaN is left out; where nothing is left the score is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import Floats


def scale(history: Floats, *, season_length: int) -> Floats:
    """Mean absolute difference of values one season apart, what `mase` divides by.

    Args:
        history: Values before the cutoff, shape (..., n), n > season_length; NaN where there is a gap.
        season_length: Steps in one season.

    Returns:
        Shape (...), in the unit of `history`; NaN where no two values lie one season apart.

    Raises:
        NotEnoughData: `history` is not longer than one season.
    """
    n = history.shape[-1]
    if n <= season_length:
        raise NotEnoughData(f"MASE needs more than {season_length} steps of history, got {n}")
    return mean(np.abs(history[..., season_length:] - history[..., :-season_length]))


def mase(y: Floats, yhat: Floats, history: Floats, *, season_length: int) -> Floats:
    """Mean absolute scaled error; below 1 beats repeating the last season inside the history.

    Args:
        y: Observed values, shape (..., horizon), in the metric's unit.
        yhat: Forecast of the same steps.
        history: Values before the cutoff, shape (..., n), n > season_length.
        season_length: Steps in one season, e.g. 288 for a day of 5-minute steps.

    Returns:
        Ratios >= 0, shape (...); NaN where every season of `history` is the same (nothing to scale by).

    Raises:
        NotEnoughData: `history` is not longer than one season.

    References:
        Hyndman & Koehler (2006), Int. J. Forecasting 22(4), 679-688.

    Example:
        >>> print(mase(np.array([3.0, 5.0]), np.array([4.0, 5.0]), np.array([1.0, 3.0, 2.0]), season_length=1))
        0.3333333333333333
    """
    return ratio(mean(np.abs(y - yhat)), scale(history, season_length=season_length))


def smape(y: Floats, yhat: Floats) -> Floats:
    """Symmetric mean absolute percentage error as a fraction, 0 to 2; a step with both 0 is no error.

    References:
        Makridakis et al. (2020), Int. J. Forecasting 36(1), 54-74 (there times 100).

    Example:
        >>> print(smape(np.array([1.0, 0.0]), np.array([3.0, 0.0])))
        0.5
    """
    size = np.abs(y) + np.abs(yhat)
    return mean(np.where(size == 0, 0.0, 2 * np.abs(y - yhat) / np.where(size == 0, 1.0, size)))


def pinball(y: Floats, quantile_values: Floats, *, quantiles: Sequence[float]) -> Floats:
    """Mean pinball loss over steps and quantiles, in the unit of `y`; for the median alone it is half the MAE.

    Args:
        y: Observed values, shape (..., horizon).
        quantile_values: Forecast quantiles, shape (..., horizon, n_quantiles).
        quantiles: Their levels, each between 0 and 1, in the order of the last axis.

    Returns:
        Losses >= 0, shape (...).

    References:
        Koenker & Bassett (1978), Econometrica 46(1), 33-50.

    Example:
        >>> print(pinball(np.array([10.0]), np.array([[8.0, 11.0]]), quantiles=(0.1, 0.9)))
        0.15
    """
    levels = np.asarray(quantiles)
    error = y[..., None] - quantile_values
    return mean(np.maximum(levels * error, (levels - 1) * error).mean(axis=-1))


def coverage(y: Floats, lower: Floats, upper: Floats) -> Floats:
    """Share of the steps whose actual value lies in the band, its edges included.

    Example:
        >>> print(coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0])))
        0.5
    """
    inside = (y >= lower) & (y <= upper)
    return mean(np.where(np.isnan(y), np.nan, inside))


def bias(y: Floats, yhat: Floats) -> Floats:
    """How far the forecast lies too high, as a share of the mean size of what happened; below 0: too low.

    Returns:
        Shape (...); NaN where everything that happened is 0.

    Example:
        >>> print(bias(np.array([2.0, 2.0]), np.array([3.0, 2.0])))
        0.25
    """
    return ratio(mean(yhat - y), mean(np.abs(y)))


def mean(values: Floats) -> Floats:
    """Mean of the last axis without its NaNs; NaN where there is nothing else."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1))


def ratio(top: Floats, bottom: Floats) -> Floats:
    """A quotient; NaN, without a warning, where there is nothing to divide by."""
    result: Floats = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)[()]
    return result
