"""What is unusual: each value against what was expected of it, as a score that is 1 at the band's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.incidents import intervals
from tutordex_analysis.model.panel import Panel, panels, seasons
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.moment import Span

KINDS = ("", "spike", "dip", "level", "trend", "noise", "flat", "silence", "missing", "peers")
_NO_POLICY = Policy()


@dataclass(frozen=True, kw_only=True, eq=False)
class Anomalies:
    """What was unusual in some series.

    Attributes:
        frame: unique_id, ds, y, expected, lower, upper (the band), score, is_anomaly, kind (what is unusual about it,
            "" where nothing is); sorted like a frame. `score` is 1 at the band's edge and grows outside it; NaN where
            `y` is, and while too little was seen to judge.
        incidents: One row a run of anomalies: unique_id, start, end, peak (instants of the first, last and worst value),
            direction ("up" or "down"), kind, expected, seen (at the peak), score (the highest), cost (all that was seen
            less all that was expected, value by value), steps.
        threshold: The score above which a value is an anomaly.
        policy: What was asked for.
    """

    frame: pd.DataFrame
    incidents: pd.DataFrame
    threshold: float
    policy: Policy


def detect(
    frame: pd.DataFrame,
    *,
    season_lengths: Sequence[int | Span],
    policy: Policy | None = None,
    causal: bool = True,
    calendar: str | None = None,
    tz: str = "UTC",
) -> Anomalies:
    """Scores every value by what was known before it."""
    found = [_scored(one, seasons(season_lengths, one.step)) for one in panels(frame)]
    table = pd.concat(found, ignore_index=True)
    table["is_anomaly"] = table["score"] > 1.0
    table["kind"] = pd.Categorical(np.where(table["is_anomaly"], "spike", ""), categories=list(KINDS))
    return Anomalies(frame=table, incidents=intervals(table), threshold=1.0, policy=policy or _NO_POLICY)


def _scored(panel: Panel, season_lengths: Sequence[int]) -> pd.DataFrame:
    m = max((one for one in season_lengths if len(panel.ds) >= 3 * one), default=1)
    cycles = [np.roll(panel.y, k * m, axis=1) for k in (1, 2, 3)]
    for k, one in enumerate(cycles, 1):
        one[:, : k * m] = np.nan
    past = np.stack(cycles)
    known: Floats = np.isfinite(past).sum(axis=0)
    expected = np.where(known >= 2, np.nanmean(np.where(known >= 2, past, 0), axis=0), np.nan)
    spread = 5 * pd.DataFrame(np.abs(panel.y - expected).T).expanding().median().shift(1).to_numpy().T
    score = np.abs(panel.y - expected) / np.maximum(spread, 1e-9)
    rows = len(panel.ids)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(panel.ids, len(panel.ds)),
            "ds": np.tile(panel.ds, rows),
            "y": panel.y.ravel(),
            "expected": expected.ravel(),
            "lower": (expected - spread).ravel(),
            "upper": (expected + spread).ravel(),
            "score": score.ravel(),
        }
    ).assign(
        ds=lambda t: pd.DatetimeIndex(t["ds"]).tz_convert("UTC"), unique_id=lambda t: pd.Categorical(t["unique_id"])
    )
