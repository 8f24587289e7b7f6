"""One series and one value that it may reach: how likely, when, how urgent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.limit import Level, Scaling
from tutordex_analysis.moment import duration_text
from tutordex_analysis.question.resource import WITHIN, Resource
from tutordex_analysis.question.urgency import LEAD, urgency


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One series and one value that it may reach.

    Attributes:
        signal: Name of the signal; `title` in words.
        where: Which series of it.
        limit: Name of the limit.
        level: "soft", "hard" or "physical".
        value: What is not to be reached, in `unit`.
        now: The newest sample.
        p7d: Probability that it is reached within 7 days; `p30d`, `p90d` likewise; NaN beyond the horizon.
        probability: That it is reached within the horizon.
        earliest: The moment by which one path in ten has reached it, UTC; NaT where that is beyond the horizon.
        likely: Half of the paths. `latest`: nine in ten.
        horizon: How far was looked.
        weeks: Weeks of history; in `weeks_over` of them the value was reached.
        scaling: How long more capacity takes.
        owner: Who sees to it.
    """

    signal: str
    title: str
    where: str
    limit: str
    level: Level
    value: float
    now: float
    unit: str
    p7d: float
    p30d: float
    p90d: float
    earliest: pd.Timestamp
    likely: pd.Timestamp
    latest: pd.Timestamp
    probability: float
    horizon: pd.Timedelta
    weeks: int
    weeks_over: int
    scaling: Scaling
    owner: str

    @property
    def within_lead(self) -> float:
        """Probability that it is reached before more capacity could be there; NaN where we did not look so far."""
        return {7: self.p7d, 30: self.p30d, 90: self.p90d}[self.lead.days]

    @property
    def lead(self) -> pd.Timedelta:
        """How early one must know."""
        return LEAD[self.scaling]

    @property
    def urgency(self) -> float:
        """0 to 100; see `urgency.urgency`."""
        return urgency(
            self.within_lead, self.probability, level=self.level, scaling=self.scaling, in_bursts=self.in_bursts
        )

    @property
    def in_bursts(self) -> bool:
        """Whether the chance comes from bursts that were seen before rather than from growth."""
        if not self.weeks_over:
            return False
        again = 1 - (1 - self.weeks_over / self.weeks) ** (self.horizon / pd.Timedelta(days=7))
        return pd.isna(self.likely) and 2 * again >= self.probability


def rank(one: Passage) -> tuple[float, pd.Timestamp, float]:
    """The most urgent first, of equals the one that comes first."""
    never = pd.Timestamp.max.tz_localize("UTC")
    return -one.urgency, never if pd.isna(one.likely) else one.likely, -one.probability


def passages(one: Resource) -> Iterator[Passage]:
    """Every value of every limit of every series of a resource."""
    for (name, level), found in one.breaches.items():
        pairs = zip(found.frame["unique_id"].astype(str), found.frame["within"].astype(str), strict=True)
        chances = dict(zip(pairs, found.frame["probability"].to_numpy(), strict=True))
        dates = found.dates.set_index("unique_id")
        for series in found.limit.index:
            p7d, p30d, p90d = (float(chances.get((series, within), np.nan)) for within in WITHIN)
            earliest, likely, latest = (pd.Timestamp(dates[column][series]) for column in ("q0.1", "q0.5", "q0.9"))
            yield Passage(
                signal=one.signal.name,
                title=one.signal.title,
                where=one.where[series],
                limit=name,
                level=level,
                value=one.limits[name].values[level],
                now=float(one.forecast.last.to_dict()[series]),
                unit=one.signal.unit,
                p7d=p7d,
                p30d=p30d,
                p90d=p90d,
                probability=float(chances[series, duration_text(one.horizon)]),
                earliest=earliest,
                likely=likely,
                latest=latest,
                horizon=one.horizon,
                weeks=int(found.weeks["weeks"][series]),
                weeks_over=int(found.weeks["over"][series]),
                scaling=one.limits[name].scaling,
                owner=one.limits[name].owner,
            )
