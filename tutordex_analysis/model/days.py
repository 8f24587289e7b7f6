"""Series by civil days: counts are added up, everything else is a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.civil import from_civil
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.calendar import Break, check_civil, civil, days_of, holidays_of
from tutordex_analysis.moment import Instant, instant

Flags: TypeAlias = npt.NDArray[np.bool_]

DAY = pd.Timedelta(days=1)
MOST_MISSING = 0.25  # of a day's steps; with more the day is unknown


@dataclass(frozen=True, kw_only=True, eq=False)
class Days:
    """Series by civil days, one after the other without a gap.

    Attributes:
        ids: Names of the series.
        dates: The civil days as midnights without a zone, shape (n,).
        tz: Their zone.
        y: Counts a day, or means of the day's values, shape (n_series, n); NaN where one is unknown, masked or a public
            holiday.
        weight: How much each day counts in a mean over several, such as the requests of a share; shape of `y`.
        counted: Which series are counts, shape (n_series,).
        holiday: Days left out since they are public holidays, shape (n,).
    """

    ids: tuple[str, ...]
    dates: pd.DatetimeIndex
    tz: str
    y: Floats
    weight: Floats
    counted: Flags
    holiday: Flags

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def ends(self) -> pd.DatetimeIndex:
        """Last moment of each day, UTC."""
        return from_civil(self.dates + DAY, tz=self.tz).tz_convert("UTC")

    def place(self, moment: Instant) -> int:
        """Where the day of a moment is, or would be before the first or after the last."""
        local = instant(moment).tz_convert(self.tz).tz_localize(None).normalize()
        return round((local - self.dates[0]) / DAY)


def by_day(
    frame: pd.DataFrame,
    *,
    counted: Sequence[str] = (),
    training: pd.DataFrame | None = None,
    weights: Mapping[str, Floats] | None = None,
    calendar: str | None = None,
    tz: str = "UTC",
) -> Days:
    """Series of one grid by whole civil days; a day that lacks a quarter of its steps is unknown.

    Args:
        frame: Series on one shared grid whose step divides a day; a value at t covers (t - step, t].
        counted: Series that are counts: their days are sums, what a gap hides comes with the first value after it.
        training: The same rows without what masks leave out. A day that lacks a quarter of its steps there is unknown;
            any other counts whole, and a mean is that of what is left.
        weights: By series, of each value in the mean of its day (shape (n,), the denominators of a share); 1 elsewhere.
        calendar: Holidays country code, or None.
        tz: Zone of the civil day.

    Raises:
        NotEnoughData: There is no whole day.
        FrameError: The series do not share a grid, its step does not divide a day, or there is no such zone.
    """
    if frame.empty:
        raise NotEnoughData("what followed a change needs a series, got none")
    check_civil(calendar=calendar, tz=tz, breaks=())
    ids, grid, values = frames.matrix(frames.check(frame))
    step = frames.step_of(frame)
    if DAY % step:
        raise FrameError(f"the step of {step} does not divide a day; read the history by the hour")
    first, last = (one.tz_convert(tz).tz_localize(None) for one in (grid[0] - step, grid[-1]))
    opening, closing = first.ceil("D"), last.floor("D")
    n = round((closing - opening) / DAY)
    if n < 1:
        raise NotEnoughData("there is no whole day of history")
    place = np.asarray((civil(grid, step=step, tz=tz).normalize() - opening) // DAY)
    inside = (place >= 0) & (place < n)
    starts = np.searchsorted(place[inside], np.arange(n))  # civil days follow each other on the grid
    weight = np.stack([np.nan_to_num((weights or {}).get(one, np.ones(len(grid)))) for one in ids])
    learnt = values if training is None else frames.matrix(training)[2]
    is_count = np.array([one in {*counted} for one in ids], dtype=np.bool_)
    y, heavy = _folded(values[:, inside], learnt[:, inside], weight[:, inside], is_count, starts)
    dates = pd.date_range(opening, periods=n, freq="D")
    holiday = np.zeros(n, dtype=np.bool_)
    if calendar is not None:
        named = holidays_of(calendar, first_year=dates[0].year, last_year=dates[-1].year)
        holiday = np.asarray(dates.isin(named.index), dtype=np.bool_)
    return Days(
        ids=tuple(ids),
        dates=dates,
        tz=tz,
        y=np.where(holiday, np.nan, y),
        weight=heavy,
        counted=is_count,
        holiday=holiday,
    )


def together(days: Sequence[Days], ids: Sequence[str]) -> Days:
    """Series of the same days as one, under new names.

    Raises:
        FrameError: Their days differ.
    """
    first = days[0]
    if any(one.tz != first.tz or not one.dates.equals(first.dates) for one in days):
        raise FrameError("the series do not have the same days")
    return Days(
        ids=tuple(ids),
        dates=first.dates,
        tz=first.tz,
        y=np.concatenate([one.y for one in days]),
        weight=np.concatenate([one.weight for one in days]),
        counted=np.concatenate([one.counted for one in days]),
        holiday=first.holiday,
    )


def in_breaks(dates: pd.DatetimeIndex, breaks: Sequence[Break]) -> Flags:
    """Which civil days lie in a break."""
    inside = pd.DatetimeIndex([day for pair in breaks for day in days_of(pair)])
    return np.asarray(dates.isin(inside), dtype=np.bool_)


def _folded(
    values: Floats, learnt: Floats, weight: Floats, counted: Flags, starts: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Values and weights of days from their steps, shape (n_series, n_steps); `starts` has the first step of each."""
    gone = np.isnan(learnt)
    weight = np.where(gone, 0.0, weight)

    def added(each: Floats) -> Floats:
        result: Floats = np.add.reduceat(each, starts, axis=1)
        return result

    heavy = added(weight)
    steps = np.diff([*starts, values.shape[1]])
    mean = added(np.where(gone, 0.0, learnt) * weight) / np.where(heavy > 0, heavy, 1.0)
    unknown = (added(gone.astype(np.float64)) / steps > MOST_MISSING) | (~counted[:, None] & (heavy <= 0))
    found = np.where(unknown, np.nan, np.where(counted[:, None], added(np.nan_to_num(values)), mean))
    return found, np.where(counted[:, None], 1.0, heavy)
