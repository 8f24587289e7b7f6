"""What followed a change of the system, beside a forecast that was frozen when the change was made.

What is compared is a mean a day over a window after the change. The same is asked on earlier dates, on which nothing
was changed, with as long a history: their errors are the yardstick (`placebo`). Nothing after a date is used for its
forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import placebo as yardsticks
from tutordex_analysis.model.calendar import Break
from tutordex_analysis.model.days import DAY, Days
from tutordex_analysis.model.deploy_effect import Effect
from tutordex_analysis.model.forecast import Forecast, forecast
from tutordex_analysis.model.placebo import placebo
from tutordex_analysis.model.structural import structural

Flags: TypeAlias = npt.NDArray[np.bool_]
Stretch: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]

WINDOWS = (1, 3, 7, 14)  # days after the change
HISTORY, LEAST_HISTORY = 42, 28  # days that a forecast learns from; the fewer where else too few dates are left
MOST_DATES = 120  # earlier dates, the newest
LEAST_SHARE = 0.7  # of a history's days; with fewer nothing is said
LEAST_COMPARED = 0.5  # of a window's days
LEAST_BREAK = 7  # days in, or out of, school breaks from which a forecast knows what they do
PATHS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What followed one change.

    Attributes:
        effects: By series and window, in their order.
        expected: The frozen forecast of each day after the change, shape (n_series, n_after); NaN where there is none.
        spread: Its standard deviation, likewise.
        compared: Days after the change that can be compared, likewise.
    """

    effects: tuple[Effect, ...]
    expected: Floats
    spread: Floats
    compared: Flags

    def of(self, series: str, window: int) -> Effect:
        """One of the effects.

        Raises:
            FrameError: There is none.
        """
        found = [one for one in self.effects if one.series == series and one.window == window]
        if not found:
            raise FrameError(f"there is no effect of {series} over {window} days")
        return found[0]


def effects(
    days: Days,
    *,
    windows: Sequence[int] = WINDOWS,
    others: Sequence[Stretch] = (),
    tz: str = "UTC",
    breaks: Sequence[Break] = (),
    alpha: float = 0.05,
    seed: int = 0,
) -> Effects:
    """How each series differs from its forecast of the moment before a change, and what such a difference is worth.

    Args:
        days: Series around the change.
        windows: In days, rising; those longer than what followed are left out.
        others: Other changes and incidents: no earlier date is asked whose window touches one.
        tz: Zone of the civil day, for school breaks.
        breaks: First and last civil day of stretches such as school holidays.
        alpha: At which the alarms of earlier dates are counted.
        seed: Of the simulated futures.

    Raises:
        FrameError: A window is not at least a day.
        NotEnoughData: There are fewer days of history than a forecast learns from.
    """
    asked = sorted({*windows})
    if not asked or asked[0] < 1:
        raise FrameError(f"a window is at least one day, got {list(windows)}")
    if days.before < LEAST_HISTORY:
        raise NotEnoughData(f"a forecast of days learns from {LEAST_HISTORY} days, there are {days.before}")
    length = HISTORY if days.before >= HISTORY + asked[-1] + HISTORY else LEAST_HISTORY
    horizon = asked[-1]
    earliest = max(length, days.before - MOST_DATES - horizon)
    cutoffs = [*range(earliest, days.before), days.before]
    frozen = _Frozen(days, cutoffs, length=length, horizon=horizon, tz=tz, breaks=breaks, seed=seed)
    found = []
    for row, series in enumerate(days.ids):
        for window in (one for one in asked if one <= days.after):
            found.append(_effect(days, frozen, row, series, window, others=others, alpha=alpha))
    return Effects(
        effects=tuple(found),
        expected=frozen.expected[:, -1, : days.after],
        spread=frozen.sd[:, -1, : days.after],
        compared=frozen.usable(days.before, days.after),
    )


class _Frozen:
    """The forecasts of every series from every cutoff.

    Attributes:
        expected: Shape (n_series, n_cutoffs, horizon).
        sd: Likewise.
        covariance: Of the days of the horizon, shape (n_series, n_cutoffs, horizon, horizon).
    """

    def __init__(
        self,
        days: Days,
        cutoffs: Sequence[int],
        *,
        length: int,
        horizon: int,
        tz: str,
        breaks: Sequence[Break],
        seed: int,
    ) -> None:
        self.days, self.cutoffs, self.length, self.horizon = days, list(cutoffs), length, horizon
        shape = (len(days.ids), len(cutoffs), horizon)
        self.expected = np.full(shape, np.nan)
        self.covariance = np.full((*shape, horizon), np.nan)
        keys = [
            (row, place) for row in range(len(days.ids)) for place in range(len(cutoffs)) if self._known(row, place)
        ]
        if keys:
            ahead = forecast(
                self._frame(keys),
                horizon=horizon,
                season_lengths=("7d",),
                quantiles=(0.1, 0.25, 0.75, 0.9),
                model=structural,
                tz=tz,
                breaks=breaks,
                seed=seed,
            )
            self._fill(ahead, keys, seed)
        self.sd = np.sqrt(np.diagonal(self.covariance, axis1=2, axis2=3))

    def usable(self, cutoff: int, window: int) -> Flags:
        """Which of the days after a cutoff can be compared, shape (n_series, window)."""
        days = self.days
        ahead, past = slice(cutoff, cutoff + window), slice(cutoff - self.length, cutoff)
        inside = days.in_break[past].sum()
        unknown = np.where(days.in_break[ahead], inside, self.length - inside) < LEAST_BREAK
        result: Flags = ~np.isnan(days.y[:, ahead]) & ~unknown & (days.weight[:, ahead] > 0)
        return result

    def error(self, row: int, place: int, window: int) -> tuple[int, float, float, float]:
        """Days compared, their mean, what was expected and its standard deviation, from one cutoff."""
        cutoff = self.cutoffs[place]
        use = self.usable(cutoff, window)[row]
        count = int(use.sum())
        if count < LEAST_COMPARED * window:
            return count, np.nan, np.nan, np.nan
        weight = np.where(use, self.days.weight[row, cutoff : cutoff + window], 0.0)
        weight = weight / weight.sum()
        seen = float(np.nansum(weight * self.days.y[row, cutoff : cutoff + window]))
        expected = float(weight @ self.expected[row, place, :window])
        variance = float(weight @ self.covariance[row, place, :window, :window] @ weight)
        if self.days.counted[row]:  # chance alone spreads as much
            variance = max(variance, max(expected, 1 / count) / count)
        return count, seen, expected, float(np.sqrt(variance))

    def _past(self, row: int, place: int) -> Floats:
        cutoff = self.cutoffs[place]
        result: Floats = self.days.y[row, cutoff - self.length : cutoff]
        return result

    def _known(self, row: int, place: int) -> bool:
        return bool((~np.isnan(self._past(row, place))).mean() >= LEAST_SHARE)

    def _name(self, row: int, place: int) -> str:
        return f"{self.days.ids[row]} {self.days.ends[self.cutoffs[place] - 1]:%Y-%m-%dT%H:%M}"

    def _frame(self, keys: Sequence[tuple[int, int]]) -> pd.DataFrame:
        names = [self._name(*key) for key in keys]
        codes = np.repeat(np.arange(len(keys)), self.length)
        last = self.days.ends[[self.cutoffs[place] - 1 for _, place in keys]]
        back = np.arange(1 - self.length, 1) * DAY.to_timedelta64()
        moments = (last.tz_convert(None).to_numpy()[:, None] + back[None]).reshape(-1)
        return pd.DataFrame(
            {
                "unique_id": pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object)),
                "ds": pd.DatetimeIndex(moments).tz_localize("UTC"),
                "y": np.concatenate([self._past(*key) for key in keys]),
            }
        )

    def _fill(self, ahead: Forecast, keys: Sequence[tuple[int, int]], seed: int) -> None:
        middle = ahead.frame["yhat"].to_numpy().reshape(len(ahead.series), self.horizon)
        place_of = {name: i for i, name in enumerate(ahead.series)}
        for row, place in keys:
            name = self._name(row, place)
            if name not in place_of:
                continue
            paths = ahead.paths_of(name, PATHS, seed)
            least = 0.0 if self.days.counted[row] else -np.inf
            self.expected[row, place] = np.maximum(middle[place_of[name]], least)
            self.covariance[row, place] = np.atleast_2d(np.cov(paths, rowvar=False))


def _effect(
    days: Days, frozen: _Frozen, row: int, series: str, window: int, *, others: Sequence[Stretch], alpha: float
) -> Effect:
    """One series over one window, held against earlier dates."""
    last = len(frozen.cutoffs) - 1
    count, seen, expected, spread = frozen.error(row, last, window)
    errors = np.full(last, np.nan)
    for place, cutoff in enumerate(frozen.cutoffs[:-1]):
        if cutoff + window <= days.before and not _touched(days, cutoff, window, others):
            _, was, likely, sd = frozen.error(row, place, window)
            errors[place] = _studentised(was - likely, sd)
    errors = _alike(errors, frozen.cutoffs, days.before, window)
    dates = int((~np.isnan(errors)).sum())
    facts = {"series": series, "window": window, "days": count, "seen": seen, "expected": expected, "spread": spread}
    facts |= {"counted": bool(days.counted[row]), "dates": dates}
    if dates < yardsticks.LEAST or np.isnan(expected):
        return Effect(**facts)  # type: ignore[arg-type]  # a dict of several types
    made = placebo(errors, length=window)
    error = _studentised(seen - expected, spread)
    return Effect(
        **facts,  # type: ignore[arg-type]
        p_value=made.p_value(error),
        rank=made.rank(error),
        alarms=yardsticks.alarms(errors, length=window, alpha=alpha),
        yardstick=made,
    )


def _touched(days: Days, cutoff: int, window: int, others: Sequence[Stretch]) -> bool:
    """Whether something else was going on in the window after a cutoff."""
    first, last = days.ends[cutoff] - DAY, days.ends[cutoff + window - 1]
    return any(start < last and end >= first for start, end in others)


def _alike(errors: Floats, cutoffs: Sequence[int], before: int, window: int) -> Floats:
    """The errors of windows with the same weekdays, where these are enough; whole weeks always have the same."""
    if window % 7 == 0:
        return errors
    same = (before - np.array(cutoffs[:-1])) % 7 == 0
    some = np.where(same, errors, np.nan)
    return some if (~np.isnan(some)).sum() >= yardsticks.LEAST else errors


def _studentised(error: float, spread: float) -> float:
    if spread > 0 or np.isnan(spread):
        return error / spread
    return 0.0 if error == 0 else float(np.copysign(np.inf, error))
