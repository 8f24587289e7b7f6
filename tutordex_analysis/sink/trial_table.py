"""Tables of old rules beside new: one row an alert, one row a known incident; and of the weeks before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import number_text, value_text
from tutordex_analysis.sink.table import MOST_ROWS, FoldOut, Table

Column = Callable[[Mapping[str, object]], str]
SETS = {"old": "old", "human": "ours", "learnt": "learned"}  # the word for each set of rules in headings
_ALL = "all alerts"
_NONE = "–"


def alerts(rows: pd.DataFrame, *, otherwise: str) -> Table:
    """Those that fired most and all together, of each the sets of rules side by side.

    Args:
        rows: Columns alert, problem, and for each set fired_old, found_old, minutes_old, false_old and so on; None is
            said as – where a set has no such alert. All alerts together come last.
        otherwise: What is said where there are no rows.
    """
    names = _sets(rows)
    together, each = rows[rows["alert"] == _ALL], rows[rows["alert"] != _ALL]
    told = each[(each[[f"fired_{name}" for name in names]] > 0).any(axis=1)] if names else each
    some = f"; {MOST_ROWS - 1} of {len(told)} that fired" if len(told) > MOST_ROWS - 1 else ""
    shown = pd.concat([together, told.head(MOST_ROWS - 1)])
    return _alerts(shown, names, f"Old rules beside new, by alert{some}", otherwise)


def rest(rows: pd.DataFrame) -> FoldOut:
    """Every alert, those that never fired too, and what could not be replayed."""
    names = _sets(rows)
    bad = rows[rows["problem"] != ""]
    columns: dict[str, Column] = {"Alert": lambda r: str(r["alert"]), "Why": lambda r: str(r["problem"])}
    return FoldOut(
        "Every alert, and what could not be replayed",
        [
            _alerts(rows, names, "Old rules beside new, every alert", "No rule was replayed."),
            _table(bad, columns, "Alerts that could not be replayed", "Every alert could be replayed."),
        ],
    )


def incidents(rows: pd.DataFrame, *, tz: str, otherwise: str = "No incident is known in this time.") -> Table:
    """Which alert of each set found a known incident first, and how soon.

    Args:
        rows: Columns start, end, reason, and for each set first_old, minutes_old and so on.
        tz: Zone of the times.
        otherwise: What is said where there are no rows.
    """
    zone = ZoneInfo(tz)
    columns: dict[str, Column] = {
        "Incident": lambda r: f"{_began(r, zone)} {r['reason']}",
    }
    for name in [one for one in SETS if f"first_{one}" in rows]:
        columns[f"First alert, {SETS[name]}"] = _first(name)
    return _table(rows, columns, "Known incidents, and which alert told of them first", otherwise)


def change(rows: pd.DataFrame, *, otherwise: str) -> Table:
    """Two rows, before our rules and since.

    Args:
        rows: Columns when, weeks, firings, calls, calls_a_week, night, hours.
        otherwise: What is said where there are no rows.
    """
    columns: dict[str, Column] = {
        "": lambda r: {"before": "Before our rules", "after": "Since"}[str(r["when"])],
        "Weeks": lambda r: number_text(_number(r, "weeks")),
        "Alerts fired": lambda r: f"{r['firings']}",
        "Calls": lambda r: f"{r['calls']}",
        "Calls a week": lambda r: number_text(_number(r, "calls_a_week")),
        "At night, a week": lambda r: number_text(_number(r, "night")),
        "Time firing, a week": lambda r: value_text(3600 * _number(r, "hours"), "seconds"),
    }
    caption = "Before our rules and since; a call is what begins over an hour after the last beginning"
    return _table(rows, columns, caption, otherwise)


def _alerts(rows: pd.DataFrame, names: list[str], caption: str, otherwise: str) -> Table:
    words = " / ".join(SETS[name] for name in names)

    def side_by_side(column: str) -> Column:
        return lambda r: " / ".join(_text(_number(r, f"{column}_{name}")) for name in names)

    columns: dict[str, Column] = {
        "Alert": lambda r: str(r["alert"]).capitalize() if r["alert"] == _ALL else str(r["alert"]),
        f"Fired ({words})": side_by_side("fired"),
        "Incidents found": side_by_side("found"),
        "Minutes to the first": side_by_side("minutes"),
        "False a week": side_by_side("false"),
    }
    notes = ("– : a set has no such alert, or it cannot be told. Minutes before an incident's start are negative.",)
    made = _table(rows, columns, caption, otherwise)
    return Table(frame=made.frame, caption=caption, otherwise=otherwise, notes=notes if len(rows) else ())


def _began(row: Mapping[str, object], zone: ZoneInfo) -> str:
    local = pd.Timestamp(str(row["start"])).tz_convert(zone)
    return f"{local:%d %b %H:%M}".lstrip("0").replace(" ", "\u00a0")


def _sets(rows: pd.DataFrame) -> list[str]:
    return [name for name in SETS if f"fired_{name}" in rows]


def _first(name: str) -> Column:
    def text(row: Mapping[str, object]) -> str:
        minutes, alert = _number(row, f"minutes_{name}"), row[f"first_{name}"]
        if not isinstance(alert, str) or not alert or math.isnan(minutes):
            return "missed"
        word = "before" if minutes < 0 else "after"
        return f"{alert}, {_length(abs(minutes))} {word}"

    return text


def _length(minutes: float) -> str:
    """A length that does not break; whole minutes within two hours."""
    text = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return text.replace(" ", "\u00a0")


def _text(value: float) -> str:
    """A number in two digits that matter, since a third would be chance; – for none."""
    if math.isnan(value):
        return _NONE
    return number_text(value if abs(value) >= 100 else float(f"{value:.2g}")).replace("-", "−")


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str, otherwise: str) -> Table:
    texts = [{name: column(row) for name, column in columns.items()} for row in records(rows)]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption, otherwise=otherwise)
