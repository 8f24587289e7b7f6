"""What followed a change of the system, beside a forecast that was frozen before the day of the change.

What is compared is a mean a day over a window of civil days; the day of the change belongs to neither side. The same is
asked on earlier dates, on which nothing was changed, with as long a history: their errors are the yardstick
(`placebo`). Nothing after a date is used for its forecast, so one batch of forecasts serves all dates and all changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import placebo as yardsticks
from tutordex_analysis.model.calendar import Break
from tutordex_analysis.model.days import DAY, Days, in_breaks
from tutordex_analysis.model.deploy_effect import Effect
from tutordex_analysis.model.paths import memory_of
from tutordex_analysis.model.placebo import placebo
from tutordex_analysis.model.structural import structural
from tutordex_analysis.moment import Instant, instant

Flags: TypeAlias = npt.NDArray[np.bool_]
Stretch: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]

WINDOWS = (1, 3, 7, 14)  # days after the change
HISTORY = 28  # days that a forecast learns from
MOST_DATES = 120  # earlier dates, the newest
MOST_GAP = 3  # civil days on which the change can have been
LEAST_SHARE = 0.7  # of a history's days; with fewer nothing is said
LEAST_COMPARED = 0.5  # of a window's days
LEAST_BREAK = 7  # days in, or out of, school breaks from which a forecast knows what they do
_WEEK = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What followed one change in one series.

    Attributes:
        effects: By window, rising.
        before: Place of the first day on which the change can have been: the days before it are history.
        first: Place of the first day that is compared.
        expected: The frozen forecast of each day from `first` on, shape (n_after,); NaN where there is none.
        spread: Its standard deviation, likewise.
        compared: Days that can be compared, likewise.
    """

    effects: tuple[Effect, ...]
    before: int
    first: int
    expected: Floats
    spread: Floats
    compared: Flags

    @property
    def after(self) -> int:
        """How many days follow that belong to the change."""
        return len(self.expected)

    def of(self, window: int) -> Effect:
        """The effect over a window.

        Raises:
            FrameError: There is none.
        """
        found = [one for one in self.effects if one.window == window]
        if not found:
            raise FrameError(f"there is no effect over {window} days")
        return found[0]


class Frozen:
    """Forecasts of every series from every date that some change may ask for, in one batch.

    Attributes:
        days: The series.
    """

    def __init__(self, days: Days, changes: Iterable[Stretch], *, breaks: Sequence[Break] = ()) -> None:
        """Forecasts from the day of each change and from the earlier dates beside it.

        Args:
            days: The series.
            changes: First and last moment at which each can have been.
            breaks: First and last civil day of stretches such as school holidays.
        """
        self.days, n = days, len(days)
        self._horizon = MOST_GAP + max(WINDOWS)
        wanted: set[int] = set()
        for start, _ in changes:
            place = min(days.place(start), n)
            wanted |= {*range(max(HISTORY, place - MOST_DATES - self._horizon), place + 1)}
        self._cutoffs = np.array(sorted(wanted), dtype=np.int64)
        later = pd.date_range(days.dates[0], periods=n + self._horizon, freq="D")
        self._in_break = in_breaks(later, breaks)
        shape = (len(days.ids), len(self._cutoffs), self._horizon)
        self._expected, self._sd = np.full(shape, np.nan), np.full(shape, np.nan)
        self._memory = np.zeros(shape[:2])
        self._breaks = breaks
        self._fill()
        self._errors: dict[tuple[int, int], tuple[npt.NDArray[np.int64], Floats, Floats, Floats]] = {}

    def effects(
        self,
        series: str,
        *,
        start: Instant,
        end: Instant,
        until: Instant | None = None,
        windows: Sequence[int] = WINDOWS,
        others: Sequence[Stretch] = (),
        alpha: float = 0.05,
    ) -> Effects:
        """How a series differs from its forecast of the day before a change, and what such a difference is worth.

        Args:
            series: Which.
            start: The earliest moment at which the change can have been, one of those this was made for.
            end: The moment from which it is known.
            until: What follows from here on belongs to another change.
            windows: In days, 14 at most and possibly none; those longer than what followed are left out.
            others: Other changes and incidents: no earlier date is asked whose days touch one.
            alpha: At which the alarms of earlier dates are counted.

        Raises:
            FrameError: A window is not 1 to 14 days, there is no such series, or the moments are out of order.
            NotEnoughData: There are fewer days of history than a forecast learns from, or the day of the change is
                not known.
        """
        asked, days = sorted({*windows}), self.days
        if asked and (asked[0] < 1 or asked[-1] > max(WINDOWS)):
            raise FrameError(f"a window is 1 to {max(WINDOWS)} days, got {list(windows)}")
        if series not in days.ids:
            raise FrameError(f"there is no series {series!r}")
        if instant(end) < instant(start):
            raise FrameError(f"a change ends after it begins, got {start} to {end}")
        row, before, first = days.ids.index(series), days.place(start), days.place(end) + 1
        gap, n = first - before, len(days)
        if before < HISTORY:
            raise NotEnoughData(f"a forecast of days learns from {HISTORY} days, there are {max(before, 0)}")
        if gap > MOST_GAP:
            raise NotEnoughData(f"it is not known on which of {gap} days it was")
        last = n if until is None else min(n, days.place(until))
        after = max(min(last - first, max(WINDOWS)), 0)
        if before > n or before not in self._cutoffs:
            after = 0
        place = int(np.searchsorted(self._cutoffs, before))
        touched = self._touched(others)
        found = [self._effect(row, place, gap, one, touched, alpha) for one in asked if one <= after]
        ahead = slice(gap, gap + after)
        none = np.full(after, np.nan)
        return Effects(
            effects=tuple(found),
            before=before,
            first=first,
            expected=self._expected[row, place, ahead] if after else none,
            spread=self._sd[row, place, ahead] if after else none,
            compared=self._usable(gap, after)[row, place] if after else np.zeros(0, dtype=np.bool_),
        )

    def _effect(self, row: int, place: int, gap: int, window: int, touched: Flags, alpha: float) -> Effect:
        """One window, held against earlier dates."""
        days, cutoffs, before = self.days, self._cutoffs, int(self._cutoffs[place])
        count, seen, expected, spread = (each[row] for each in self._compared(gap, window))
        earlier = (cutoffs + gap + window <= before) & (cutoffs > before - MOST_DATES - gap - window)
        spans = np.cumsum([0, *touched])
        earlier &= spans[np.minimum(cutoffs + gap + window, len(touched))] == spans[cutoffs]
        z = _studentised(seen - expected, spread)
        errors = np.where(earlier, z, np.nan)
        if window % _WEEK:  # of windows with the same weekdays where these are enough
            same = np.where((before - cutoffs) % _WEEK == 0, errors, np.nan)
            errors = same if (~np.isnan(same)).sum() >= yardsticks.LEAST else errors
        by_day = np.full(len(days) + 1, np.nan)
        by_day[cutoffs] = errors
        dates = int((~np.isnan(errors)).sum())
        facts = {"series": days.ids[row], "window": window, "days": int(count[place]), "dates": dates}
        facts |= {"seen": float(seen[place]), "expected": float(expected[place]), "spread": float(spread[place])}
        facts |= {"counted": bool(days.counted[row])}
        if dates < yardsticks.LEAST or np.isnan(z[place]):
            return Effect(**facts)  # type: ignore[arg-type]  # a dict of several types
        made = placebo(by_day, length=window)
        return Effect(
            **facts,  # type: ignore[arg-type]
            p_value=made.p_value(float(z[place])),
            rank=made.rank(float(z[place])),
            alarms=yardsticks.alarms(by_day, length=window, alpha=alpha),
            yardstick=made,
        )

    def _compared(self, gap: int, window: int) -> tuple[npt.NDArray[np.int64], Floats, Floats, Floats]:
        """Days compared, their mean, what was expected and its standard deviation; shape (n_series, n_cutoffs) each."""
        if (gap, window) in self._errors:
            return self._errors[gap, window]
        use, ahead = self._usable(gap, window), slice(gap, gap + window)
        count = use.sum(axis=2)
        weight = np.where(use, self._ahead(self.days.weight, gap, window), 0.0)
        weight /= np.where(count > 0, weight.sum(axis=2), 1.0)[:, :, None]
        seen = (weight * np.nan_to_num(self._ahead(self.days.y, gap, window))).sum(axis=2)
        expected = (weight * self._expected[:, :, ahead]).sum(axis=2)
        heavy = weight * self._sd[:, :, ahead]
        variance = (heavy**2).sum(axis=2)
        for lag in range(1, window):
            variance += 2 * self._memory**lag * (heavy[:, :, lag:] * heavy[:, :, :-lag]).sum(axis=2)
        chance = np.maximum(expected, 1 / np.maximum(count, 1)) / np.maximum(count, 1)
        variance = np.where(self.days.counted[:, None], np.maximum(variance, chance), variance)
        few = count < LEAST_COMPARED * window
        found = count, *(np.where(few, np.nan, each) for each in (seen, expected, np.sqrt(variance)))
        self._errors[gap, window] = found
        return found

    def _ahead(self, values: Floats, gap: int, window: int) -> Floats:
        """Values of the days after each cutoff, shape (n_series, n_cutoffs, window); NaN past the last."""
        padded = np.concatenate([values, np.full((len(values), self._horizon), np.nan)], axis=1)
        result: Floats = padded[:, self._cutoffs[:, None] + gap + np.arange(window)]
        return result

    def _usable(self, gap: int, window: int) -> Flags:
        """Which of the days after each cutoff can be compared, shape (n_series, n_cutoffs, window)."""
        known = ~np.isnan(self._ahead(self.days.y, gap, window)) & (self._ahead(self.days.weight, gap, window) > 0)
        result: Flags = known & ~self._strange(self._cutoffs, gap, window)[None]
        return result

    def strange(self, found: Effects) -> Flags:
        """Which days after a change are, or are not, in a school break as its history hardly was, shape (n_after,)."""
        result: Flags = self._strange(np.array([found.before]), found.first - found.before, found.after)[0]
        return result

    def _strange(self, cutoffs: npt.NDArray[np.int64], gap: int, window: int) -> Flags:
        inside = np.cumsum([0, *self._in_break])
        past = (inside[cutoffs] - inside[cutoffs - HISTORY])[:, None]
        ahead = self._in_break[cutoffs[:, None] + gap + np.arange(window)]
        return np.asarray(np.where(ahead, past, HISTORY - past) < LEAST_BREAK, dtype=np.bool_)

    def _touched(self, others: Sequence[Stretch]) -> Flags:
        """Days on which something else was going on."""
        found = np.zeros(len(self.days) + self._horizon, dtype=np.bool_)
        for start, end in others:
            found[max(self.days.place(start), 0) : max(self.days.place(end) + 1, 0)] = True
        return found

    def _fill(self) -> None:
        """One batch of forecasts for all dates whose history has its school breaks at the same places."""
        if not len(self._cutoffs):
            return
        past = self.days.y[:, self._cutoffs[:, None] + np.arange(-HISTORY, 0)]
        known = (~np.isnan(past)).mean(axis=2) >= LEAST_SHARE
        around = self._in_break[self._cutoffs[:, None] + np.arange(-HISTORY, self._horizon)]
        mixed = around[:, :HISTORY].any(axis=1) & ~around[:, :HISTORY].all(axis=1)
        groups: dict[bytes, list[int]] = {}
        for place in range(len(self._cutoffs)):
            groups.setdefault(around[place].tobytes() if mixed[place] else b"", []).append(place)
        for pattern, places in groups.items():
            rows, columns = np.nonzero(known[:, places])
            columns = np.array(places)[columns]
            if not len(rows):
                continue
            history = past[rows, columns]
            quantiles = structural(
                history,
                ds=pd.date_range(self.days.dates[self._cutoffs[places[0]] - HISTORY] + DAY, periods=HISTORY, tz="UTC"),
                horizon=self._horizon,
                season_lengths=(_WEEK,),
                quantiles=(0.5, float(special.ndtr(1.0))),
                breaks=self._breaks if pattern else (),
            )
            least = np.where(self.days.counted[rows], 0.0, -np.inf)
            self._expected[rows, columns] = np.maximum(quantiles[:, :, 0], least[:, None])
            self._sd[rows, columns] = quantiles[:, :, 1] - quantiles[:, :, 0]
            self._memory[rows, columns] = memory_of(history, season=_WEEK)


def _studentised(error: Floats, spread: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(
            (spread > 0) | np.isnan(spread), error / spread, np.where(error == 0, 0.0, error * np.inf)
        )
    return result
