"""Tables of a page: text in its final form, a caption, and the fold-out where the methods are told."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.measure import chance_text, change_text, day_text, value_text

MOST_ROWS = 10
FAR = 0.01  # a limit with a smaller chance is out of reach
Column = Callable[[Mapping[str, object]], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table that notebooks and pages show alike.

    Attributes:
        frame: Texts only; column names are the headings.
        caption: What it shows.
    """

    frame: pd.DataFrame
    caption: str

    def _repr_html_(self) -> str:
        body = self.frame.to_html(index=False, border=0, na_rep="–", justify="unset")
        return body.replace("<thead>", f"<caption>{html.escape(self.caption)}</caption><thead>", 1)

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"


@dataclass(frozen=True, eq=False)
class FoldOut:
    """Tables behind one line, for those who want to know how."""

    title: str
    tables: Sequence[Table]

    def _repr_html_(self) -> str:
        inside = "".join(table._repr_html_() for table in self.tables)
        return f"<details><summary>{html.escape(self.title)}</summary>{inside}</details>"


def dates(passages: pd.DataFrame, *, tz: str) -> Table:
    """When limits are reached: one row a limit, the most probable first, ten at most.

    A hard limit has no row while the soft one before it is out of reach.

    Args:
        passages: Columns signal, title, where, level, value, now, unit, p30d, p90d, probability, earliest, likely,
            latest.
        tz: Zone of the dates.
    """
    columns: dict[str, Column] = {
        "Resource": lambda r: f"{r['title']} ({r['where']})" if r["where"] else str(r["title"]),
        "Limit": lambda r: f"{_value(r, 'value')} ({r['level']})",
        "Now": lambda r: _value(r, "now"),
        "Chance in 30 days": lambda r: chance_text(_number(r, "p30d")),
        "Chance in 90 days": lambda r: chance_text(_number(r, "p90d")),
        "Earliest": lambda r: _day(r["earliest"], tz),
        "Likely": lambda r: _day(r["likely"], tz),
        "Latest": lambda r: _day(r["latest"], tz),
    }
    keys = passages["signal"].astype(str) + "\0" + passages["where"].astype(str)
    far = set(keys[(passages["probability"] < FAR) & (passages["level"] == "soft")])
    shown = passages[~(keys.isin(far) & (passages["level"] == "hard"))]
    some = f"; {MOST_ROWS} of {len(shown)} shown" if len(shown) > MOST_ROWS else ""
    return _table(
        shown.head(MOST_ROWS),
        columns,
        f"When limits are reached; – where growth does not get there, or we did not look so far{some}",
    )


def growth(rows: pd.DataFrame) -> Table:
    """How volumes change: one row a signal.

    Args:
        rows: Columns title, unit, now, then, change, lower, upper.
    """
    columns: dict[str, Column] = {
        "Volume": lambda r: str(r["title"]),
        "A day now": lambda r: _value(r, "now"),
        "A day then": lambda r: _value(r, "then"),
        "Change": lambda r: change_text(_number(r, "change")),
        "80 % band": lambda r: f"{change_text(_number(r, 'lower'))} to {change_text(_number(r, 'upper'))}",
    }
    return _table(rows, columns, "How volumes change until the end of the forecast")


def sufficiency(rows: pd.DataFrame, *, tz: str) -> Table:
    """What each history allows: one row a signal.

    Args:
        rows: Columns title, days, can, not_yet, from.
        tz: Zone of the dates.
    """
    columns: dict[str, Column] = {
        "Signal": lambda r: str(r["title"]),
        "Days of history": lambda r: f"{float(str(r['days'])):.0f}",
        "Can be said": lambda r: str(r["can"]) or "nothing yet",
        "Not yet": lambda r: str(r["not_yet"]),
        "From": lambda r: _day(r["from"], tz),
    }
    return _table(rows, columns, "What the history allows")


def models(rows: pd.DataFrame) -> Table:
    """Which model was used for each series, and why.

    Args:
        rows: Columns signal, where, model, why.
    """
    columns: dict[str, Column] = {
        "Signal": lambda r: f"{r['signal']} ({r['where']})" if r["where"] else str(r["signal"]),
        "Model": lambda r: str(r["model"]),
        "Why": lambda r: str(r["why"]),
    }
    return _table(rows, columns, "The model of each series")


def left_out(rows: pd.DataFrame, *, tz: str) -> Table:
    """What no forecast learnt from: one row a stretch, the newest first, ten at most.

    Args:
        rows: Columns start, end (UTC), signals, origin, reason.
        tz: Zone of the times.
    """
    columns: dict[str, Column] = {
        "From": lambda r: _minute(r["start"], tz),
        "To": lambda r: _minute(r["end"], tz),
        "Signals": lambda r: str(r["signals"]),
        "Said by": lambda r: {"incident": "incidents file"}.get(str(r["origin"]), str(r["origin"])),
        "Why": lambda r: str(r["reason"]),
    }
    some = f"; the newest {MOST_ROWS} of {len(rows)}" if len(rows) > MOST_ROWS else ""
    none = "; nothing this time" if rows.empty else ""
    days = "; a volume by day loses a day where a quarter of it is masked"
    return _table(rows.head(MOST_ROWS), columns, f"Stretches that no forecast learnt from{days}{some}{none}")


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str) -> Table:
    records = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    texts = [{name: column(row) for name, column in columns.items()} for row in records]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption)


def _value(row: Mapping[str, object], name: str) -> str:
    return value_text(_number(row, name), str(row["unit"]))


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _day(value: object, tz: str) -> str:
    return day_text(value, ZoneInfo(tz)) if isinstance(value, pd.Timestamp) else "–"


def _minute(value: object, tz: str) -> str:
    return f"{value.tz_convert(ZoneInfo(tz)):%d %b %Y %H:%M}" if isinstance(value, pd.Timestamp) else "–"
