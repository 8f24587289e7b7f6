"""Tails and intervals of the normal and of Student's t: no p-value is ever 0, none is 1 minus a number."""

from __future__ import annotations

import math
import sys
from typing import Literal, TypeAlias

from scipy import special

from tutordex_analysis.errors import ExperimentError

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
SMALLEST = sys.float_info.min  # what a tail beyond the reach of a double is given, instead of 0


def p_value(statistic: float, *, alternative: Alternative = "two-sided", df: float = math.inf) -> float:
    """The tail of a statistic.

    Args:
        statistic: Normal, or Student's t where `df` is finite.
        alternative: "greater" and "less" speak of treatment against control.
        df: Degrees of freedom.

    Returns:
        In (0, 1]; NaN where the statistic or the degrees of freedom are NaN.

    Example:
        >>> round(p_value(1.959964), 6), p_value(60.0) > 0
        (0.05, True)
    """
    if math.isnan(statistic) or math.isnan(df):
        return math.nan
    if alternative == "two-sided":
        return open_tail(2 * lower_tail(-abs(statistic), df=df))
    return open_tail(lower_tail(-statistic if alternative == "greater" else statistic, df=df))


def lower_tail(statistic: float, *, df: float = math.inf) -> float:
    """P(X <= statistic)."""
    return float(special.ndtr(statistic) if math.isinf(df) else special.stdtr(df, statistic))


def critical(alpha: float, *, alternative: Alternative = "two-sided", df: float = math.inf) -> float:
    """The size that a statistic must have to be significant at `alpha`."""
    tail = alpha / 2 if alternative == "two-sided" else alpha
    return float(-special.ndtri(tail) if math.isinf(df) else -special.stdtrit(df, tail))


def interval(
    estimate: float, se: float, *, alpha: float, alternative: Alternative = "two-sided", df: float = math.inf
) -> tuple[float, float]:
    """Bounds of an estimate; a one-sided alternative leaves the other side open."""
    width = critical(alpha, alternative=alternative, df=df) * se
    low, high = estimate - width, estimate + width
    return (-math.inf if alternative == "less" else low), (math.inf if alternative == "greater" else high)


def open_tail(p: float) -> float:
    """A probability that is never 0 and never above 1; NaN stays NaN."""
    return p if math.isnan(p) else min(max(p, SMALLEST), 1.0)


def p_text(p: float) -> str:
    """A p-value in words: three digits, and never 0.

    Example:
        >>> p_text(0.03214), p_text(1e-9), p_text(float("nan"))
        ('p = 0.032', 'p < 0.0001', 'no p-value')
    """
    if math.isnan(p):
        return "no p-value"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def checked_alpha(alpha: float) -> float:
    """`alpha` itself.

    Raises:
        ExperimentError: It is no probability between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ExperimentError(f"alpha is a probability between 0 and 1, such as 0.05; got {alpha:g}")
    return alpha
