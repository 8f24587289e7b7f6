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
FIRST = 20  # readings before a ratio is given
_LEAST = 0.25  # least usual value, in scales


@dataclass(kw_only=True)
class Records:
    """For each of some statistics the largest value of late, fading with `half_life` steps.

    Attributes:
        half_life: Steps.
        least: The edges are never below this, shape (n_statistics, n_series).
        lags: Steps after which a value counts, one a statistic.
    """

    half_life: float
    least: Floats
    lags: tuple[int, ...]
    best: Floats = field(init=False)
    usual: Floats = field(init=False)
    seen: Floats = field(init=False)
    moved: Floats = field(init=False)
    waiting: list[Floats] = field(init=False)

    def __post_init__(self) -> None:
        self.best, self.usual, self.seen, self.moved = (np.zeros(self.least.shape) for _ in range(4))
        self.waiting = [np.full((lag, self.least.shape[1]), np.nan) for lag in self.lags]
        self.pace = pace(self.half_life)
        self.patience = FIRST + np.array(self.lags, dtype=np.float64)[:, None]

    @property
    def edge(self) -> Floats:
        """What the statistics may be before they are stranger than anything of late."""
        return np.maximum(self.best + _SHARE * np.maximum(self.usual, _LEAST), self.least)

    def ratio(self, values: Floats, edge: Floats, t: int) -> Floats:
        """Values over the edge, 0 where one is NaN or too little was seen; then remembers them."""
        known = ~np.isnan(values)
        value = np.where(known, values, 0.0)
        found: Floats = np.where(known & (self.seen > self.patience), value / edge, 0.0)
        due = values.copy()
        for row, waiting in enumerate(self.waiting):
            if len(waiting):
                place = t % len(waiting)
                due[row] = waiting[place]
                waiting[place] = values[row]
        self.moved += known & (value > 0)
        capped = np.where(self.moved > FIRST, np.minimum(due, _CAP * edge), due)
        np.copyto(self.best, np.fmax(self.best * (1 - self.pace), capped), where=~np.isnan(due))
        np.copyto(self.usual, 2 * value, where=known & (self.usual == 0) & (self.moved > (1 - _USUAL) * self.seen))
        share = np.maximum(self.pace, 1 / (self.seen + 2)) * _STEP * ((value > self.usual) - (1 - _USUAL))
        np.copyto(self.usual, self.usual * (1 + share), where=known)
        self.seen += known
        return found


@dataclass(kw_only=True)
class Runs:
    """Runs of some states (the same value, zeros, no reading): the present ones beside the longest of late.

    Attributes:
        n: Series.
        half_life: Steps.
        least: Least length that says something, shape (n_states, 1).
        hold: Length beyond the edge after which a run is the new normal, shape (n_states, 1).
        slope: What a run of twice the edge scores above one, shape (n_states, 1).
    """

    n: int
    half_life: float
    least: Floats
    hold: Floats
    slope: Floats
    length: Floats = field(init=False)
    longest: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.length, self.longest = np.zeros((len(self.least), self.n)), np.zeros((len(self.least), self.n))
        self.pace = pace(self.half_life)

    def ratio(self, inside: Bools, size: Floats, known: Bools) -> Floats:
        """Lengths over the edges; all arguments have shape (n_states, n_series).

        Args:
            inside: The run goes on.
            size: What this step adds to it.
            known: Where nothing is known the run neither ends nor grows.
        """
        ended = known & ~inside
        capped = np.minimum(self.length, _CAP * (self.least + self.longest))
        self.longest = np.maximum(self.longest * (1 - self.pace), capped * ended)
        self.length = np.where(ended, 0.0, self.length + size * (known & inside))
        edge = self.least + self.longest
        ratio = self.length / (edge + 2 * np.maximum(self.length - edge - self.hold, 0.0))
        found: Floats = np.where(ratio > 1, 1 + self.slope * np.log2(np.maximum(ratio, 1.0)), ratio)
        return found
