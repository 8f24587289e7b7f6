"""How strange a statistic is beside the strangest of its own recent past.

A ratio to a record needs no distribution: it is the same for series with light and with heavy tails, and it gets used
to what keeps happening. State of many series, changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.expectation import Bools, pace

_USUAL = 0.95  # level of the quantile that stands for usual values
_STEP = 3.0  # of the quantile's tracker, in shares of itself
_SHARE = 0.5  # of the usual value that comes on top of the record
_CAP = 3.0  # times the edge: the most that one value adds to the record, so that a large incident blinds not for long
_FIRST = 20  # readings before a ratio is given
_LEAST = 0.25  # least usual value, in scales


@dataclass(kw_only=True)
class Record:
    """The largest value of late, fading with `half_life` steps; a value counts from `lag` steps after it on.

    Attributes:
        n: Series.
        half_life: Steps.
        least: The edge is never below this, shape (n,).
        lag: Steps.
    """

    n: int
    half_life: float
    least: Floats
    lag: int = 0
    best: Floats = field(init=False)
    usual: Floats = field(init=False)
    seen: Floats = field(init=False)
    waiting: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.best, self.usual, self.seen = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        self.waiting = np.full((max(self.lag, 1), self.n), np.nan)

    @property
    def edge(self) -> Floats:
        """What the statistic may be before it is stranger than anything of late."""
        return np.maximum(self.best + _SHARE * np.maximum(self.usual, _LEAST), self.least)

    def ratio(self, value: Floats, t: int) -> Floats:
        """`value` over the edge, 0 where it is NaN or too little was seen; then remembers it."""
        known, edge = ~np.isnan(value), self.edge
        value = np.where(known, value, 0.0)
        found = np.where(known & (self.seen > _FIRST + self.lag), value / edge, 0.0)
        due, there = value, known
        if self.lag:
            place = t % self.lag
            due = self.waiting[place].copy()
            there = ~np.isnan(due)
            self.waiting[place] = np.where(known, value, np.nan)
        self._remember(np.where(there, due, 0.0), there, edge)
        np.copyto(self.usual, 2 * value, where=known & (self.seen == 0))
        rising = np.maximum(pace(self.half_life), 1 / (self.seen + 2)) * _STEP * self.usual
        tracked = self.usual + rising * ((value > self.usual) - (1 - _USUAL))
        np.copyto(self.usual, np.maximum(tracked, 1e-300), where=known)
        self.seen += known
        return found

    def _remember(self, value: Floats, there: Bools, edge: Floats) -> None:
        capped = np.where(self.seen > _FIRST, np.minimum(value, _CAP * edge), value)
        np.copyto(self.best, np.maximum(self.best * (1 - pace(self.half_life)), capped), where=there)


@dataclass(kw_only=True)
class Run:
    """Runs of one state (the same value, zeros, no reading): the present one beside the longest of late."""

    n: int
    half_life: float
    least: float
    hold: float
    length: Floats = field(init=False)
    longest: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.length, self.longest = np.zeros(self.n), np.zeros(self.n)

    def ratio(self, inside: Bools, size: Floats | float, known: Bools) -> Floats:
        """The run's length over the edge; one that outlasts `hold` becomes the new normal.

        Args:
            inside: The run goes on.
            size: What this step adds to it.
            known: Where nothing is known the run neither ends nor grows.
        """
        self.longest *= 1 - pace(self.half_life)
        ended = known & ~inside
        np.copyto(self.longest, np.maximum(self.longest, self.length), where=ended)
        np.copyto(self.length, 0.0, where=ended)
        np.copyto(self.length, self.length + size, where=known & inside)
        edge = self.least + self.longest
        over = np.maximum(self.length - edge - self.hold, 0.0)
        ratio = self.length / (edge + 2 * over)
        found: Floats = np.where(ratio > 1, 1 + 0.5 * np.log2(np.maximum(ratio, 1.0)), ratio)
        return found
