"""When two sets of burn-rate rules page, a minute at a time, on the same counts of events: ours and Sloth's."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tutordex_analysis.burn import Pair
from tutordex_analysis.moment import duration

Counts: TypeAlias = npt.NDArray[np.int32]
Flags: TypeAlias = npt.NDArray[np.bool_]
HOLD, KEEP = 2, 15  # minutes of a page: for, and keep_firing_for
LEAST, LEAST_BAD = 20, 5  # of a promise that says nothing else


def minutes(window: str) -> int:
    """Minutes of a window."""
    return int(duration(window).total_seconds() // 60)


def within(counts: Counts, window: int) -> Counts:
    """Sums of the last so many minutes, of what there is at the beginning."""
    total = np.cumsum(counts, axis=1, dtype=np.int32)
    total[:, window:] -= total[:, :-window].copy()
    return total


def sloth(bad: Counts, total: Counts, pairs: tuple[Pair, ...]) -> Flags:
    """Both windows over the factor, whatever they hold; without events a window is no number."""
    found = np.zeros(bad.shape, dtype=bool)
    for one in pairs:
        burns = np.ones(bad.shape, dtype=bool)
        for window in (minutes(one.long), minutes(one.short)):
            burns &= within(bad, window) > one.limit * within(total, window)  # 0 > 0 is false, as 0/0 > x is
        found |= burns
    return found


def ours(bad: Counts, total: Counts, pairs: tuple[Pair, ...]) -> Flags:
    """The long window with the least events, the last short one that held an event; for and keep_firing_for."""
    found = np.zeros(bad.shape, dtype=bool)
    for one in pairs:
        long, short = minutes(one.long), minutes(one.short)
        wrong, counted = within(bad, long), within(total, long)
        burns = (wrong >= LEAST_BAD) & (counted >= LEAST) & (wrong > one.limit * counted)
        found |= burns & _last(within(bad, short), within(total, short), one.limit, long)
    return kept(held(found, HOLD), KEEP)


def _last(bad: Counts, total: Counts, limit: float, reach: int) -> Flags:
    """Whether the last window with events, at most so many minutes back, was over the limit."""
    here = np.arange(bad.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(total > 0, here, -1), axis=1)
    over = np.take_along_axis(bad > limit * total, np.maximum(last, 0), axis=1)
    return over & (last >= 0) & (here - last < reach)


def held(flags: Flags, hold: int) -> Flags:
    """True once it has been true for so many minutes."""
    since = np.maximum.accumulate(np.where(flags, -1, np.arange(flags.shape[1])), axis=1)
    return flags & (np.arange(flags.shape[1]) - since > hold)


def kept(flags: Flags, keep: int) -> Flags:
    """True for so many minutes after it was."""
    here = np.arange(flags.shape[1])
    last = np.maximum.accumulate(np.where(flags, here, -keep - 1), axis=1)
    return here - last <= keep


def begun(flags: Flags) -> Flags:
    """The first minute of each run of true ones."""
    made = flags.copy()
    made[:, 1:] &= ~flags[:, :-1]
    return made
