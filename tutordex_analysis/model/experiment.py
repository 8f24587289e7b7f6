"""Treatment against control: one verdict a metric, or a refusal that says what would give one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import arms, multiplicity, srm, tail
from tutordex_analysis.model.arms import Arm, Columns
from tutordex_analysis.model.comparison import Comparison, Status
from tutordex_analysis.model.effect import Effect
from tutordex_analysis.model.judgement import test_of
from tutordex_analysis.model.judgement_together import paired_test
from tutordex_analysis.model.sequential import TUNED_FOR
from tutordex_analysis.model.tested import Level, Looks, Test
from tutordex_analysis.model.trial import Assignment, Gathered, Plan, gathered, of_rows
from tutordex_analysis.moment import Span, duration

NO_COLUMNS: Mapping[str, Columns] = {}


def compare(
    control: Arm,
    treatment: Arm,
    *,
    metric: str = "metric",
    unit: str = "unit",
    outcome: str = "outcome",
    denominator: str = "",
    covariate: str = "",
    covariate_denominator: str = "",
    quantile: float = math.nan,
    paired: bool = False,
    assignment: Assignment = "sticky",
    split: tuple[float, float] = (1.0, 1.0),
    alpha: float = 0.05,
    looks: Looks = "once",
    tuned_for: float = TUNED_FOR,
    higher_is_better: bool = True,
    block: Span = "1d",
    tz: str = "UTC",
) -> Comparison:
    """The verdict on one metric.

    Args:
        control: Totals of units (a mapping: successes and n; sum, sum_squares and n; mean, sd and n; numerator_sum,
            denominator_sum, their sum_squares, product_sum and n; events and exposure), or a table with one row a unit,
            or counters by bucket of time: a table with ds, y and, where trials are counted too, trials.
        treatment: The same form.
        metric: Its name, for the sentence.
        unit: Column of what was randomised.
        outcome: Column of the outcome: a number, or yes and no.
        denominator: Column below it, of a ratio metric.
        covariate: Column of the outcome (or numerator) from before the experiment; adjusts the effect (CUPED).
        covariate_denominator: Column of the denominator from before.
        quantile: Of the outcomes, in (0, 1), such as 0.95; a unit may have several rows then. NaN compares means.
        paired: Both tables hold the same units; their outcomes are compared pair by pair.
        assignment: "sticky" where a unit keeps its arm (users, say), "request" where each request was given an arm of
            its own, "none" where nothing was randomised, such as before against after, or one version against another.
        split: What control and treatment were meant to get, in any unit.
        alpha: In (0, 1).
        looks: "once" at the planned end; "any" for looks at any time, as often as one likes; or the share of the
            planned units at each look so far, rising, for a group sequential test (O'Brien and Fleming's spending).
        tuned_for: For "any": units an arm at which it is tightest, chosen before the first look.
        higher_is_better: False for failures or seconds.
        block: For counters: length of the blocks that are compared, a day or a multiple of what bursts last.
        tz: For counters: zone in which days begin.

    Returns:
        The effect with interval and p-value, or a refusal (`refused`, `reason`) in which they are NaN.

    Raises:
        ExperimentError: The numbers cannot be (more successes than trials, a missing outcome, a unit twice), the arms
            have different forms or buckets, times lack a zone, or alpha is no probability.

    Example:
        >>> verdict = compare({"successes": 200, "n": 4000}, {"successes": 246, "n": 4020}, metric="applied")
        >>> verdict.status
        'better'
        >>> print(verdict.sentence)
        applied: 6.12 % against 5 %. The treatment is better (+22 %, +2.1 to +47 %, 95 % interval, p = 0.029).
    """
    columns = Columns(
        unit=unit, outcome=outcome, denominator=denominator, covariate=covariate,
        covariate_denominator=covariate_denominator, quantile=quantile,
    )  # fmt: skip
    plan = Plan(
        alpha=alpha, looks=looks, tuned_for=tuned_for, assignment=assignment, split=split, block=duration(block), tz=tz
    )
    if paired:
        return _of_pairs(
            control, treatment, columns, plan, metric=metric, higher=higher_is_better, alpha=plan.at_look,
            p_adjusted=math.nan,
        )  # fmt: skip
    data = gathered(control, treatment, columns, plan)
    return _verdict(data, plan, metric=metric, higher=higher_is_better, alpha=plan.at_look, p_adjusted=math.nan)


def family(
    control: pd.DataFrame | Mapping[str, Arm],
    treatment: pd.DataFrame | Mapping[str, Arm],
    *,
    outcomes: Sequence[str],
    correction: multiplicity.Correction = "holm",
    others: int = 0,
    unit: str = "unit",
    columns: Mapping[str, Columns] = NO_COLUMNS,
    paired: bool = False,
    assignment: Assignment = "sticky",
    split: tuple[float, float] = (1.0, 1.0),
    check: srm.Srm | None = None,
    alpha: float = 0.05,
    looks: Literal["once", "any"] = "once",
    tuned_for: float = TUNED_FOR,
    lower_is_better: Sequence[str] = (),
    block: Span = "1d",
    tz: str = "UTC",
) -> tuple[Comparison, ...]:
    """The verdicts on several metrics at once; intervals agree with the corrected decisions.

    Args:
        control: A table with one row a unit, or an arm of any form that `compare` takes for each metric by its name.
        treatment: The same form.
        outcomes: Columns, or names, of the metrics.
        correction: "holm" bounds the chance of any false finding, "benjamini-hochberg" the share of false ones, "none".
        others: Further tests of the same family that cannot be made yet; the correction counts them.
        unit: Column of what was randomised.
        columns: Of metrics that have more than an outcome: denominator, covariates, quantile.
        paired: As in `compare`, for all of them.
        assignment: As in `compare`.
        split: As in `compare`.
        check: Of the split, where it was made over more than the units of each metric; None makes one a metric.
        alpha: Of the family.
        looks: As in `compare`, without a group sequential plan.
        tuned_for: As in `compare`.
        lower_is_better: Those metrics of which less is better.
        block: As in `compare`.
        tz: As in `compare`.

    Returns:
        One comparison a metric in the order of `outcomes`; each one's `alpha` is what its interval had to be held to.

    Raises:
        ExperimentError: As in `compare`, or an unknown metric.
    """
    plan = Plan(
        alpha=alpha, looks=looks, tuned_for=tuned_for, assignment=assignment, split=split, block=duration(block), tz=tz
    )
    named = {one: columns.get(one, Columns(unit=unit, outcome=one)) for one in outcomes}
    if isinstance(control, pd.DataFrame) != isinstance(treatment, pd.DataFrame):
        raise ExperimentError("the arms come in different forms; give both as tables or both as totals")
    each = {one: (_arm(control, one), _arm(treatment, one)) for one in outcomes}
    found: dict[str, Gathered] = {}
    if not paired and isinstance(control, pd.DataFrame) and isinstance(treatment, pd.DataFrame):
        rows = arms.checked_rows(control, treatment, unit=unit)
        found = {one: of_rows(rows, named[one], plan) for one in outcomes}
    elif not paired:
        found = {one: gathered(*each[one], named[one], plan) for one in outcomes}
    if check is not None:
        found = {one: replace(data, check=check) for one, data in found.items()}

    def verdict(name: str, level: float, p: float) -> Comparison:
        higher = name not in lower_is_better
        if paired:
            return _of_pairs(*each[name], named[name], plan, metric=name, higher=higher, alpha=level, p_adjusted=p)
        return _verdict(found[name], plan, metric=name, higher=higher, alpha=level, p_adjusted=p)

    p_values = [*(verdict(name, alpha, math.nan).p_value for name in outcomes), *([1.0] * others)]
    adjusted = multiplicity.adjusted(p_values, correction=correction)
    levels = multiplicity.interval_alphas(p_values, alpha=alpha, correction=correction)
    return tuple(verdict(name, float(levels[i]), float(adjusted[i])) for i, name in enumerate(outcomes))


def _arm(side: pd.DataFrame | Mapping[str, Arm], metric: str) -> Arm:
    if isinstance(side, pd.DataFrame):
        return side
    if metric not in side:
        raise ExperimentError(f"there is no metric {metric!r} in both arms")
    return side[metric]


def _of_pairs(
    control: Arm,
    treatment: Arm,
    columns: Columns,
    plan: Plan,
    *,
    metric: str,
    higher: bool,
    alpha: float,
    p_adjusted: float,
) -> Comparison:
    if not (isinstance(control, pd.DataFrame) and isinstance(treatment, pd.DataFrame)):
        raise ExperimentError("pairs come as two tables of the same units")
    one, two, alone = arms.paired_rows(control, treatment, columns)
    notes = (f"{alone:,} units are in one table only and are left out",) if alone else ()
    n = float(len(one))
    found = paired_test(one, two, _level(plan, alpha))
    return _comparison(
        found, plan, metric=metric, higher=higher, n=(n, n), check=None, notes=notes, alpha=alpha,
        p_adjusted=p_adjusted,
    )  # fmt: skip


def _level(plan: Plan, alpha: float) -> Level:
    any_look = isinstance(plan.looks, str) and plan.looks == "any"
    return Level(alpha=alpha, any_look=any_look, tuned_for=plan.tuned_for, sized_for=plan.alpha)


def _verdict(data: Gathered, plan: Plan, *, metric: str, higher: bool, alpha: float, p_adjusted: float) -> Comparison:
    share = plan.split[1] / sum(plan.split)
    found = test_of(data.control, data.treatment, _level(plan, alpha), kind=data.kind, share=share)
    refusal, reason = _refusal(data, plan)
    if refusal:
        found = replace(found, refusal=refusal, reason=reason)
    return _comparison(
        found, plan, metric=metric, higher=higher, n=data.n, check=data.check, notes=data.notes, alpha=alpha,
        p_adjusted=p_adjusted,
    )  # fmt: skip


def _refusal(data: Gathered, plan: Plan) -> tuple[Status | Literal[""], str]:
    """What stands in the way of a test, whatever it says."""
    if plan.assignment == "none":
        return "not_randomised", (
            "the arms are different times or versions and differ in more than the change; compare with a forecast that "
            "was frozen at the change, or split the same units at random"
        )
    if data.check is not None and data.check.failed:
        return "blocked", f"{srm.threshold_text(data.check)}, so the arms cannot be compared; find out who is missing"
    if data.counters and plan.assignment == "sticky":
        return "no_verdict", (
            "counters do not say whose events they are, and a user who keeps an arm makes many; give one row a user "
            "(exposure and outcome events), or say assignment='request' where each request was given its own arm"
        )
    return "", ""


def _comparison(
    found: Test,
    plan: Plan,
    *,
    metric: str,
    higher: bool,
    n: tuple[float, float],
    check: srm.Srm | None,
    notes: tuple[str, ...],
    alpha: float,
    p_adjusted: float,
) -> Comparison:
    effect, lift = found.effect, found.lift
    if found.refusal:
        effect, lift = _bare(effect), _bare(lift)
    adjusted = effect.p_value if math.isnan(p_adjusted) or found.refusal else p_adjusted
    level = plan.alpha if not math.isnan(p_adjusted) else alpha
    status: Status = found.refusal or _status(effect.estimate, adjusted <= level, higher)
    detectable = (found.crit + tail.critical(0.4)) * found.se if found.se > 0 else math.nan  # power 0.8
    if not isinstance(plan.looks, str):
        notes = (*notes, f"look {len(plan.looks)}: a difference is shown from p = {alpha:.2g}")
    return Comparison(
        metric=metric,
        kind=found.kind,
        status=status,
        control=found.control,
        treatment=found.treatment,
        n_control=n[0],
        n_treatment=n[1],
        effect=effect,
        lift=lift,
        alpha=alpha,
        p_adjusted=adjusted,
        method=effect.method,
        why=found.why,
        dispersion=found.dispersion,
        effective_n=found.effective_n,
        blocks=found.blocks,
        srm=check,
        mde=detectable,
        mde_lift=detectable / abs(found.control) if found.control else math.nan,
        notes=notes,
        reason=found.reason,
    )


def _status(estimate: float, shown: bool, higher: bool) -> Status:
    if not shown or estimate == 0:
        return "no_difference_shown"
    return "better" if (estimate > 0) == higher else "worse"


def _bare(effect: Effect) -> Effect:
    """The estimate alone."""
    nan = math.nan
    return replace(effect, se=nan, statistic=nan, p_value=nan, ci_lo=nan, ci_hi=nan)
