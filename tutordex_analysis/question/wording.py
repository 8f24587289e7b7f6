"""Words of sentences: changes, chances and lengths of time as the reader of a report says them."""

from __future__ import annotations

from tutordex_analysis.measure import number_text, value_text
from tutordex_analysis.moment import Span, duration


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


def span(length: Span) -> str:
    """A length of time in days where it has any.

    Example:
        >>> span("90d"), span("1d"), span("6h")
        ('90 days', '1 day', '6 h')
    """
    seconds = duration(length).total_seconds()
    days = number_text(seconds / 86_400)
    return f"{days} {'day' if days == '1' else 'days'}" if seconds >= 86_400 else value_text(seconds, "seconds")
