"""Tables of what was unusual: the incidents, this week against its band, what did not alert, how the detectors do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text, number_text, rounded, value_text
from tutordex_analysis.sink.table import MOST_ROWS, Table

Column = Callable[[Mapping[str, object]], str]
WHY = {
    "silence": "silenced in Alertmanager",
    "known": "known by hand, in the incidents file",
    "expected": "marked as expected",
    "release": "of low severity, with a release",
    "holiday": "a public holiday",
    "budget": "under the threshold that the alert budget sets",
    "policy": "too small, too short or to the good side for the signal's policy",
}
_EACH = 3  # newest examples of a reason


def incidents(rows: pd.DataFrame) -> Table:
    """One row an incident, the worst first, ten at most.

    Args:
        rows: Columns number, when, title, where, severity, signals, verdict, incident.
    """
    columns: dict[str, Column] = {
        "No.": lambda r: str(r["number"]),
        "When": lambda r: str(r["when"]).replace(" ", "\u00a0"),
        "Most upstream signal": lambda r: f"{r['title']} ({r['where']})" if r["where"] else str(r["title"]),
        "Severity": lambda r: str(r["severity"]),
        "Signals": lambda r: str(r["signals"]),
        "Marked": lambda r: str(r["verdict"]) or "–",
        "Name": lambda r: str(r["incident"]),
    }
    some = f"; {MOST_ROWS} of {len(rows)} shown" if len(rows) > MOST_ROWS else ""
    caption = f"Incidents that alert, the worst first{some}"
    return _table(rows.head(MOST_ROWS), columns, caption, otherwise="No incident in these weeks.")


def week(rows: pd.DataFrame) -> Table:
    """The last seven days against the band: one row a series, the least usual first, ten at most.

    Args:
        rows: Columns title, where, unit, kind, seen, expected, outside, judged.
    """
    columns: dict[str, Column] = {
        "Signal": lambda r: f"{r['title']} ({r['where']})" if r["where"] else str(r["title"]),
        "Seen": lambda r: _value(r, "seen"),
        "Expected": lambda r: value_text(rounded(_number(r, "expected"), beside=_number(r, "seen")), str(r["unit"])),
        "Outside its band": lambda r: _share(_number(r, "outside")),
    }
    known = rows[rows["judged"] > 0]
    some = f"; {MOST_ROWS} of {len(known)} series shown" if len(known) > MOST_ROWS else ""
    caption = f"The last seven days; events are added up, everything else is a mean{some}"
    return _table(known.head(MOST_ROWS), columns, caption, otherwise="No series can be judged yet.")


def suppressed(rows: pd.DataFrame, titles: Mapping[str, str], *, tz: str) -> Table:
    """What was unusual and did not alert: one row a reason, how often, and the newest of it.

    Args:
        rows: Columns signal, where, start, end, what, why, detail; by reason, the newest first.
        titles: Signal → title.
        tz: Zone of the times.
    """
    made = []
    for why, own in rows.groupby("why", sort=False):
        newest = "; ".join(_example(one, titles, tz) for one in records(own.head(_EACH)))
        made.append({"Why": WHY.get(str(why), str(why)), "Times": number_text(len(own)), "The newest": newest})
    return Table(
        frame=pd.DataFrame(made, columns=["Why", "Times", "The newest"]),
        caption="Unusual, and no alert",
        otherwise="Nothing was held back in these weeks.",
    )


def health(weeks: pd.DataFrame, *, alerts_per_week: float, precision: tuple[int, int, int]) -> Table:
    """Alerts by week beside the budget, and what people said of them.

    Args:
        weeks: Columns week (civil Monday), alerts, whole.
        alerts_per_week: The budget.
        precision: Incidents that were confirmed, false and not marked.
    """
    texts = [
        {
            "Week from": f"{row['week'].day} {row['week']:%b %Y}" + ("" if row["whole"] else " (so far)"),
            "Alerts": number_text(int(row["alerts"])),
            "Allowed": number_text(alerts_per_week),
        }
        for row in weeks[::-1].to_dict("records")
    ]
    confirmed, false, unmarked = precision
    known = confirmed + false
    right = (
        f"{_share(confirmed / known)} of the {known} that somebody judged were real" if known else "nobody judged any"
    )
    return Table(
        frame=pd.DataFrame(texts, columns=["Week from", "Alerts", "Allowed"]),
        caption="Alerts of the budget that were used",
        notes=(
            f"Of {known + unmarked} incidents {confirmed} are marked as confirmed, {false} as false, {unmarked} not: "
            f"{right}.",
        ),
    )


def waiting(rows: pd.DataFrame, *, tz: str) -> Table:
    """Signals that cannot be judged, and from which day they can.

    Args:
        rows: Columns title, series, why, since (UTC; NaT where more time alone does not help).
        tz: Zone of the days.
    """
    columns: dict[str, Column] = {
        "Signal": lambda r: str(r["title"]),
        "Series": lambda r: str(r["series"]),
        "Why": lambda r: str(r["why"]),
        "From": lambda r: day_text(r["since"], ZoneInfo(tz)) if isinstance(r["since"], pd.Timestamp) else "–",
    }
    return _table(rows, columns, "What cannot be judged", otherwise="Every watched series can be judged.")


def policies(rows: pd.DataFrame) -> Table:
    """What is worth an alert: one row a signal.

    Args:
        rows: Columns title, unit, direction, least_above, least_below, share_above, share_below, persistence,
            threshold.
    """
    columns: dict[str, Column] = {
        "Signal": lambda r: str(r["title"]),
        "Alerts when": lambda r: {"both": "it rises or falls", "up": "it rises", "down": "it falls"}[
            str(r["direction"])
        ],
        "By at least": _least,
        "For": lambda r: (
            "1 step" if _number(r, "persistence") == 1 else f"{number_text(_number(r, 'persistence'))} steps"
        ),
        "Score above": lambda r: f"{_number(r, 'threshold'):.2f}",
    }
    return _table(rows, columns, "What is worth an alert", otherwise="No signal is watched.")


def _least(row: Mapping[str, object]) -> str:
    """The smallest deviation that counts, for each side that is looked at."""
    sides = {"up": ("above",), "down": ("below",), "both": ("above", "below")}[str(row["direction"])]
    texts = []
    for side in sides:
        size, share = _number(row, f"least_{side}"), _number(row, f"share_{side}")
        parts = [value_text(size, str(row["unit"]))] if size else []
        parts += [f"{number_text(100 * share)} %"] if share else []
        texts.append(f"{' and '.join(parts) or 'anything'}" + (f" {side}" if len(sides) > 1 else ""))
    return ", ".join(texts)


def _example(row: Mapping[str, object], titles: Mapping[str, str], tz: str) -> str:
    title = titles.get(str(row["signal"]), str(row["signal"]))
    name = f"{title} ({row['where']})" if row["where"] else title
    start = pd.Timestamp(str(row["start"])).tz_convert(ZoneInfo(tz))
    return f"{start:%a} {start.day} {start:%b %H:%M} {name}: {row['what']} ({row['detail']})"


def _table(rows: pd.DataFrame, columns: Mapping[str, Column], caption: str, *, otherwise: str = "") -> Table:
    texts = [{name: column(row) for name, column in columns.items()} for row in records(rows)]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption=caption, otherwise=otherwise)


def _value(row: Mapping[str, object], name: str) -> str:
    return value_text(_number(row, name), str(row["unit"]))


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row[name]))


def _share(share: float) -> str:
    if math.isnan(share):
        return "–"
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
