"""An error budget: what is left of it, how fast it burns, and what each stretch of bad events took of it.

A promise says which share of events is good over a rolling period. What may be bad is the budget: a share of the events
that came, so no traffic spends nothing and earns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats
from tutordex_analysis.moment import Span, duration

COLUMNS = ("ds", "bad", "total")
INCIDENTS = ("start", "end", "bad", "total", "expected", "spent", "ongoing")
_RARE = 1e-4  # how seldom a step of an incident would come by chance
_FEWEST = 3.0  # bad events in a step of an incident
_APART = pd.Timedelta("3h")  # bad steps so close are of one incident
_LONGEST = pd.Timedelta("2D")  # what lasts longer is how it is now, and no incident
_AROUND = 7  # days whose median share is the usual one
_DAY = pd.Timedelta("1D")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """An error budget at one moment.

    Attributes:
        at: The moment; events up to it count.
        since: Where the period begins, or the first known step where that is later.
        total: Events in between.
        bad: Bad ones among them.
        allowed: How many may be bad, 1 - objective of all.
        known: Share of the period's steps that are known.
        lasting: How long the known steps are together.
    """

    at: pd.Timestamp
    since: pd.Timestamp
    total: float
    bad: float
    allowed: float
    known: float
    lasting: pd.Timedelta

    @property
    def kept(self) -> float:
        """Share of events that were good; NaN without any."""
        return 1 - self.bad / self.total if self.total > 0 else math.nan

    @property
    def spent(self) -> float:
        """Share of the budget that is gone, above 1 where the promise is broken; NaN without events."""
        return round(self.bad / self.allowed, 9) if self.allowed > 0 else math.nan  # 10 of 10 have no tail of digits

    @property
    def remaining(self) -> float:
        """Share of the budget that is left, below 0 where the promise is broken; NaN without events.

        Example:
            >>> minutes = pd.date_range("2026-09-01T00:01Z", periods=43_200, freq="min")
            >>> probes = pd.DataFrame({"ds": minutes, "bad": (np.arange(43_200) < 43) * 1.0, "total": 1.0})
            >>> one = budget(probes, objective=0.999, period="30d")
            >>> f"{one.spent:.1%} of {one.allowed:.1f}"
            '99.5% of 43.2'
        """
        return 1 - self.spent


def budget(events: pd.DataFrame, *, objective: float, period: Span) -> Budget:
    """The budget at the last step.

    Args:
        events: ds (end of a step, UTC, regular), bad and total in it; NaN where that is not known.
        objective: Promised share of good events, above 0 and below 1.
        period: Over which it is promised.

    Raises:
        FrameError: Columns lack, there is no step, bad is below 0 or above total, the objective leaves no budget.
    """
    known = checked(events, objective=objective)
    end, step = events["ds"].iloc[-1], _step(events)
    within = known[known["ds"] > end - duration(period)]
    steps = max(duration(period) / step, 1.0)
    total = float(within["total"].sum())
    return Budget(
        at=end,
        since=within["ds"].iloc[0] - step if len(within) else end,
        total=total,
        bad=float(within["bad"].sum()),
        allowed=(1 - objective) * total,
        known=min(len(within) / steps, 1.0),
        lasting=len(within) * step,
    )


def over_time(events: pd.DataFrame, *, objective: float, period: Span) -> pd.DataFrame:
    """The budget that was left after each step, over the period before it or what is known of that.

    Returns:
        ds, remaining (a share; NaN while there were no events), whole (whether the period lies in the history).
    """
    checked(events, objective=objective)
    length = max(round(duration(period) / _step(events)), 1)
    bad, total = (rolling(side, length) for side in sides(events))
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(total > 0, 1 - bad / ((1 - objective) * total), np.nan)
    whole = np.arange(1, len(events) + 1) >= length
    return pd.DataFrame({"ds": events["ds"], "remaining": left, "whole": whole}).reset_index(drop=True)


def sides(events: pd.DataFrame) -> tuple[Floats, Floats]:
    """Bad events and all of each step; 0 in both where one of them is not known."""
    known = events[["bad", "total"]].notna().all(axis=1)
    bad, total = (events[name].where(known, 0.0).to_numpy(float) for name in ("bad", "total"))
    return bad, total


def burn_rates(events: pd.DataFrame, *, objective: float, windows: Sequence[Span]) -> dict[str, float]:
    """How fast the budget went in each of the last windows: 1 spends all of it in just the period.

    Returns:
        By window as it was asked for; NaN where nothing is known of it, it had no events, or it is shorter than a step.

    References:
        Beyer et al. (2018), The Site Reliability Workbook, chapter 5.
    """
    known = checked(events, objective=objective)
    end = events["ds"].iloc[-1]
    found = {}
    for window in windows:
        within = known[known["ds"] > end - duration(window)]
        total = float(within["total"].sum()) if duration(window) >= _step(events) else 0.0
        found[str(window)] = float(within["bad"].sum()) / total / (1 - objective) if total > 0 else math.nan
    return found


def incidents(events: pd.DataFrame, *, objective: float, period: Span) -> pd.DataFrame:
    """Stretches of many bad events, and what each spent of the budget of the period that ends now.

    A step belongs to one where so many would come once in 10,000 at the share of bad ones that was usual in the days
    around it. What lasts for more than two days is a level and no incident.

    Returns:
        start, end (the first and last moment), bad and total in it, expected (bad at the usual share), spent (share of
        the budget that the rest took; 0 where it left the period), ongoing (whether the last step is in it).
    """
    known = checked(events, objective=objective).reset_index(drop=True)
    if known.empty:
        return pd.DataFrame(columns=[*INCIDENTS])
    step = _step(events)
    usual = usual_share(known) * known["total"].to_numpy(float)
    bad = known["bad"].to_numpy(float)
    strange = np.flatnonzero((bad >= _FEWEST) & (stats.poisson.sf(bad - 1, usual) < _RARE))
    allowed = budget(events, objective=objective, period=period).allowed
    begin = events["ds"].iloc[-1] - duration(period)
    made = []
    gaps = np.asarray(pd.DatetimeIndex(known["ds"].iloc[strange]).diff()[1:] > max(_APART, step))
    for run in np.split(strange, np.flatnonzero(gaps) + 1):
        if not len(run) or known["ds"].iloc[run[-1]] - known["ds"].iloc[run[0]] + step > _LONGEST:
            continue
        part = slice(int(run[0]), int(run[-1]) + 1)
        inside = (known["ds"].iloc[part] > begin).to_numpy()
        excess = np.clip(bad[part] - usual[part], 0.0, None)
        made.append(
            (
                known["ds"].iloc[part.start] - step,
                known["ds"].iloc[part.stop - 1],
                bad[part].sum(),
                known["total"].iloc[part].sum(),
                usual[part].sum(),
                excess[inside].sum() / allowed if allowed > 0 else math.nan,
                known["ds"].iloc[part.stop - 1] == events["ds"].iloc[-1],
            )
        )
    return pd.DataFrame(made, columns=[*INCIDENTS])


def usual_share(known: pd.DataFrame) -> Floats:
    """The share of bad events that was usual around each step: the median of the days around it.

    Half a bad event is added to each day, so that a day without any does not make the next one an incident.
    """
    day = back(known, known["ds"].iloc[-1], _DAY)
    days = known.groupby(day)[["bad", "total"]].sum().reindex(range(int(day.max()) + 1))
    share = ((days["bad"] + 0.5) / (days["total"] + 1)).where(days["total"] > 0)
    usual = share.rolling(_AROUND, center=True, min_periods=1).median()
    overall = (float(known["bad"].sum()) + 0.5) / (float(known["total"].sum()) + 1)
    found: Floats = usual.fillna(overall).to_numpy(float)[day]
    return found


def checked(events: pd.DataFrame, *, objective: float) -> pd.DataFrame:
    """The known steps, where the numbers can be what they are said to be."""
    if not 0 < objective < 1:
        raise FrameError(f"an objective is a share between 0 and 1, such as 0.99, got {objective:g}")
    if lacking := [name for name in COLUMNS if name not in events]:
        raise FrameError(f"events need the columns {', '.join(COLUMNS)}; {lacking[0]} is not there")
    if events.empty:
        raise FrameError("there is no step of events; read some history first")
    known = events.dropna(subset=["bad", "total"])
    wrong = known[(known["bad"] < 0) | (known["bad"] > known["total"]) | ~np.isfinite(known["total"])]
    if len(wrong):
        row = wrong.iloc[0]
        raise FrameError(
            f"{row['bad']:g} bad of {row['total']:g} events at {row['ds']:%Y-%m-%d %H:%M} cannot be; bad events are "
            "some of all events"
        )
    return known


def rolling(values: Floats, length: int) -> Floats:
    """Sums over the last `length` steps, or as many as there are; what is not known adds nothing."""
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    ends = np.arange(1, len(sums))
    found: Floats = sums[ends] - sums[np.maximum(ends - length, 0)]
    return found


def back(known: pd.DataFrame, end: pd.Timestamp, length: pd.Timedelta) -> npt.NDArray[np.int64]:
    """How many whole lengths before the end each step lies; 0 is the last."""
    found: npt.NDArray[np.int64] = np.floor(np.asarray((end - pd.DatetimeIndex(known["ds"])) / length)).astype(np.int64)
    return found


def _step(events: pd.DataFrame) -> pd.Timedelta:
    """Of the grid; an hour where there is one step only."""
    return pd.Timedelta(events["ds"].diff().min()) if len(events) > 1 else pd.Timedelta("1h")
