"""Tables of promises: all of them, what spent the budget of one, how fast it burns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import chance_text, day_text, number_text, share_text
from tutordex_analysis.sink.table import Table

Column = Callable[[Mapping[str, object]], str]


def overview(rows: pd.DataFrame, *, tz: str) -> Table:
    """One row a promise.

    Args:
        rows: Columns title, objective, kept, remaining, state, survives, earliest, likely, latest, noun, bad, total.
        tz: Zone of the dates.
    """
    zone = ZoneInfo(tz)
    columns: dict[str, Column] = {
        "Promise": lambda r: str(r["title"]),
        "Promised": lambda r: share_text(_number(r, "objective")),
        "Kept": lambda r: share_text(_number(r, "kept")),
        "Bad": _counts,
        "Budget left": lambda r: share_text(_number(r, "remaining")),
        "State": lambda r: str(r["state"]),
        "Gone": lambda r: _gone(r, zone),
        "Chance to last": lambda r: chance_text(_number(r, "survives")),
    }
    return _table(rows, columns, "Promises, each over its period until now", "Nothing is promised.")


def incidents(rows: pd.DataFrame, *, tz: str) -> Table:
    """What spent the budget, the most expensive first.

    Args:
        rows: Columns start, end, bad, total, spent, ongoing, beside.
        tz: Zone of the times.
    """
    zone = ZoneInfo(tz)
    columns: dict[str, Column] = {
        "From": lambda r: day_text(pd.Timestamp(str(r["start"])), zone, clock=True),
        "For": _lasted,
        "Bad": lambda r: f"{_number(r, 'bad'):,.0f} of {_number(r, 'total'):,.0f}",
        "Of the budget": lambda r: share_text(_number(r, "spent")),
        "At that time": lambda r: str(r["beside"]) or "–",
    }
    otherwise = "No short stretch stands out for having taken one percent of the budget or more."
    return _table(rows, columns, "What spent the budget", otherwise)


def burn(rates: Mapping[str, float]) -> Table:
    """How fast the budget burns; 1 is just as fast as the promise allows.

    Args:
        rates: By window.
    """
    rows = pd.DataFrame({"window": [*rates], "rate": [*rates.values()]})
    columns: dict[str, Column] = {
        "Over the last": lambda r: str(r["window"]),
        "Burn rate": lambda r: _rate(_number(r, "rate")),
    }
    return _table(rows, columns, "Burn rate: 1 spends the whole budget in just one period", "Nothing is known.")


def _counts(row: Mapping[str, object]) -> str:
    bad, total = _number(row, "bad"), _number(row, "total")
    return "–" if math.isnan(bad) else f"{bad:,.0f} of {total:,.0f} {row['noun']}"


def _gone(row: Mapping[str, object], zone: ZoneInfo) -> str:
    early, likely, late = (row[name] for name in ("earliest", "likely", "latest"))
    if not isinstance(early, pd.Timestamp) or pd.isna(early):
        return "–"
    first = day_text(early, zone)
    if not isinstance(likely, pd.Timestamp) or pd.isna(likely):
        return f"not before {first}"
    if early == late:
        return "gone"
    last = day_text(late, zone) if isinstance(late, pd.Timestamp) and not pd.isna(late) else "later"
    return f"{day_text(likely, zone)} ({first} to {last})"


def _lasted(row: Mapping[str, object]) -> str:
    length = pd.Timestamp(str(row["end"])) - pd.Timestamp(str(row["start"]))
    hours = length / pd.Timedelta("1h")
    text = f"{number_text(hours)} h" if hours >= 1 else f"{number_text(60 * hours)} min"
    return f"{text}, goes on" if row["ongoing"] else text


def _rate(rate: float) -> str:
    return "–" if math.isnan(rate) else number_text(float(f"{rate:.2g}"))


def _number(row: Mapping[str, object], name: str) -> float:
    value = row[name]
    return float(value) if isinstance(value, (int, float)) else math.nan


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str, otherwise: str) -> Table:
    texts = [{name: say(row) for name, say in columns.items()} for row in records(rows)]
    return Table(frame=pd.DataFrame(texts, columns=[*columns]), caption=caption, otherwise=otherwise)
