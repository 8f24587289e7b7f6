"""What stands behind a verdict: the effect day by day, segment by segment, the split, and what is still needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tutordex_analysis.civil import midnight
from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.experiment import CONTROL, SIDES, Experiment
from tutordex_analysis.model import multiplicity, tail
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.experiment import compare
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.segments import Heterogeneity, Strata, heterogeneity, mantel_haenszel
from tutordex_analysis.model.sequential import TUNED_FOR, critical_z, information
from tutordex_analysis.moment import duration
from tutordex_analysis.question.experiment_verdict import (
    Verdict,
    arms_of,
    columns_of,
    day_of,
    ended,
    families,
    sizes,
    together,
)

MOST_LOOKS = 40  # days that are told of an experiment; a longer one is told at as many moments
FEWEST = 30  # units an arm of a segment that is told
_SEGMENT = (
    *("segment", "n", "control", "treatment", "estimate", "lower", "upper"),
    *("lift", "lift_lower", "lift_upper", "status"),
)
_DAY = pd.Timedelta(days=1)
_POWER = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmented:
    """One goal in the parts of one column.

    Attributes:
        metric: The goal.
        column: The segment's name.
        table: segment, n, control, treatment, estimate, lower, upper, lift, lift_lower, lift_upper, status; the largest
            first. Intervals are wide enough for all segments together.
        differ: Whether the effect differs between them; None with fewer than two segments that could be judged.
        p_adjusted: Its p-value over all columns of segments; at any look where the plan allows them.
        shown: Whether an effect is shown at all, by all units together or with segments held fixed.
        strata: Of a yes or no: the effect with segments held fixed; None for others.
        small: Segments with too few units to be told, or that cannot be judged.
    """

    metric: str
    column: str
    table: pd.DataFrame
    differ: Heterogeneity | None
    p_adjusted: float
    shown: bool
    strata: Strata | None
    small: int

    @property
    def reversed(self) -> bool:
        """Whether all units together say the opposite of the segments (Simpson), and it is more than chance."""
        return self.strata is not None and self.strata.reversed and self.shown


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
    rows = data.units
    if goal.metric not in rows or rows["ds"].isna().all():
        return pd.DataFrame(columns=columns)
    days = day_of(rows, tz=tz)
    ends = pd.DatetimeIndex(sorted(days[rows[goal.metric].notna()].dropna().unique()))
    if len(ends) > MOST_LOOKS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_LOOKS).round().astype(int))]
    made = []
    for day in ends:
        try:
            one = _goals_by(verdict, days <= day, tz=tz)[goal.metric]
        except ExperimentError:  # the first days of an arm may have nobody
            continue
        if one.refused:
            continue
        effect, n = one.effect, int((rows[goal.metric].notna() & (days <= day)).sum())
        made.append((midnight(day + 1.5 * _DAY, tz=tz), n, effect.estimate, effect.ci_lo, effect.ci_hi, effect.p_value))
    return pd.DataFrame(made, columns=columns)


def _goals_by(verdict: Verdict, until: pd.Series, *, tz: str) -> dict[str, Comparison]:
    """The goals as they stood with some of the units, corrected together as in the verdict."""
    plan, data = verdict.experiment, verdict.data
    then = replace(data, units=data.units[until])
    goals, correction = next(families(plan))
    ready = {name: arms for name in goals if name in then.units and (arms := arms_of(then, name)) is not None}
    return together(then, ready, correction, verdict.check, others=len(goals) - len(ready), tz=tz)


def segments(verdict: Verdict) -> tuple[Segmented, ...]:
    """The first goal in each column of segments; none where it is refused or units have none."""
    goal, data = verdict.goal, verdict.data
    place = data.experiment.events or data.experiment.pairs
    if goal is None or goal.refused or place is None or goal.metric not in data.units:
        return ()
    found = [_segmented(verdict, goal, column) for column in place.segments if column in data.units]
    if not found:
        return ()
    adjusted = multiplicity.adjusted([one.p_adjusted for one in found], correction="holm")
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
        try:
            one = compare(
                known[own & control], known[own & ~control], metric=goal.metric, outcome=names.outcome,
                denominator=names.denominator, covariate=names.covariate,
                covariate_denominator=names.covariate_denominator, paired=plan.form == "pairs", split=plan.split,
                alpha=plan.alpha / len(large), looks=plan.looks, tuned_for=_tuned(plan),
                higher_is_better=plan.metrics[goal.metric].higher_is_better,
            )  # fmt: skip
        except ExperimentError:  # such as a ratio of which nobody in the segment has the lower part
            continue
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
    differ = heterogeneity(effects, errors) if len(effects) > 1 else None
    strata = mantel_haenszel(*map(list, zip(*shares, strict=True)), alpha=plan.alpha) if len(shares) > 1 else None
    so_far = float(information(goal.n_control, goal.n_treatment, tuned_for=_tuned(plan)))
    p, shown = math.nan, goal.status in ("better", "worse")
    if differ is not None:
        p = differ.p_value if plan.looks == "once" else differ.p_value_at_any_look(so_far)
    if strata is not None:
        z = strata.adjusted.statistic
        held = strata.adjusted.significant if plan.looks == "once" else abs(z) >= critical_z(so_far, alpha=plan.alpha)
        shown = shown or bool(held)
    return Segmented(
        metric=goal.metric,
        column=column,
        table=pd.DataFrame(made, columns=[*_SEGMENT]),
        differ=differ,
        p_adjusted=p,
        shown=shown,
        strata=strata,
        small=int(len(by_side) - len(made)),
    )


def _tuned(plan: Experiment) -> float:
    """Units an arm for which intervals are tightest."""
    return TUNED_FOR if plan.planned is None else float(plan.planned)


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

    The error of an effect shrinks with the root of the units, and where one may look at any time the bound that it must
    pass falls towards the planned size: the units are those at which both together show the effect with power 0.8.
    """
    goal, data, plan = verdict.goal, verdict.data, verdict.experiment
    if goal is None or goal.refused or not goal.mde_lift > 0:
        return None
    worth = plan.metrics[goal.metric].worth
    if worth is None:
        return None
    have = int(min(goal.n_control, goal.n_treatment))
    units = _enough(have, goal.mde_lift / worth, plan, goal.alpha)
    a_day = _rate(verdict, tz=tz)
    exposed = min(sizes(data).values(), default=have)  # some of them have not been watched for long enough
    within = plan.metrics[goal.metric].within
    wait = duration(within) / _DAY if within else 0.0
    days = 0.0
    if units > have:
        came = 0.0 if units <= exposed else (units - exposed) / a_day if a_day > 0 else math.nan
        days = math.nan if ended(data) else math.ceil(came + wait) if math.isfinite(came) else math.nan
    return Need(worth=worth, units=units, have=have, a_day=a_day, days=days)


def _enough(have: int, ratio: float, plan: Experiment, alpha: float) -> int:
    """Units an arm, where so many would mostly show `ratio` times the effect in question."""
    plain = have * ratio**2
    if plan.looks == "once" or plan.form == "counters":
        return math.ceil(plain)

    def seen(n: float) -> float:
        """Bound and power together, in errors of an effect of n units."""
        return float(critical_z(n / _tuned(plan), alpha=alpha, sized_for=plan.alpha)) + tail.critical(2 * (1 - _POWER))

    low, high = 1.0, max(plain, float(have), 2.0)
    scale = plain / seen(have) ** 2
    while scale * seen(high) ** 2 > high:
        low, high = high, 2 * high
    while high - low > max(1.0, 0.001 * low):
        middle = (low + high) / 2
        low, high = (middle, high) if scale * seen(middle) ** 2 > middle else (low, middle)
    return math.ceil(high)


def _rate(verdict: Verdict, *, tz: str) -> float:
    """Units that came to the smaller arm a day over the last seven whole days; NaN where they have no time."""
    units = verdict.data.units
    if units.empty or units["ds"].isna().all() or not sizes(verdict.data):
        return math.nan
    days = day_of(units, tz=tz)
    last = midnight(verdict.data.end, tz=tz)  # today is not over
    whole = days[(days >= last - 7 * _DAY) & (days < last)]
    side = units.loc[whole.index, "arm"].astype(str)
    lasting = float(min(7, max((last - days.min()) / _DAY, 1)))
    return min(float((side == one).sum()) for one in SIDES) / lasting


def split_by_day(verdict: Verdict, *, tz: str) -> pd.DataFrame:
    """Units of each arm by civil day: ds, control, treatment; empty where they have no time."""
    units = verdict.data.units
    if units.empty or units["ds"].isna().all() or verdict.experiment.form == "pairs":
        return pd.DataFrame(columns=["ds", *SIDES])
    found = pd.crosstab(day_of(units, tz=tz), units["arm"].astype(str)).reindex(columns=[*SIDES], fill_value=0)
    return found.reset_index().rename_axis(columns=None)
