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
from tutordex_analysis.model.expectation import HOLIDAY, Bools, Expectation, Step, clipped, pace
from tutordex_analysis.model.record import FIRST, Records, Runs

KINDS: Final = ("", "spike", "dip", "level", "noise", "flat", "silence", "missing", "return")
CODE: Final = {kind: np.int8(i) for i, kind in enumerate(KINDS)}

CYCLE = 24  # steps that stand for a season where there is none
_MEMORY = 21.0  # cycles: half-life of records
MOST_TIRED = 8.0  # that one value can make: a surprise without measure is got used to as soon as a large one
_USED_TO = 1.0  # cycles: half-life of getting used to what was just seen
# Of the ratios of error, hour, quarter and noise; what is seen over a quarter of a day has records that vary more.
_WEIGHTS = np.array([[1.0], [1.03], [0.8], [0.8]])
_YOUNG = 10  # readings before there is a scale to measure with
_FIRST_SCORE = _YOUNG + FIRST + 1  # readings before a record says where the band ends
_PRESENT_PART = 0.5  # of a mean that the present value must reach, or else it has returned
_LONGEST_Z, _LARGEST_ERROR = 1e6, 8.0  # of one step in a mean: what is beyond says the same
_FLAT, _SILENT, _MISSING = 6.0, 4.6, 3.0  # least run: steps; expected events (chance of 1 in 100); steps
_MOVES = 0.8  # share of the steps that change the value, below which standing still says nothing
_PRESENT = 0.95  # share of the steps with a reading, below which a gap says nothing
_HOLD = 12.0  # steps, or an eighth of a cycle, after which a run is the new normal
SLOPES = (0.5, 1.0, 0.5)  # of the scores of runs: the same value, silence, no reading; a drop to zero must be heard
_GONE = 2.0  # cycles without a reading, or without an event, after which that is how it is
_OFFSET = 0.375  # of Anscombe's transform
_UNIT = 0.8  # mean absolute deviation of a stabilised count, were it chance alone
_OF_RATIO = np.array([CODE[one] for one in ("spike", "level", "level", "noise", "flat", "silence")])
_HAIR, _TINY = 1e-9, 1e-150  # of a value, by which one that must lie outside its band is outside
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
        chance = np.where(self.is_count, _CHANCE, 0.0) / np.sqrt(np.array([[1.0], [hour], [quarter], [quarter]]))
        later = max(quarter // 2, 1)
        self.records = Records(half_life=memory, least=chance, lags=(0, hour // 2, later, later))
        least, longest = np.array([[_FLAT], [_SILENT], [_MISSING]]), np.array([[hold], [np.inf], [np.inf]])
        self.runs = Runs(n=self.n, half_life=memory, least=least, hold=longest, slope=np.array(SLOPES)[:, None])
        self.before, self.quiet, self.used_to = np.full(self.n, np.nan), np.zeros(self.n), np.zeros(self.n)
        self.usually = np.zeros((2, self.n))  # share of the steps that change the value; that have a reading
        self.scales = np.zeros((4, self.n))
        self.furthest = np.full(self.n, _LONGEST_Z)
        self.memory_pace, self.used_to_pace = pace(memory), pace(_USED_TO * cycle)

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
        x = np.where(self.is_count, stabilised(y), y) if self.is_count.any() else y
        low = self._quiet(day, week) if sunday >= 0 else None
        found = self.expectation.step(x, day, week, sunday=sunday, low=low)
        known = found.known & (self.expectation.seen > _YOUNG)
        wild = np.abs(found.error) / found.error_scale
        z = clipped(found.off_base / found.base_scale, self.furthest)
        scales = np.array([found.error_scale, found.base_scale, found.base_scale, found.error_scale])
        same = known & found.rare & (self.scales > 0)  # records go on in the unit of the series
        np.copyto(self.records.best, self.records.best * self.scales / scales, where=same)
        np.copyto(self.scales, scales, where=known)
        edge = self.records.edge
        values = np.empty((4, self.n))
        values[0] = np.where(known, wild, np.nan)
        values[1] = np.abs(self.hour.step(z, known, t))
        values[2] = np.abs(self.quarter.step(z, known, t))
        values[3] = self.errors.step(np.minimum(wild, _LARGEST_ERROR), known, t)
        ratios = np.empty((6, self.n))
        ratios[:4] = self.records.ratio(values, edge, t) * _WEIGHTS
        ratios[4:], away = self._runs(y, found, quiet=sunday >= 0)
        ratio = ratios.max(axis=0)
        score = ratio * np.minimum(1.0, ratio / np.maximum(self.used_to, _TINY))
        half = edge[0] * np.sqrt(np.maximum(self.used_to, 1.0)) * found.error_scale
        np.copyto(
            self.used_to, np.maximum(self.used_to * (1 - self.used_to_pace), np.minimum(ratio, MOST_TIRED)), where=known
        )
        ready = found.known & (self.expectation.seen > max(self.cycle, _FIRST_SCORE))
        past = np.abs(z) < _PRESENT_PART * values[1:3]  # a mean that only what was before holds up
        return self._judged(y, found, half, np.where(ready, score, np.nan), ratios, past, away)

    def _decide(self, y: Floats) -> None:
        """A series of nothing but zeros counts events until its first other value says what it is."""
        if not self.undecided.any():
            return
        first = self.undecided & (np.nan_to_num(y) != 0)
        if first.any():
            other = first & ((y < 0) | (y != np.floor(y)))
            self.is_count &= ~other
            self.expectation.measured(other)
            self.records.least[:, other] = 0.0
            self.undecided &= ~first

    def _quiet(self, day: int, week: int) -> Floats:
        """The least that is expected of a holiday; NaN but for counts, since shares of other values mean nothing."""
        shapes, there = self.expectation._shapes(day, week)
        usual = self.expectation.level + np.where(there[2], shapes[2], shapes[1])
        return np.where(self.is_count, stabilised(HOLIDAY * np.maximum(counted(usual), 0.0)), np.nan)

    def _runs(self, y: Floats, found: Step, *, quiet: bool) -> tuple[Floats, Bools]:
        """Ratios of the runs of one value and of zeros, shape (2, n), and where a reading has long been missing."""
        known, seen = found.known, self.expectation.seen
        inside = np.array([y == self.before, y == 0, ~known])
        size = np.ones((3, self.n))
        if self.is_count.any():
            size[1] = np.maximum(counted(found.usual), 0.0) * (HOLIDAY if quiet else 1.0)
        size[1] *= self.is_count
        ratio = self.runs.ratio(inside, size, np.array([known, known, seen > 0]))
        flat, _, gap = self.runs.length
        now = np.array([~inside[0], known])
        rate = np.maximum(self.memory_pace, 1 / np.maximum(seen, 1.0))
        learns = np.array([known & (flat <= _FLAT), (seen > 0) & (gap <= _MISSING)])
        np.copyto(self.usually, self.usually + rate * (now - self.usually), where=learns)
        self.quiet = np.where(inside[1], self.quiet + 1, np.where(known, 0.0, self.quiet))
        np.copyto(self.before, y, where=known)
        old = seen > self.cycle
        told = np.array([self.usually[0] > _MOVES, self.is_count & old & (self.quiet <= _GONE * self.cycle)])
        away = (ratio[2] > 1) & ~known & old & (self.usually[1] > _PRESENT) & (gap <= _GONE * self.cycle)
        return ratio[:2] * told, away

    def _judged(
        self, y: Floats, found: Step, half: Floats, score: Floats, ratios: Floats, past: Bools, away: Bools
    ) -> Judged:
        band = np.array([found.expected, found.expected - half, found.expected + half])
        if self.is_count.any():
            band = np.where(self.is_count, np.maximum(counted(band), 0.0), band)
        expected, lower, upper = band
        kind = np.zeros(self.n, dtype=np.int8)
        over = np.flatnonzero(score > 1)
        if len(over):
            kind[over] = self._kind(found, ratios[:, over].argmax(axis=0), past[:, over], over)
            silent = over[kind[over] == CODE["silence"]]  # beside the usual: what lasts of it is expected already
            expected[silent] = np.maximum(expected[silent], counted(found.usual[silent]))
            same = over[y[over] == expected[over]]  # standing still is strange, be it where it was expected
            expected[same] += np.maximum(_HAIR * np.abs(y[same]), _TINY)
            upper[over] = np.maximum(upper[over], expected[over])
            off, most = y[over] - expected[over], np.maximum(score[over], 1.0)
            edge = expected[over] + off / most
            upper[over] = np.where(off > 0, np.minimum(upper[over], edge), upper[over])
            lower[over] = np.where(off < 0, np.maximum(lower[over], edge), lower[over])
        kind[away] = CODE["missing"]
        unknown = np.isnan(score)
        lower[unknown] = upper[unknown] = np.nan
        expected[self.expectation.seen == 0] = np.nan
        return Judged(score=score, expected=expected, lower=lower, upper=upper, kind=kind)

    def _kind(
        self, found: Step, strangest: npt.NDArray[np.intp], past: Bools, at: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.int8]:
        """What is strangest of some series; an error that leads back to level and shape is a return."""
        error = found.error[at]
        kind = _OF_RATIO[strangest]
        point = strangest == 0
        kind[point] = np.where(error[point] >= 0, CODE["spike"], CODE["dip"])
        back = 2 * np.abs(found.off_base[at]) < np.abs(error)
        back |= ((strangest == 1) & past[0]) | ((strangest == 2) & past[1])
        kind[back & (strangest <= 2)] = CODE["return"]
        return kind
