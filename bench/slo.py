"""`python -m bench.slo`: whether error budgets are counted right, and are gone when it was said.

Each seed is a stream of its own; what is said after sixty days is held against what the same stream then did.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from bench import _promises
from bench._line import Line, told
from bench._promises import Outcome
from tutordex_analysis.model import slo

CASES = ("outage", "steady", "bursty", "broken", "outages")


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.slo", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all without")
    parser.add_argument("--seeds", type=int, default=200)
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds is 1 or more, got {options.seeds}")
    unknown = set(options.cases) - set(CASES)
    if unknown:
        raise SystemExit(f"there is no case {min(unknown)!r}; there are {', '.join(CASES)}")
    cases: dict[str, Callable[[], list[Line]]] = {
        "outage": outage,
        "steady": partial(steady, options.seeds),
        "bursty": partial(bursty, options.seeds),
        "broken": partial(broken, options.seeds),
        "outages": partial(outages, options.seeds),
    }
    lines: list[Line] = []
    for name in CASES:
        if not options.cases or name in options.cases:
            lines += cases[name]()
    return told(lines)


def outage() -> list[Line]:
    """43 of 43,200 probes of a 99.9 % promise."""
    probes = pd.DataFrame({"ds": pd.date_range("2026-09-01T00:01Z", periods=43_200, freq="min"), "bad": 0.0})
    probes.loc[20_000:20_042, "bad"] = 1.0
    spent = slo.budget(probes.assign(total=1.0), objective=0.999, period="30d").spent
    return [
        Line(case="outage", what="43 of 43,200 fail: off 43 / 43.2 spent", value=abs(spent - 43 / 43.2), target=1e-9)
    ]


def steady(seeds: int) -> list[Line]:
    """A burn of 50 to 150 a day that stays, gone in nine days."""
    found = [_promises.steady(seed) for seed in range(seeds)]
    near = float(np.mean([abs(one.said[1] - one.days) <= 1 for one in found]))
    return [
        Line(case="steady", what="gone within a day of what was said", value=near, target=0.8, at_most=False),
        *_held("steady", found, low=0.75, high=0.85),
    ]


def bursty(seeds: int) -> list[Line]:
    """The same with days that differ three times as much as single events make them."""
    return _held("bursty", [_promises.steady(seed, spread=3.0) for seed in range(seeds)], low=0.7, high=0.9)


def broken(seeds: int) -> list[Line]:
    """A budget that outages broke, until some of it is left again.

    An outage leaves the period in an hour or two, so the ends of an interval are often the same hour in many futures,
    and it holds more than it says; so only that it holds enough is asked.
    """
    share = float(np.mean([_promises.broken(seed).held for seed in range(seeds)]))
    return [Line(case="broken", what="80 % interval holds the return", value=share, target=0.75, at_most=False)]


def outages(seeds: int) -> list[Line]:
    """Whether the chance to last is one."""
    found = [_promises.outages(seed) for seed in range(seeds)]
    open_ = [one for one in found if one.survives > 0]  # not gone already
    said = np.array([one.survives for one in open_])
    came = np.array([np.isinf(one.days) for one in open_], dtype=float)
    print(f"outages: {len(open_)} of {seeds} budgets are left; {came.mean():.0%} last, {said.mean():.0%} was said")
    halves = np.array_split(np.argsort(said), 2)
    off = max(abs(float(said[half].mean() - came[half].mean())) for half in halves)
    skill = 1 - float(((said - came) ** 2).mean() / ((came.mean() - came) ** 2).mean())
    return [
        Line(case="outages", what="chance to last: off, the worse half", value=off, target=0.15),
        Line(case="outages", what="chance to last: better than its mean by", value=skill, target=0.0, at_most=False),
    ]


def _held(case: str, found: list[Outcome], *, low: float, high: float) -> list[Line]:
    share = float(np.mean([one.held for one in found]))
    what = "80 % interval holds it"
    return [
        Line(case=case, what=what, value=share, target=low, at_most=False),
        Line(case=case, what=what, value=share, target=high),
    ]


if __name__ == "__main__":
    sys.exit(main())
