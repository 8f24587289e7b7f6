"""Tables of alerts: the limits in force, which alerts are noisy, how many fired by week."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text, number_text, value_text
from tutordex_analysis.sink.table import Table

Column = Callable[[Mapping[str, object]], str]
_FORCE = {"learnt": "learned", "railed": "held by a rail", "pinned": "pinned", "human": "human"}


def limits(rows: pd.DataFrame, *, moving: bool) -> Table:
    """The limits in force, those of one alert with many series as their least and most.

    Args:
        rows: Columns alert, where, value, human, floor, ceiling, unit, in_force, why.
        moving: Those that history or an operator may move, else those that are fixed.
    """
    rows = rows[(rows["floor"] < rows["ceiling"]) == moving]
    columns: dict[str, Column] = {
        "Alert": lambda r: str(r["alert"]),
        "In force": lambda r: str(r["said"]),
        "Limit": lambda r: str(r["limit"]),
        "Human": lambda r: _said(r, "human"),
        "Rails": lambda r: f"{_said(r, 'floor')} to {_said(r, 'ceiling')}",
        "Why": lambda r: str(r["why"]),
    }
    each = []
    for _, own in rows.groupby("alert", sort=False):
        first = records(own.head(1))[0]
        ends = (own["value"].min(), own["value"].max())
        least, most = (_said({"value": one, "unit": first["unit"]}, "value") for one in ends)
        kinds = [f"{_FORCE[str(kind)]} ({n})" for kind, n in own["in_force"].value_counts(sort=True).items()]
        many = len(own) > 1
        each.append(
            {
                **first,
                "said": ", ".join(kinds) if many else _FORCE[str(first["in_force"])],
                "limit": least if least == most else f"{least} to {most}",
                "why": f"{len(own)} series, each with its own" if many else first["why"],
            }
        )
    if not moving:
        columns = {name: columns[name] for name in ("Alert", "Limit")}
    caption = "Limits that move, and why they are where they are" if moving else "Limits set by hand"
    return _table(each, columns, caption, "The catalogue has no alert with such a limit.")


def noisiest(rows: pd.DataFrame | None, *, otherwise: str = "No alert fired.") -> Table:
    """One row an alert, the noisiest first.

    Args:
        otherwise: What is said where there are no rows.
        rows: None, or columns alert, firings, a_week, night, flapping, median_minutes, longest_minutes, hours.
    """
    columns: dict[str, Column] = {
        "Alert": lambda r: str(r["alert"]),
        "Fired": lambda r: f"{r['firings']}",
        "A week": lambda r: number_text(_number(r, "a_week")),
        "At night": lambda r: f"{_number(r, 'night'):.0%}".replace("%", " %"),
        "Flapping": lambda r: f"{_number(r, 'flapping'):.0%}".replace("%", " %"),
        "Lasts (median)": lambda r: value_text(60 * _number(r, "median_minutes"), "seconds"),
        "Lasts (longest)": lambda r: value_text(60 * _number(r, "longest_minutes"), "seconds"),
    }
    return _table(_records(rows), columns, "Alerts that fired, the noisiest first", otherwise)


def weeks(rows: pd.DataFrame | None, *, tz: str, otherwise: str = "There is no whole week yet.") -> Table:
    """One row a whole week: how many fired, and how many of them at night."""
    columns: dict[str, Column] = {
        "Week of": lambda r: day_text(pd.Timestamp(str(r["week"])), ZoneInfo(tz)),
        "Fired": lambda r: f"{r['firings']}",
        "At night": lambda r: f"{r['night']}",
    }
    return _table(_records(rows), columns, "Alerts by week", otherwise)


def _records(rows: pd.DataFrame | None) -> list[dict[str, object]]:
    return [] if rows is None else records(rows)


def _said(row: Mapping[str, object], name: str) -> str:
    value, unit = _number(row, name), str(row["unit"])
    return value_text(value, unit).replace(" ", "\u00a0") if unit else number_text(value)


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _table(rows: list[dict[str, object]], columns: Mapping[str, Column], caption: str, otherwise: str) -> Table:
    texts = [{name: column(row) for name, column in columns.items()} for row in rows]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption, otherwise=otherwise)
