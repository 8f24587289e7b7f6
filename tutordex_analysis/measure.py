"""Numbers and moments as people read them: percent, GiB, days, thousands separators, civil time."""

from __future__ import annotations

import itertools
import math
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

_BYTES = ((2.0**50, "PiB"), (2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_SECONDS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_COUNTS = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"))
_MANY = 1e7  # from here on millions are easier to read than digits
_TOO_LARGE = 1e15  # for words; shown as 1.5e+20
_NAMES = {"per_second": "per second", "bytes_per_second": "per second", "celsius": "°C", "unix_seconds": "time"}
_MEASURED = (*_NAMES, "cores")  # all other units with a name are nouns of things that are counted
_ONE = {"series": "series", "processes": "process"}
_NONE = 0.005  # of a thing that is counted: less is none
_SAID_BY_NUMBERS = ("ratio", "bytes", "seconds", "bool")


def unit_name(unit: str) -> str:
    """The unit as a word for an axis; empty where the numbers themselves carry it (72 %, 3 GiB, 5 min)."""
    return "" if unit in _SAID_BY_NUMBERS else _NAMES.get(unit, unit)


def scale_of(largest: float, unit: str) -> tuple[float, str]:
    """Divisor and suffix that keep the numbers of one axis short, from the largest of them.

    Example:
        >>> scale_of(3e9, "bytes")
        (1073741824.0, ' GiB')
    """
    size = abs(largest)
    if not math.isfinite(size) or size >= _TOO_LARGE:
        return 1.0, ""
    if unit == "ratio":
        return 0.01, " %"
    if unit in ("bytes", "bytes_per_second"):
        factor, name = next((one for one in _BYTES if size >= one[0]), _BYTES[-1])
        return factor, f" {name}/s" if unit == "bytes_per_second" else f" {name}"
    if unit == "seconds":
        factor, name = next((one for one in _SECONDS if size >= 2 * one[0]), _SECONDS[-1] if size else (1.0, "s"))
        return factor, f" {name}"
    if unit == "celsius":
        return 1.0, " °C"
    factor, name = next((one for one in _COUNTS if size >= max(one[0], _MANY)), (1.0, ""))
    return factor, f" {name}" if name else ""


def value_text(value: float, unit: str) -> str:
    """One number with its unit, three significant digits or all digits before the point.

    Example:
        >>> value_text(0.7234, "ratio"), value_text(5400, "seconds"), value_text(12345.6, "posts")
        ('72.3 %', '90 min', '12,346 posts')
        >>> value_text(1, "posts"), value_text(1.09e-05, "jobs")
        ('1 post', '0 jobs')
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "unlimited" if value > 0 else "minus infinity"
    if unit == "unix_seconds":
        return f"{pd.Timestamp(value, unit='s', tz='UTC'):%Y-%m-%d %H:%M} UTC" if abs(value) < 9e9 else f"{value:g}"
    factor, suffix = scale_of(value, unit)
    noun = unit_name(unit) if unit not in ("bytes_per_second", "celsius") else ""
    counted = bool(noun) and unit not in _MEASURED
    number = number_text(0.0 if counted and abs(value) < _NONE else value / factor)
    if (counted or unit == "cores") and number in ("1", "-1") and not suffix:
        noun = _ONE.get(noun, noun.removesuffix("s"))
    return f"{number}{suffix}{' ' + noun if noun else ''}"


def rounded(value: float, *, beside: float) -> float:
    """A number without the digits that do not matter beside another one: under a hundredth of the larger of both.

    Example:
        >>> rounded(0.0000027, beside=3.0), rounded(0.86123, beside=7.0), rounded(12.0, beside=float("nan"))
        (0.0, 0.86, 12.0)
    """
    size = max(abs(value), abs(beside))
    if not math.isfinite(size) or size == 0:
        return value
    return round(value, max(3 - math.ceil(math.log10(size)), 0))


def number_text(value: float) -> str:
    """A bare number: thousands separators, no digits that do not matter.

    Example:
        >>> number_text(1234567.0), number_text(0.12345), number_text(-3.0)
        ('1,234,567', '0.123', '-3')
    """
    if value == 0 or not math.isfinite(value):
        return f"{abs(value):g}"
    if abs(value) >= _TOO_LARGE or abs(value) < 1e-4:
        return f"{value:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_text(share: float) -> str:
    """A share in percent, two digits; near all of it as many as tell it from all.

    Example:
        >>> [share_text(one) for one in (0.374, 0.95, 0.986, 0.999, 0.99965, 1.0, -0.21)]
        ['37 %', '95 %', '98.6 %', '99.9 %', '99.965 %', '100 %', '−21 %']
    """
    if math.isnan(share):
        return "–"
    if 0.9 <= share < 1:
        text = f"{100 * share:.{min(math.ceil(round(-math.log10(1 - share), 9)) - 1, 4)}f}"
        return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
    return f"{number_text(float(f'{100 * share:.2g}'))} %".replace("-", "−")


def change_text(share: float) -> str:
    """A relative change in percent, with its sign unless it rounds to nothing.

    Example:
        >>> change_text(0.104), change_text(-0.05), change_text(-0.001)
        ('+10 %', '−5 %', '0 %')
    """
    percent = round(100 * share) if math.isfinite(share) else math.nan
    sign = "+" if percent > 0 else "−" if percent < 0 else ""
    return f"{sign}{abs(percent):.0f} %" if math.isfinite(percent) else "unknown"


def chance_text(probability: float) -> str:
    """A probability in percent; the ends stay open, since simulated paths cannot show certainty.

    Example:
        >>> chance_text(0.25), chance_text(1.0)
        ('25 %', 'over 99 %')
    """
    if math.isnan(probability):
        return "–"
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def tick_texts(ticks: list[float], unit: str) -> list[str]:
    """Labels of an axis: one scale, as many digits as tell neighbours apart.

    Example:
        >>> tick_texts([0.0, 0.25, 0.5], "ratio")
        ['0 %', '25 %', '50 %']
    """
    factor, suffix = scale_of(max((abs(one) for one in ticks), default=0.0), unit)
    values = [one / factor for one in ticks]
    apart = min((b - a for a, b in itertools.pairwise(values) if b > a), default=1.0)
    if max(map(abs, values), default=0.0) >= _TOO_LARGE or apart < 1e-6:
        return [f"{value:.4g}{suffix}" for value in values]
    digits = next((n for n in range(8) if math.isclose(round(apart, n), apart, rel_tol=1e-3)), 8)
    texts = [f"{value:,.{digits}f}" for value in values]
    return [f"{text.replace('-', '−') if float(text.replace(',', '')) else text.lstrip('-')}{suffix}" for text in texts]


def day_text(moment: pd.Timestamp, zone: ZoneInfo, *, clock: bool = False) -> str:
    """A day in civil time, such as "8 Mar 2026", with the time of day where `clock` is true.

    Example:
        >>> day_text(pd.Timestamp("2026-03-07T18:30Z"), ZoneInfo("Asia/Singapore"), clock=True)
        '8 Mar 2026 02:30'
    """
    local = moment.tz_convert(zone)
    return f"{local.day} {local:%b %Y %H:%M}" if clock else f"{local.day} {local:%b %Y}"


def tick_dates(moments: pd.DatetimeIndex, zone: ZoneInfo) -> list[str]:
    r"""Labels of a time axis from its ticks: days, months or hours, whichever they are apart.

    The year stands where it changes.

    Example:
        >>> ticks = pd.DatetimeIndex(["2026-03-01T00:00Z", "2026-03-08T00:00Z"])
        >>> tick_dates(ticks, ZoneInfo("UTC"))
        ['1 Mar\n2026', '8 Mar']
    """
    local = moments.tz_convert(zone)
    apart = local.to_series().diff().min()
    sub_daily = len(local) > 1 and apart < pd.Timedelta(hours=20)
    texts = []
    for i, one in enumerate(local):
        new_day = i == 0 or one.date() != local[i - 1].date()
        new_year = i == 0 or one.year != local[i - 1].year
        if sub_daily:
            texts.append(f"{one:%H:%M}" + (f"\n{one.day} {one:%b}" if new_day else ""))
        elif len(local) > 1 and apart >= pd.Timedelta(days=27):
            texts.append(f"{one:%b}" + (f"\n{one.year}" if new_year else ""))
        else:
            texts.append(f"{one.day} {one:%b}" + (f"\n{one.year}" if new_year else ""))
    return texts


def largest(values: np.ndarray) -> float:
    """The largest size among the finite values, 0 without any."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if len(finite) else 0.0


def count_text(n: int, noun: str) -> str:
    """A number of things in words, in one or many.

    Example:
        >>> count_text(1, "row"), count_text(1234, "row")
        ('1 row', '1,234 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
