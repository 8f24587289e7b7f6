"""When the expressions of alert rules were true in the past, asked of a Prometheus: nothing is written there.

Recorded names are replaced by what they compute (`rule_inline`), so rules that were never loaded can be asked. A
threshold that moves goes into the query as numbers that change with the time, one query a day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis import promql
from tutordex_analysis.errors import AnalysisError, CatalogueError
from tutordex_analysis.frame import TimeRange, series_id
from tutordex_analysis.moment import floor
from tutordex_analysis.promql import Matcher
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.rule_inline import NOTHING, Given, Recordings, inlined, is_scalar, labelled, recordings

Thresholds: TypeAlias = Mapping[str, pd.DataFrame]
OnAlert: TypeAlias = Callable[[int, int, str], None]
THRESHOLD = "tutordex_threshold"
FRESH = "tutordex_generated_timestamp_seconds"  # a given threshold is always fresh
EVERY = "60s"
_WINDOW, _DAY = pd.Timedelta("7D"), pd.Timedelta("1D")  # of one query: under 11,000 points; of one with thresholds
_AT_ONCE = 3  # alerts that are asked for in parallel
_LABEL = re.compile(r"\{\{-?\s*\$labels\.(\w+)\s*-?\}\}")
_COLUMNS = ("rule", "alert", "group", "file", "severity", "hold", "keep", "metrics", "problem")


class Asked(Protocol):
    """What is needed of a source."""

    def query(self, promql: str, time_range: TimeRange) -> pd.DataFrame:
        """The answer on a grid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """When each alert rule had something to say, before `for`.

    Attributes:
        range: The stretch and its step; `active` may begin earlier, by the longest `for` and `keep_firing_for`.
        rules: One row an alert rule: rule (its number), alert, group, file, severity, hold, keep (Timedeltas), metrics
            (tuple of the names behind it; () fires by design), problem ("" where it could be replayed).
        active: One row an unbroken stretch of one label set: rule, labels (text), first, last (instants, both in it).
    """

    range: TimeRange
    rules: pd.DataFrame
    active: pd.DataFrame


def replay(
    source: Asked,
    groups: Sequence[Group],
    time_range: TimeRange,
    *,
    thresholds: Thresholds | None = None,
    every_seconds: float = 60.0,
    on_alert: OnAlert | None = None,
) -> Replay:
    """Evaluates every alert rule at every instant of a range.

    Args:
        source: Anything that answers PromQL.
        groups: Of all files that are loaded together; recording rules are inlined.
        time_range: The stretch; its step is the interval of evaluation.
        thresholds: By alert: ds (UTC, from when on), value, and a column a label. NaN is no threshold. Stands for
            `tutordex_threshold{alert="…"}`; what is not given is read from the server.
        every_seconds: Interval of recording groups that do not say.
        on_alert: Progress: alerts done, in all, name of the last.

    Returns:
        A rule that cannot be replayed has its `problem`, and the others are there all the same.
    """
    known = recordings(groups, every_seconds=every_seconds)
    pairs = [(group, rule) for group in groups for rule in group.rules if rule.kind == "alert"]
    done = 0

    def one(number: int) -> tuple[dict[str, object], pd.DataFrame]:
        nonlocal done
        group, rule = pairs[number]
        row, active = _row(number, group, rule), _NONE
        try:
            row["metrics"] = tuple(sorted(promql.metrics(inlined(rule.expr, known))))
            active = _active(source, rule, known, time_range, thresholds or {})
        except AnalysisError as error:
            row["problem"] = str(error)
        done += 1
        if on_alert:
            on_alert(done, len(pairs), rule.name)
        return row, active.assign(rule=number)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = list(pool.map(one, range(len(pairs))))
    parts = [active for _, active in found if len(active)]
    return Replay(
        range=time_range,
        rules=pd.DataFrame([row for row, _ in found], columns=list(_COLUMNS)),
        active=(pd.concat(parts) if parts else _NONE.assign(rule=0))[["rule", "labels", "first", "last"]].reset_index(
            drop=True
        ),
    )


_NONE = pd.DataFrame(
    {"labels": pd.Series([], dtype=str), **{name: pd.DatetimeIndex([], tz="UTC") for name in ("first", "last")}}
)


def _row(number: int, group: Group, rule: FileRule) -> dict[str, object]:
    return {
        "rule": number,
        "alert": rule.name,
        "group": group.name,
        "file": group.file,
        "severity": rule.labels.get("severity", ""),
        "hold": pd.Timedelta(seconds=rule.hold_seconds),
        "keep": pd.Timedelta(seconds=rule.keep_seconds),
        "metrics": (),
        "problem": "",
    }


def _active(
    source: Asked, rule: FileRule, known: Recordings, time_range: TimeRange, thresholds: Thresholds
) -> pd.DataFrame:
    step = time_range.step
    before = pd.Timedelta(seconds=rule.hold_seconds + rule.keep_seconds)
    whole = TimeRange(time_range.start - before - step, time_range.end, step)
    moves = bool(thresholds) and THRESHOLD in promql.metrics(inlined(rule.expr, known))
    parts = []
    for window in _windows(whole, _DAY if moves else _WINDOW):
        given = _given(thresholds, window) if moves else _as_it_is
        expr = inlined(rule.expr, known, given=given)
        # a sample that is NaN is one: compared with 0 it is 1 or 0, and never NaN as a gap is
        there = f"({f'vector({expr})' if is_scalar(expr) else expr}) == bool 0"
        frame = source.query(there, window)
        parts.append(_runs(frame, rule))
    return _joined(pd.concat(parts, ignore_index=True), step)


def _windows(whole: TimeRange, length: pd.Timedelta) -> list[TimeRange]:
    """Disjoint pieces of a range, cut at multiples of their length."""
    edges, edge = [whole.start], floor(whole.start, length) + length
    while edge < whole.end:
        edges.append(floor(edge, whole.step))
        edge += length
    return [TimeRange(a, b, whole.step) for a, b in zip(edges, [*edges[1:], whole.end], strict=True) if a < b]


def _runs(frame: pd.DataFrame, rule: FileRule) -> pd.DataFrame:
    """Unbroken stretches of each label set of an alert."""
    if frame.empty:
        return _NONE
    ids, grid, values = frames.matrix(frame)
    table = frames.labels(frame)
    rows = []
    for name, row in zip(ids, values, strict=True):
        labels = _alert_labels(rule, {str(key): str(value) for key, value in table.loc[name].items()})
        edges = np.diff(np.concatenate([[False], ~np.isnan(row), [False]]).astype(np.int8))
        firsts, lasts = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
        rows += [(labels, grid[int(a)], grid[int(b)]) for a, b in zip(firsts, lasts, strict=True)]
    found = pd.DataFrame(rows, columns=["labels", "first", "last"])
    if len({*table.index}) > len({*found["labels"]}) and _overlap(found):
        raise CatalogueError(
            f"two series of {rule.name} have the same labels once those of the rule are set, which Prometheus refuses"
        )
    return found


def _alert_labels(rule: FileRule, series: Mapping[str, str]) -> str:
    """The identity of an alert, as text; of templates `$labels` is filled in, others stay as they are."""
    own = {name: _LABEL.sub(lambda hit: series.get(hit[1], ""), text) for name, text in rule.labels.items()}
    return series_id(
        {**{name: value for name, value in series.items() if name != "__name__"}, **own, "alertname": rule.name}
    )


def _overlap(found: pd.DataFrame) -> bool:
    rows = found.sort_values(["labels", "first"])
    same = rows["labels"].eq(rows["labels"].shift())
    return bool((same & (rows["first"] <= rows["last"].shift())).any())


def _joined(runs: pd.DataFrame, step: pd.Timedelta) -> pd.DataFrame:
    """Stretches that a cut between two queries parted, as one."""
    if runs.empty:
        return _NONE
    rows = runs.sort_values(["labels", "first"], ignore_index=True)
    new = ~(rows["labels"].eq(rows["labels"].shift()) & (rows["first"] - rows["last"].shift() <= step))
    each = rows.groupby(new.cumsum(), sort=True)
    return each.agg(labels=("labels", "first"), first=("first", "min"), last=("last", "max")).reset_index(drop=True)


def _as_it_is(name: str, matchers: Sequence[Matcher]) -> str | None:
    return None


def _given(thresholds: Thresholds, window: TimeRange) -> Given:
    """What stands for thresholds, and for the moment at which they were made, in one window."""

    def given(name: str, matchers: Sequence[Matcher]) -> str | None:
        if name == FRESH:
            return labelled("vector(time())", {one.label: one.value for one in matchers if one.equal and not one.regex})
        if name != THRESHOLD:
            return None
        asked = [alert for alert in thresholds if all(one.fits(alert) for one in matchers if one.label == "alert")]
        if not asked:
            return None  # of another alert: the server's own
        rows = [row for alert in asked for row in _vectors(alert, thresholds[alert], window, matchers)]
        return " or ".join(rows) or NOTHING

    return given


def _vectors(alert: str, table: pd.DataFrame, window: TimeRange, matchers: Iterable[Matcher]) -> list[str]:
    """One vector a label set that the matchers let through, as numbers that change with the time."""
    names = [str(name) for name in table.columns if name not in ("ds", "value")]
    groups = table.groupby(names, observed=True, sort=True) if names else [((), table)]
    found = []
    for key, rows in groups:
        labels = {**dict(zip(names, map(str, key if isinstance(key, tuple) else (key,)), strict=True)), "alert": alert}
        if not all(one.fits(labels.get(one.label, "")) for one in matchers):
            continue
        ordered = rows.sort_values("ds")
        moments = pd.DatetimeIndex(ordered["ds"]).as_unit("ns").asi8 / 1e9
        values = ordered["value"].to_numpy(dtype=float)
        if np.isinf(values).any():
            raise CatalogueError(f"a threshold of {alert} is not finite")
        if vector := _stepped(moments, values, window):
            found.append(labelled(vector, labels))
    return found


def _stepped(moments: frames.Floats, values: frames.Floats, window: TimeRange) -> str:
    """A vector that has each value from its moment to the next one; "" where there is none in the window."""
    start, end = window.start.timestamp(), window.end.timestamp()
    edges = [*moments, np.inf]
    pieces: list[tuple[float, float, float]] = []
    for a, b, value in zip(edges[:-1], edges[1:], values.tolist(), strict=True):
        if np.isnan(value) or b <= start or a >= end or a == b:
            continue
        if pieces and pieces[-1][1] == a and pieces[-1][2] == value:
            pieces[-1] = (pieces[-1][0], b, value)
        else:
            pieces.append((a, b, value))
    if not pieces:
        return ""
    inside = [f"(time() >= bool {a:.3f}) * (time() < bool {min(b, end + 1):.3f})" for a, b, _ in pieces]
    if len(pieces) == 1 and pieces[0][0] <= start and pieces[0][1] >= end:
        return f"vector({pieces[0][2]!r})"
    total = " + ".join(f"({value!r}) * {where}" for where, (_, _, value) in zip(inside, pieces, strict=True))
    covered = pieces[0][0] <= start and pieces[-1][1] >= end and all(one[1] == two[0] for one, two in pairwise(pieces))
    return f"vector({total})" if covered else f"(vector({total}) and on () (vector({' + '.join(inside)}) == 1))"
