"""Where instants stand in the seasons, by the civil clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.model import calendar as holidays

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Clock:
    """Where each instant stands; shape (n,) each.

    Attributes:
        t: Steps since 1970.
        day: Phase of the short season.
        week: Phase of the long season.
        sunday: Phase that a Sunday has at that hour on a public holiday, else -1.
    """

    t: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    week: npt.NDArray[np.int64]
    sunday: npt.NDArray[np.int64]


def two(lengths: Sequence[int]) -> tuple[int, int]:
    """The shortest and the longest season in steps, 0 for none."""
    short = min(lengths, default=0)
    return short, max((one for one in lengths if one > short), default=0)


def clock_of(
    ds: pd.DatetimeIndex, *, short: int, long: int, step: pd.Timedelta, calendar: str | None = None, tz: str = "UTC"
) -> Clock:
    """Phases of instants; a season of whole days follows the civil clock, so that a clock change moves it along."""
    local = holidays.civil(ds, step=step, tz=tz)
    since = np.asarray((ds - pd.Timestamp(0, tz="UTC")) // step, dtype=np.int64)
    midnight = local.normalize()
    in_day = np.asarray((local - midnight) // step, dtype=np.int64)
    days = np.asarray((midnight - pd.Timestamp(0)) // _DAY, dtype=np.int64)

    def phase(season: int) -> npt.NDArray[np.int64]:
        if not season:
            return np.zeros(len(ds), dtype=np.int64)
        whole = (season * step) % _DAY == pd.Timedelta(0) and _DAY % step == pd.Timedelta(0)
        if not whole:
            return since % season
        per_day = int(_DAY // step)
        return days % (season // per_day) * per_day + in_day

    sunday = np.full(len(ds), -1, dtype=np.int64)
    if calendar is not None and len(ds):
        named = holidays.holidays_of(calendar, first_year=local[0].year, last_year=local[-1].year)
        off = np.asarray(midnight.isin(named.index))
        sunday[off] = 0
        if long and (long * step) % (7 * _DAY) == pd.Timedelta(0) and _DAY % step == pd.Timedelta(0):
            per_day = int(_DAY // step)
            since_sunday = np.asarray(midnight.day_of_week, dtype=np.int64) + 1
            rest = (days - since_sunday) % (long // per_day) * per_day + in_day
            sunday[off] = rest[off]
    return Clock(t=since, day=phase(short), week=phase(long), sunday=sunday)
