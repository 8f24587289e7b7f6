"""When the expressions of alert rules were true in the past, asked of a Prometheus: nothing is written there.

Recorded names are replaced by what they compute (`rule_inline`), so rules that were never loaded can be asked. A
threshold that moves goes into the query as numbers, each while it held, some hundred in a query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
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
_WINDOW = pd.Timedelta("7D")  # of one query: under 11,000 points
_AT_ONCE = 3  # alerts that are asked for in parallel
_MOST_CHANGES = 12  # moments at which thresholds move in one query; a server's time grows with their square
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
    own = [step for one in thresholds if _names(rule, known, one) for step in _steps(one, thresholds[one])]
    parts = []
    places: dict[str, tuple[Matcher, ...]] = {}
    inner = inlined(rule.expr, known, given=_given(own, places))
    # a sample that is NaN is one: compared with 0 it is 1 or 0, and never NaN as a gap is
    there = f"({f'vector({inner})' if is_scalar(inner) else inner}) == bool 0"
    changes = sorted({moment for one in own for moment in one.changes if moment > whole.start})
    for window in _windows(whole, changes[_MOST_CHANGES::_MOST_CHANGES]):
        parts.append(_runs(source.query(_filled(there, places, own, window), window), rule))
    return _joined(pd.concat(parts, ignore_index=True), step)


def _names(rule: FileRule, known: Recordings, alert: str) -> bool:
    """Whether the expression of a rule selects the threshold of an alert, also through recording rules."""
    hits: list[bool] = []

    def given(name: str, matchers: Sequence[Matcher]) -> str | None:
        if name == THRESHOLD:
            hits.append(_fits(matchers, {"alert": alert}, only="alert"))
        return None

    inlined(rule.expr, known, given=given)
    return any(hits)


def _windows(whole: TimeRange, cuts: Iterable[pd.Timestamp]) -> list[TimeRange]:
    """Disjoint pieces of a range: none longer than a query may be, and each begins anew at a cut."""
    step = whole.step
    weeks = pd.date_range(floor(whole.start, _WINDOW), whole.end, freq=_WINDOW)
    inside = {floor(one - pd.Timedelta("1ms"), step) + step for one in [*weeks, *cuts]}  # the first instant not before
    edges = [whole.start, *sorted(one for one in inside if whole.start < one < whole.end), whole.end]
    return [TimeRange(a, b, step) for a, b in pairwise(edges)]


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


@dataclass(frozen=True)
class _Steps:
    """The threshold of one label set: each value holds from its moment to the next one; NaN is none."""

    labels: Mapping[str, str]
    moments: npt.NDArray[np.int64]
    values: frames.Floats

    def at(self, moment: int) -> float:
        """What holds at a moment in nanoseconds."""
        place = int(np.searchsorted(self.moments, moment, side="right")) - 1
        return float(self.values[place]) if place >= 0 else float("nan")

    def within(self, window: TimeRange) -> str:
        """PromQL of what holds at each instant of a window, label-less; "" where nothing ever does."""
        start, end = (moment.as_unit("ns").value for moment in (window.start, window.end))
        edges = [start, *(int(one) for one in self.changes.as_unit("ns").asi8 if start < one < end), end]
        pieces = []
        for since, until in pairwise(edges):
            value = self.at(since)
            if np.isnan(value):
                continue
            bounds = (f" >= {since / 1e9!r}" if since > start else "") + (f" < {until / 1e9!r}" if until < end else "")
            value_text = f"vector({value!r})"
            pieces.append(f"({value_text} and on () (vector(time()){bounds}))" if bounds else value_text)
        return " or ".join(pieces)

    @property
    def changes(self) -> pd.DatetimeIndex:
        before = np.concatenate([[np.nan], self.values[:-1]])
        new = (self.values != before) & ~(np.isnan(self.values) & np.isnan(before))
        return pd.DatetimeIndex(self.moments[new], tz="UTC")


def _steps(alert: str, table: pd.DataFrame) -> list[_Steps]:
    names = [str(name) for name in table.columns if name not in ("ds", "value")]
    if np.isinf(table["value"].to_numpy(dtype=float)).any():
        raise CatalogueError(f"a threshold of {alert} is not finite")
    found = []
    for key, rows in table.groupby(names, observed=True, sort=True) if names else [((), table)]:
        ordered = rows.sort_values("ds", kind="stable")
        labels = dict(zip(names, map(str, key if isinstance(key, tuple) else (key,)), strict=True))
        moments = pd.DatetimeIndex(ordered["ds"]).as_unit("ns").asi8
        found.append(_Steps({**labels, "alert": alert}, moments, ordered["value"].to_numpy(dtype=float)))
    return found


def _given(steps: Sequence[_Steps], places: dict[str, tuple[Matcher, ...]]) -> Given:
    """A name of its own for every selector of a threshold, noted in `places`; and the moment they were made is now."""
    alerts = {one.labels["alert"] for one in steps}

    def given(name: str, matchers: Sequence[Matcher]) -> str | None:
        if steps and name == FRESH:
            return labelled("vector(time())", {one.label: one.value for one in matchers if one.equal and not one.regex})
        if name != THRESHOLD or not any(_fits(matchers, {"alert": alert}, only="alert") for alert in alerts):
            return None  # of another alert: the server's own
        place = f"tutordex_given_{len(places):04}"
        places[place] = tuple(matchers)
        return place

    return given


def _filled(expr: str, places: Mapping[str, tuple[Matcher, ...]], steps: Sequence[_Steps], window: TimeRange) -> str:
    """The expression with the thresholds of a window in their places."""
    for place, matchers in places.items():
        known = [(one.labels, one.within(window)) for one in steps if _fits(matchers, one.labels)]
        rows = [labelled(f"({inner})", labels) for labels, inner in known if inner]
        expr = expr.replace(place, f"({' or '.join(rows) or NOTHING})")
    return expr


def _fits(matchers: Iterable[Matcher], labels: Mapping[str, str], *, only: str = "") -> bool:
    return all(one.fits(labels.get(one.label, "")) for one in matchers if not only or one.label == only)
