"""What is wrong with a rule that parses: it can never fire, always fires, says nothing, or means something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import promql_parser as p

from tutordex_analysis import promql
from tutordex_analysis.inventory import Exposed
from tutordex_analysis.promql_labels import Labels, Reading, is_scalar, nodes, op_of, short
from tutordex_analysis.sink.rule_entries import Entry, Finding

_COMPARES = {"==", "!=", ">", "<", ">=", "<="}
_RATES = {"rate", "irate", "increase"}
_RANGE_SELECTED = re.compile(r"_(total|count|sum|bucket)$")
_LABEL = re.compile(r"\$labels\.(\w+)|\.Labels\.(\w+)")
_URL = re.compile(r"https?://[^\s\"'<>)]+")
_WATCHES_US = re.compile(r"watchdog|deadman|dead_man|heartbeat", re.IGNORECASE)
_MOST_A_DAY = 2000  # of what this stack counts, at 200 to 600 assignments a day, retries included
_POLLS = ("worker_supabase_requests_total", "backend_http_requests_total", "worker_supabase_latency_seconds_count")
_CAVEATS = {
    "container_start_time_seconds": "a recreated container has a new id and so a new series, which never changes; use "
    "process_start_time_seconds",
    "queue_oldest_processing_age_seconds": "it counts from the creation of the row, so a job that waited long looks "
    "stuck; see whether jobs are finished",
    "queue_oldest_pending_age_seconds": "an edited or requeued old post keeps its first creation and shows days",
    "queue_pending": "the worker publishes it: it freezes when the worker hangs and goes when it dies",
}


@dataclass(frozen=True, kw_only=True)
class Lore:
    """What is known besides the rule.

    Attributes:
        exposed: Metrics of the stack.
        labels: Metric or record → its labels.
        retention: How long samples are kept.
    """

    exposed: Mapping[str, Exposed]
    labels: Mapping[str, Labels]
    retention: pd.Timedelta


def lint(entry: Entry, lore: Lore) -> Iterator[Finding]:
    """Everything that is found in a rule whose expression parses."""
    reading = Reading(entry.expr[0], lore.labels)
    yield from (entry.fault(what, why) for what, why in reading.faults)
    for one in _ANY:
        yield from one(entry, lore)
    if entry.alert:
        yield from _templates(entry, reading.labels)
        for one in _ALERTS:
            yield from one(entry, lore)


def _constant(entry: Entry, lore: Lore) -> Iterator[Finding]:
    root = _bare(p.parse(entry.expr[0]))
    if isinstance(root, p.BinaryExpr) and op_of(root) in _COMPARES and _fixed(root.lhs) and _fixed(root.rhs):
        yield entry.note("constant", "it compares two constants, so it never fires or always does; take the rule out")
    elif _fixed(root) and not _WATCHES_US.search(entry.name):
        yield entry.fault(short(root), "a value alone fires whatever it is, 0 too: this alert fires for ever")


def _no_value(entry: Entry, lore: Lore) -> Iterator[Finding]:
    root = _bare(p.parse(entry.expr[0]))
    if not (isinstance(root, p.BinaryExpr) and op_of(root) == "==" and isinstance(root.rhs, p.NumberLiteral)):
        return
    for text, line in entry.annotations.values():
        if "$value" in text or ".Value" in text:
            yield entry.fault("$value", f"it is always {root.rhs.val:g} here, whatever happened", line=line)


def _zero_of_nothing(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.BinaryExpr) and op_of(node) == "==" and _number(node.rhs) == 0 and _flows(node.lhs):
            yield entry.note(
                short(node), "a process that is gone or just restarted has no series that could be 0; use unless … > 0"
            )


def _first_event(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.BinaryExpr) and op_of(node) == ">" and _number(node.rhs) == 0 and _born(node.lhs):
            yield entry.note(
                short(node),
                "one event holds it for the window, and the first one of a new series, born at 1, is not seen",
            )


def _unreachable(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if not (isinstance(node, p.BinaryExpr) and op_of(node) in (">", ">=")):
            continue
        limit, names = _number(node.rhs), _flows(node.lhs, per_second=True)
        known = {name for name in names if name in lore.exposed and name not in _POLLS}
        if limit is not None and known and limit * 86_400 > _MOST_A_DAY:
            yield entry.note(
                short(node),
                f"{limit:g} a second is {limit * 86_400:,.0f} a day, far above what {min(known)} counts in this stack",
            )


def _raw_totals(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.BinaryExpr) and op_of(node) in _COMPARES | {"/", "-", "+"}:
            for side in (node.lhs, node.rhs):
                name = _raw_counter(side)
                if name is not None and _number(node.rhs) != 0:
                    yield entry.fault(
                        short(node), f"it takes the total of {name} since its start; use increase or rate"
                    )
                    return


def _unguarded(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.BinaryExpr) and op_of(node) == "/" and _flows(node.rhs) and not _compared(node.rhs):
            yield entry.note(
                short(node),
                "without traffic it is 0/0, no number, and x/0, infinite; add a least traffic below the line",
            )
            return


def _bucket_bounds(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in _selectors(entry):
        for one in node.matchers.matchers:
            if one.name == "le" and re.fullmatch(r"\d+", one.value) and (node.name or "") in lore.exposed:
                yield entry.fault(
                    f'le="{one.value}"', f'Python writes bounds as floats: le="{one.value}.0"; this finds nothing'
                )


def _retention(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        spans = [getattr(node, key, None) for key in ("range", "offset")]
        longest = max((pd.Timedelta(one) for one in spans if one), default=pd.Timedelta(0))
        if longest > lore.retention:
            days = longest / pd.Timedelta(days=1)
            yield entry.fault(
                short(node),
                f"{days:g} days are asked for, {lore.retention.days} are kept; the rest is silently missing",
            )
            return


def _prices(entry: Entry, lore: Lore) -> Iterator[Finding]:
    text = entry.expr[0]
    priced = any(re.search(r"per_1k|per_1000|per_thousand", name) for name in promql.metrics(text))
    divided = any(_number(node.rhs) == 1000 for node in nodes(text) if isinstance(node, p.BinaryExpr))
    if priced and not divided:
        yield entry.fault("price", "a price for 1,000 is not divided by 1000, so the cost is a thousand times too high")


def _versions(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.BinaryExpr) and op_of(node) == "-":
            for side in (node.lhs, node.rhs):
                name = str(getattr(side, "name", "")) if isinstance(side, p.VectorSelector) else ""
                if name.endswith("timestamp_seconds") and "pipeline_version" in (lore.labels.get(name) or ()):
                    yield entry.note(
                        short(node),
                        "one series a pipeline version: the old one's age grows for ever; take max by (channel) first",
                    )


def _silent_metrics(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for name in sorted(promql.metrics(entry.expr[0])):
        emission = lore.exposed[name].emission if name in lore.exposed else "live"
        if emission in ("flat_zero", "never", "code_blocked"):
            yield entry.note(name, f"it is exposed but never counts anything ({emission})")
        if emission == "constant":
            yield entry.note(name, "its labels are hard-coded and tell nothing apart")
        if entry.alert and name in _CAVEATS:
            yield entry.note(name, _CAVEATS[name])


def _templates(entry: Entry, labels: Labels) -> Iterator[Finding]:
    for text, line in (*entry.annotations.values(), *entry.labels.values()):
        for found in dict.fromkeys(a or b for a, b in _LABEL.findall(text)):
            if labels is not None and found not in labels:
                there = ", ".join(sorted(labels)) or "no labels"
                yield entry.fault(f"$labels.{found}", f"it prints nothing: the expression keeps {there}", line=line)


def _routed(entry: Entry, lore: Lore) -> Iterator[Finding]:
    if "severity" not in entry.labels:
        yield entry.fault("severity", "without one it falls to the default route", line=entry.line)
    if "component" not in entry.labels:
        yield entry.note("component", "without one it cannot be grouped or silenced by part", line=entry.line)


def _links(entry: Entry, lore: Lore) -> Iterator[Finding]:
    for text, line in entry.annotations.values():
        for url in _URL.findall(text):
            host = urlsplit(url.split("{{")[0]).hostname or ""
            if host and "." not in host and host != "localhost":
                yield entry.fault(
                    url, f"{host} is a name inside the container network; nobody outside can open it", line=line
                )


_ANY: tuple[Callable[[Entry, Lore], Iterator[Finding]], ...] = (
    _raw_totals, _unguarded, _bucket_bounds, _retention, _prices, _versions, _silent_metrics,
)  # fmt: skip
_ALERTS: tuple[Callable[[Entry, Lore], Iterator[Finding]], ...] = (
    _constant, _no_value, _zero_of_nothing, _first_event, _unreachable, _routed, _links,
)  # fmt: skip


def _bare(node: Any) -> Any:  # noqa: ANN401 - the parser is not typed
    return _bare(node.expr) if isinstance(node, p.ParenExpr) else node


def _fixed(node: Any) -> bool:  # noqa: ANN401
    bare = _bare(node)
    return is_scalar(bare) or (isinstance(bare, p.Call) and bare.func.name == "vector")


def _number(node: Any) -> float | None:  # noqa: ANN401
    bare = _bare(node)
    return float(bare.val) if isinstance(bare, p.NumberLiteral) else None


def _flows(node: Any, *, per_second: bool = False) -> set[str]:  # noqa: ANN401
    """Counters whose rate or increase is the value of this side, added up or not."""
    bare = _bare(node)
    if isinstance(bare, p.AggregateExpr):
        return _flows(bare.expr, per_second=per_second)
    wanted = {"rate", "irate"} if per_second else _RATES
    if isinstance(bare, p.Call) and bare.func.name in wanted:
        inner = getattr(bare.args[0], "vector_selector", None)
        return {inner.name} if inner is not None and inner.name else set()
    return set()


def _born(node: Any) -> set[str]:  # noqa: ANN401
    """Counters of `_flows` whose series are born with their first event; Prometheus has its own from the start."""
    return {name for name in _flows(node) if not name.startswith("prometheus_")}


def _raw_counter(node: Any) -> str | None:  # noqa: ANN401
    bare = _bare(node)
    if isinstance(bare, p.AggregateExpr) and str(bare.op) not in ("count", "group"):
        return _raw_counter(bare.expr)
    if isinstance(bare, p.VectorSelector) and _RANGE_SELECTED.search(bare.name or ""):
        return str(bare.name)
    return None


def _compared(node: Any) -> bool:  # noqa: ANN401
    bare = _bare(node)
    return isinstance(bare, p.BinaryExpr) and op_of(bare) in _COMPARES


def _selectors(entry: Entry) -> Iterator[Any]:
    for node in nodes(entry.expr[0]):
        if isinstance(node, p.VectorSelector):
            yield node
        elif isinstance(node, p.MatrixSelector):
            yield node.vector_selector
