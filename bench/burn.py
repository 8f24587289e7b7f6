"""`python -m bench.burn`: pages of burn-rate rules over simulated months at low traffic, ours beside Sloth's.

A month has an outage at a random minute, of all events for half an hour to an hour and a half, or of a third for
six hours; otherwise a few events are bad by chance. Sloth's rules are its default windows and factors (1h with 5m over
14.4, 6h with 30m over 6) and ask for no least number of events. Runs that are less than 15 minutes apart are one page
in both. Ours may be later than Sloth's by the time in which the least events come by day.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench import _pages
from bench._line import Line, told
from bench._pages import Counts, Flags
from tutordex_analysis.burn import Pair, pairs

MONTHS, SEED = 200, 0
_DAY, _DAYS, _CALM = 1440, 30, 3  # minutes; days that are judged, after those that fill the windows
_AT_ONCE = 50  # months in memory
_AFTER = 360  # minutes after an outage in which a page still tells of it: the longest window of a page
_ENOUGH = 10  # bad events of an outage that a page can be asked for
_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One kind of low traffic.

    Attributes:
        case: Its name.
        objective: Promised share of good events.
        a_day: Events a day, a tenth as many an hour at night as by day.
        bad: Share of bad events by chance.
    """

    case: str
    objective: float
    a_day: float
    bad: float


CASES = (
    Traffic(case="api", objective=0.999, a_day=480, bad=0.0003),
    Traffic(case="jobs", objective=0.99, a_day=400, bad=0.003),
    Traffic(case="tiny", objective=0.99, a_day=60, bad=0.003),
)


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.burn", description=__doc__)
    parser.add_argument("--months", type=int, default=MONTHS, help=f"simulated months a case (default {MONTHS})")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    if options.months < 1:
        parser.error(f"--months is a count, got {options.months}")
    began, lines = time.monotonic(), list[Line]()
    print(f"{'case':6} {'rules':6} {'outages':>8} {'found':>7} {'median':>7} {'q90':>6} {'false a month':>14}")
    for one in CASES:
        lines += measured(one, months=options.months, seed=options.seed)
    lines.append(Line(case="burn", what="seconds", value=time.monotonic() - began, target=_SECONDS))
    return told(lines)


def measured(one: Traffic, *, months: int, seed: int) -> list[Line]:
    """The lines of one kind of traffic; prints its table."""
    some = tuple(pair for pair in pairs("30d", 1 - one.objective) if pair.severity == "page")
    tallies = {"ours": Tally(), "sloth": Tally()}
    few = 0
    for bad, total, outage in _months(one, months, np.random.default_rng([seed, CASES.index(one)])):
        firing = {
            "ours": _pages.ours(bad, total, some),
            "sloth": _pages.kept(_pages.sloth(bad, total, some), _pages.KEEP),
        }
        few += _from_few(firing["ours"], bad, total, some)
        for name, flags in firing.items():
            tallies[name].add(flags, bad, outage)
    for name, tally in tallies.items():
        print(f"{one.case:6} {name:6} {tally.row(months)}", flush=True)
    mine, theirs = tallies["ours"], tallies["sloth"]
    later, by_day = mine.delay - theirs.delay, _rate(one).max()
    return [
        Line(case=one.case, what="pages from fewer than the least events", value=few, target=0),
        Line(case=one.case, what="outages of ten bad events found", value=mine.found, target=0.95, at_most=False),
        Line(case=one.case, what="false pages a month", value=mine.false / months, target=0.02),
        Line(case=one.case, what="false pages of a hundred of Sloth's", value=mine.against(theirs), target=10),
        Line(case=one.case, what="minutes later than Sloth's, median", value=later, target=_pages.LEAST / by_day),
    ]


class Tally:
    """Pages of one set of rules over the months: outages, delays of the first page in minutes, false pages."""

    def __init__(self) -> None:
        self.asked, self.delays, self.false = 0, list[float](), 0

    def add(self, flags: Flags, bad: Counts, outage: np.ndarray) -> None:
        """Counts some months: `outage` has the first minute and the one after the last of each."""
        starts, here = _pages.begun(flags), np.arange(flags.shape[1])
        for row, (first, end) in enumerate(outage):
            near = (here >= first) & (here < end + _AFTER)
            self.false += int((starts[row] & ~near & (here >= _CALM * _DAY)).sum())
            if bad[row, first:end].sum() >= _ENOUGH:
                self.asked += 1
                hits = np.flatnonzero(flags[row] & near)
                self.delays += [float(hits[0] - first)] if len(hits) else []

    @property
    def found(self) -> float:
        """Share of the outages that paged."""
        return len(self.delays) / self.asked if self.asked else float("nan")

    @property
    def delay(self) -> float:
        """Median minutes to the first page."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    def against(self, other: Tally) -> float:
        """False pages for a hundred of another's."""
        return 100 * self.false / other.false if other.false else 0.0 if not self.false else float("inf")

    def row(self, months: int) -> str:
        """The table's columns."""
        late = float(np.quantile(self.delays, 0.9)) if self.delays else float("nan")
        return f"{self.asked:8} {self.found:7.0%} {self.delay:7.0f} {late:6.0f} {self.false / months:14.3g}"


def _months(one: Traffic, months: int, rng: np.random.Generator) -> Iterator[tuple[Counts, Counts, np.ndarray]]:
    """Bad and all events of each minute, and the outages, some months at a time."""
    length = (_CALM + _DAYS) * _DAY
    rate = np.tile(_rate(one), _CALM + _DAYS)
    for first in range(0, months, _AT_ONCE):
        n = min(_AT_ONCE, months - first)
        total = rng.poisson(rate, size=(n, length)).astype(np.int32)
        share = np.full((n, length), one.bad)
        start = rng.integers(_CALM * _DAY, length - _DAY, n)
        whole = rng.uniform(size=n) < 0.5
        end = start + np.where(whole, rng.integers(30, 91, n), 360)
        for row in range(n):
            share[row, start[row] : end[row]] = 1.0 if whole[row] else 1 / 3
        yield rng.binomial(total, share).astype(np.int32), total, np.stack([start, end], axis=1)


def _rate(one: Traffic) -> np.ndarray:
    """Events of each minute of a day."""
    rhythm = np.where(np.arange(_DAY) >= 8 * 60, 1.0, 0.1)
    return one.a_day / _DAY * rhythm / rhythm.mean()


def _from_few(flags: Flags, bad: Counts, total: Counts, some: tuple[Pair, ...]) -> int:
    """Pages that began while no long window had the least events and bad events, as far back as `for` looks."""
    enough = np.zeros(flags.shape, dtype=bool)
    for one in some:
        long = _pages.minutes(one.long)
        enough |= (_pages.within(bad, long) >= _pages.LEAST_BAD) & (_pages.within(total, long) >= _pages.LEAST)
    return int((_pages.begun(flags) & ~enough).sum())


if __name__ == "__main__":
    sys.exit(main())
