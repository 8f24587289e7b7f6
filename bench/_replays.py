"""Rules replayed on a loaded world, long windows at longer steps; learnt limits stand in the server itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.rule_inline import Recordings, inlined, recordings
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.replay_rules import FRESH, THRESHOLD, Replay, replay

# They tell of the publisher, which no world has.
NO_PUBLISHER = {"AnalysisMetricsAbsent", "AnalysisMetricsStale", "LearntLimitRefused", "AnalysisReportFailed"}
# Beside them the one in shadow, which reads scores of the publisher, and the one that always fires.
LEFT_OUT = {"SignalUnusual", "Watchdog", *NO_PUBLISHER}
# By the longest window of a rule, how often it is evaluated: what is asked of a day hardly moves within minutes.
STEPS = (("35m", "60s"), ("2h", "2m"), ("8h", "10m"), ("2d", "15m"), ("4d", "20m"), ("400d", "6h"))
_WINDOW = re.compile(r"\[(\d+[smhdw])")
_EVERY = pd.Timedelta("4m")  # samples of a limit; a sample is found for five minutes
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
    """Every alert rule of a stretch, each at a step that suits its windows.

    Args:
        source: Holds the world, and the learnt limits where `put` was there.
        groups: Rules that are loaded together.
        start: Of the stretch.
        end: Of the stretch.
        learnt: Whether limits are read from the server; else each is human.
        without: Names of alerts that are left out.
    """
    gone = LEFT_OUT | {*without}
    known = recordings(groups, every_seconds=30)
    nothing = pd.DataFrame({"ds": [start - pd.Timedelta("30D")], "value": [float("nan")]})
    found, count = [], 0
    for step, some in _by_step(groups, known, gone):
        names = {rule.name for group in some for rule in group.rules if rule.kind == "alert"}
        given = {} if learnt else dict.fromkeys(names, nothing)
        one = replay(source, some, TimeRange(start, end, step), thresholds=given, every_seconds=30)
        found.append(
            (one.rules.assign(rule=one.rules["rule"] + count), one.active.assign(rule=one.active["rule"] + count))
        )
        count += len(one.rules)
    return Replay(
        range=TimeRange(start, end, "60s"),
        rules=pd.concat([rules for rules, _ in found], ignore_index=True),
        active=pd.concat([active for _, active in found if len(active)], ignore_index=True),
    )


def swapped(one: Replay, moved: Replay) -> Replay:
    """A replay in which the alerts of another one stand in the place of its own."""
    stay = one.rules[~one.rules["alert"].isin(moved.rules["alert"])]
    more = int(one.rules["rule"].max()) + 1
    return Replay(
        range=one.range,
        rules=pd.concat([stay, moved.rules.assign(rule=moved.rules["rule"] + more)], ignore_index=True),
        active=pd.concat(
            [one.active[one.active["rule"].isin(stay["rule"])], moved.active.assign(rule=moved.active["rule"] + more)],
            ignore_index=True,
        ),
    )


def _by_step(groups: Sequence[Group], known: Recordings, gone: set[str]) -> Iterator[tuple[str, list[Group]]]:
    """The groups once for each step, with all records and the alerts that are replayed at it."""
    steps = {rule.name: _step(rule, known) for group in groups for rule in group.rules if rule.kind == "alert"}
    for _, step in STEPS:
        if step in {one for name, one in steps.items() if name not in gone}:
            wanted = {name for name, one in steps.items() if one == step} - gone
            yield (
                step,
                [
                    replace(group, rules=tuple(r for r in group.rules if r.kind != "alert" or r.name in wanted))
                    for group in groups
                ],
            )


def _step(rule: FileRule, known: Recordings) -> str:
    try:
        text = inlined(rule.expr, known)
    except AnalysisError:
        return STEPS[0][1]
    longest = max((duration(one) for one in _WINDOW.findall(text)), default=pd.Timedelta(0))
    return next(step for bound, step in STEPS if longest <= pd.Timedelta(bound))


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
    text = mine["labels"].map(lambda each: "".join(f',{name}="{value}"' for name, value in sorted(each.items())))
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
    return pd.date_range(start, end, freq=_EVERY, inclusive="left")
