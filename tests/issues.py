"""Rows of a ledger as a run would have made them, with values that a test can work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis import issued
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration

MONDAY = pd.Timestamp("2026-11-01T16:00Z")
WEEK = pd.Timedelta(days=7)
HOUR = pd.Timedelta(hours=1)


def rows(
    cutoff=MONDAY,
    *,
    signal="cpu_used",
    unique_id="cpu_used",
    said=0.0,
    naive=0.0,
    spread=1.0,
    n=168,
    step="1h",
    model="structural",
    via="report",
    hindsight=False,
    scale=1.0,
    digest="0123456789ab",
    issued_at=None,
):
    """`said` and `naive` are medians (a number or an array of n); quantile p lies spread * (p - 0.5) above them."""
    instants = cutoff + duration(step) * np.arange(1, n + 1)
    levels = np.asarray(issued.LEVELS) - 0.5
    table = pd.DataFrame(
        {
            "signal": signal,
            "unique_id": unique_id,
            "step": step,
            "cutoff": cutoff,
            "ds": pd.DatetimeIndex(instants),
            "model": model,
            "parameters": "{}",
            "digest": digest,
            "scale": scale,
        }
    )
    for names, middle in ((issued.SAID, said), (issued.NAIVE, naive)):
        values = np.broadcast_to(np.asarray(middle, dtype=float), n)[:, None] + spread * levels
        table = table.assign(**dict(zip(names, values.T, strict=True)))
    at = cutoff + pd.Timedelta(minutes=30) if issued_at is None else issued_at
    return issued.stamped(table, issued=at, via=via, hindsight=hindsight)


def history(y, *, end=MONDAY + WEEK, name="cpu_used", step="1h"):
    """One series whose last instant is `end`."""
    last = pd.Timestamp(end) + duration(step)
    time_range = TimeRange(last - len(y) * duration(step), last, step)
    return frames.build(np.asarray(y, dtype=float)[None], [{"__name__": name}], time_range)
