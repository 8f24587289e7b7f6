"""`python -m bench.burn`: burn-rate pages over simulated months, ours beside Sloth's rule set on the same minutes.

A month has traffic as low as the monitored stack's, a share of bad events that keeps the promise, and one outage. Both
rule sets are evaluated each minute; only pages count. Sloth's have the same windows and factors, no least events and no
`for`; an alert goes on while it is true, and ours for fifteen minutes more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench._line import Line, told
from tutordex_analysis.burn import Pair, pairs
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.alert_state import firing
from tutordex_analysis.moment import duration

MONTHS = 200
MINUTES = 30 * 24 * 60
LEAST, LEAST_BAD = 20, 5  # the defaults of a promise
HOLD, KEEP = 2, 15  # minutes: `for` and `keep_firing_for` of our pages
GRACE = 60  # minutes after an outage in which a page is still of it
_START, _MINUTE = pd.Timestamp("2026-09-01T00:00Z"), pd.Timedelta("1min")
Firing = Callable[[Floats, Floats, tuple[Pair, ...]], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is simulated.

    Attributes:
        objective: Promised share.
        a_day: Events.
        usual: Share of the budget that a month without an outage takes.
    """

    objective: float
    a_day: float
    usual: float = 0.3


PROMISES = {
    "api": Promise(objective=0.999, a_day=2400),
    "posts": Promise(objective=0.95, a_day=490),
    "quiet": Promise(objective=0.99, a_day=40),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Month:
    """Events minute by minute, and when the outage was."""

    bad: Floats
    total: Floats
    begin: int
    end: int


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.burn", description=__doc__)
    parser.add_argument("promises", nargs="*", help=f"of {', '.join(PROMISES)}; all without")
    parser.add_argument("--months", type=int, default=MONTHS)
    options = parser.parse_args()
    if options.months < 1:
        parser.error(f"--months is 1 or more, got {options.months}")
    if unknown := set(options.promises) - set(PROMISES):
        raise SystemExit(f"there is no promise {min(unknown)!r}; there are {', '.join(PROMISES)}")
    lines = []
    for name, promise in PROMISES.items():
        if not options.promises or name in options.promises:
            lines += measure(name, promise, options.months)
    return told(lines)


def measure(name: str, promise: Promise, months: int) -> list[Line]:
    """Both rule sets on the same months."""
    some = tuple(one for one in pairs("30d", 1 - promise.objective) if one.severity == "page")
    sets: Mapping[str, Firing] = {"ours": ours, "sloth": sloth}
    false, after, few = (dict[str, list[int]]((key, []) for key in sets) for _ in range(3))
    found: dict[str, list[bool]] = {key: [] for key in sets}
    for seed in range(months):
        one = month(promise, seed)
        hour = rolling(one.total, 60), rolling(one.bad, 60)
        six = rolling(one.total, 360), rolling(one.bad, 360)
        enough = ((hour[0] >= LEAST) & (hour[1] >= LEAST_BAD)) | ((six[0] >= LEAST) & (six[1] >= LEAST_BAD))
        for key, fires in sets.items():
            state = fires(one.bad, one.total, some)
            onsets = np.flatnonzero(state & ~np.concatenate([[False], state[:-1]]))
            inside = (onsets >= one.begin) & (onsets < one.end + GRACE)
            false[key].append(int((~inside).sum()))
            found[key].append(bool(inside.any()))
            after[key] += [int(onsets[inside][0] - one.begin)] if inside.any() else []
            few[key].append(int((~enough[np.maximum(onsets - HOLD, 0)] & ~enough[onsets]).sum()))
    for key in sets:
        minutes = f"{np.median(after[key]):.0f} min" if after[key] else "never"
        print(
            f"{name}, {key}: {np.mean(false[key]):.2f} false pages a month, {np.mean(found[key]):.0%} of outages paged "
            f"after {minutes} (median)"
        )
    fewer = float(np.mean(false["sloth"]) - np.mean(false["ours"]))
    return [
        Line(case=name, what="false pages a month", value=float(np.mean(false["ours"])), target=0.15),
        Line(case=name, what="pages of fewer than the least events", value=float(sum(few["ours"])), target=0),
        Line(
            case=name,
            what="outages of ten bad events or more: paged",
            value=_of_large(found["ours"], promise, months),
            target=0.95,
            at_most=False,
        ),
        Line(case=name, what="false pages a month less than Sloth's", value=fewer, target=0, at_most=False),
    ]


def month(promise: Promise, seed: int) -> Month:
    """A month of minutes with one outage of half an hour to four hours, in which a third to all events fail."""
    rng = np.random.default_rng(seed)
    shape = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(MINUTES) / 60 % 24 - 9) / 24)
    total = rng.poisson(promise.a_day / 1440 * shape).astype(float)
    share = np.full(MINUTES, promise.usual * (1 - promise.objective))
    begin = int(rng.integers(3 * 1440, MINUTES - 1440))
    end = begin + int(rng.integers(30, 241))
    limit = max(one.limit for one in pairs("30d", 1 - promise.objective) if one.severity == "page")
    share[begin:end] = rng.uniform(max(1 / 3, 1.1 * limit), 1.0)
    return Month(bad=rng.binomial(total.astype(int), share).astype(float), total=total, begin=begin, end=end)


def ours(bad: Floats, total: Floats, some: tuple[Pair, ...]) -> np.ndarray:
    """Our page: enough events in the long window, the last known share of the short one; `for`, `keep_firing_for`."""
    true = np.zeros(len(bad), dtype=bool)
    for pair in some:
        long, short = (round(duration(one).total_seconds() / 60) for one in (pair.long, pair.short))
        counted, wrong = rolling(total, long), rolling(bad, long)
        enough = (counted >= LEAST) & (wrong >= LEAST_BAD)
        latest = last_known(_share(rolling(bad, short), rolling(total, short)), long)
        true |= enough & (_share(wrong, counted) > pair.limit) & (latest > pair.limit)
    return _held(true)


def _held(true: np.ndarray) -> np.ndarray:
    """When the alert of an expression that is true at these minutes fires."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(int))).reshape(-1, 2)
    at = [_START + edges[:, 0] * _MINUTE, _START + (edges[:, 1] - 1) * _MINUTE]
    active = pd.DataFrame({"labels": "", "first": at[0], "last": at[1]})
    found = firing(active, step=_MINUTE, hold=HOLD * _MINUTE, keep=KEEP * _MINUTE)
    state = np.zeros(len(true), dtype=bool)
    for start, end in zip(found["start"], found["end"], strict=True):
        state[round((start - _START) / _MINUTE) : round((end - _START) / _MINUTE) + 1] = True
    return state


def sloth(bad: Floats, total: Floats, some: tuple[Pair, ...]) -> np.ndarray:
    """Sloth's page: both windows over the limit, at once and no longer."""
    true = np.zeros(len(bad), dtype=bool)
    for pair in some:
        windows = [round(duration(one).total_seconds() / 60) for one in (pair.long, pair.short)]
        true |= np.all([_share(rolling(bad, n), rolling(total, n)) > pair.limit for n in windows], axis=0)
    return true


def rolling(values: Floats, length: int) -> Floats:
    """Sums over the last minutes."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(sums))
    found: Floats = sums[ends] - sums[np.maximum(ends - length, 0)]
    return found


def last_known(values: Floats, within: int) -> Floats:
    """The last value that is a number, at most so many minutes old; NaN without."""
    places = np.where(np.isnan(values), -1, np.arange(len(values)))
    latest = np.maximum.accumulate(places)
    known = (latest >= 0) & (np.arange(len(values)) - latest < within)
    return np.where(known, values[np.maximum(latest, 0)], np.nan)


def _share(bad: Floats, total: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, bad / total, np.nan)


def _of_large(found: list[bool], promise: Promise, months: int) -> float:
    """Of the outages in which so many events failed that a page is to be expected, the share that was paged."""
    large = [month(promise, seed) for seed in range(months)]
    sums = [(one.bad[one.begin : one.end].sum(), one.total[one.begin : one.end].sum()) for one in large]
    enough = [bad >= 2 * LEAST_BAD and total >= LEAST for bad, total in sums]
    picked = [hit for hit, some in zip(found, enough, strict=True) if some]
    return float(np.mean(picked)) if picked else 1.0


if __name__ == "__main__":
    sys.exit(main())
