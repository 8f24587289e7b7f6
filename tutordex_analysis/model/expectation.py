"""What each series is expected to be next: a level, the shape of day and week, and what of the last surprise lasts.

State of many series side by side, one row of time after the other; the past is never read again. Arrays are
(n_series,) or (phases, n_series), and are changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats

Bools = npt.NDArray[np.bool_]

# Half-lives, in cycles of the short season unless said otherwise.
_LEVEL, _SCALE, _DAY_SHAPE, _WEEK_SHAPE = 1.5, 7.0, 4.0, 3.0
_LASTING = 0.5  # weight of the newest step in what still lasts of a surprise
_FADE = 0.97  # of it in each step without a reading
_CLIP = 5.0  # mean absolute deviations that a value may teach
_OPEN = 30  # readings in which nothing is clipped, since no scale is known yet
_POWER = 6  # of the inverse error that weighs the shapes
_LEAST_CYCLES = 2  # readings of a phase before its shape may speak
_FLOOR, _GRAIN = 1e-3, 1e-9  # least scale: of the spread around the level, and of the values themselves
_RARE = 0.03  # least scale: of the mean absolute error with nothing clipped, which rare large errors make
_TINY = 1e-150
HOLIDAY = 0.4  # of a usual day's value: a holiday may be as quiet as that


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was expected of one row of time, shape (n_series,) each.

    Attributes:
        known: There is a reading.
        expected: Of the value, with what lasts of the last surprises.
        off_base: Value less level and shape, without what lasts; 0 inside the range of a holiday.
        error: Value less `expected`.
        base_scale: Mean absolute `off_base` so far.
        error_scale: Mean absolute `error` so far.
        usual: Level and shape, without what lasts.
        rare: The scale is that of rare errors in a series that is as expected nearly always.
    """

    known: Bools
    expected: Floats
    off_base: Floats
    error: Floats
    base_scale: Floats
    error_scale: Floats
    usual: Floats
    rare: Bools


def clipped(x: Floats, limit: Floats) -> Floats:
    """Values within plus or minus a limit; faster than numpy's clip on short rows."""
    found: Floats = np.minimum(np.maximum(x, -limit), limit)
    return found


def pace(half_life: float) -> float:
    """Weight of the newest of an exponential average."""
    return float(1 - 0.5 ** (1 / half_life))


_DAY_PACE, _WEEK_PACE = pace(_DAY_SHAPE), pace(_WEEK_SHAPE)


@dataclass(kw_only=True)
class Expectation:
    """State of `n` series.

    Attributes:
        short: A season in steps, 0 for none.
        long: A longer one, 0 for none.
        cycle: Steps that half-lives are told in.
        least: The scales are never below this, shape (n,).
    """

    n: int
    short: int
    long: int
    cycle: int
    least: Floats
    level: Floats = field(init=False)
    seen: Floats = field(init=False)
    last: Floats = field(init=False)
    base_scale: Floats = field(init=False)
    error_scale: Floats = field(init=False)
    spread: Floats = field(init=False)
    unclipped: Floats = field(init=False)
    carried: Floats = field(init=False)
    carrying: Floats = field(init=False)
    failures: Floats = field(init=False)
    day: Floats = field(init=False)
    day_seen: Floats = field(init=False)
    week: Floats = field(init=False)
    week_seen: Floats = field(init=False)
    last_week: Floats = field(init=False)

    def __post_init__(self) -> None:
        scales = ("base_scale", "error_scale", "spread", "unclipped")
        for name in ("seen", "last", "carried", "carrying", "level", *scales):
            setattr(self, name, np.zeros(self.n))
        self.failures = np.zeros((4, self.n))
        self.level_pace, self.scale_pace = pace(_LEVEL * self.cycle), pace(_SCALE * self.cycle)
        self.day, self.day_seen = np.zeros((max(self.short, 1), self.n)), np.zeros((max(self.short, 1), self.n))
        weeks = (max(self.long, 1), self.n)
        self.week, self.week_seen, self.last_week = np.zeros(weeks), np.zeros(weeks), np.zeros(weeks)

    def step(self, x: Floats, day: int, week: int, *, sunday: int = -1, low: Floats | None = None) -> Step:
        """What was expected of `x`, and learns from it.

        Args:
            x: Values, shape (n,), NaN where there is none.
            day: Phase of the short season.
            week: Phase of the long season.
            sunday: On a public holiday the phase of the long season that a Sunday has at that hour, else -1.
            low: On a public holiday the least that is expected where it is known, else NaN, shape (n,).
        """
        known = ~np.isnan(x)
        value = np.where(known, x, 0.0)
        np.copyto(self.level, value, where=known & (self.seen == 0))
        shapes, there = self._shapes(day, week)
        failures = np.where(there, self.failures, np.inf) + _TINY
        weight = (failures.min(axis=0) / failures) ** _POWER
        shape = (shapes * weight).sum(axis=0) / weight.sum(axis=0)
        usual = self.level + shape
        off_base = value - usual
        if sunday >= 0:
            off_base = self._on_holiday(value, usual, shapes, there, sunday, low)
        lasting = np.minimum(np.maximum(self.carried / (self.carrying + _TINY**2), 0), 1) * self.last
        error = off_base - lasting
        floor = _FLOOR * self.spread + _GRAIN * np.maximum(np.abs(self.level), np.abs(value)) + _TINY
        floor = np.maximum(floor, self.least)
        slow = np.where(known, np.maximum(self.scale_pace, 1 / (self.seen + 1)), 0.0)
        before = self.unclipped
        self.unclipped = before + slow * (np.abs(error) - before)
        lone = _RARE * np.where(before > floor, before, self.unclipped)  # the first move is its own measure
        rare = lone > np.maximum(self.error_scale, floor)
        floor = np.maximum(floor, lone)
        base_scale, error_scale = np.maximum(self.base_scale, floor), np.maximum(self.error_scale, floor)
        found = Step(
            known=known,
            expected=value - error,
            off_base=off_base,
            error=error,
            base_scale=base_scale,
            error_scale=error_scale,
            usual=usual,
            rare=rare,
        )
        if sunday < 0:
            self._learn(found, value, shapes, there, day, week)
        np.copyto(self.last, self.last + _LASTING * (off_base - self.last), where=known)
        np.copyto(self.last, self.last * _FADE, where=~known)
        self.seen += known
        return found

    def measured(self, which: Bools) -> None:
        """Some series, which were zero so far, are measured from now on and not counted."""
        self.level[which] = self.least[which] = 0.0

    def _shapes(self, day: int, week: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """No shape; that of the day; of day and week; last week's; and which of them may speak."""
        shapes, there = np.zeros((4, self.n)), np.zeros((4, self.n), dtype=np.bool_)
        there[0] = True
        if self.short:
            shapes[1], there[1] = self.day[day], self.day_seen[day] >= _LEAST_CYCLES
        if self.long:
            there[2] = there[3] = self.week_seen[week] >= _LEAST_CYCLES
            shapes[2], shapes[3] = shapes[1] + self.week[week], self.last_week[week]
        return shapes, there

    def _on_holiday(
        self, value: Floats, usual: Floats, shapes: Floats, there: Bools, sunday: int, low: Floats | None
    ) -> Floats:
        """How far a value lies outside what a usual day, a Sunday and a quiet holiday span."""
        rest = usual
        if self.long:
            known = there[2] & (self.week_seen[sunday] >= _LEAST_CYCLES)
            rest = np.where(known, self.level + shapes[1] + self.week[sunday], usual)
        least, most = np.minimum(usual, rest), np.maximum(usual, rest)
        if low is not None:
            least = np.fmin(least, low)
        return np.minimum(value - least, 0.0) + np.maximum(value - most, 0.0)

    def _learn(self, found: Step, value: Floats, shapes: Floats, there: Bools, day: int, week: int) -> None:
        known, first = found.known, 1 / (self.seen + 1)
        limit = np.where(self.seen < _OPEN, np.inf, _CLIP)
        base_limit = limit * found.base_scale
        off = clipped(found.off_base, base_limit)
        error = clipped(found.error, limit * found.error_scale)
        slow = np.where(known, np.maximum(self.scale_pace, first), 0.0)
        self.base_scale += slow * (np.abs(off) - self.base_scale)
        self.error_scale += slow * (np.abs(error) - self.error_scale)
        self.carried += slow * (self.last * off - self.carried)
        self.carrying += slow * (self.last * self.last - self.carrying)
        deviation = value - self.level
        self.spread += slow * (np.abs(deviation) - self.spread)
        failed = np.minimum(np.abs(deviation - shapes), 2.4 * base_limit)
        learnt = self.failures + slow * (failed - self.failures)
        spare = np.array([learnt[0], self.failures[0], self.failures[0], self.failures[1]])
        self.failures = np.where(there, learnt, np.where(known, spare, self.failures))
        self.level += np.where(known, np.maximum(self.level_pace, first), 0.0) * off
        wide = 1.6 * base_limit
        if self.short:
            step = np.where(known, np.maximum(_DAY_PACE, 1 / (self.day_seen[day] + 1)), 0.0)
            self.day[day] += step * clipped(deviation - self.day[day], wide)
            self.day_seen[day] += known
        if self.long:
            step = np.where(known, np.maximum(_WEEK_PACE, 1 / (self.week_seen[week] + 1)), 0.0)
            rest = deviation - self.day[day] if self.short else deviation
            self.week[week] += step * clipped(rest - self.week[week], wide)
            self.week_seen[week] += known
            np.copyto(
                self.last_week[week],
                deviation - found.off_base + clipped(found.off_base, wide),
                where=known,
            )
