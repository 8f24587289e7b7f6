"""`python -m bench.experiment`: what the experiment methods promise, by enumeration and over simulated experiments.

Rates come from vectorised kernels; random points of each kernel are held against `compare`, row "agreement".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from bench import _deploys, _intervals, _peeking, _units
from bench._line import Line, told
from bench._sample import Agreement

RUNS, SEED = 10_000, 0


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.experiment", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"simulated experiments a rate (default {RUNS:,})")
    parser.add_argument("--seed", type=int, default=SEED)
    agreement = Agreement()
    parser.add_argument("rows", nargs="*", help="which rows; all without")
    options = parser.parse_args()
    if options.runs < 100:
        parser.error(f"--runs is at least 100, got {options.runs}")
    each = {"runs": options.runs, "seed": options.seed, "agreement": agreement}
    rows: dict[str, Callable[[], list[Line]]] = {
        "peeking": partial(_peeking.always_valid, **each),
        "groups": partial(_peeking.groups, runs=options.runs, seed=options.seed),
        "intervals": partial(_intervals.fixed, **each),
        "small": partial(_intervals.small, seed=options.seed, agreement=agreement),
        "counters": partial(_units.null_counters, **each),
        "sticky": partial(_units.sticky, **each),
        "srm": partial(_peeking.split, runs=options.runs, seed=options.seed),
        "cuped": partial(_units.covariate, **each),
        "family": partial(_units.many, **each),
        "quantile": partial(_units.p95, **each),
        "deploy": partial(_deploys.placebos, seed=options.seed),
        "speed": partial(_units.speed, seed=options.seed),
    }
    unknown = set(options.rows) - set(rows)
    if unknown:
        raise SystemExit(f"there is no row {min(unknown)!r}; there are {', '.join(rows)}")
    lines: list[Line] = []
    for name, measure in rows.items():
        if not options.rows or name in options.rows:
            lines += measure()
    if not options.rows:
        lines += agreement.lines()
    return told(lines)


if __name__ == "__main__":
    sys.exit(main())
