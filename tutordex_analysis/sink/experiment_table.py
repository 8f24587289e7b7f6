"""Tables of experiments: all of them, the metrics of one, its segments, its data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import number_text, value_text
from tutordex_analysis.model import tail
from tutordex_analysis.sink.table import Table

Column = Callable[[Mapping[str, object]], str]
_FRACTIONS = ("proportion", "paired")
_STATUS = {
    "better": "better",
    "worse": "worse",
    "no_difference_shown": "no difference shown",
    "blocked": "blocked",
    "no_verdict": "no verdict",
    "not_randomised": "not randomised",
    "not_enough": "not enough data",
}
_NBSP = "\N{NO-BREAK SPACE}"
_GUARDS = {"held": "unharmed", "harmed": "harmed", "open": "cannot be told yet"}


def overview(rows: pd.DataFrame) -> Table:
    """One row an experiment.

    Args:
        rows: Columns title, unit, n_control, n_treatment, state, guards, running, lift, lift_lower, lift_upper.
    """
    columns: dict[str, Column] = {
        "Experiment": lambda r: str(r["title"]),
        "Units": _counted,
        "Goal": lambda r: change(r) if str(r["goal_status"]) not in ("", "blocked") else "–",
        "Verdict": lambda r: str(r["state"]),
        "Guardrails": lambda r: str(r["guards"]) or "–",
        "State": lambda r: "running" if r["running"] else "ended",
    }
    return _table(rows, columns, "Experiments, and what their goals say", "No experiment is declared.")


def metrics(rows: pd.DataFrame) -> Table:
    """One row a metric.

    Args:
        rows: Columns title, role, kind, control, treatment, lift, lift_lower, lift_upper, p_value, status, guard,
            reason.
    """
    columns: dict[str, Column] = {
        "Metric": lambda r: str(r["title"]),
        "Role": lambda r: str(r["role"]),
        "Control": lambda r: _value(r, "control"),
        "Treatment": lambda r: _value(r, "treatment"),
        "Change": change,
        "Chance": lambda r: _chance(_number(r, "p_value")),
        "Verdict": lambda r: _GUARDS.get(str(r["guard"])) or _STATUS.get(str(r["status"])) or "not judged",
    }
    notes = tuple(f"{row['title']}: {row['reason']}." for row in records(rows) if _not_said(row))
    made = _table(rows, columns, "Every metric, with the interval that its decision was held to", "No metric.")
    return Table(frame=made.frame, caption=made.caption, otherwise=made.otherwise, notes=notes)


def _not_said(row: Mapping[str, object]) -> bool:
    """Whether a metric's reason is told nowhere else: the sentence above the table has that of a goal."""
    return bool(row["reason"]) and row["role"] != "goal" and row["status"] != "blocked"


def methods(rows: pd.DataFrame) -> Table:
    """How each metric was judged.

    Args:
        rows: Columns title, method, why, alpha, dispersion, effective_n, blocks, mde_lift.
    """
    columns: dict[str, Column] = {
        "Metric": lambda r: str(r["title"]),
        "Test": lambda r: str(r["method"]),
        "Why this one": lambda r: str(r["why"]),
        "Interval": lambda r: f"{100 * (1 - _number(r, 'alpha')):.4g} %",
        "Would mostly have seen": lambda r: _percent(_number(r, "mde_lift")),
        "Variance over independent": lambda r: _bare(_number(r, "dispersion")),
        "Worth so many independent units": lambda r: (
            _bare(float(round(_number(r, "effective_n"))), whole=True)
            if math.isfinite(_number(r, "effective_n"))
            else "–"
        ),
        "Blocks of time": lambda r: _bare(_number(r, "blocks")) if _number(r, "blocks") else "–",
    }
    return _table(rows[rows["status"] != ""], columns, "How each was judged", "No metric could be judged.")


def segments(rows: pd.DataFrame, *, column: str, notes: tuple[str, ...]) -> Table:
    """One row a segment, the largest first.

    Args:
        rows: Columns segment, n, lift, lift_lower, lift_upper, status.
        column: Name of the segments.
        notes: What is to be said of all of them.
    """
    columns: dict[str, Column] = {
        column[:1].upper() + column[1:].replace("_", " "): lambda r: str(r["segment"]),
        "Units": lambda r: f"{_number(r, 'n'):,.0f}",
        "Change": change,
        "Verdict": lambda r: _STATUS.get(str(r["status"]), "–"),
    }
    made = _table(rows, columns, f"The goal by {column.replace('_', ' ')}", "No segment is large enough.")
    return Table(frame=made.frame, caption=made.caption, otherwise=made.otherwise, notes=notes)


def quality(rows: pd.DataFrame) -> Table:
    """What came, and whether it can be trusted.

    Args:
        rows: Columns check, found.
    """
    columns: dict[str, Column] = {"Check": lambda r: str(r["check"]), "Found": lambda r: str(r["found"])}
    return _table(rows, columns, "The data", "Totals were given; there is nothing to check.")


def change(row: Mapping[str, object]) -> str:
    """The relative change with its interval, or the bare one of a refusal; breaks only between the numbers."""
    lift, low, high = (_number(row, name) for name in ("lift", "lift_lower", "lift_upper"))
    if math.isnan(lift):
        return "–"
    said = _percent(lift, signed=True)
    if math.isnan(low) or math.isnan(high):
        return said
    return f"{said} ({_end(low)} to{_NBSP}{_end(high)})"


def _end(value: float) -> str:
    if math.isinf(value):
        return "any" if value > 0 else f"−100{_NBSP}%"
    return _percent(value, signed=True)


def _percent(value: float, *, signed: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    text = number_text(float(f"{100 * value:.2g}"))
    sign = "+" if signed and value > 0 and text != "0" else ""
    return f"{sign}{text}{_NBSP}%".replace("-", "−")


def _chance(p: float) -> str:
    return "–" if math.isnan(p) else tail.p_text(p).removeprefix("p ").removeprefix("= ")


def _bare(value: float, *, whole: bool = False) -> str:
    return "–" if not math.isfinite(value) else f"{value:,.0f}" if whole else number_text(value)


def _counted(row: Mapping[str, object]) -> str:
    counts = [_number(row, name) for name in ("n_control", "n_treatment")]
    if not all(map(math.isfinite, counts)):
        return "–"
    unit = f"{row['unit']}s"
    return (
        f"{counts[0]:,.0f} and {counts[1]:,.0f} {unit}" if counts[0] != counts[1] else f"{counts[0]:,.0f} {unit} each"
    )


def _value(row: Mapping[str, object], name: str) -> str:
    value = _number(row, name)
    if math.isnan(value):
        return "–"
    fraction = str(row["kind"]) in _FRACTIONS and max(_number(row, "control"), _number(row, "treatment")) <= 1
    return value_text(value, "ratio" if fraction else "")


def _number(row: Mapping[str, object], name: str) -> float:
    value = row[name]
    return float(value) if isinstance(value, (int, float)) else math.nan


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str, otherwise: str) -> Table:
    texts = [{name: say(row) for name, say in columns.items()} for row in records(rows)]
    return Table(frame=pd.DataFrame(texts, columns=[*columns]), caption=caption, otherwise=otherwise)
