"""When an experiment that is looked at once closes: with the planned units, and never again with others.

Which units count is settled by who came when, not by what they did; so a verdict is the same however often, and however
much later, it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tutordex_analysis.experiment import Experiment
from tutordex_analysis.moment import duration


@dataclass(frozen=True, kw_only=True)
class Closed:
    """The end of an experiment by its planned units.

    Attributes:
        enrolled: The moment by which both arms had them; units that came later are not in it.
        watched: When the last of them had been watched for long enough; what came later does not count.
    """

    enrolled: pd.Timestamp
    watched: pd.Timestamp


def of_events(exposures: pd.DataFrame, plan: Experiment, *, seen_until: pd.Timestamp) -> Closed | None:
    """The end by planned units of an experiment with exposures; None where it is not reached, or there is no such plan.

    A unit counts for the arm that it saw first, even where it sees the other one later: the past settles the moment.

    Args:
        exposures: Columns unit, arm (as in the data), ds.
        plan: With `looks: once` and `planned:`.
        seen_until: Up to when rows are known.
    """
    if plan.looks != "once" or plan.planned is None:
        return None
    first = exposures.sort_values("ds", kind="stable").drop_duplicates("unit")
    enrolled = _filled(first, plan)
    if enrolled is None:
        return None
    longest = max((duration(one.within) for one in plan.metrics.values() if one.within), default=pd.Timedelta(0))
    closed = Closed(enrolled=enrolled, watched=enrolled + longest)
    return closed if closed.watched <= seen_until else None


def of_pairs(rows: pd.DataFrame, plan: Experiment) -> pd.Timestamp | None:
    """The moment by which the planned units had rows in both arms with an outcome of every goal; None as above.

    Args:
        rows: Columns unit, arm (as in the data), ds and one a metric, NaN where there is no outcome yet.
        plan: With `looks: once` and `planned:`.
    """
    if plan.looks != "once" or plan.planned is None:
        return None
    goals = [name for name, metric in plan.metrics.items() if metric.role == "goal"]
    known = rows[rows[goals].notna().all(axis=1)]
    first = known.pivot_table(index="unit", columns="arm", values="ds", aggfunc="min", observed=True)
    if not {*plan.named} <= {*first.columns}:
        return None
    complete = first[[*plan.named]].max(axis=1, skipna=False).dropna().sort_values()
    return pd.Timestamp(complete.iloc[plan.planned - 1]) if len(complete) >= plan.planned else None


def _filled(first: pd.DataFrame, plan: Experiment) -> pd.Timestamp | None:
    """The moment of the planned unit of the arm that was slower."""
    wanted = plan.planned or 0
    moments = [first.loc[first["arm"] == name, "ds"] for name in plan.named]  # in the order of time
    if min(map(len, moments)) < wanted:
        return None
    return max(pd.Timestamp(one.iloc[wanted - 1]) for one in moments)
