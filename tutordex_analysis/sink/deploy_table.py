"""What followed the releases as a table: one row a release and signal, the clearest answers first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import change_text, day_text, number_text, value_text
from tutordex_analysis.model import tail
from tutordex_analysis.sink.table import MOST_ROWS, Table

Column = Callable[[Mapping[str, object]], str]
_HOW = (
    "Chance: of so much without a change. Cried wolf: how often the same question said so on earlier dates without a "
    "release."
)
_ORDER = {"changed": 0, "no change shown": 1, "can't tell": 2, "too early": 3}


def deploys(rows: pd.DataFrame, *, tz: str) -> Table:
    """One row a release and signal, the clearest first, ten at most; how many cannot be told stands below.

    Args:
        rows: Columns change, at, title, unit, counted, days, seen, expected, lower, upper, effect, relative,
            p_adjusted, placebo_dates, placebo_alarms, verdict, note; the newest release first.
        tz: Zone of the days.
    """
    zone = ZoneInfo(tz)
    columns: dict[str, Column] = {
        "Signal": lambda r: str(r["title"]),
        "Release": lambda r: f"{r['change']}, {day_text(_moment(r['at']), zone)}",
        "Days": lambda r: number_text(_number(r, "days")) if _number(r, "days") else "–",
        "Seen": lambda r: _value(r, "seen"),
        "Expected": _expected,
        "Change": lambda r: change_text(_number(r, "relative")) if math.isfinite(_number(r, "relative")) else "–",
        "Chance": _chance,
        "Cried wolf": _wolf,
        "Verdict": _verdict,
    }
    order = np.lexsort([rows["p_adjusted"].fillna(2.0).to_numpy(dtype=float), rows["verdict"].map(_ORDER).to_numpy()])
    ranked = rows.iloc[order]
    untold = int(rows["verdict"].isin(["can't tell", "too early"]).sum())
    some = f"; {MOST_ROWS} of {number_text(len(rows))} shown" if len(rows) > MOST_ROWS else ""
    made = [{name: text(row) for name, text in columns.items()} for row in records(ranked.head(MOST_ROWS))]
    notes = [_HOW] if made else []
    notes += [f"{untold} of {len(rows)} cannot be told{_mostly(rows)}."] if untold else []
    return Table(
        frame=pd.DataFrame(made, columns=list(columns)),
        caption=f"After each release, the clearest answers first; counts are a day{some}",
        otherwise="No release is known in these weeks.",
        notes=tuple(notes),
    )


def _mostly(rows: pd.DataFrame) -> str:
    """The reason that most of them share."""
    notes = rows.loc[rows["verdict"].isin(["can't tell", "too early"]), "note"].astype(str)
    first = notes.str.split(": on |; ", regex=True).str[0]
    return f"; the most frequent reason: {first.value_counts(sort=True).sort_index(kind='stable').idxmax()}"


def _expected(row: Mapping[str, object]) -> str:
    if not math.isfinite(_number(row, "expected")):
        return "–"
    return f"{_value(row, 'expected')} ({_value(row, 'lower')} to {_value(row, 'upper')})"


def _chance(row: Mapping[str, object]) -> str:
    p = _number(row, "p_adjusted")
    return tail.p_text(p).removeprefix("p = ").removeprefix("p ") if math.isfinite(p) else "–"


def _wolf(row: Mapping[str, object]) -> str:
    dates = _number(row, "placebo_dates")
    return f"{number_text(_number(row, 'placebo_alarms'))} of {number_text(dates)}" if dates else "–"


def _verdict(row: Mapping[str, object]) -> str:
    if row["verdict"] == "changed":
        return "higher than expected" if _number(row, "effect") > 0 else "lower than expected"
    return str(row["verdict"])


def _value(row: Mapping[str, object], name: str) -> str:
    value = _number(row, name)
    if not math.isfinite(value):
        return "–"
    if row["counted"]:
        return number_text(round(value) if abs(value) >= 100 else value)
    return value_text(value, str(row["unit"]))


def _number(row: Mapping[str, object], name: str) -> float:
    return float(row[name])  # type: ignore[arg-type]  # a cell


def _moment(value: object) -> pd.Timestamp:
    return pd.Timestamp(value)  # type: ignore[arg-type]  # a cell
