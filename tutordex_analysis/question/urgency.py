"""How urgent a limit is: one number from 0 to 100 that ranks a page, and the word for it.

Urgency is the chance that the limit is reached before more capacity could be there, times how bad that is, times how
hard it is to mend. *Chance*: nine parts the chance within the lead time, which is how early one must know; one part the
chance within the whole horizon, so that what comes later still ranks above what does not come. *Lead time*: the page is
read once a week, so what is mended in minutes must be known 7 days ahead; what takes days (an order, a move, a change
of code) 30, which leaves room for a second look; what takes weeks (a machine, a migration, a budget) 90. *Severity*: a
soft limit asks for a plan, a hard one is an outage and counts twice as much, the physical end leaves no way out and
counts a quarter more than that. *Effort*: each step on the scale counts about 1.4 times the one before, so that what
takes weeks ranks like two times the chance of what takes minutes. A chance that comes from bursts counts three
tenths: no plan for growth helps against an outage.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutordex_analysis.limit import Level, Scaling

LEAD: Mapping[Scaling, pd.Timedelta] = {
    "minutes": pd.Timedelta(days=7),
    "days": pd.Timedelta(days=30),
    "weeks": pd.Timedelta(days=90),
}
EFFORT: Mapping[Scaling, float] = {"minutes": 0.5, "days": 0.7, "weeks": 1.0}
SEVERITY: Mapping[Level, float] = {"soft": 0.4, "hard": 0.8, "physical": 1.0}
BURST = 0.3
_LATER = 0.1  # weight of the chance within the whole horizon
WORDS = {30.0: "act", 10.0: "plan", 1.0: "watch", 0.0: "none"}  # from this urgency on


def urgency(within_lead: float, within_horizon: float, *, level: Level, scaling: Scaling, in_bursts: bool) -> float:
    """How urgent a limit is, 0 to 100; not less when any chance is larger, the level worse or scaling slower.

    Args:
        within_lead: Chance that the limit is reached within `LEAD[scaling]`, 0 to 1; NaN where we did not look so far,
            then the chance within the horizon, which is less, stands for it.
        within_horizon: Chance within the whole horizon.
        level: Which limit.
        scaling: How long more capacity takes.
        in_bursts: Whether the chance comes from bursts rather than growth.

    Example:
        >>> urgency(1.0, 1.0, level="soft", scaling="days", in_bursts=False)
        28.0
    """
    lead = within_horizon if np.isnan(within_lead) else within_lead
    chance = (1 - _LATER) * lead + _LATER * within_horizon
    return round(100 * chance * SEVERITY[level] * EFFORT[scaling] * (BURST if in_bursts else 1.0), 1)


def word(value: float) -> str:
    """An urgency as the reader of a page sees it.

    Example:
        >>> word(56.0), word(28.0), word(0.2)
        ('act', 'plan', 'none')
    """
    return next(name for least, name in WORDS.items() if value >= least)
