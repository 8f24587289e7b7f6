"""Incidents as the question of anomalies would give them, with values that a test can work out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-10-06T06:00Z")  # Tuesday 14:00 in Singapore
HOUR = pd.Timedelta("1h")


@dataclass(frozen=True, eq=False)
class Trace:
    title: str
    unit: str
    frame: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Case:
    traces: tuple[Trace, ...]
    number: int = 1
    heading: str = "Tue 6 Oct 14:00–16:00 · high"
    sentence: str = "Tue 6 Oct 14:00–16:00: Jobs finished fell to 0 (expected 12–30 an hour)."
    what: str = "Jobs finished fell to 0 (expected 12–30 an hour)."
    start: pd.Timestamp = START
    end: pd.Timestamp = START + 2 * HOUR
    contexts: pd.DataFrame = field(default_factory=lambda: contexts())


def trace(title="Jobs finished", *, unit="jobs", n=72):
    """Twenty an hour in a band from 12 to 30, but for two hours of nothing that begin at START."""
    ds = pd.DatetimeIndex(START + (np.arange(n) - n + 14) * HOUR)
    odd = np.asarray((ds > START) & (ds <= START + 2 * HOUR))
    y = np.where(odd, 0.0, 20.0)
    facts = {"expected": 20.0, "lower": 12.0, "upper": 30.0, "is_anomaly": odd}
    return Trace(title, unit, pd.DataFrame({"ds": ds, "y": y, **facts}))


def contexts(*rows):
    """kind, name and hours after START of each."""
    made = [(kind, name, START + hours * HOUR, START + hours * HOUR) for kind, name, hours in rows]
    table = pd.DataFrame(made, columns=["kind", "name", "start", "end"])
    return table.assign(**{name: pd.to_datetime(table[name], utc=True) for name in ("start", "end")})
