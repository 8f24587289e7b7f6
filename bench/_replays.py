"""Rules replayed on a loaded world; learnt limits stand in the server itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from tutordex_analysis.frame import escape
from tutordex_analysis.rule_groups import Group
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.replay_paced import paced, swapped
from tutordex_analysis.source.replay_rules import FRESH, THRESHOLD, Replay

__all__ = ["EVERY", "LEFT_OUT", "NO_PUBLISHER", "put", "replayed", "swapped"]
# They tell of the publisher, which no world has.
NO_PUBLISHER = {"AnalysisMetricsAbsent", "AnalysisMetricsStale", "LearntLimitRefused", "AnalysisReportFailed"}
# Beside them the one in shadow, which reads scores of the publisher, and the one that always fires.
LEFT_OUT = {"SignalUnusual", "Watchdog", *NO_PUBLISHER}
EVERY = pd.Timedelta("4m")  # samples of a limit; a sample is found for five minutes
_FAMILY = 'family="tutordex_threshold"'


def replayed(
    source: PrometheusSource,
    groups: Sequence[Group],
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    learnt: bool,
    without: Iterable[str] = (),
) -> Replay:
    """Every alert rule of a stretch; with human limits, unless those that the server holds are asked for (`put`)."""
    return paced(source, groups, start, end, human=not learnt, without=LEFT_OUT | {*without})


def put(server: LocalPrometheus, limits: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Writes limits as `publish` exposes them into a server that is not started; human ones have no sample.

    Args:
        server: Holds a world.
        limits: alert, labels (a dict), ds (hours), value, as `threshold_walk.over` gives them.
        start: From when on.
        end: Until when.
    """
    hour = pd.Timedelta("1h")
    lines = [f"# TYPE {FRESH} gauge"]
    lines += [f"{FRESH}{{{_FAMILY}}} {int(t.timestamp())} {int(t.timestamp())}" for t in _grid(start, end)]
    lines.append(f"# TYPE {THRESHOLD} gauge")
    mine = limits[(limits["ds"] >= start - hour) & (limits["ds"] < end)]
    text = mine["labels"].map(
        lambda each: "".join(f',{name}="{escape(value)}"' for name, value in sorted(each.items()))
    )
    for (alert, labels), rows in mine.assign(labels=text).groupby(["alert", "labels"], sort=True):
        for ds, value in zip(rows["ds"], rows["value"], strict=True):
            lines += [
                f'{THRESHOLD}{{alert="{alert}"{labels}}} {value!r} {int(t.timestamp())}' for t in _grid(ds, ds + hour)
            ]
    with tempfile.TemporaryDirectory(prefix="tutordex-bench-") as scratch:
        path = Path(scratch) / "limits.om"
        path.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
        server.import_openmetrics(path)


def _grid(start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq=EVERY, inclusive="left")
