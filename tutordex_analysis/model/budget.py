"""From scores to alerts: what the policy lets through, and the threshold that an alert budget allows.

The threshold of a week follows from the weeks before it: as many peaks of the past have reached it as the budget
allows, over all series together; a storm, in which many series peak, counts once. Where more than two series are
unusual in the same step, the j-th strongest needs only what j/2 times the budget would allow: the step-up of Benjamini
and Hochberg over the series of one step, at half the level that the budget sets.

References:
    Benjamini & Hochberg (1995), J. R. Statist. Soc. B 57(1), 289-300.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.policy import Policy

EDGE = 1.0  # score of the band's edge, the threshold where there is no budget
_BASE = 0.8  # score from which a peak is remembered
_GAP = 2  # steps between two runs of one peak
_WEEK = pd.Timedelta(days=7)
_STORM, _STORM_STEPS = 4, 3  # so many peaks that begin within so many steps are one alert
_LEVELS = 400  # scores that are tried
_HIGHEST = 6.0  # threshold that is looked for where there was no peak
_BAD_WEEK = 1.5  # times what was asked for, and one, is the most that a week counts: a bad one hides no other
_SHARED = 20  # series of one step, beyond which the step-up asks for no less
_YOUNG_WEEKS = 2  # at the start, in which records are still being set, that say nothing of later weeks
_PRIOR_WEEKS = 4.0  # of peaks, until which what is usual of other series has a say
# Usual rate of peaks above a score, per series and week: falls by half every 0.12.
_PRIOR_RATE, _PRIOR_AT, _PRIOR_FALL = 0.5, 1.33, 5.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The rows of a table as steps and series.

    Attributes:
        step: Number of each row's instant, counted from the first instant of the table.
        series: Number of each row's series; rows are sorted by series and time.
        per_week: Steps in a week.
    """

    step: npt.NDArray[np.int64]
    series: npt.NDArray[np.int64]
    per_week: int


def grid(table: pd.DataFrame, step: pd.Timedelta) -> Grid:
    """Where each row of a table stands."""
    moments = pd.DatetimeIndex(table["ds"])
    since = np.asarray((moments - moments.min()) // step, dtype=np.int64)
    series = pd.factorize(table["unique_id"])[0].astype(np.int64)
    return Grid(step=since, series=series, per_week=max(int(_WEEK // step), 1))


def allowed(table: pd.DataFrame, policy: Policy) -> Floats:
    """The score of each row as far as the policy cares: 0 where it does not, infinite where a value is out of range.

    Scores far inside the band are 0 too.

    Args:
        table: unique_id, y, expected, score, kind; sorted by series and time.
        policy: What is worth an alert.
    """
    y, score = table["y"].to_numpy(), table["score"].to_numpy()
    found = np.zeros(len(table))
    rows = np.flatnonzero(score > _BASE)  # what is less strange is never an alert
    kind = table["kind"].iloc[rows].to_numpy(dtype=object)
    usual = table["expected"].to_numpy()[rows]
    off = y[rows] - usual
    up = (off >= 0) & (kind != "silence")
    least = np.where(up, policy.least_above, policy.least_below)
    share = np.where(up, policy.share_above, policy.share_below)
    wanted = (np.abs(off) >= least) & (np.abs(off) >= share * np.abs(usual)) & (kind != "return")
    if policy.direction != "both":
        either = np.isin(kind, ("noise", "flat"))  # neither up nor down
        wanted &= either | (up == (policy.direction == "up"))
    found[rows[wanted]] = score[rows[wanted]]
    out = np.flatnonzero((y < policy.lowest) | (y > policy.highest))
    found[out] = np.inf
    if policy.persistence > 1:
        found = _lasting(found, pd.factorize(table["unique_id"])[0], policy.persistence)
        found[out] = np.inf
    return found


def _lasting(score: Floats, series: npt.NDArray[np.intp], steps: int) -> Floats:
    """The least of the last `steps` scores of the same series."""
    found = score.copy()
    for back in range(1, steps):
        earlier = np.zeros_like(score)
        earlier[back:] = np.where(series[back:] == series[:-back], score[:-back], 0.0)
        found = np.minimum(found, earlier)
    return found


def thresholds(score: Floats, where: Grid, *, alerts_per_week: float) -> Floats:
    """The threshold of each row, from the weeks before its own.

    Args:
        score: As `allowed` gives them, shape (n_rows,).
        where: Where each row stands.
        alerts_per_week: Alerts that are wanted in a week over all series together.

    Returns:
        Shape (n_rows,).
    """
    each, begun = _peaks(score, where)
    week = where.step // where.per_week
    lived = np.bincount(week, minlength=int(week.max(initial=0)) + 1) / where.per_week  # weeks of series
    known = np.r_[(where.step == 0).sum(), lived[:-1]]  # series that are there when a week begins
    alone, shared = np.empty(len(lived)), np.empty((len(lived), _SHARED))
    for one in range(len(lived)):
        then = begun // where.per_week
        old = (then < one) & (then >= _YOUNG_WEEKS)
        past = _Past(
            peaks=each[old],
            begun=begun[old],
            per_week=where.per_week,
            weeks=max(one - _YOUNG_WEEKS, 0),
            n_series=max(known[one], 1.0),
        )
        alone[one] = past.reached(alerts_per_week, storms_once=True)
        shared[one] = [max(past.reached(alerts_per_week * j / 2), EDGE) for j in range(1, _SHARED + 1)]
    rank = _rank(score, where)
    level = np.where(rank < 2, alone[week], shared[week, np.minimum(rank, _SHARED - 1)])
    return _stepped(score, where, level, alone[week])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Past:
    """Peaks of some weeks of some series, and the steps in which they began."""

    peaks: Floats
    begun: npt.NDArray[np.int64]
    per_week: int
    weeks: int
    n_series: float

    def reached(self, rate: float, *, storms_once: bool = False) -> float:
        """The lowest score that no more than `rate` alerts a week have reached."""
        highest = max(float(self.peaks.max(initial=0.0)) * 1.01, _HIGHEST)
        levels = np.geomspace(_BASE, highest, _LEVELS)
        most = _BAD_WEEK * rate + 1
        return next(
            float(one) for one in levels if self._a_week(one, most, storms_once=storms_once) <= rate or one == highest
        )

    def _a_week(self, level: float, most: float, *, storms_once: bool) -> float:
        over = np.sort(self.begun[self.peaks > level])
        weeks = np.split(over, np.flatnonzero(np.diff(over // self.per_week)) + 1)
        alerts = sum(min(_alerts(one) if storms_once else len(one), most) for one in weeks)
        prior = self.n_series * _PRIOR_RATE * float(np.exp(-_PRIOR_FALL * (level - _PRIOR_AT)))
        share = max(1 - self.weeks / _PRIOR_WEEKS, 0.0)
        return (alerts + share * prior) / (self.weeks + share)


def _alerts(begun: npt.NDArray[np.int64]) -> int:
    """How many alerts these peaks are: many that begin within a few steps are one storm.

    Args:
        begun: Steps, rising.
    """
    alerts = at = 0
    while at < len(begun):
        end = int(np.searchsorted(begun, begun[at] + _STORM_STEPS, side="right"))
        storm = end - at >= _STORM
        alerts, at = alerts + 1, end if storm else at + 1
    return alerts


def _peaks(score: Floats, where: Grid) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The highest score of each run, and the step in which the run started; a new week begins a new run."""
    rows = np.flatnonzero((score > _BASE) & np.isfinite(score))
    if not len(rows):
        return np.empty(0), np.empty(0, dtype=np.int64)
    new = np.ones(len(rows), dtype=np.bool_)
    week = where.step[rows] // where.per_week  # what a week brings must not change what was allowed in it
    new[1:] = (np.diff(where.series[rows]) != 0) | (np.diff(rows) > _GAP) | (np.diff(week) != 0)
    starts = np.flatnonzero(new)
    return np.maximum.reduceat(score[rows], starts), where.step[rows[starts]]


def _rank(score: Floats, where: Grid) -> npt.NDArray[np.int64]:
    """Place of a row among the rows of its step, 0 for the strongest."""
    order = np.lexsort((-score, where.step))
    steps = where.step[order]
    first = np.r_[True, steps[1:] != steps[:-1]]
    since = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = since
    return rank


def _stepped(score: Floats, where: Grid, level: Floats, alone: Floats) -> Floats:
    """The step-up: where the j-th strongest of a step reaches its level, all stronger ones do."""
    reached = np.where(score > level, level, np.inf)
    lowest = np.full(int(where.step.max(initial=-1)) + 1, np.inf)
    np.minimum.at(lowest, where.step, reached)
    found: Floats = np.minimum(alone, lowest[where.step])
    return found
