"""Tables of a page: text in its final form, a caption, and the fold-out where the methods are told."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.measure import chance_text, change_text, day_text, number_text, value_text

MOST_ROWS = 10
FAR = 0.01  # a limit with a smaller chance is out of reach
Column = Callable[[Mapping[str, object]], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table that notebooks and pages show alike.

    Attributes:
        frame: Texts only; column names are the headings.
        caption: What it shows.
        otherwise: What is said in place of a table without rows; "" shows its headings.
        notes: Sentences below it.
    """

    frame: pd.DataFrame
    caption: str
    otherwise: str = ""
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        below = "".join(f"<p>{html.escape(one)}</p>" for one in self.notes)
        if self.frame.empty and self.otherwise:
            return f"<p>{html.escape(self.otherwise)}</p>{below}"
        body = self.frame.to_html(index=False, border=0, na_rep="–", justify="unset")
        return body.replace("<thead>", f"<caption>{html.escape(self.caption)}</caption><thead>", 1) + below

    def __repr__(self) -> str:
        shown = self.otherwise if self.frame.empty and self.otherwise else self.frame.to_string(index=False)
        return "\n".join([self.caption, shown, *self.notes])


@dataclass(frozen=True)
class Sentence:
    """One sentence on its own, above what it sums up."""

    text: str

    def _repr_html_(self) -> str:
        return f"<p><strong>{html.escape(self.text)}</strong></p>"

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class FoldOut:
    """Tables behind one line, for those who want to know how."""

    title: str
    tables: Sequence[Table]

    def _repr_html_(self) -> str:
        inside = "".join(table._repr_html_() for table in self.tables)
        return f"<details><summary>{html.escape(self.title)}</summary>{inside}</details>"


def ranking(rows: pd.DataFrame, words: Sequence[str], *, tz: str) -> Table:
    """What to see to first: one row a resource, the most urgent first, ten at most.

    Args:
        rows: Columns title, where, level, value, now, unit, lead, within_lead, horizon, probability, earliest,
            likely, latest, urgency, in_bursts; one row a resource.
        words: One a row, what its urgency says.
        tz: Zone of the dates.
    """
    columns: dict[str, Column] = {
        "Resource": _resource,
        "Urgency": lambda r: f"{r['word']} ({math.floor(_number(r, 'urgency'))})",
        "Limit": lambda r: f"{_value(r, 'value')} ({r['level']})",
        "Now": lambda r: _value(r, "now"),
        "Chance in time": _in_time,
        "Earliest": lambda r: _day(r["earliest"], tz),
        "Likely": lambda r: "in bursts" if r["in_bursts"] else _day(r["likely"], tz),
        "Latest": lambda r: _day(r["latest"], tz),
    }
    some = f"; {MOST_ROWS} of {len(rows)} shown" if len(rows) > MOST_ROWS else ""
    return _table(
        rows.assign(word=list(words)).head(MOST_ROWS),
        columns,
        f"The most urgent limit of each resource; – where growth does not get there, or we did not look so far{some}",
        otherwise="No signal here has a limit to be checked against.",
    )


def dates(passages: pd.DataFrame, *, tz: str) -> Table:
    """When every limit is reached: one row a limit, the most urgent first.

    A limit further out has no row while the one before it is out of reach.

    Args:
        passages: Columns signal, title, where, limit, level, value, now, unit, p30d, p90d, probability, earliest,
            likely, latest.
        tz: Zone of the dates.
    """
    columns: dict[str, Column] = {
        "Resource": _resource,
        "Limit": lambda r: f"{_value(r, 'value')} ({r['level']})",
        "Now": lambda r: _value(r, "now"),
        "Chance in 30 days": lambda r: chance_text(_number(r, "p30d")),
        "Chance in 90 days": lambda r: chance_text(_number(r, "p90d")),
        "Earliest": lambda r: _day(r["earliest"], tz),
        "Likely": lambda r: _day(r["likely"], tz),
        "Latest": lambda r: _day(r["latest"], tz),
    }
    keys = passages["signal"].astype(str) + "\0" + passages["where"].astype(str) + "\0" + passages["limit"].astype(str)
    reach = passages["probability"] >= FAR
    before = passages["level"].map({"soft": [], "hard": ["soft"], "physical": ["soft", "hard"]})
    far = {*zip(keys[~reach], passages["level"][~reach], strict=True)}
    waits = [any((key, one) in far for one in nearer) for key, nearer in zip(keys, before, strict=True)]
    return _table(
        passages[~np.array(waits, dtype=bool)],
        columns,
        "When limits are reached; – where growth does not get there, or we did not look so far",
        otherwise="No signal here has a limit to be checked against.",
    )


def labels(rows: pd.DataFrame) -> Table:
    """The labels of GitLab's capacity planning: one row a limit of a resource.

    Args:
        rows: Columns title, where, labels.
    """
    columns: dict[str, Column] = {
        "Resource": _resource,
        "Labels": lambda r: ", ".join(r["labels"]) if isinstance(r["labels"], tuple) and r["labels"] else "none",
    }
    return _table(
        rows,
        columns,
        "Labels as GitLab's Tamland gives them: within 90 days at the physical limit (saturation) or the hard one "
        "(violation), for half of the simulated futures or for one in ten (80 % confidence)",
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


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str, *, otherwise: str = "") -> Table:
    records = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    texts = [{name: column(row) for name, column in columns.items()} for row in records]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption, otherwise=otherwise)


def _resource(row: Mapping[str, object]) -> str:
    return f"{row['title']} ({row['where']})" if row["where"] else str(row["title"])


def _in_time(row: Mapping[str, object]) -> str:
    """The chance before more could be there; that within the horizon where we did not look so far."""
    within = "probability" if math.isnan(_number(row, "within_lead")) else "within_lead"
    days = row["horizon" if within == "probability" else "lead"] / pd.Timedelta(days=1)  # type: ignore[operator]
    return f"{chance_text(_number(row, within))} in {number_text(days)} days"


def _value(row: Mapping[str, object], name: str) -> str:
    return value_text(_number(row, name), str(row["unit"]))


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _day(value: object, tz: str) -> str:
    return day_text(value, ZoneInfo(tz)) if isinstance(value, pd.Timestamp) else "–"


def _minute(value: object, tz: str) -> str:
    return f"{value.tz_convert(ZoneInfo(tz)):%d %b %Y %H:%M}" if isinstance(value, pd.Timestamp) else "–"
