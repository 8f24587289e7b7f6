"""Runs of anomalies made by hand, in hours after a fixed moment."""

import pandas as pd

from tutordex_analysis.model.incidents import COLUMNS

T0 = pd.Timestamp("2026-11-02T00:00Z")
AREAS = {"posts": "collector", "pending": "queue", "jobs": "worker", "calls": "llm", "sent": "dm", "asked": "backend"}
HEIGHT = {"collector": 0, "queue": 1, "worker": 2, "llm": 2, "dm": 3, "backend": 4}


def hours(n):
    return T0 + pd.Timedelta(hours=n)


def run(signal, start, end, *, series=None, score=2.0, seen=5.0, expected=1.0, kind="spike", cost=4.0, **rest):
    return {
        "signal": signal,
        "area": AREAS.get(signal, "moon"),
        "unique_id": series or signal,
        "start": hours(start),
        "end": hours(end),
        "peak": hours(start),
        "direction": "up" if seen >= expected else "down",
        "kind": kind,
        "expected": expected,
        "seen": seen,
        "score": score,
        "cost": cost,
        "steps": int(end - start) + 1,
        **rest,
    }


def members(*runs):
    return pd.DataFrame(runs, columns=[*COLUMNS, "signal", "area"])
