"""Numbers and dates as the reader of a report says them: in civil time, with units, without false precision."""

from __future__ import annotations

import math

import pandas as pd

from tutordex_analysis.frame import Span, duration

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float, unit: str) -> str:
    """A value with its unit, three digits at most.

    Example:
        >>> number(0.8, "ratio"), number(5.4e9, "bytes"), number(7200, "seconds"), number(412.3, "posts")
        ('80 %', '5.03 GiB', '2 h', '412 posts')
    """
    if math.isnan(value):
        return "unknown"
    if unit == "ratio":
        return f"{_digits(100 * value)} %"
    if unit in ("bytes", "bytes_per_second"):
        size = min(int(math.log(abs(value), 1024)), len(_BYTES) - 1) if abs(value) >= 1 else 0
        return f"{_digits(value / 1024**size)} {_BYTES[size]}{'/s' if unit == 'bytes_per_second' else ''}"
    if unit == "seconds":
        for name, length in (("d", 86_400), ("h", 3600), ("min", 60)):
            if abs(value) >= length:
                return f"{_digits(value / length)} {name}"
        return f"{_digits(value)} s"
    return f"{_digits(value)} {unit.replace('_', ' ')}"


def change(share: float) -> str:
    """A relative change with its sign.

    Example:
        >>> change(0.104), change(-0.05)
        ('+10 %', '−5 %')
    """
    return f"{'−' if share < 0 else '+'}{abs(100 * share):.0f} %"


def chance(probability: float) -> str:
    """A probability in percent; the ends stay open, since simulated paths cannot show certainty."""
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def day(moment: pd.Timestamp, tz: str) -> str:
    """A civil date, such as "14 Jan 2027"; "beyond" where it is not reached."""
    if pd.isna(moment):
        return "beyond"
    local = moment.tz_convert(tz)
    return f"{local.day} {local:%b %Y}"


def span(length: Span) -> str:
    """A length of time in days where it has any.

    Example:
        >>> span("90d"), span("1d"), span("6h")
        ('90 days', '1 day', '6 h')
    """
    seconds = duration(length).total_seconds()
    days = _digits(seconds / 86_400)
    return f"{days} {'day' if days == '1' else 'days'}" if seconds >= 86_400 else number(seconds, "seconds")


def _digits(value: float) -> str:
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{round(value, digits):,.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
