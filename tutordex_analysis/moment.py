"""Moments with a zone and lengths of time in Prometheus notation."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal, TypeAlias

import pandas as pd

from tutordex_analysis.errors import FrameError

Instant: TypeAlias = str | dt.datetime | pd.Timestamp
Span: TypeAlias = str | dt.timedelta | pd.Timedelta

UNIT: Literal["ms"] = "ms"  # Prometheus stores milliseconds
_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LONGEST = 100 * 366 * 86_400_000  # ms; a century before or after any sample still has a time of its own
_FIRST, _LAST = (pd.Timestamp(f"{year}-01-01", tz="UTC") for year in (1800, 2150))  # nanoseconds end in 1677 and 2262
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")


def duration(span: Span) -> pd.Timedelta:
    """A positive Timedelta from Prometheus notation ("5m", "1h30m", "90d") or a timedelta.

    Raises:
        FrameError: The text is not a duration, or it is not longer than zero.

    Example:
        >>> duration("1h30m")
        Timedelta('0 days 01:30:00')
    """
    if isinstance(span, str):
        parts = _DURATION.findall(span.strip())
        if not parts or "".join(n + u for n, u in parts) != span.strip():
            raise FrameError(f'{span!r} is not a duration; write it like "5m", "1h30m", "90d" or "2w"')
        total = sum(int(n) * round(_SECONDS[u] * 1000) for n, u in parts)
        if total > _LONGEST:
            raise FrameError(f"{span!r} is longer than a hundred years; ask for less")
        length = pd.Timedelta(milliseconds=total)
    elif isinstance(span, dt.timedelta):
        length = pd.Timedelta(span)
    else:
        raise FrameError(f'a duration is text like "5m" or a timedelta, not {span!r}')
    if length <= pd.Timedelta(0):
        raise FrameError(f"a duration must be longer than zero, got {span!r}")
    return length


def duration_text(span: Span) -> str:
    """Prometheus notation of a duration, largest units first.

    Example:
        >>> duration_text("90m")
        '1h30m'
    """
    left = round(duration(span) / pd.Timedelta(milliseconds=1))
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS[unit] * 1000))
        text += f"{count}{unit}" if count else ""
    return text


def instant(moment: Instant) -> pd.Timestamp:
    """A UTC timestamp from an aware datetime or ISO text with a zone; whole milliseconds.

    Raises:
        FrameError: The moment has no zone, cannot be read, or lies before 1800 or after 2150.
    """
    try:
        stamp = pd.Timestamp(moment)
    except (ValueError, TypeError) as error:
        raise FrameError(f'{moment!r} is not a moment; write it like "2026-03-01T00:00:00Z"') from error
    if pd.isna(stamp):
        raise FrameError(f"{moment!r} is not a moment")
    if stamp.tzinfo is None:
        raise FrameError(f'{moment!r} has no time zone; write it like "2026-03-01T00:00:00Z" or "…+08:00"')
    if not _FIRST <= stamp < _LAST:
        raise FrameError(f"{moment!r} is too far away; moments from 1800 to 2150 are understood")
    return stamp.tz_convert("UTC").as_unit(UNIT)


def floor(moment: Instant, step: Span) -> pd.Timestamp:
    """The last instant of the step's grid (multiples of `step` since 1970 UTC) that is not after `moment`."""
    grid = round(duration(step) / pd.Timedelta(milliseconds=1))
    return pd.Timestamp(instant(moment).value // 1_000_000 // grid * grid, unit="ms", tz="UTC").as_unit(UNIT)
