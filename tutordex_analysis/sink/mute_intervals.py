"""Maintenance windows as mute intervals of Alertmanager's own configuration: static, nothing of ours must run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pandas as pd
import yaml

from tutordex_analysis.maintenance import Maintenance, Planned
from tutordex_analysis.moment import duration
from tutordex_analysis.silence import text_of
from tutordex_analysis.window import DAYS, Window

HEAD = (
    "# Made by tutordex-analysis silence intervals. Merge time_intervals: into alertmanager.yml, and name an interval\n"
    "# in mute_time_intervals: of a route that gets nothing but the alerts named beside it (docs/silencing.md).\n"
)
_DAY = 1440  # minutes
_MIDNIGHT = "24:00"


def text(calendar: Maintenance) -> str:
    """The section `time_intervals`, with what it cannot say as comments."""
    made, left_out = [], []
    for planned in calendar.windows:
        why = _why_not(planned.window)
        if why:
            left_out.append(f"# {planned.window.name} is left out: {why}.\n")
        else:
            made.append(_interval(planned))
    body = "".join(made) or "  []\n"
    return (
        f"{HEAD}{''.join(left_out)}time_intervals:{' ' if not made else chr(10)}{body.lstrip() if not made else body}"
    )


def name_of(window: Window) -> str:
    """What the interval of a window is called."""
    return f"maintenance-{window.name}"


def _why_not(window: Window) -> str:
    """Why a window cannot be said as an interval; "" where it can."""
    if window.first or window.last or window.leaving_out:
        return "an interval has no first and last day, and leaves no day out"
    if duration(window.lasts) > duration("1d"):
        return "it is longer than a day"
    if window.days_of_month and _crosses(window):
        return "it passes midnight, and the day after a day of the month cannot be said"
    return ""


def _interval(planned: Planned) -> str:
    window = planned.window
    fits = "".join(f"  # mutes {text_of(one)}\n" for one in planned.silences)
    said = {"name": name_of(window), "time_intervals": [*_times(window)]}
    dumped = yaml.safe_dump([said], sort_keys=False, allow_unicode=True, width=2**16)
    about = f"  # {window.reason}; {window.by}; {window.link}\n"
    return about + fits + "".join(f"  {line}\n" for line in dumped.splitlines())


def _times(window: Window) -> Iterable[dict[str, Any]]:
    """One entry a day that it touches: Alertmanager's times end at midnight."""
    begins = _minutes(window)
    ends = begins + duration(window.lasts) // pd.Timedelta("1min")
    for shift, (first, last) in enumerate([(begins, min(ends, _DAY)), (0, ends - _DAY)]):
        if first >= last:
            continue
        times = [{"start_time": _clock(first), "end_time": _clock(last)}]
        for days in _days(window, shift):
            yield {"times": times, **days, "location": window.zone}


def _days(window: Window, shift: int) -> Iterable[dict[str, Any]]:
    """The days of a window, or those after them."""
    for one in window.dates:
        day = one + dt.timedelta(days=shift)
        yield {"years": [str(day.year)], "months": [str(day.month)], "days_of_month": [str(day.day)]}
    if not window.dates:
        weekdays = [DAYS[(DAYS.index(one) + shift) % 7] for one in window.weekdays]
        yield {
            **({"weekdays": weekdays} if weekdays else {}),
            **({"days_of_month": [*window.days_of_month]} if window.days_of_month else {}),
        }


def _crosses(window: Window) -> bool:
    return _minutes(window) + duration(window.lasts) // pd.Timedelta("1min") > _DAY


def _minutes(window: Window) -> int:
    hours, minutes = window.at.split(":")
    return 60 * int(hours) + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}" if minutes < _DAY else _MIDNIGHT
