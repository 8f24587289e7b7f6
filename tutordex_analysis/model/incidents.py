"""Points to incidents: runs of anomalies with start, end and peak, and runs of several signals that belong together."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = ("unique_id", "start", "end", "peak", "direction", "kind", "expected", "seen", "score", "cost", "steps")


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run of anomalies of one series, in order of series and time.

    Args:
        table: unique_id, ds, y, expected, score, is_anomaly, kind; sorted by series and time.
    """
    flagged = table["is_anomaly"].to_numpy()
    codes = pd.factorize(table["unique_id"])[0]
    begins = flagged & np.concatenate([[True], ~flagged[:-1] | (codes[1:] != codes[:-1])])
    runs = table[flagged].assign(run=np.cumsum(begins)[flagged])
    peaks = runs.loc[runs.groupby("run")["score"].idxmax()].set_index("run") if len(runs) else runs.set_index("run")
    by_run = runs.assign(over=runs["y"] - runs["expected"]).groupby("run")
    found = pd.DataFrame(
        {
            "unique_id": peaks["unique_id"],
            "start": by_run["ds"].first(),
            "end": by_run["ds"].last(),
            "peak": peaks["ds"],
            "direction": np.where(peaks["y"] >= peaks["expected"], "up", "down"),
            "kind": peaks["kind"],
            "expected": peaks["expected"],
            "seen": peaks["y"],
            "score": peaks["score"],
            "cost": by_run["over"].sum(),
            "steps": by_run.size(),
        }
    )
    return found.reset_index(drop=True)
