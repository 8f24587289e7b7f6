"""What stands behind a verdict: the effect day by day, segment by segment, the split, and what is still needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.experiment import CONTROL, SIDES
from tutordex_analysis.model import multiplicity
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.experiment import compare
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.segments import Heterogeneity, Strata, heterogeneity, mantel_haenszel
from tutordex_analysis.model.sequential import TUNED_FOR
from tutordex_analysis.question.experiment_verdict import Verdict, columns_of, sizes

MOST_LOOKS = 40  # days that are told of an experiment; a longer one is told at as many moments
FEWEST = 30  # units an arm of a segment that is told
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmented:
    """One goal in the parts of one column.

    Attributes:
        metric: The goal.
        column: The segment's name.
        table: segment, n, control, treatment, estimate, lower, upper, lift, lift_lower, lift_upper, status; the largest
            first. Intervals are wide enough for all segments together.
        differ: Whether the effect differs between them; None with fewer than two segments that could be judged.
        p_adjusted: Its p-value over all columns of segments.
        strata: Of a yes or no: the effect with segments held fixed; None for others.
        small: Segments with too few units to be told.
    """

    metric: str
    column: str
    table: pd.DataFrame
    differ: Heterogeneity | None
    p_adjusted: float
    strata: Strata | None
    small: int

    @property
    def reversed(self) -> bool:
        """Whether all units together say the opposite of the segments (Simpson)."""
        return self.strata is not None and self.strata.reversed


@dataclass(frozen=True, kw_only=True)
class Need:
    """What the first goal still needs.

    Attributes:
        worth: The effect that is worth having, as a share of the control.
        units: Units an arm with which it is seen in four of five experiments.
        have: Units of the smaller arm.
        a_day: Units that come to the smaller arm a day, over the last week; NaN where that is not known.
        days: Days until then; 0 where they are there, NaN where nobody can tell.
    """

    worth: float
    units: int
    have: int
    a_day: float
    days: float


def over_time(verdict: Verdict, *, tz: str) -> pd.DataFrame:
    """The first goal after each day, with an interval that holds over all of them.

    Units count from the day of their exposure on, with all that they did since.

    Returns:
        ds (the end of a civil day), n (units of both arms), estimate, lower, upper, p_value; in the metric's unit.
        Empty where units have no time, or the plan looks once.
    """
    columns = ["ds", "n", "estimate", "lower", "upper", "p_value"]
    goal, data = verdict.goal, verdict.data
    if goal is None or goal.refused or data.units.empty or data.experiment.looks == "once":
        return pd.DataFrame(columns=columns)
    plan, rows = data.experiment, data.units
    if goal.metric not in rows or rows["ds"].isna().all():
        return pd.DataFrame(columns=columns)
    known = rows[rows[goal.metric].notna() & rows["ds"].notna()]
    days = known["ds"].dt.tz_convert(tz).dt.floor("1D") + _DAY
    ends = pd.DatetimeIndex(sorted(days.unique()))
    if len(ends) > MOST_LOOKS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_LOOKS).round().astype(int))]
    control = known["arm"].astype(str) == CONTROL
    names = columns_of(data, goal.metric)
    made = []
    for end in ends:
        until = days <= end
        try:
            one = compare(
                known[until & control], known[until & ~control], metric=goal.metric, outcome=names.outcome,
                denominator=names.denominator, covariate=names.covariate,
                covariate_denominator=names.covariate_denominator, paired=plan.form == "pairs",
                split=plan.split, alpha=goal.alpha, looks="any",
                tuned_for=TUNED_FOR if plan.planned is None else float(plan.planned),
            )  # fmt: skip
        except ExperimentError:  # the first days of an arm may have nobody
            continue
        if one.refused:
            continue
        effect = one.effect
        made.append((end, int(until.sum()), effect.estimate, effect.ci_lo, effect.ci_hi, effect.p_value))
    return pd.DataFrame(made, columns=columns)


def segments(verdict: Verdict) -> tuple[Segmented, ...]:
    """The first goal in each column of segments; none where it is refused or units have none."""
    goal, data = verdict.goal, verdict.data
    place = data.experiment.events or data.experiment.pairs
    if goal is None or goal.refused or place is None or goal.metric not in data.units:
        return ()
    found = [_segmented(verdict, goal, column) for column in place.segments if column in data.units]
    p_values = [one.differ.p_value if one.differ is not None else math.nan for one in found]
    if not found:
        return ()
    adjusted = multiplicity.adjusted(p_values, correction="holm")
    return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True))


def _segmented(verdict: Verdict, goal: Comparison, column: str) -> Segmented:
    plan, data = verdict.experiment, verdict.data
    names = columns_of(data, goal.metric)
    known = data.units[data.units[goal.metric].notna()]
    by_side = pd.crosstab(known[column].astype(str), known["arm"].astype(str)).reindex(columns=[*SIDES], fill_value=0)
    large = by_side[by_side.min(axis=1) >= FEWEST].sum(axis=1).sort_values(ascending=False, kind="stable")
    texts, control = known[column].astype(str), known["arm"].astype(str) == CONTROL
    made, effects, errors, shares = [], [], [], []
    for segment in large.index:
        own = texts == segment
        one = compare(
            known[own & control], known[own & ~control], metric=goal.metric, outcome=names.outcome,
            denominator=names.denominator, covariate=names.covariate,
            covariate_denominator=names.covariate_denominator, paired=plan.form == "pairs", split=plan.split,
            alpha=plan.alpha / len(large), looks=plan.looks,
            tuned_for=TUNED_FOR if plan.planned is None else float(plan.planned),
            higher_is_better=plan.metrics[goal.metric].higher_is_better,
        )  # fmt: skip
        made.append(
            {
                "segment": segment,
                "n": int(large[segment]),
                "control": one.control,
                "treatment": one.treatment,
                "estimate": one.effect.estimate,
                "lower": one.effect.ci_lo,
                "upper": one.effect.ci_hi,
                "lift": one.lift.estimate,
                "lift_lower": one.lift.ci_lo,
                "lift_upper": one.lift.ci_hi,
                "status": one.status,
            }
        )
        if goal.kind == "proportion":
            pair = [known.loc[own & side, goal.metric] for side in (control, ~control)]
            shares.append(tuple(Share(successes=float(each.sum()), n=float(len(each))) for each in pair))
        se = _error(known[own & control], known[own & ~control], one, names.outcome)
        if se > 0:
            effects.append(one.effect.estimate)
            errors.append(se)
    return Segmented(
        metric=goal.metric,
        column=column,
        table=pd.DataFrame(made),
        differ=heterogeneity(effects, errors) if len(effects) > 1 else None,
        p_adjusted=math.nan,
        strata=mantel_haenszel(*map(list, zip(*shares, strict=True)), alpha=plan.alpha) if len(shares) > 1 else None,
        small=int(len(by_side) - len(large)),
    )


def _error(control: pd.DataFrame, treatment: pd.DataFrame, one: Comparison, outcome: str) -> float:
    """Standard error of the effect in a segment; NaN where the method has none."""
    if one.refused:
        return math.nan
    if one.effect.se > 0:
        return one.effect.se
    parts = [float(each[outcome].astype(float).var(ddof=1)) / len(each) for each in (control, treatment)]
    return math.sqrt(sum(parts))


def need(verdict: Verdict, *, tz: str) -> Need | None:
    """What the first goal still needs to show the effect that is worth having; None where that is not said.

    The error of an effect shrinks with the root of the units, so n units that would mostly show `mde` become
    n (mde / worth)^2.
    """
    goal, data = verdict.goal, verdict.data
    if goal is None or goal.refused or not goal.mde_lift > 0:
        return None
    worth = verdict.experiment.metrics[goal.metric].worth
    if worth is None:
        return None
    have = int(min(goal.n_control, goal.n_treatment))
    units = math.ceil(have * (goal.mde_lift / worth) ** 2)
    a_day = _rate(verdict, tz=tz)
    days = 0.0 if units <= have else math.ceil((units - have) / a_day) if a_day > 0 else math.nan
    done = data.experiment.end is not None and data.end >= data.experiment.end
    return Need(worth=worth, units=units, have=have, a_day=a_day, days=math.nan if done and units > have else days)


def _rate(verdict: Verdict, *, tz: str) -> float:
    """Units that came to the smaller arm a day over the last seven days; NaN where they have no time."""
    units = verdict.data.units
    if units.empty or units["ds"].isna().all() or not sizes(verdict.data):
        return math.nan
    days = units["ds"].dt.tz_convert(tz).dt.floor("1D")
    last = days.max()
    whole = days[(days >= last - 7 * _DAY) & (days < last)]  # today is not over
    if whole.empty:
        return math.nan
    side = units.loc[whole.index, "arm"].astype(str)
    lasting = float(min(7, max((last - days.min()) / _DAY, 1)))
    return min(float((side == one).sum()) for one in SIDES) / lasting


def split_by_day(verdict: Verdict, *, tz: str) -> pd.DataFrame:
    """Units of each arm by civil day: ds, control, treatment; empty where they have no time."""
    units = verdict.data.units
    if units.empty or units["ds"].isna().all() or verdict.experiment.form == "pairs":
        return pd.DataFrame(columns=["ds", *SIDES])
    days = units["ds"].dt.tz_convert(tz).dt.floor("1D").rename("ds")
    found = pd.crosstab(days, units["arm"].astype(str)).reindex(columns=[*SIDES], fill_value=0)
    return found.reset_index().rename_axis(columns=None)
