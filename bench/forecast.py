"""`python -m bench.forecast`: forecasts against the seasonal naive, Prophet and statsmodels; speed; breach dates.

Every engine forecasts the same public tasks in this run. `rel` is the geometric mean over tasks of the scaled pinball
loss against the seasonal naive; seconds are CPU seconds of one task, median.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bench import _public as public
from bench import _walks
from bench._cpu import cpu_seconds
from bench._line import Line, told
from bench._public import Scorer, Task
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import forecast as forecasting
from tutordex_analysis.model.backtest import QUANTILES, Forecaster
from tutordex_analysis.model.decomposition import ets
from tutordex_analysis.model.prophet_model import prophet
from tutordex_analysis.model.structural import structural

SETS = {"m4": "M4 hourly, 48 h ahead", "ops": "ops hourly, a week ahead", "daily": "daily, 28 days ahead"}
CASES = (*SETS, "batch", "cost", "breach")
WORDS = {"rel": "rel to the seasonal naive", "mase": "MASE", "prophet": "pinball / Prophet's, geometric mean"}
AT_MOST = {
    "m4": {"rel": 0.70, "mase": 1.02, "prophet": 0.68},
    "ops": {"rel": 0.81, "prophet": 0.86},
    "daily": {"rel": 0.80},
}
COVERED = {"m4": ((0.77, 0.83), (0.93, 0.97)), "ops": ((0.75, 0.86), (0.92, 0.97))}
NEAR = 0.08  # how far the coverage of a quarter of the horizon may lie from the level
SHAPE = (1000, 2160, 336)  # series, hours of history, hours ahead
PROPHETS = 20

Engine = Callable[[Task], Floats]


def auto(task: Task, *, model: Forecaster | None = None, calendar: bool = True) -> Floats:
    """`forecast` as a user calls it, shape (n_quantiles, horizon)."""
    found = forecasting.forecast(
        task.frame,
        horizon=len(task.actual),
        season_lengths=task.seasons,
        quantiles=QUANTILES,
        calendar=task.country if calendar else None,
        model=model or "auto",
    )
    return np.stack([found.frame[f"q{p:g}"].to_numpy() for p in QUANTILES])


def measure(score: Scorer, name: str, *, every: int) -> list[Line]:
    """The table of one set, printed, and its lines."""
    wanted = {one.name: one for one in public.tasks(score, name, every=every if name == "m4" else 1)}
    levels = np.asarray(score.QUANTILES)
    engines: dict[str, Engine] = {
        "auto": auto,
        "structural": partial(auto, model=structural),
        "Prophet, defaults": partial(public.prophet_defaults, quantiles=levels),
        "statsmodels MSTL + ETS": partial(auto, model=ets),
        "seasonal naive": lambda task: np.asarray(score.seasonal_naive(task.y, len(task.actual), task.naive_season)),
    }
    if any(one.country for one in wanted.values()):
        engines["auto, no calendar"] = partial(auto, calendar=False)
    print(f"\n{SETS[name]}: {len(wanted)} tasks", flush=True)
    print(
        f"{'':24} {'rel':>6} {'MASE':>6} {'SPL':>6} {'sMAPE':>6} {'80 %':>6} {'95 %':>6} {'seconds':>8}  quarters 80 %"
    )
    tables = {}
    for title, engine in engines.items():
        answers, seconds = {}, []
        for key, task in wanted.items():
            started = cpu_seconds()
            answers[key] = engine(task)
            seconds.append(cpu_seconds() - started)
        tables[title] = table = public.scored(score, wanted, answers)
        quarters = " ".join(f"{table[f'q{i}_80'].mean():.2f}" for i in range(1, public.QUARTERS + 1))
        print(
            f"{title:24} {_rel(table):6.3f} {table['mase'].mean():6.3f} {table['spl'].mean():6.3f} "
            f"{table['smape'].mean():6.2f} {table['cov80'].mean():6.3f} {table['cov95'].mean():6.3f} "
            f"{statistics.median(seconds):8.3f}  {quarters}",
            flush=True,
        )
    return _lines(name, tables)


def _rel(table: pd.DataFrame) -> float:
    return float(np.exp(np.log(table["rel"]).mean()))


def _lines(name: str, tables: dict[str, pd.DataFrame]) -> list[Line]:
    ours, theirs = tables["auto"], tables["Prophet, defaults"]
    values = {"rel": _rel(ours), "mase": float(ours["mase"].mean()), "prophet": _rel(ours) / _rel(theirs)}
    lines = [Line(case=name, what=WORDS[key], value=values[key], target=most) for key, most in AT_MOST[name].items()]
    structural_mean, prophet_mean = (float(one["spl"].mean()) for one in (tables["structural"], theirs))
    alone = {"geometric": _rel(tables["structural"]) / _rel(theirs), "mean": structural_mean / prophet_mean}
    lines += [
        Line(case=name, what=f"structural alone: pinball / Prophet's, {how}", value=value, target=1.0)
        for how, value in alone.items()
    ]
    if "auto, no calendar" in tables:
        worse = _rel(ours) / _rel(tables["auto, no calendar"])
        lines.append(Line(case=name, what="rel with the calendar / without", value=worse, target=1.01))
    for level, bounds in zip((80, 95), COVERED.get(name, ()), strict=False):
        covered = float(ours[f"cov{level}"].mean())
        lines.append(Line(case=name, what=f"coverage of {level} %", value=covered, target=bounds[1]))
        lines.append(Line(case=name, what=f"coverage of {level} %", value=covered, target=bounds[0], at_most=False))
        furthest = max(abs(ours[f"q{i}_{level}"].mean() - level / 100) for i in range(1, public.QUARTERS + 1))
        lines.append(Line(case=name, what=f"quarters of the horizon off {level} %", value=furthest, target=NEAR))
    return lines


def batch() -> list[Line]:
    """Many series in one solve against Prophet one by one, in the same run; memory of a process of its own."""
    told = subprocess.run([sys.executable, "-m", "bench.forecast", "--one"], capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(told.stderr)
    ours = json.loads(told.stdout)
    y, options = _batch_input()
    prophet(y[:1], **options)  # its import is not its speed
    started = cpu_seconds()
    prophet(y[:PROPHETS], **options)
    each = (cpu_seconds() - started) / PROPHETS
    ratio = each / ours["seconds"]
    print(f"\nbatch of {SHAPE}: {1000 * ours['seconds']:.2f} ms of CPU a series, Prophet {each:.3f} s", flush=True)
    return [
        Line(case="batch", what="Prophet's time / the structural model's", value=ratio, target=300.0, at_most=False),
        Line(case="batch", what="peak memory, GB, imports included", value=ours["gigabytes"], target=1.0),
    ]


def _batch_input() -> tuple[Floats, dict[str, Any]]:
    n, length, horizon = SHAPE
    rng = np.random.default_rng(0)
    hour = np.arange(length)
    day = np.sin(2 * np.pi * (hour / 24 + rng.random((n, 1))))
    week = np.sin(2 * np.pi * (hour / 168 + rng.random((n, 1))))
    y = 50 + 10 * day + 4 * week + rng.normal(size=(n, length)) + rng.normal(size=(n, 1)) * hour / 500
    y[rng.random(y.shape) < 0.02] = np.nan
    ds = pd.date_range("2026-01-01", periods=length, freq="h", tz="UTC")
    return y, {"ds": ds, "horizon": horizon, "season_lengths": (24, 168), "quantiles": QUANTILES}


def _one_batch() -> None:
    y, options = _batch_input()
    started = cpu_seconds()
    structural(y, **options)
    seconds = (cpu_seconds() - started) / len(y)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "gigabytes": gigabytes}))


def cost() -> list[Line]:
    """CPU seconds of the whole tournament with bands, for hourly series of 1,700 rows, one call each."""
    y, _ = _batch_input()
    grid = pd.date_range("2026-01-01", periods=1700, freq="h", tz="UTC")
    seconds = []
    for row in y[:10]:
        frame = pd.DataFrame({"unique_id": pd.Categorical(["y"] * 1700), "ds": grid, "y": row[:1700]})
        started = cpu_seconds()
        forecasting.forecast(frame, horizon="7d", season_lengths=("1d", "7d"))
        seconds.append(cpu_seconds() - started)
    return [
        Line(case="cost", what="CPU seconds, 1,700 rows, a week ahead", value=statistics.median(seconds), target=2.0)
    ]


def breach(*, n: int) -> list[Line]:
    """Simulated walks with a drift against their limits."""
    world = _walks.walks(n, n_history=300, seed=1)
    found, rule = _walks.ours(world)
    best = _walks.knowing(world)
    crossed = float(np.isfinite(world.crossed).mean())
    print(f"\nbreach: {n} walks, {crossed:.0%} cross within {_walks.HORIZON} days", flush=True)
    print(f"{'':34} {'interval holds':>15} {'Brier score':>12}")
    print(f"{'forecast and breach':34} {found.held:15.3f} {found.brier:12.4f}")
    print(f"{'rule: upper edge touches the limit':34} {'':15} {rule.brier:12.4f}")
    print(f"{'who knows that it is a walk':34} {best.held:15.3f} {best.brier:12.4f}")
    return [
        Line(case="breach", what="80 % date interval holds, share", value=found.held, target=0.85),
        Line(case="breach", what="80 % date interval holds, share", value=found.held, target=0.75, at_most=False),
        Line(case="breach", what="Brier score / the rule's", value=found.brier / rule.brier, target=1.0),
    ]


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecast", description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all without")
    parser.add_argument("--quick", action="store_true", help="every tenth series of M4, 100 walks: a look, no verdict")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _one_batch()
        return 0
    unknown = set(options.cases) - set(CASES)
    if unknown:
        raise SystemExit(f"there is no case {min(unknown)!r}; there are {', '.join(CASES)}")
    asked = [one for one in CASES if not options.cases or one in options.cases]
    score = public.scorer() if set(asked) & set(SETS) else None
    lines: list[Line] = []
    for case in asked:
        if case in SETS:
            lines += measure(score, case, every=20 if options.quick else 2)
        else:
            others: dict[str, Callable[[], list[Line]]] = {
                "batch": batch,
                "cost": cost,
                "breach": partial(breach, n=100 if options.quick else 1000),
            }
            lines += others[case]()
    return told(lines)


if __name__ == "__main__":
    sys.exit(main())
