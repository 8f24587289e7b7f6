"""Frames to arrays: series of one grid side by side, so that one solve serves all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats, check, series_ids, step_of
from tutordex_analysis.moment import Span, duration, duration_text

LONGEST = pd.Timedelta(days=100 * 365)  # of a horizon, as of any duration; nanoseconds end in 2262
LARGEST = 1e150  # of a value; squares overflow beyond. What exporters give for "never" or "no limit" may be larger


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Series that start and end together.

    Attributes:
        ids: Names of the series, one a row of `y`.
        ds: Instants, UTC, shape (n,).
        y: Values, shape (n_series, n); a gap is NaN, the first column never is, unless there is no reading at all.
        step: Distance of two instants.
    """

    ids: tuple[str, ...]
    ds: pd.DatetimeIndex
    y: Floats
    step: pd.Timedelta

    def future(self, horizon: int) -> pd.DatetimeIndex:
        """The instants of the next `horizon` steps.

        Raises:
            FrameError: They reach further than time can be told.
        """
        if horizon > LONGEST / self.step:
            raise FrameError(f"a horizon of {horizon:,} steps is longer than {LONGEST.days // 365} years; ask for less")
        return self.ds[-1] + self.step * pd.RangeIndex(1, horizon + 1)

    def take(self, rows: Sequence[int]) -> Panel:
        """Some of the series."""
        return Panel(ids=tuple(self.ids[i] for i in rows), ds=self.ds, y=self.y[list(rows)], step=self.step)

    def parts(self, size: int) -> Iterator[Panel]:
        """The series in groups of at most `size`."""
        return (self.take(range(i, min(i + size, len(self.ids)))) for i in range(0, len(self.ids), size))

    def until(self, n: int) -> Panel:
        """The first `n` instants."""
        return Panel(ids=self.ids, ds=self.ds[:n], y=self.y[:, :n], step=self.step)


def panels(frame: pd.DataFrame) -> list[Panel]:
    """The series of a frame by grid; instants before a series' first reading are left out, since it was not born yet.

    Which series stand side by side depends on their own grids alone.

    Raises:
        FrameError: The frame breaks the contract, its steps differ, or a value is infinite or past `LARGEST`.
        NotEnoughData: The frame has no series, or no series has two rows.
    """
    check(frame)
    if frame.empty:
        raise NotEnoughData("there is no series to forecast: the frame is empty; widen the time range or the query")
    ids = series_ids(frame)
    if len(frame) == len(ids):
        raise NotEnoughData(
            "a forecast needs at least two rows a series to know the step, got one; read a longer range"
        )
    step = step_of(frame)
    y = frame["y"].to_numpy(dtype=np.float64)
    codes = pd.factorize(frame["unique_id"])[0]
    if np.isinf(y).any():
        raise FrameError(
            f"{ids[codes[np.isinf(y).argmax()]]} has an infinite value; replace it by NaN or mend the query"
        )
    far = np.abs(y) > LARGEST
    if far.any():
        raise FrameError(
            f"{ids[codes[far.argmax()]]} has a value of {y[far.argmax()]:g}, too large to reckon with; "
            "replace it by NaN or mend the query"
        )
    starts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    ends = np.append(starts[1:], len(codes))
    seen = np.append(np.flatnonzero(~np.isnan(y)), len(y))
    first = seen[np.searchsorted(seen, starts)]
    born = np.where(first < ends, first, starts)
    moments = pd.DatetimeIndex(frame["ds"]).tz_convert("UTC")
    groups: dict[tuple[pd.Timestamp, int], list[int]] = {}
    for i, (a, b) in enumerate(zip(born, ends, strict=True)):
        groups.setdefault((moments[a], int(b - a)), []).append(i)
    return [
        Panel(
            ids=tuple(ids[i] for i in rows),
            ds=moments[born[rows[0]] : ends[rows[0]]],
            y=np.stack([y[born[i] : ends[i]] for i in rows]),
            step=step,
        )
        for rows in groups.values()
    ]


def steps(span: int | Span, step: pd.Timedelta, *, name: str) -> int:
    """A horizon or a season as a count of steps: an int is one already, a duration is divided.

    Args:
        span: Such as 24, "14d" or a Timedelta.
        step: Distance of two rows.
        name: What the span is, for the error.

    Raises:
        FrameError: It is not at least one step, or not a whole number of them.

    Example:
        >>> steps("1d", pd.Timedelta("5min"), name="a season")
        288
    """
    if not isinstance(span, (int, np.integer)):
        length = duration(span)
        if length < step:
            raise FrameError(f"{name} of {duration_text(length)} is shorter than one step of {duration_text(step)}")
        if length % step:
            raise FrameError(f"{name} of {duration_text(length)} is no whole number of steps of {duration_text(step)}")
        return int(length // step)
    if span < 1:
        raise FrameError(f"{name} must be at least one step, got {span}")
    return int(span)


def seasons(season_lengths: Sequence[int | Span], step: pd.Timedelta) -> tuple[int, ...]:
    """Season lengths in steps, shortest first; a season of less than two steps has no shape and is left out.

    Raises:
        FrameError: A season is no positive whole number of steps, or the argument is a single one.
    """
    if isinstance(season_lengths, (str, int, np.integer, pd.Timedelta)):
        raise FrameError(f'season_lengths is a list, such as ("1d", "7d"), got {season_lengths!r}')
    known = (one for one in season_lengths if isinstance(one, (int, np.integer)) or duration(one) >= 2 * step)
    return tuple(sorted({steps(one, step, name="a season") for one in known} - {1}))
