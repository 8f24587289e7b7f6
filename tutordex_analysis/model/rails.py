"""The rails of a learnt limit before it is published: floor and ceiling, the largest move, and whether it held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import binom

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.expectation import Bools

BASE = 0.1  # of the room between the rails, where the last value is less than that
UNBELIEVABLE = 0.001  # chance of so many excursions, below which a limit was not what it said
_A_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Rails:
    """How far a limit may go.

    Attributes:
        floor: The least it may be.
        ceiling: The most.
        human: Where it starts from.
        largest_move: Share of its last value by which one day may move it.
    """

    floor: float
    ceiling: float
    human: float
    largest_move: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What the last run left behind, so that the next one moves on from there.

    Attributes:
        at: When it was.
        values: By the name of the alert and the series of the signal: a limit for each phase of the week, NaN where
            there never was one.
    """

    at: pd.Timestamp
    values: Mapping[tuple[str, str], Floats] = field(default_factory=dict)


def moved(last: Floats, wanted: Floats, rails: Rails, *, since: pd.Timedelta) -> Floats:
    """What is wanted, as near as the rails and one move allow.

    A day lets a value grow by `largest_move` or shrink by the inverse; less time lets it move so much less that many
    runs a day come to the same as one. More than a day counts as one: a run moves a limit at most by a day's share.
    A value near zero moves by a share of a tenth of the room between the rails.

    Args:
        last: Limits of the last run; NaN where there was none, which starts from the human value.
        wanted: What history says; NaN leaves the limit where it is.
        rails: Of the alert.
        since: Time from the last run.
    """
    days = min(max(since / _A_DAY, 0.0), 1.0)
    start = np.clip(np.where(np.isfinite(last), last, rails.human), rails.floor, rails.ceiling)
    goal = np.clip(np.where(np.isnan(wanted), start, wanted), rails.floor, rails.ceiling)
    base = np.maximum(np.abs(start), BASE * (rails.ceiling - rails.floor))
    growth = (1 + rails.largest_move) ** days
    found = np.clip(goal, start - base * (1 - 1 / growth), start + base * (growth - 1))
    inside: Floats = np.clip(found, rails.floor, rails.ceiling)
    return inside


def excursions(beyond: Bools) -> int:
    """How often a series went beyond: stretches of flags, of which those within a day of each other are one.

    Args:
        beyond: One flag an hour.
    """
    at = np.flatnonzero(beyond)
    return int(len(at) > 0) + int((np.diff(at) > 24).sum())


def explained(times: int, *, tried: int, chance: float) -> bool:
    """Whether chance explains that a limit was passed so often in so many hours, by the binomial's tail.

    Example:
        >>> explained(3, tried=672, chance=0.001), explained(9, tried=672, chance=0.001)
        (True, False)
    """
    return bool(binom.sf(times - 1, max(tried, 1), chance) >= UNBELIEVABLE)
