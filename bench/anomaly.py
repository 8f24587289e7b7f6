"""`python -m bench.anomaly`: anomalies on labelled public series, on clean series, and on simulated incidents.

nab, injected and kpi need the public data (TUTORDEX_BENCHMARKS); world needs prometheus and promtool, and a minute
or two a seed the first time. Alerts of an opponent follow from one threshold for all series, set without the labels.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import _clean, _labelled, _million, _opponents, _stack
from bench._line import Line, told
from bench._opponents import Opponent

CASES = ("nab", "injected", "kpi", "budget", "speed", "world")
OTHERS: dict[str, dict[str, Opponent]] = {"none": {}, "quick": _opponents.QUICK, "all": _opponents.ALL}
STEPS = ("5m", "15m", "1h")
SLOW = ("Isolation Forest", "Prophet's interval")  # a world has 146 series


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.anomaly", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all without")
    parser.add_argument(
        "--opponents",
        choices=list(OTHERS),
        default="quick",
        help="quick leaves out Prophet, and Isolation Forest on the world, which take minutes a seed",
    )
    parser.add_argument("--seeds", type=int, default=0, help="of budget (20) and world (2; the full table has 20)")
    parser.add_argument("--step", choices=STEPS, default=STEPS[-1], help="of the world's signals")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"), help="keeps the worlds for the next time")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_million.one()))
        return 0
    if options.seeds < 0:
        parser.error(f"--seeds is a count, got {options.seeds}")
    unknown = set(options.cases) - set(CASES)
    if unknown:
        raise SystemExit(f"there is no case {min(unknown)!r}; there are {', '.join(CASES)}")
    others = OTHERS[options.opponents]
    few = others if options.opponents == "all" else {name: one for name, one in others.items() if name not in SLOW}
    cases: dict[str, Callable[[], list[Line]]] = {
        **{name: partial(_labelled.measure, name, others) for name in _labelled.BUDGETS},
        "budget": partial(_clean.budget, seeds=options.seeds or 20),
        "speed": _million.speed,
        "world": partial(_stack.world, seeds=options.seeds or 2, step=options.step, others=few, folder=options.folder),
    }
    lines: list[Line] = []
    for name in CASES:
        if not options.cases or name in options.cases:
            lines += cases[name]()
    return told(lines)


if __name__ == "__main__":
    sys.exit(main())
