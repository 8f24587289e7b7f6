"""What a figure says, in sentences made of its data: for those who do not see it, and for search."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats, series_ids
from tutordex_analysis.measure import day_text, value_text
from tutordex_analysis.sink.series_name import plain

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def of_history(frame: pd.DataFrame, *, title: str, unit: str, zone: ZoneInfo) -> str:
    """What was measured: how many series, from when to when, between which values, the last one."""
    n, what = len(series_ids(frame)), plain(title) or "values"
    seen = frame[np.isfinite(frame["y"])]
    if seen.empty:
        return f"Line chart of {what}: no data."
    low, high = value_text(seen["y"].min(), unit), value_text(seen["y"].max(), unit)
    first, last = (day_text(one, zone, clock=True) for one in (seen["ds"].min(), seen["ds"].max()))
    text = f"Line chart of {what}, {n} series, {first} to {last}, between {low} and {high}."
    if n == 1:
        text += f" The last value is {value_text(seen['y'].iloc[-1], unit)}."
    gaps = len(frame) - len(seen)
    return text + (f" {gaps} of {len(frame)} values are missing." if gaps else "")


def of_forecast(rows: pd.DataFrame, before: pd.DataFrame, *, name: str, unit: str, zone: ZoneInfo) -> str:
    """One series: where it stands, where it is likely to end, and the range around that."""
    seen = before[np.isfinite(before["y"])]
    stood = f"{name} stands at {value_text(seen['y'].iloc[-1], unit)}" if len(seen) else f"{name} has no recent value"
    end = rows.iloc[-1]
    if not np.isfinite(end["yhat"]):
        return f"{stood} and has no forecast."
    text = f"{stood} and is forecast at {value_text(end['yhat'], unit)} on {day_text(end['ds'], zone)}"
    if {"q0.025", "q0.975"} <= set(rows.columns):
        text += f", with 95 % between {value_text(end['q0.025'], unit)} and {value_text(end['q0.975'], unit)}"
    return text + "."


def of_limits(limits: Mapping[str, float], *, unit: str) -> str:
    """The limits by name and value; nothing without any."""
    if not limits:
        return ""
    return "Limits: " + ", ".join(f"{plain(name)} at {value_text(one, unit)}" for name, one in limits.items()) + "."


def of_breach(dates: Mapping[str, object], *, name: str, ahead: pd.DatetimeIndex, zone: ZoneInfo) -> str:
    """When a limit is reached.

    Args:
        dates: Quantile (`q0.1`, `q0.5`, `q0.9`) → date, NaT where the limit is not reached within the horizon.
        name: Of the limit, such as "80 %" or "hard limit"; may be empty.
        ahead: The instants of the forecast; a limit that is met at the first is past already.
        zone: Of the dates.
    """
    what = plain(name) if "limit" in name.lower() else f"{plain(name)} limit".strip()
    what = what[:1].upper() + what[1:]
    early, likely, late = (dates.get(name) for name in ("q0.1", "q0.5", "q0.9"))
    if not isinstance(likely, pd.Timestamp):
        if isinstance(early, pd.Timestamp):
            return f"{what} may be reached from {day_text(early, zone)} on"
        return f"{what} not reached by {day_text(ahead[-1], zone)}"
    if likely <= ahead[0]:
        return f"{what} is reached already"
    year = f" {likely.tz_convert(zone).year}"
    first = day_text(early, zone).removesuffix(year) if isinstance(early, pd.Timestamp) else "now"
    last = f"to {day_text(late, zone).removesuffix(year)}" if isinstance(late, pd.Timestamp) else "or later"
    return f"{what} likely reached {day_text(likely, zone)} ({first} {last})"


def of_week(table: Floats, *, title: str, unit: str, tz: str) -> str:
    """The busiest and the quietest hour of a (7, 24) table of means."""
    what = f"Heat map of {plain(title) or 'values'} by weekday and hour, {tz} time"
    if not np.isfinite(table).any():
        return f"{what}: no data."
    top, bottom = (divmod(int(find(table)), 24) for find in (np.nanargmax, np.nanargmin))
    said = [
        f"{word} on {WEEKDAYS[day]} {hour:02}:00 with {value_text(table[day, hour], unit)}"
        for word, (day, hour) in (("highest", top), ("lowest", bottom))
    ]
    return f"{what}: {said[0]}, {said[1]}."
