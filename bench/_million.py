"""Many series in one call: CPU time and memory of a process of its own, and what Prophet's interval takes a series."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bench._cpu import cpu_seconds
from bench._line import Line
from bench._opponents import prophet_band
from tutordex_analysis.model.anomaly import detect
from tutordex_analysis.model.live import moved, started

SERIES, DAYS, MINUTES = 1000, 90, 5
KEPT, STEPS = 600, 50  # rows of history, and new rows that are timed one by one
PROPHETS = 3  # series that Prophet is timed on


def frame(n_series: int) -> pd.DataFrame:
    """Series with a day, a week and noise; two in a hundred values are missing."""
    rng = np.random.default_rng(0)
    n = DAYS * 24 * 60 // MINUTES
    hour = np.arange(n) * MINUTES / 60
    ds = pd.date_range("2026-01-01", periods=n, freq=f"{MINUTES}min", tz="UTC")
    y = np.empty((n_series, n))
    for row in y:  # one by one, so that the highest memory of the process is that of the call
        row[:] = 50 + rng.uniform(0, 10) * np.sin(2 * np.pi * (hour / 24 + rng.random())) + rng.normal(size=n)
        row += rng.uniform(0, 5) * np.sin(2 * np.pi * (hour / 168 + rng.random()))
        row[rng.random(n) < 0.02] = np.nan
    codes = np.repeat(np.arange(n_series, dtype=np.int16), n)
    ids = pd.CategoricalDtype([f"series_{i:04}" for i in range(n_series)])
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(codes, dtype=ids),
            "ds": ds[:0].append([ds] * n_series),
            "y": y.reshape(-1),
        },
        copy=False,
    )


def one(n_series: int = SERIES) -> dict[str, float]:
    """CPU seconds and gigabytes above input and result of one call in this process."""
    table = frame(n_series)
    before = _resident()
    begun = cpu_seconds()
    found = detect(table, season_lengths=("1d", "7d"))
    seconds = cpu_seconds() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    shared = [
        name for name in ("ds", "y") if np.may_share_memory(np.asarray(table[name]), np.asarray(found.frame[name]))
    ]
    result = sum(size for name, size in found.frame.memory_usage(index=False).items() if name not in shared)
    return {"seconds": seconds, "gigabytes": (peak - before - result) / 1e9, "result": result / 1e9}


def step(n_series: int = SERIES) -> float:
    """Median CPU milliseconds of one new row for many series whose state is kept."""
    table = frame(n_series)
    rows = np.arange(len(table)) % (len(table) // n_series)
    live, _ = started(table[rows < KEPT], season_lengths=("1d", "7d"))
    seconds = []
    for at in range(KEPT, KEPT + STEPS):
        new = table[rows == at]
        begun = cpu_seconds()
        moved(live, new)
        seconds.append(cpu_seconds() - begun)
    return 1000 * statistics.median(seconds)


def speed() -> list[Line]:
    """26 million points in one call, and Prophet's interval a series in the same run."""
    told = subprocess.run([sys.executable, "-m", "bench.anomaly", "--one"], capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    ours = json.loads(told.stdout)
    few = frame(PROPHETS)
    series = [
        pd.Series(part["y"].to_numpy(), index=pd.DatetimeIndex(part["ds"]))
        for _, part in few.groupby("unique_id", observed=True)
    ]
    prophet_band(series[0].iloc[:500], pd.DatetimeIndex(series[0].index[:500]))  # its import is not its speed
    begun = cpu_seconds()
    for y in series:
        prophet_band(y, pd.DatetimeIndex(y.index))
    prophet = (cpu_seconds() - begun) / PROPHETS
    points = SERIES * DAYS * 24 * 60 // MINUTES
    each = 1000 * ours["seconds"] / SERIES
    print(
        f"\nspeed: {points / 1e6:.1f} M points in {ours['seconds']:.1f} CPU seconds, {each:.1f} ms a series, "
        f"Prophet's interval {prophet:.1f} s; a result of {ours['result']:.2f} GB",
        flush=True,
    )
    return [
        Line(case="speed", what="CPU seconds, 1,000 series of 90 days", value=ours["seconds"], target=20),
        Line(case="speed", what="GB above input and result", value=ours["gigabytes"], target=1),
        Line(
            case="speed",
            what="Prophet's interval / detect, a series",
            value=prophet / ours["seconds"] * SERIES,
            target=100,
            at_most=False,
        ),
        Line(case="speed", what="ms of CPU for a new row of 1,000 kept series", value=step(), target=50),
    ]


def _resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
