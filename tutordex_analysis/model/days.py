"""Series by days of 24 hours that end, before a change, and begin, after it, with the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.calendar import Break, civil, days_of, holidays_of
from tutordex_analysis.moment import Instant, floor, instant

Flags: TypeAlias = npt.NDArray[np.bool_]
How: TypeAlias = Literal["count", "mean"]

DAY = pd.Timedelta(days=1)
MOST_MISSING = 0.25  # of a day's steps; with more the day is unknown
MOST_HOLIDAY = 0.25  # of a day that lies on a public holiday; with more it is no day to compare with


@dataclass(frozen=True, kw_only=True, eq=False)
class Days:
    """Series by days around one change, those before it first.

    Attributes:
        ids: Names of the series.
        ends: Last moment of each day, UTC, shape (n,).
        before: How many of the days lie before the change.
        y: Counts a day, or means of the day's values, shape (n_series, n); NaN where one is unknown, masked or a public
            holiday.
        weight: How much each day counts in a mean over several, such as the requests of a share; shape of `y`.
        counted: Which series are counts, shape (n_series,).
        holiday: Days left out since they lie on a public holiday, shape (n,).
        in_break: Days in a school break, shape (n,).
    """

    ids: tuple[str, ...]
    ends: pd.DatetimeIndex
    before: int
    y: Floats
    weight: Floats
    counted: Flags
    holiday: Flags
    in_break: Flags

    @property
    def after(self) -> int:
        """How many days lie after the change."""
        return len(self.ends) - self.before


def around(
    frame: pd.DataFrame,
    *,
    start: Instant,
    end: Instant,
    counted: Sequence[str] = (),
    training: pd.DataFrame | None = None,
    weights: Mapping[str, Floats] | None = None,
    calendar: str | None = None,
    tz: str = "UTC",
    breaks: Sequence[Break] = (),
    most_after: int = 14,
) -> Days:
    """Series of one grid by days around a change; a day that lacks a quarter of its steps is unknown.

    Args:
        frame: Series on one shared grid whose step divides a day; a value at t covers (t - step, t].
        start: The earliest moment at which the change can have been: what covers it belongs to no day before.
        end: The moment from which it is known; likewise for the days after.
        counted: Series that are counts: their days are sums, what a gap hides comes with the first value after it.
        training: The same rows without what masks leave out. A day that lacks a quarter of its steps there is unknown;
            any other counts whole, and a mean is that of what is left.
        weights: By series, of each value in the mean of its day (shape (n,), the denominators of a share); 1 elsewhere.
        calendar: Holidays country code, or None.
        tz: Zone of the civil day, for holidays and breaks.
        breaks: First and last civil day of stretches such as school holidays.
        most_after: Days after the change at most.

    Raises:
        NotEnoughData: There is no whole day before the change.
        FrameError: The series do not share a grid, its step does not divide a day, or the moments are out of order.
    """
    if frame.empty:
        raise NotEnoughData("what followed a change needs a series, got none")
    first, last = instant(start), instant(end)
    if last < first:
        raise FrameError(f"a change ends after it begins, got {first} to {last}")
    ids, grid, values = frames.matrix(frames.check(frame))
    step = frames.step_of(frame)
    if DAY % step:
        raise FrameError(f"the step of {step} does not divide a day; read the history by the hour")
    n = round(DAY / step)
    upto = int((grid <= floor(first, step)).sum())
    since = int((grid <= last).sum())
    since += int(since < len(grid) and grid[since] - step < last)  # that value covers a part of before
    before, after = upto // n, min((len(grid) - since) // n, most_after)
    if before < 1:
        raise NotEnoughData(f"there is no whole day of history before {first:%Y-%m-%d %H:%M} UTC")
    place = np.concatenate([np.arange(upto - before * n, upto), np.arange(since, since + after * n)]).reshape(-1, n)
    weight = np.stack([np.nan_to_num((weights or {}).get(one, np.ones(len(grid)))) for one in ids])
    is_count = np.array([one in {*counted} for one in ids], dtype=np.bool_)
    learnt = values if training is None else frames.matrix(training)[2]
    y, heavy = _folded(values[:, place], learnt[:, place], weight[:, place], is_count)
    ends = pd.DatetimeIndex(grid[place[:, -1]])
    holiday = _holidays(ends, calendar, tz)
    return Days(
        ids=tuple(ids),
        ends=ends,
        before=before,
        y=np.where(holiday, np.nan, y),
        weight=heavy,
        counted=is_count,
        holiday=holiday,
        in_break=_in_breaks(ends, breaks, tz),
    )


def _folded(values: Floats, learnt: Floats, weight: Floats, counted: Flags) -> tuple[Floats, Floats]:
    """Days from their steps, shape (n_series, n_days, n_steps) each: values, and weights of the days."""
    gone = np.isnan(learnt)
    weight = np.where(gone, 0.0, weight)
    total, heavy = np.nansum(values, axis=2), weight.sum(axis=2)
    mean = (np.where(gone, 0.0, learnt) * weight).sum(axis=2) / np.where(heavy > 0, heavy, 1.0)
    unknown = (gone.mean(axis=2) > MOST_MISSING) | (~counted[:, None] & (heavy <= 0))
    found = np.where(unknown, np.nan, np.where(counted[:, None], total, mean))
    return found, np.where(counted[:, None], 1.0, heavy)


def _holidays(ends: pd.DatetimeIndex, calendar: str | None, tz: str) -> Flags:
    """Days that have more than a quarter of theirs on public holidays."""
    if calendar is None:
        return np.zeros(len(ends), dtype=np.bool_)
    local = civil(ends, step=pd.Timedelta(0), tz=tz)
    named = holidays_of(calendar, first_year=local[0].year - 1, last_year=local[-1].year)
    late = np.asarray((local - local.normalize()) / DAY)  # share of the day that lies on its last civil day
    own, early = (np.asarray(days.isin(named.index)) for days in (local.normalize(), local.normalize() - DAY))
    return np.asarray(own * late + early * (1 - late) > MOST_HOLIDAY, dtype=np.bool_)


def _in_breaks(ends: pd.DatetimeIndex, breaks: Sequence[Break], tz: str) -> Flags:
    """Days whose middle lies in a break."""
    inside = pd.DatetimeIndex([day for pair in breaks for day in days_of(pair)])
    return np.asarray(civil(ends, step=DAY, tz=tz).normalize().isin(inside), dtype=np.bool_)
