"""One score a value: the strangest of what several detectors see, each beside its own recent records.

- error: the value beside what was expected of it (spike, dip);
- level: an hour's and a quarter of a day's mean distance from level and shape;
- noise: a quarter of a day's mean size of the errors;
- flat: the same value again and again in a series that moves;
- silence: zeros while events were expected, added up;
- missing: no reading.

State of many series, moved on by one row of time; the past is never read again, so a live step costs what a step of
the batch costs and gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.expectation import HOLIDAY, Bools, Expectation, Step, pace
from tutordex_analysis.model.record import Record, Run

KINDS: Final = ("", "spike", "dip", "level", "noise", "flat", "silence", "missing", "return")
CODE: Final = {kind: np.int8(i) for i, kind in enumerate(KINDS)}

CYCLE = 24  # steps that stand for a season where there is none
_MEMORY = 14.0  # cycles: half-life of records
_USED_TO = 1.0  # cycles: half-life of getting used to what was just seen
_LONG = 0.8  # weight of what is seen over a quarter of a day, since its records vary more
_YOUNG = 10  # readings before there is a scale to measure with
_LONGEST_Z, _LARGEST_ERROR = 1e6, 30.0  # of one step in a mean: what is beyond says the same
_FLAT, _SILENT, _MISSING = 6.0, 4.6, 3.0  # least run: steps; expected events (chance of 1 in 100); steps
_MOVES = 0.8  # share of the steps that change the value, below which standing still says nothing
_PRESENT = 0.95  # share of the steps with a reading, below which a gap says nothing
_HOLD = 12.0  # steps, or an eighth of a cycle, after which a run is the new normal
_GONE = 2.0  # cycles without a reading, or without an event, after which that is how it is
_OFFSET = 0.375  # of Anscombe's transform
_UNIT = 0.8  # mean absolute deviation of a stabilised count, were it chance alone
_CHANCE = 3.0  # of these that chance may bring at any time


def stabilised(y: Floats) -> Floats:
    """Counts on a scale on which chance has the same size everywhere; below 0 it goes on as a line.

    References:
        Anscombe (1948), Biometrika 35, 246-254.
    """
    root = np.sqrt(_OFFSET)
    return np.where(y >= 0, 2 * np.sqrt(np.maximum(y, 0) + _OFFSET), 2 * root + y / root)


def counted(x: Floats) -> Floats:
    """The count of a stabilised value."""
    root = np.sqrt(_OFFSET)
    return np.where(x >= 2 * root, np.square(x / 2) - _OFFSET, (x - 2 * root) * root)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One row of time, shape (n_series,) each, in the unit of the series.

    Attributes:
        score: 1 at the band's edge; NaN where there is no reading or too little was seen.
        expected: Of the value.
        lower: Of the band.
        upper: Of the band.
        kind: Index into `KINDS` of what is strangest, 0 where nothing is.
    """

    score: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    kind: npt.NDArray[np.int8]


@dataclass(kw_only=True)
class Mean:
    """The mean of the last `width` rows that are known."""

    n: int
    width: int
    rows: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.rows = np.full((self.width, self.n), np.nan)
        self.total, self.count = np.zeros(self.n), np.zeros(self.n)

    def step(self, value: Floats, known: Bools, t: int) -> Floats:
        """The mean with this row; NaN where less than half of the rows is known."""
        place = t % self.width
        old = self.rows[place]
        gone = ~np.isnan(old)
        self.total -= np.where(gone, old, 0.0)
        self.count -= gone
        self.rows[place] = np.where(known, value, np.nan)
        self.total += np.where(known, value, 0.0)
        self.count += known
        if place == 0:  # what rounding left behind goes, at the same rows in every run
            self.total = np.nansum(self.rows, axis=0)
        enough = 2 * self.count >= self.width
        return np.where(enough, self.total / np.maximum(self.count, 1.0), np.nan)


@dataclass(kw_only=True)
class Surprise:
    """State of `n` series.

    Attributes:
        n: Series.
        short: The short season in steps, 0 for none.
        long: The long season in steps, 0 for none.
        is_count: Series of whole events, shape (n,).
        undecided: Counts that have been nothing but zero, shape (n,).
    """

    n: int
    short: int
    long: int
    is_count: Bools
    undecided: Bools

    def __post_init__(self) -> None:
        cycle = self.short or CYCLE
        hour, quarter, memory = max(cycle // 24, 2), max(cycle // 4, 2), _MEMORY * cycle
        hold = max(_HOLD, cycle / 8)
        self.cycle = cycle
        least = np.where(self.is_count, _UNIT, 0.0)
        self.expectation = Expectation(n=self.n, short=self.short, long=self.long, cycle=cycle, least=least)
        self.hour, self.quarter = Mean(n=self.n, width=hour), Mean(n=self.n, width=quarter)
        self.errors = Mean(n=self.n, width=quarter)
        chance = np.where(self.is_count, _CHANCE, 0.0)
        self.error_record = Record(n=self.n, half_life=memory, least=chance)
        self.hour_record = Record(n=self.n, half_life=memory, least=chance / np.sqrt(hour), lag=max(hour // 2, 1))
        self.quarter_record, self.noise_record = (
            Record(n=self.n, half_life=memory, least=chance / np.sqrt(quarter), lag=max(quarter // 2, 1))
            for _ in range(2)
        )
        self.flat = Run(n=self.n, half_life=memory, least=_FLAT, hold=hold)
        self.silence = Run(n=self.n, half_life=memory, least=_SILENT, hold=np.inf)
        self.missing = Run(n=self.n, half_life=memory, least=_MISSING, hold=np.inf)
        self.before = np.full(self.n, np.nan)
        self.moves, self.present, self.quiet = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        self.used_to = np.zeros(self.n)

    def step(self, y: Floats, *, t: int, day: int, week: int, sunday: int = -1) -> Judged:
        """Judges one row of time by what was before it, and learns from it.

        Args:
            y: Values in the series' unit, shape (n,), NaN where there is none.
            t: Number of the row, one more each time.
            day: Phase of the short season.
            week: Phase of the long season.
            sunday: On a public holiday the phase that a Sunday has at that hour, else -1.
        """
        self._decide(y)
        x = np.where(self.is_count, stabilised(y), y)
        low = self._quiet(day, week) if sunday >= 0 else None
        found = self.expectation.step(x, day, week, sunday=sunday, low=low)
        known = found.known & (self.expectation.seen > _YOUNG)
        wild = np.abs(found.error) / found.error_scale
        edge = self.error_record.edge
        z = np.clip(found.off_base / found.base_scale, -_LONGEST_Z, _LONGEST_Z)
        size = np.minimum(wild, _LARGEST_ERROR)
        ratios = np.stack(
            [
                self.error_record.ratio(np.where(known, wild, np.nan), t),
                self.hour_record.ratio(np.abs(self.hour.step(z, known, t)), t),
                _LONG * self.quarter_record.ratio(np.abs(self.quarter.step(z, known, t)), t),
                _LONG * self.noise_record.ratio(self.errors.step(size, known, t), t),
                self._flat(y, found.known),
                self._silence(y, found, quiet=sunday >= 0),
            ]
        )
        strangest = ratios.argmax(axis=0)
        ratio = ratios.max(axis=0)
        tired = np.sqrt(np.maximum(self.used_to, 1.0))
        score = ratio * np.minimum(1.0, ratio / np.maximum(self.used_to, 1e-150))
        np.copyto(self.used_to, np.maximum(self.used_to * (1 - pace(_USED_TO * self.cycle)), ratio), where=known)
        ready = found.known & (self.expectation.seen > self.cycle)
        away = self._missing(found.known)
        return self._judged(y, found, edge * tired * found.error_scale, score, strangest, ready, away)

    def _decide(self, y: Floats) -> None:
        """A series of nothing but zeros counts events until its first other value says what it is."""
        first = self.undecided & (np.nan_to_num(y) != 0)
        if first.any():
            other = first & ((y < 0) | (y != np.floor(y)))
            self.is_count &= ~other
            self.expectation.measured(other)
            for record in (self.error_record, self.hour_record, self.quarter_record, self.noise_record):
                record.least[other] = 0.0
            self.undecided &= ~first

    def _quiet(self, day: int, week: int) -> Floats:
        """The least that is expected of a holiday; NaN but for counts, since shares of other values mean nothing."""
        shapes, there = self.expectation._shapes(day, week)
        usual = self.expectation.level + np.where(there[2], shapes[2], shapes[1])
        return np.where(self.is_count, stabilised(HOLIDAY * np.maximum(counted(usual), 0.0)), np.nan)

    def _flat(self, y: Floats, known: Bools) -> Floats:
        same = known & (y == self.before)
        ratio = np.where(self.moves > _MOVES, self.flat.ratio(same, 1.0, known), 0.0)
        learns = known & (self.flat.length <= _FLAT)
        rate = np.maximum(pace(_MEMORY * self.cycle), 1 / np.maximum(self.expectation.seen, 1.0))
        np.copyto(self.moves, self.moves + rate * (~same - self.moves), where=learns)
        np.copyto(self.before, y, where=known)
        return ratio

    def _silence(self, y: Floats, found: Step, *, quiet: bool) -> Floats:
        """Expected events of a run of zeros, beside the quietest run of late."""
        events = np.maximum(counted(found.usual), 0.0) * (HOLIDAY if quiet else 1.0)
        zero = y == 0
        ratio = self.silence.ratio(zero, np.where(self.is_count, events, 0.0), found.known)
        self.quiet = np.where(zero, self.quiet + 1, np.where(found.known, 0.0, self.quiet))
        told = self.is_count & (self.expectation.seen > self.cycle) & (self.quiet <= _GONE * self.cycle)
        return np.where(told, ratio, 0.0)

    def _missing(self, known: Bools) -> Bools:
        everywhere = np.ones(self.n, dtype=np.bool_)
        ratio = self.missing.ratio(~known, 1.0, everywhere)
        born, gap = self.expectation.seen > 0, self.missing.length
        learns = born & (gap <= _MISSING)
        rate = np.maximum(pace(_MEMORY * self.cycle), 1 / np.maximum(self.expectation.seen, 1.0))
        np.copyto(self.present, self.present + rate * (known * 1.0 - self.present), where=learns)
        steady = (self.present > _PRESENT) & (self.expectation.seen > self.cycle)
        return (ratio > 1) & ~known & steady & (gap <= _GONE * self.cycle)

    def _judged(
        self,
        y: Floats,
        found: Step,
        half: Floats,
        score: Floats,
        strangest: npt.NDArray[np.intp],
        ready: Bools,
        away: Bools,
    ) -> Judged:
        expected, lower, upper = found.expected, found.expected - half, found.expected + half
        expected, lower, upper = (
            np.where(self.is_count, np.maximum(counted(one), 0.0), one) for one in (expected, lower, upper)
        )
        over = (score > 1) & ready
        inward = expected + (y - expected) / np.maximum(score, 1.0)
        upper = np.where(over & (y > expected), np.minimum(upper, inward), upper)
        lower = np.where(over & (y < expected), np.maximum(lower, inward), lower)
        kind = np.select(
            [strangest == 0, strangest <= 2, strangest == 3, strangest == 4],
            [np.where(found.error >= 0, CODE["spike"], CODE["dip"]), CODE["level"], CODE["noise"], CODE["flat"]],
            CODE["silence"],
        )
        back = (strangest == 0) & (2 * np.abs(found.off_base) < np.abs(found.error))
        kind = np.where(back, CODE["return"], kind)
        return Judged(
            score=np.where(ready, score, np.nan),
            expected=np.where(self.expectation.seen > 0, expected, np.nan),
            lower=np.where(ready, lower, np.nan),
            upper=np.where(ready, upper, np.nan),
            kind=np.where(away, CODE["missing"], np.where(over, kind, CODE[""])).astype(np.int8),
        )
