"""What others do about anomalies, as causal scores of one series on a regular grid: each row uses rows up to its own.

A score is the distance from the middle of the method's band in half widths of the band, so one threshold serves all
series. The scale of a band has a floor of a tenth of the spread seen so far: a flat stretch gives no infinite score.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from pandas.api.typing import Rolling

from tutordex_analysis.frame import Floats
from tutordex_analysis.moment import duration

Opponent: TypeAlias = Callable[[pd.Series], Floats]

FLOOR = 0.1  # of the standard deviation of all rows so far; of several shares the one that serves the opponents best
REFITS = (0.15, 0.3, 0.5, 0.75)  # share of the rows at which a learner is fitted anew, on all rows before
LAGS = 12  # values that Isolation Forest sees at once


def rolling_z(y: pd.Series, *, window: str = "7d") -> Floats:
    """Mean and standard deviation of the last week, without the value itself."""
    past = y.shift(1).rolling(_rows(y, window), min_periods=_rows(y, "1d"))
    return _score(y, past.mean(), past.std(), y)


def rolling_mad(y: pd.Series, *, window: str = "7d") -> Floats:
    """Median and median absolute deviation of the last week, without the value itself."""
    rows, least = _rows(y, window), _rows(y, "1d")
    middle = y.shift(1).rolling(rows, min_periods=least).median()
    spread = (y - middle).abs().shift(1).rolling(rows, min_periods=least).median()
    return _score(y, middle, spread, y)


def seasonal_mad(y: pd.Series, *, days: int = 28) -> Floats:
    """Median and median absolute deviation of the same hour of the day on the days before, four weeks at most."""
    each = _rows(y, "1h")

    def past(values: pd.Series) -> pd.Series:
        return values.groupby(_index(y).hour, group_keys=False).apply(
            lambda one: one.shift(each).rolling(days * each, min_periods=3 * each).median()
        )

    middle = past(y).reindex(y.index)
    return _score(y, middle, past((y - middle).abs()).reindex(y.index), y)


def grafana_adaptive(y: pd.Series) -> Floats:
    """Grafana's recipe "adaptive": mean of an hour ± 2 standard deviations that are smoothed over 26 hours.

    The standard deviation of each hour counts only where it is above half of the mean, and is averaged over 26 hours.
    The band is at least half of the mean wide on each side, and at least as wide as the hour around this time
    yesterday and a week ago was (mean ± 2 standard deviations). Where an hour has fewer than four rows, four rows take
    its place: the recipe is for scrapes every minute, and of one row there is no deviation.

    References:
        grafana/promql-anomaly-detection, rules/adaptive.yml (2025).
    """
    hour, day = max(_rows(y, "1h"), 4), _rows(y, "26h")
    mean, sd = _recent(y, hour).mean(), _recent(y, hour).std(ddof=0)
    smooth = sd.where(sd > 0.5 * mean).rolling(day, min_periods=1).mean()
    width = pd.concat([2 * smooth, 0.5 * mean.abs()], axis=1).max(axis=1)
    upper, lower = [mean + width], [mean - width]
    for back in ("1d", "7d"):
        shift = _rows(y, back) - hour // 2
        upper.append((mean + 2 * sd).shift(shift))
        lower.append((mean - 2 * sd).shift(shift))
    return _band(y, pd.concat(lower, axis=1).min(axis=1), pd.concat(upper, axis=1).max(axis=1), y)


def grafana_robust(y: pd.Series) -> Floats:
    """Grafana's recipe "robust": the median of an hour against the median of a day ± 2 median absolute deviations.

    The band is at least half of the median wide on each side, and at least as wide as the hour around this time
    yesterday and a week ago was (median ± 2 median absolute deviations). Hours of few rows as for "adaptive".

    References:
        grafana/promql-anomaly-detection, rules/robust.yml (2025).
    """
    hour, day = max(_rows(y, "1h"), 4), _rows(y, "1d")
    level, middle = _recent(y, hour).median(), _recent(y, day).median()
    spread = _recent((y - middle).abs(), day).median()
    width = pd.concat([2 * spread, 0.5 * middle.abs()], axis=1).max(axis=1)
    upper, lower = [middle + width], [middle - width]
    around = _recent((y - level).abs(), hour).median()
    for back in ("1d", "7d"):
        shift = _rows(y, back) - hour // 4
        upper.append((level + 2 * around).shift(shift))
        lower.append((level - 2 * around).shift(shift))
    return _band(level.where(y.notna()), pd.concat(lower, axis=1).min(axis=1), pd.concat(upper, axis=1).max(axis=1), y)


def isolation_forest(y: pd.Series) -> Floats:
    """scikit-learn's Isolation Forest on the last twelve values, fitted on all rows before 15, 30, 50 and 75 %."""
    from sklearn.ensemble import IsolationForest

    filled = y.ffill().to_numpy(dtype=float)
    n = len(filled)
    rows = np.full((n, LAGS), np.nan)
    for lag in range(LAGS):
        rows[lag:, lag] = filled[: n - lag]
    good = np.isfinite(rows).all(axis=1)
    score = np.full(n, np.nan)
    for first, last in _refits(n):
        known, wanted = np.flatnonzero(good[:first]), first + np.flatnonzero(good[first:last])
        if len(known) < 2 * LAGS or not len(wanted):
            continue
        forest = IsolationForest(random_state=0).fit(rows[known])
        score[wanted] = -forest.score_samples(rows[wanted])
    return np.where(y.notna(), score, np.nan)


def prophet_interval(y: pd.Series) -> Floats:
    """Prophet as it comes, its 80 % interval, fitted on all rows before 15, 30, 50 and 75 %."""
    score = np.full(len(y), np.nan)
    for first, last in _refits(len(y)):
        if y.iloc[:first].notna().sum() >= 10:
            part = y.iloc[first:last]
            low, high = prophet_band(y.iloc[:first], _index(part))
            score[first:last] = _band(part, low, high, y.iloc[:last])
    return score


def prophet_band(history: pd.Series, asked: pd.DatetimeIndex) -> tuple[pd.Series, pd.Series]:
    """Lower and upper edge of Prophet's interval at some instants, after one fit."""
    for name in ("prophet", "prophet.plot", "cmdstanpy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from prophet import Prophet

        logging.getLogger("cmdstanpy").disabled = True
        known = pd.DataFrame({"ds": _index(history).tz_localize(None), "y": history.to_numpy()})
        np.random.seed(0)  # noqa: NPY002 - Prophet draws from numpy's global generator
        told = Prophet().fit(known, seed=1).predict(pd.DataFrame({"ds": asked.tz_localize(None)}))
    low, high = (pd.Series(told[name].to_numpy(), index=asked) for name in ("yhat_lower", "yhat_upper"))
    return low, high


QUICK: dict[str, Opponent] = {
    "rolling z-score": rolling_z,
    "rolling median ± MAD": rolling_mad,
    "seasonal MAD": seasonal_mad,
    "Grafana adaptive": grafana_adaptive,
    "Grafana robust": grafana_robust,
    "Isolation Forest": isolation_forest,
}
ALL: dict[str, Opponent] = QUICK | {"Prophet's interval": prophet_interval}
GRAFANA = ("Grafana adaptive", "Grafana robust")


def _index(y: pd.Series) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(y.index)


def _rows(y: pd.Series, span: str) -> int:
    step = _index(y)[1] - _index(y)[0]
    return max(1, round(duration(span) / step))


def _recent(y: pd.Series, rows: int) -> Rolling[pd.Series]:
    return y.rolling(rows, min_periods=max(1, rows // 2))


def _refits(n: int) -> list[tuple[int, int]]:
    edges = [int(share * n) for share in REFITS] + [n]
    return list(pairwise(edges))


def _score(y: pd.Series, middle: pd.Series, spread: pd.Series, seen: pd.Series) -> Floats:
    return _band(y, middle - spread, middle + spread, seen)


def _band(level: pd.Series, lower: pd.Series, upper: pd.Series, seen: pd.Series) -> Floats:
    floor = FLOOR * seen.expanding(2).std().shift(1).reindex(level.index)
    half = np.maximum(np.maximum((upper - lower) / 2, floor), 1e-9)
    found: Floats = ((level - (upper + lower) / 2).abs() / half).to_numpy(dtype=float)
    return found
