"""How bad an incident is: judged by its effect, and not by how surprising it was.

Points are added up, and every part can only raise them:

- size, the deviation as a share of what was expected, or of the signal's usual level where that is more: 1 from a
  quarter (or where it is not known), 2 from the whole;
- length: 1 from two hours, 2 from six hours;
- breadth: 1 from two signals, 2 from four;
- a drop to zero of at least half the usual level: 1;
- a soft limit of the catalogue crossed: 2.

Five points, or a hard or physical limit crossed, are high; three are medium. A deviation to the good side is low,
whatever its points, unless a limit is crossed.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import pandas as pd

from tutordex_analysis.limit import Level

Severity: TypeAlias = Literal["low", "medium", "high"]
RANK: dict[Severity, int] = {"low": 0, "medium": 1, "high": 2}

_SIZES = (0.25, 1.0)
_LENGTHS = (pd.Timedelta("2h"), pd.Timedelta("6h"))
_BREADTHS = (2, 4)
_TO_ZERO = 0.5  # of the usual level; less is a quiet hour that was a little quieter
_HIGH, _MEDIUM = 5, 3


def effect(seen: float, expected: float, *, usual: float) -> float:
    """How large a deviation is, as a share of what was expected or of the usual level, whichever is more.

    The usual level keeps a quiet night from making three posts instead of one an outage.

    Args:
        seen: The value.
        expected: What was expected of it.
        usual: The signal's usual level, such as the mean of its absolute values; NaN where it is not known.

    Returns:
        A share from 0; NaN where the value or the expectation is not known, infinite where nothing was usual.

    Example:
        >>> effect(0.0, 12.0, usual=10.0), effect(3.0, 1.0, usual=10.0)
        (1.0, 0.2)
    """
    if math.isnan(seen) or math.isnan(expected):
        return math.nan
    base = max(abs(expected), 0.0 if math.isnan(usual) else abs(usual))
    off = abs(seen - expected)
    if math.isinf(off):
        return math.inf
    return off / base if base > 0 else (math.inf if off > 0 else 0.0)


def severity(
    *,
    effect: float,
    length: pd.Timedelta,
    signals: int = 1,
    to_zero: bool = False,
    limit: Level | None = None,
    good: bool = False,
) -> Severity:
    """How bad an incident is, from its effect; more of anything is never less bad.

    Args:
        effect: Its size as `effect` tells; NaN where it is not known.
        length: From the first to the last unusual moment.
        signals: How many signals were unusual.
        to_zero: Whether it went to zero.
        limit: The furthest limit that was crossed.
        good: Whether it goes to the signal's good side, such as fewer failures.
    """
    if limit in ("hard", "physical"):
        return "high"
    points = (
        (1 if math.isnan(effect) else sum(effect >= one for one in _SIZES))
        + sum(length >= one for one in _LENGTHS)
        + sum(signals >= one for one in _BREADTHS)
        + (to_zero and effect >= _TO_ZERO)
        + 2 * (limit == "soft")
    )
    if good and limit is None:
        return "low"
    return "high" if points >= _HIGH else "medium" if points >= _MEDIUM else "low"
