"""What is usual of values that are no counts: level and shape of the week, and how far past values lay off them."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.score import mean, ratio
from tutordex_analysis.model.threshold import USUALLY, Learnt, Timeline

_MOST_WEEKS = 12
_SHAPE_WEEKS = 8  # that a shape is learnt from
_LEAST_DAYS = 2  # of readings, before a week has a level
_FIRST = 2  # weeks before the first one that is judged
_SLOW = 3.0  # weeks that speak for the shape of the day against that of the week
_SHRINK = 8.0  # residuals that speak for one spread at all hours
_TAIL, _LEAST_TAIL = 0.05, 5.0  # share of the values, and how many, that the far end is made from
_INCIDENTS, _FAR_BEYOND = 0.1, 3.0  # share of the days; times the largest value of the other days
_FAR = ((0.5, np.log(2)), (0.75, np.log(4)))  # quantiles of an exponential in units of its mean


def edge(y: Floats, *, time: Timeline, chance: float, direction: str = "above") -> Learnt:
    """The value that one is beyond this rarely at that hour of the week: an alert fires past it.

    The level is the median of the last week, the shape a median of earlier ones. How far values lie off is told by
    weeks that the shape did not see, in units of the hour's own spread; where `chance` asks for more than was ever
    seen, the far end goes on as an exponential. Up to a tenth of the days, if far beyond all others, are taken for
    incidents, which shall alert, and not for what is usual.

    Args:
        y: Values up to the moment, shape (n_series, n), NaN where there is a gap; at least three weeks.
        time: The steps to come, a week at least.
        chance: Of a value beyond.
        direction: "above" or "below".
    """
    week, day = int(time.week.max()) + 1, int(time.day.max()) + 1
    sign = 1.0 if direction == "above" else -1.0
    n = min(y.shape[1] // week, _MOST_WEEKS)
    weeks = (sign * y[:, y.shape[1] - n * week :]).reshape(len(y), n, week)
    known = (~np.isnan(weeks)).sum(axis=2)  # a few hours of a week, such as one night, do not tell its level
    level = np.where(known >= _LEAST_DAYS * day, _median(weeks, axis=2), np.nan)
    off = weeks - level[..., None]
    errors = [
        weeks[:, j] - level[:, j - 1, None] - _shape(off[:, max(0, j - _SHAPE_WEEKS) : j], day)
        for j in range(_FIRST, n)
    ]
    error = np.stack(errors, axis=1)
    spread = _spread(error, day)
    expected = level[:, -1, None] + _shape(off[:, -_SHAPE_WEEKS:], day)
    z = _calm((error / np.where(spread > 0, spread, 1.0)[:, None]).reshape(len(y), -1), day)
    far = [np.array([quantile(row, one) for row in z]) for one in (1 - chance, *USUALLY)]
    at = np.arange(time.horizon) % week  # the history ends where the future begins
    value, lower, upper = (sign * (expected + spread * one[:, None])[:, at] for one in far)
    lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
    return Learnt(value=value, eased=value, lower=lower, upper=upper)


def quantile(z: Floats, level: float) -> float:
    """A quantile of a sample without its NaNs; beyond what it can tell an exponential goes on from its far end."""
    known = np.sort(z[~np.isnan(z)])
    n = len(known)
    if not n:
        return float("nan")
    beyond = 1 - level
    if beyond >= 0.5 or n * beyond >= 2 * _LEAST_TAIL:
        return float(known[min(n - 1, int(np.ceil((n + 1) * level)) - 1)])
    share = max(_TAIL, _LEAST_TAIL / n)
    start = known[min(n - 1, int(np.ceil(n * (1 - share))) - 1)]
    excess = known[known > start] - start
    scale = max((float(np.quantile(excess, p)) / far for p, far in _FAR), default=0.0) if len(excess) else 0.0
    return float(start + scale * max(np.log(share / beyond), 0.0))


def _calm(z: Floats, day: int) -> Floats:
    """The same without days that are far beyond all others."""
    by_day = z.reshape(len(z), -1, day)
    worst = np.nan_to_num(by_day, nan=-np.inf).max(axis=2)
    rest = np.quantile(worst, 1 - _INCIDENTS, axis=1, method="higher", keepdims=True)
    wild = worst > np.maximum(_FAR_BEYOND * rest, 0.0)
    return np.where(wild[..., None], np.nan, by_day).reshape(z.shape)


def _shape(off: Floats, day: int) -> Floats:
    """The usual distance from the level at each phase of the week, shape (n_series, week)."""
    n, k, week = off.shape
    by_day = _median(off.reshape(n, k * (week // day), day), axis=1)
    daily = np.tile(by_day, (1, week // day))
    rest = _median(off - daily[:, None], axis=1)
    seen = (~np.isnan(off)).sum(axis=1)
    found: Floats = daily + np.nan_to_num(rest) * seen / (seen + _SLOW)
    return found


def _spread(error: Floats, day: int) -> Floats:
    """Mean size of an error at each phase of the week, by hour of the day, shape (n_series, week)."""
    n, k, week = error.shape
    size = np.abs(error).reshape(n, k * (week // day), day)
    pooled = mean(size.reshape(n, -1))
    size = np.minimum(size, 5 * pooled[:, None, None])
    seen = (~np.isnan(size)).sum(axis=1)
    each = ratio(np.nansum(size, axis=1) + _SHRINK * pooled[:, None], seen + _SHRINK)
    return np.tile(each, (1, week // day))


def _median(x: Floats, *, axis: int) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but gaps has no median
        found: npt.NDArray[np.float64] = np.nanmedian(x, axis=axis)
    return found
