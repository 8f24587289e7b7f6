"""Error budgets as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import pandas as pd

from tutordex_analysis.sink.exposition import Family, Sample


class Left(Protocol):
    """A budget."""

    @property
    def remaining(self) -> float:
        """Share that is left; below 0 where the promise is broken."""


class Ahead(Protocol):
    """When it is gone."""

    @property
    def dates(self) -> Mapping[float, pd.Timestamp | None]:
        """By probability; None where not within a period."""

    @property
    def survives(self) -> float:
        """Probability that it is never gone within a period."""


class Told(Protocol):
    """What is said of one promise."""

    @property
    def name(self) -> str:
        """Of the promise."""

    @property
    def budget(self) -> Left | None:
        """None where nothing is known."""

    @property
    def ahead(self) -> Ahead | None:
        """None where nothing can be said."""


def from_promises(told: Iterable[Told]) -> tuple[Family, ...]:
    """Families `tutordex_slo_budget_remaining_ratio`, `…_exhaustion_timestamp_seconds` and `…_survival_probability`.

    A promise of which nothing can be told, or whose sender is switched off, has no sample: an absent budget is not a
    full one.
    """
    left, dates, lasts = [], [], []
    for one in told:
        if one.budget is None or one.ahead is None:
            continue
        left.append(Sample(labels={"slo": one.name}, value=one.budget.remaining))
        lasts.append(Sample(labels={"slo": one.name}, value=one.ahead.survives))
        dates += [
            Sample(labels={"slo": one.name, "quantile": f"{p:g}"}, value=when.timestamp())
            for p, when in one.ahead.dates.items()
            if when is not None
        ]
    families = (
        Family(
            name="tutordex_slo_budget_remaining_ratio",
            help="Share of the error budget that is left, over the rolling period; below 0 the promise is broken.",
            samples=tuple(left),
        ),
        Family(
            name="tutordex_slo_exhaustion_timestamp_seconds",
            help="By when the budget is gone with this probability; absent where not within one period.",
            samples=tuple(dates),
        ),
        Family(
            name="tutordex_slo_survival_probability",
            help="Probability that the budget lasts through one more period.",
            samples=tuple(lasts),
        ),
    )
    return tuple(one for one in families if one.samples)
