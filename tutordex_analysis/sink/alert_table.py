"""Tables of alerts: the limits in force, which alerts are noisy, how many fired by week."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text, number_text, value_text
from tutordex_analysis.sink.table import MOST_ROWS, Table

Column = Callable[[Mapping[str, object]], str]
_FORCE = {"learnt": "learned", "railed": "held by a rail", "pinned": "pinned", "human": "human"}


STALE = pd.Timedelta(days=1)  # limits are learnt anew each day; readings that ended before tell of another one


def limits(rows: pd.DataFrame, *, moving: bool, at: pd.Timestamp, tz: str) -> Table:
    """The limits in force, those of one alert with many series as their least and most.

    Args:
        rows: Columns alert, where, value, learnt, human, floor, ceiling, unit, in_force, why, read, pin_until,
            pin_reason.
        moving: Those that history or an operator may move, else those that are fixed.
        at: The moment from which the age of what was learned counts.
        tz: Zone of dates.
    """
    rows = rows[(rows["floor"] < rows["ceiling"]) == moving]
    columns: dict[str, Column] = {
        "Alert": lambda r: str(r["alert"]),
        "In force": lambda r: str(r["said"]),
        "Limit": lambda r: str(r["limit"]),
        "Learned (age)": lambda r: f"{r['learned']}{_age(r['read'], at)}",
        "Floor / human / ceiling": lambda r: " / ".join(_said(r, name) for name in ("floor", "human", "ceiling")),
        "Why": lambda r: str(r["why"]),
    }
    each = []
    for _, own in rows.groupby("alert", sort=False):
        first = records(own.head(1))[0]
        kinds = [f"{_FORCE[str(kind)]} ({n})" for kind, n in own["in_force"].value_counts(sort=True).items()]
        many = len(own) > 1
        each.append(
            {
                **first,
                "said": ", ".join(kinds) if many else _FORCE[str(first["in_force"])],
                "limit": _between(own, "value"),
                "learned": _between(own, "learnt"),
                "why": f"{len(own)} series, each with its own{_pins(own, tz)}" if many else first["why"],
            }
        )
    if not moving:
        columns = {name: columns[name] for name in ("Alert", "Limit")}
    caption = "Limits that move, and why they are where they are" if moving else "Limits set by hand"
    return _table(each, columns, caption, "The catalogue has no alert with such a limit.")


def pins(rows: pd.DataFrame, *, tz: str) -> Table:
    """What operators hold, until when and why; no limit is stale behind a pin, it moves on unseen."""
    held = rows[rows["pin_reason"] != ""]
    columns: dict[str, Column] = {
        "Alert": lambda r: f"{r['alert']} {r['where']}".strip(),
        "Held at": lambda r: _said(r, "value"),
        "Learned meanwhile": lambda r: _said(r, "learnt"),
        "Until": lambda r: _until(r["pin_until"], tz),
        "Why": lambda r: str(r["pin_reason"]),
    }
    return _table(records(held), columns, "Limits that operators hold", "No limit is pinned.")


def noisiest(rows: pd.DataFrame | None, *, most: int = MOST_ROWS, otherwise: str = "No alert fired.") -> Table:
    """One row an alert, the noisiest first.

    Args:
        most: How many are shown.
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
    every = _records(rows)
    some = f"; {most} of {len(every)}" if len(every) > most else ""
    return _table(every[:most], columns, f"Alerts that fired, the noisiest first{some}", otherwise)


def weeks(rows: pd.DataFrame | None, *, tz: str, otherwise: str = "There is no whole week yet.") -> Table:
    """One row a whole week: how many fired, and how many of them at night."""
    columns: dict[str, Column] = {
        "Week of": lambda r: day_text(pd.Timestamp(str(r["week"])), ZoneInfo(tz)),
        "Fired": lambda r: f"{r['firings']}",
        "At night": lambda r: f"{r['night']}",
    }
    return _table(_records(rows), columns, "Alerts by week", otherwise)


def _between(rows: pd.DataFrame, name: str) -> str:
    """The least and the most of one alert's limits; – for none."""
    ends = (rows[name].min(), rows[name].max())
    least, most = (_said({"value": one, "unit": rows["unit"].iloc[0]}, "value") for one in ends)
    return least if least == most else f"{least} to {most}"


def _pins(rows: pd.DataFrame, tz: str) -> str:
    held = rows[rows["pin_reason"] != ""]
    if held.empty:
        return ""
    first = records(held.head(1))[0]
    return f"; {len(held)} held until {_until(first['pin_until'], tz)}: {first['pin_reason']}"


def _age(read: object, at: pd.Timestamp) -> str:
    """How long ago the newest reading was that a limit is learned from, in brackets."""
    if not isinstance(read, pd.Timestamp) or pd.isna(read):
        return ""
    age = max(at - read, pd.Timedelta(0))
    said = value_text(age.total_seconds(), "seconds").replace(" ", "\u00a0")
    return f" ({said}, stale)" if age > STALE else f" ({said})"


def _until(moment: object, tz: str) -> str:
    known = isinstance(moment, pd.Timestamp) and not pd.isna(moment)
    return day_text(pd.Timestamp(str(moment)), ZoneInfo(tz), clock=True) if known else "it is unpinned"


def _records(rows: pd.DataFrame | None) -> list[dict[str, object]]:
    return [] if rows is None else records(rows)


def _said(row: Mapping[str, object], name: str) -> str:
    value, unit = _number(row, name), str(row["unit"])
    if math.isnan(value):
        return "–"
    return value_text(value, unit).replace(" ", "\u00a0") if unit else number_text(value)


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _table(rows: list[dict[str, object]], columns: Mapping[str, Column], caption: str, otherwise: str) -> Table:
    texts = [{name: column(row) for name, column in columns.items()} for row in rows]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption, otherwise=otherwise)
