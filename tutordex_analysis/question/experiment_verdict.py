"""The verdict on one experiment: its goals decide, its guardrails may stop it, everything else is behaviour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.civil import midnight
from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.experiment import CONTROL, SIDES, Experiment, Metric, Role
from tutordex_analysis.experiment_data import ExperimentData, covariate_of, denominator_of
from tutordex_analysis.measure import day_text
from tutordex_analysis.model import srm
from tutordex_analysis.model.arms import Arm, Columns
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.experiment import family
from tutordex_analysis.model.multiplicity import Correction
from tutordex_analysis.model.sequential import TUNED_FOR

State: TypeAlias = Literal[
    "better",
    "worse",
    "mixed",
    "harmed",
    "no_difference_shown",
    "blocked",
    "no_verdict",
    "not_randomised",
    "not_enough",
]
Guard: TypeAlias = Literal["held", "harmed", "open"]
_VALUE = "y"  # column of the values of a quantile


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What one experiment says.

    Attributes:
        data: What was read, with the plan.
        comparisons: By metric; those of a role are one family (guardrails are judged each on its own).
        unjudged: Why a metric has no comparison, by its name.
        guards: Of the guardrails with a verdict: held where the interval excludes a loss of the margin, harmed where a
            loss is shown, open otherwise.
        check: Of the split over all units; None where units were not counted.
        state: What the goals say together, or why they say nothing; "harmed" where a guardrail is and no goal is worse,
            "blocked" wherever the split failed.
    """

    data: ExperimentData
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)
    guards: Mapping[str, Guard] = field(default_factory=dict)
    check: srm.Srm | None = None
    state: State = "not_enough"

    @property
    def experiment(self) -> Experiment:
        """The plan."""
        return self.data.experiment

    def of_role(self, role: Role) -> dict[str, Comparison]:
        """The comparisons of one role, in the order of the plan."""
        return {name: one for name, one in self.comparisons.items() if self.experiment.metrics[name].role == role}

    @property
    def goal(self) -> Comparison | None:
        """The comparison that is told first; None where no goal has one."""
        return next(iter(self.of_role("goal").values()), None)


def verdict(data: ExperimentData, *, tz: str) -> Verdict:
    """Judges an experiment.

    Goals are corrected together as the plan says, behaviour likewise. Guardrails are not: all of them must hold before
    anything is called good, and a harm should be seen rather early.

    Args:
        data: What was read.
        tz: Zone in which days begin, for counters and the check of the split.
    """
    plan = data.experiment
    if data.lacks:
        return Verdict(data=data, unjudged=dict.fromkeys(plan.metrics, data.lacks))
    check = split_check(data, tz=tz)
    broken = check is not None and check.failed and plan.assignment != "none"
    if plan.looks == "once" and not ended(data):
        unjudged = dict.fromkeys(plan.metrics, _too_early(data, tz))
        return Verdict(data=data, unjudged=unjudged, check=check, state="blocked" if broken else "not_enough")
    found: dict[str, Comparison] = {}
    unjudged = {}
    for names, correction in families(plan):
        ready = _ready(data, names, unjudged)
        try:
            found |= together(data, ready, correction, check, others=len(names) - len(ready), tz=tz)
        except ExperimentError:  # one of them cannot be judged; the others shall not suffer
            ready = _able(data, ready, check, unjudged, tz=tz)
            found |= together(data, ready, correction, check, others=len(names) - len(ready), tz=tz)
    ordered = {name: found[name] for name in plan.metrics if name in found}
    guards = {
        name: guard(one, plan.metrics[name])
        for name, one in ordered.items()
        if plan.metrics[name].role == "guardrail" and not one.refused
    }
    goals = [one for name, one in ordered.items() if plan.metrics[name].role == "goal"]
    state: State = "blocked" if broken else _state(goals, harmed="harmed" in guards.values())
    return Verdict(data=data, comparisons=ordered, unjudged=unjudged, guards=guards, check=check, state=state)


def _ready(data: ExperimentData, names: Sequence[str], unjudged: dict[str, str]) -> dict[str, tuple[Arm, Arm]]:
    """The arms of those metrics that have any; why the others have none goes into `unjudged`."""
    found: dict[str, tuple[Arm, Arm]] = {}
    for name in names:
        arms = arms_of(data, name)
        if arms is None or (why := _lacking(arms, data.experiment.metrics[name])):
            unjudged[name] = "no row of it was read" if arms is None else why
        else:
            found[name] = arms
    return found


def _able(
    data: ExperimentData,
    ready: Mapping[str, tuple[Arm, Arm]],
    check: srm.Srm | None,
    unjudged: dict[str, str],
    *,
    tz: str,
) -> dict[str, tuple[Arm, Arm]]:
    """Those that can be judged each by itself; why the others cannot goes into `unjudged`."""
    found: dict[str, tuple[Arm, Arm]] = {}
    for name, arms in ready.items():
        try:
            together(data, {name: arms}, "none", check, others=0, tz=tz)
        except ExperimentError as error:
            unjudged[name] = str(error)
        else:
            found[name] = arms
    return found


def guard(one: Comparison, metric: Metric) -> Guard:
    """Whether a guardrail held: its interval must exclude a loss as large as the margin.

    References:
        ICH E9 (1998), section 3.3.2, for non-inferiority by the interval.
    """
    margin = metric.margin if metric.margin is not None else math.nan
    worst = one.lift.ci_lo if metric.higher_is_better else -one.lift.ci_hi
    if worst > -margin:
        return "held"
    return "harmed" if one.status == "worse" else "open"


def ended(data: ExperimentData) -> bool:
    """Whether the planned end is reached: its moment, or the planned units in both arms."""
    plan = data.experiment
    enough = plan.planned is not None and min(sizes(data).values(), default=0) >= plan.planned
    return data.over or (plan.looks == "any" and enough)


def sizes(data: ExperimentData) -> dict[str, int]:
    """Units of each arm; empty where units were not counted."""
    if data.units.empty:
        return {}
    side = data.units["arm"].astype(str)
    return {one: int((side == one).sum()) for one in SIDES}


def _too_early(data: ExperimentData, tz: str) -> str:
    plan, have = data.experiment, min(sizes(data).values(), default=0)
    wanted = [f"on {day_text(plan.end, ZoneInfo(tz))}"] if plan.end is not None else []
    if plan.planned is not None:
        wanted.append(f"when {plan.planned:,} units an arm have come ({have:,} so far)")
    return f"it is looked at once, at its end: {' or '.join(wanted)}"


def split_check(data: ExperimentData, *, tz: str) -> srm.Srm | None:
    """The split of all exposed units, day by day where it may be looked at any time; None where it is none."""
    plan, units = data.experiment, data.units
    if plan.form != "events" or units.empty:
        return None
    side = units["arm"].astype(str)
    if plan.looks == "once":
        return srm.chi_square([float((side == one).sum()) for one in SIDES], plan.split)
    looks = pd.crosstab(day_of(units, tz=tz), side).reindex(columns=[*SIDES], fill_value=0)
    return srm.sequential(looks.to_numpy(np.float64), plan.split).check


def day_of(units: pd.DataFrame, *, tz: str) -> pd.Series:
    """When the civil day of each unit's `ds` began; NaT without one."""
    return pd.Series(midnight(pd.DatetimeIndex(units["ds"]), tz=tz), index=units.index, name="ds")


def arms_of(data: ExperimentData, name: str) -> tuple[Arm, Arm] | None:
    """Both arms of a metric in the form that `compare` takes; None where nothing of it was read."""
    if name in data.totals:
        return data.totals[name]
    if name in data.series:
        return data.series[name]
    table = data.values.get(name, data.units)
    column = _VALUE if name in data.values else name
    if table.empty or column not in table:
        return None
    known = table[table[column].notna()]
    control = known["arm"].astype(str) == CONTROL
    return known[control], known[~control]


def columns_of(data: ExperimentData, name: str) -> Columns:
    """What the columns of a metric's table are called."""
    quantile = data.experiment.metrics[name].quantile
    if quantile is not None:
        return Columns(outcome=_VALUE, quantile=quantile)
    there = {*data.units.columns}
    below, before = denominator_of(name), covariate_of(name)
    below_before = covariate_of(below)
    return Columns(
        outcome=name,
        denominator=below if below in there else "",
        covariate=before if before in there else "",
        covariate_denominator=below_before if below_before in there else "",
    )


def families(plan: Experiment) -> Iterator[tuple[list[str], Correction]]:
    """Names that are corrected together, and how."""
    by_role: dict[Role, list[str]] = {"goal": [], "guardrail": [], "behaviour": []}
    for name, metric in plan.metrics.items():
        by_role[metric.role].append(name)
    yield by_role["goal"], plan.correction
    yield by_role["behaviour"], plan.correction
    for name in by_role["guardrail"]:
        yield [name], "none"


def together(
    data: ExperimentData,
    ready: Mapping[str, tuple[Arm, Arm]],
    correction: Correction,
    check: srm.Srm | None,
    *,
    others: int,
    tz: str,
) -> dict[str, Comparison]:
    """The comparisons of one family of metrics, `others` of which cannot be made yet and count in the correction."""
    if not ready:
        return {}
    plan = data.experiment
    made = family(
        {name: arms[0] for name, arms in ready.items()},
        {name: arms[1] for name, arms in ready.items()},
        outcomes=[*ready],
        correction=correction,
        others=others,
        columns={name: columns_of(data, name) for name in ready},
        paired=plan.form == "pairs",
        assignment=plan.assignment,
        split=plan.split,
        check=check,
        alpha=plan.alpha,
        looks="once" if plan.looks == "once" or (plan.form == "counters" and ended(data)) else "any",
        tuned_for=TUNED_FOR if plan.planned is None else float(plan.planned),
        lower_is_better=[name for name in ready if not plan.metrics[name].higher_is_better],
        tz=tz,
    )
    return dict(zip(ready, made, strict=True))


def _lacking(arms: tuple[Arm, Arm], metric: Metric) -> str:
    """Why a metric cannot be judged yet, "" where it can."""
    for side, arm in zip(SIDES, arms, strict=True):
        if isinstance(arm, pd.DataFrame) and arm.empty:
            since = f" that was watched for {metric.within}" if metric.within else ""
            return f"the {side} has no unit{since} yet"
    return ""


def _state(goals: list[Comparison], *, harmed: bool) -> State:
    """What the goals say together, beside a guardrail that may be harmed."""
    if not goals:
        return "not_enough"
    refusals = [one.status for one in goals if one.refused]
    shown = {one.status for one in goals if one.status in ("better", "worse")}
    if len(refusals) == len(goals):
        return refusals[0]
    if shown == {"better", "worse"}:
        return "mixed"
    if "worse" in shown:
        return "worse"
    if harmed:
        return "harmed"
    return "better" if "better" in shown else "no_difference_shown"
