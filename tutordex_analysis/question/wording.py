"""Words of sentences: lengths of time as the reader of a report says them."""

from __future__ import annotations

from tutordex_analysis.measure import number_text, value_text
from tutordex_analysis.moment import Span, duration


def span(length: Span) -> str:
    """A length of time in days where it has any.

    Example:
        >>> span("90d"), span("1d"), span("6h")
        ('90 days', '1 day', '6 h')
    """
    seconds = duration(length).total_seconds()
    days = number_text(seconds / 86_400)
    return f"{days} {'day' if days == '1' else 'days'}" if seconds >= 86_400 else value_text(seconds, "seconds")
