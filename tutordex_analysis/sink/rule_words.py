"""Small pieces of Go templates beside the same in Python, so that tests know what an alert will say.

Prometheus renders annotations without escaping, and the bridge to Telegram sends HTML: the three signs that mean
something there are replaced, in labels while Prometheus renders and in fixed text before.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from urllib.parse import quote

_SIGNS = str.maketrans({"<": "‹", ">": "›", "&": "+"})
_MOST_LABEL = 48  # a longer value is cut in words
_MOST_QUERIED = 44  # and one that is longer in a URL is left out of links: 32 letters with a slash, in quotes
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL = ("", "m", "u", "n", "p", "f", "a", "z", "y")


def literal(text: str) -> str:
    """Fixed text as a template: one line, no HTML, braces that stay braces."""
    return re.sub(r"\{\{|\}\}", lambda found: '{{ "' + found[0] + '" }}', shown(text))


def shown(text: str) -> str:
    """Fixed text as it arrives."""
    return re.sub(r"\s+", " ", text).translate(_SIGNS)


def label(name: str) -> str:
    """Template of a label's value in words."""
    return f'{{{{ $labels.{name} | printf "%.{_MOST_LABEL}s" | reReplaceAll "[<>&\\\\s]+" " " }}}}'


def label_shown(value: str) -> str:
    """What `label` makes of a value."""
    return re.sub(r"[<>&\t\n\f\r ]+", " ", value[:_MOST_LABEL])


def matcher(name: str) -> str:
    """Template of a further matcher in a silence link, such as %2Cchannel%3D%22x%22; nothing for a long value."""
    made = f'{{{{ $queried := $labels.{name} | printf "%q" | urlquery | reReplaceAll "[+]" "%20" }}}}'
    return f"{made}{{{{ if lt (len $queried) {_MOST_QUERIED} }}}}%2C{name}%3D{{{{ $queried }}}}{{{{ end }}}}"


def matcher_shown(name: str, value: str) -> str:
    """What `matcher` makes of a printable value."""
    queried = _query(json.dumps(value, ensure_ascii=False))
    return f"%2C{name}%3D{queried}" if len(queried) < _MOST_QUERIED else ""


def argument(name: str) -> str:
    """Template of a label's value in the query of a URL."""
    return f'{{{{ $labels.{name} | urlquery | reReplaceAll "[+]" "%20" }}}}'


def argument_shown(value: str) -> str:
    """What `argument` makes of a value."""
    return _query(value)


def selector(metric: str, fixed: dict[str, str], labels: Sequence[str] = ()) -> str:
    """Template pipeline that makes a selector with values of labels in it; a raw string in Go's words."""
    pairs = [*(f"{key}='{value}'" for key, value in fixed.items()), *(f"{name}=%q" for name in labels)]
    text = f"`{metric}{{{','.join(pairs)}}}`"
    return f"printf {text} {' '.join(f'$labels.{name}' for name in labels)}" if labels else text


def format_of(unit: str) -> str:
    """The pipeline behind a value of this unit."""
    if unit == "seconds":
        return 'humanizeDuration | reReplaceAll "( 0m)? [0-9]+s$" ""'
    return {"ratio": "humanizePercentage", "bytes": "humanize1024", "": 'printf "%.4g"'}.get(unit, "humanize")


def formatted(value: float, unit: str) -> str:
    """What that pipeline makes of a value."""
    if unit == "seconds":
        return re.sub(r"( 0m)? [0-9]+s$", "", _duration(value))
    if unit == "ratio":
        return f"{value * 100:.4g}%"
    if unit == "":
        return f"{value:.4g}"
    if unit == "bytes":
        size, prefix = _scaled(value, 1 / 1024, _BINARY)
        return f"{size:.4g}{prefix}"
    return _humanize(value)


def _duration(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return f"{value:.4g}"
    if value == 0:
        return "0s"
    if abs(value) < 1:
        size, prefix = _scaled(value, 1000.0, _SMALL)
        return f"{size:.4g}{prefix}s"
    sign, left = ("-", -value) if value < 0 else ("", value)
    whole = int(left)
    days, hours, minutes, seconds = whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{left:.4g}s"


def _humanize(value: float) -> str:
    if value == 0 or math.isnan(value) or math.isinf(value):
        return f"{value:.4g}"
    size, prefix = _scaled(value, 1 / 1000, _PREFIXES) if abs(value) >= 1 else _scaled(value, 1000.0, _SMALL)
    return f"{size:.4g}{prefix}"


def _scaled(value: float, factor: float, prefixes: Sequence[str]) -> tuple[float, str]:
    at = 0
    while at < len(prefixes) - 1 and (abs(value) < 1 if factor > 1 else abs(value) >= round(1 / factor)):
        value, at = value * factor, at + 1
    return value, prefixes[at]


def _query(text: str) -> str:
    return quote(text, safe="-_.~")
