"""Simulated streams of good and bad events whose future is known, for `bench.slo`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.model import slo
from tutordex_analysis.model.slo_ahead import QUANTILES, ahead

PERIOD = "30d"
A_DAY = 4800.0  # events
_HOURS = 24
_BEFORE = 60  # days that are known
_LONG = (_BEFORE + 45) * _HOURS
_NOW = _BEFORE * _HOURS
_FEW = 0.0005  # share of bad events without an outage
_DAY = pd.Timedelta("1D")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was said of one stream and what came.

    Attributes:
        days: Until the budget was gone, or was left again; infinite where it never was within a period.
        said: Quantiles of that, in days; infinite likewise.
        survives: Probability that was said of never.
    """

    days: float
    said: tuple[float, ...]
    survives: float

    @property
    def held(self) -> bool:
        """Whether the interval holds what came."""
        return self.said[0] <= self.days <= self.said[-1]


def steady(seed: int, *, spread: float = 1.0) -> Outcome:
    """A share of bad events that rose ten or more days ago to 50 to 150 a day and stays; it is gone in nine days.

    Args:
        seed: Of the stream.
        spread: How many times the chance of single events days differ.
    """
    rng = np.random.default_rng(seed)
    burn, since = rng.uniform(50, 150), int(rng.integers(10, 21))
    daily = np.where(np.arange(_LONG // _HOURS) >= _BEFORE - since, burn, burn / 10)
    if spread > 1:
        shape = daily / (spread - 1)
        daily = daily * rng.gamma(shape) / shape
    total = _traffic(rng)
    bad = np.minimum(rng.poisson(np.repeat(daily, _HOURS) / A_DAY * total), total)
    spent = burn * (since + 9) + burn / 10 * (21 - since)  # of the thirty days that end nine days from now
    return _outcome(bad, total, objective=1 - spent / (30 * A_DAY), seed=seed)


def outages(seed: int) -> Outcome:
    """Few bad events, and one to nine outages of some hours in thirty days, as often before now as afterwards."""
    rng = np.random.default_rng(seed)
    total = _traffic(rng)
    return _outcome(rng.binomial(total, _failing(rng)), total, objective=0.99, seed=seed)


def broken(seed: int) -> Outcome:
    """Such outages, and a promise that those of the last thirty days broke by 5 to 50 % of what they took."""
    rng = np.random.default_rng(seed)
    total, now = _traffic(rng), slice(_NOW - 30 * _HOURS, _NOW)
    while not ((share := _failing(rng)) > _FEW)[now].any():
        pass
    bad = rng.binomial(total, share)
    took = bad[now][share[now] > _FEW].sum()
    allowed = bad[now].sum() - rng.uniform(0.05, 0.5) * took
    return _outcome(bad, total, objective=1 - allowed / total[now].sum(), seed=seed, back=True)


def _failing(rng: np.random.Generator) -> np.ndarray:
    """The share of bad events in each hour."""
    share = np.full(_LONG, _FEW)
    often = rng.uniform(1, 9) / (30 * _HOURS)
    for begin in np.flatnonzero(rng.random(_LONG) < often):
        share[begin : begin + int(rng.integers(1, 5))] = rng.uniform(0.2, 0.9)
    return share


def _traffic(rng: np.random.Generator) -> np.ndarray:
    """Events an hour, more by day than by night."""
    shape = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(_LONG) % _HOURS - 9) / _HOURS)
    return rng.poisson(A_DAY / _HOURS * shape)


def _outcome(bad: np.ndarray, total: np.ndarray, *, objective: float, seed: int, back: bool = False) -> Outcome:
    """What is said after sixty days, and when the budget of the last thirty days was really gone, or left again."""
    ds = pd.date_range("2026-09-01T01:00Z", periods=_LONG, freq="h")
    events = pd.DataFrame({"ds": ds, "bad": bad.astype(float), "total": total.astype(float)})
    length = 30 * _HOURS
    over = slo.rolling(events["bad"].to_numpy(), length) >= (1 - objective) * slo.rolling(
        events["total"].to_numpy(), length
    )
    gone = np.flatnonzero(over[_NOW : _NOW + length] != back)
    found = ahead(events.iloc[:_NOW], objective=objective, period=PERIOD, seed=seed)
    return Outcome(
        days=(gone[0] + 1) / _HOURS if len(gone) else np.inf,
        said=tuple(_days((found.back if back else found.dates)[p], ds[_NOW - 1]) for p in QUANTILES),
        survives=found.survives,
    )


def _days(when: pd.Timestamp | None, now: pd.Timestamp) -> float:
    return np.inf if when is None else (when - now) / _DAY
