"""Burn rates: how fast an error budget is spent, and from which pace on that is worth an alert.

A burn rate of 1 spends the budget in exactly one period. An alert looks at two windows: the long one says that enough
was spent to matter, the short one that it still goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import Span, duration, duration_text

Severity: TypeAlias = Literal["page", "ticket"]
SHORTER = 12  # a long window is so many short ones: the alert ends that much sooner after the trouble
_SHORTEST = duration("7d")  # under it the windows are no small part of the period any more


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What is meant by one pair of windows, whatever the period.

    Attributes:
        severity: Whom it calls.
        share: Of the period's budget, spent within the long window.
        window: The long window.
    """

    severity: Severity
    share: float
    window: str


# Beyer et al. (2018), The Site Reliability Workbook, chapter 5, table 5-8; a day beside its three days tells a
# steady loss two days sooner.
INTENTS = (
    Intent(severity="page", share=0.02, window="1h"),
    Intent(severity="page", share=0.05, window="6h"),
    Intent(severity="ticket", share=0.10, window="1d"),
    Intent(severity="ticket", share=0.10, window="3d"),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two windows that must both burn faster than a factor.

    Attributes:
        severity: Whom it calls.
        long: The long window, in Prometheus notation.
        short: The short one.
        factor: Burn rate from which on it counts.
        limit: The same as a share of bad events.
    """

    severity: Severity
    long: str
    short: str
    factor: float
    limit: float


def factor(share: float, *, window: Span, period: Span) -> float:
    """The burn rate that spends a share of a period's budget within a window; 1 at least, which keeps the promise.

    Example:
        >>> factor(0.02, window="1h", period="30d")
        14.4
    """
    return max(1.0, round(share * (duration(period) / duration(window)), 9))


def pairs(period: Span, error_budget: float) -> tuple[Pair, ...]:
    """The pairs of windows of a promise, the quickest first.

    A pair that even a full outage could not reach is left out: 14.4 times a budget of a tenth is more than all.

    Args:
        period: Over which it is promised.
        error_budget: Share of events that may be bad.

    Raises:
        CatalogueError: The period is too short for these windows.
    """
    if duration(period) < _SHORTEST:
        raise CatalogueError(
            f"a period of {duration_text(period)} is too short for burn-rate alerts, whose windows reach three days; "
            "promise it over 7d or more, or leave alerts: out"
        )
    made = []
    for one in INTENTS:
        pace = factor(one.share, window=one.window, period=period)
        made.append(
            Pair(
                severity=one.severity,
                long=one.window,
                short=duration_text(duration(one.window) / SHORTER),
                factor=pace,
                limit=float(f"{pace * error_budget:.10g}"),  # 14.4 * (1 - 0.999) has a tail of binary digits
            )
        )
    return tuple(one for one in made if one.limit < 1)
