"""What an experiment brings to its test: the plan, and both arms with the check of their split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import arms, group_sequential, srm, tail
from tutordex_analysis.model.arms import Arm, Columns
from tutordex_analysis.model.comparison import Kind
from tutordex_analysis.model.judgement import Data
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.rates import Rate
from tutordex_analysis.model.summary import Moments
from tutordex_analysis.model.tested import Looks

Assignment: TypeAlias = Literal["sticky", "request", "none"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was decided before the first look; see `experiment.compare`."""

    alpha: float
    looks: Looks
    tuned_for: float
    assignment: Assignment
    split: tuple[float, float]
    block: pd.Timedelta
    tz: str

    def __post_init__(self) -> None:
        tail.checked_alpha(self.alpha)
        if self.assignment not in ("sticky", "request", "none"):
            raise ExperimentError(f"an assignment is sticky, request or none; got {self.assignment!r}")
        if isinstance(self.looks, str) and self.looks not in ("once", "any"):
            raise ExperimentError(f"looks are once, any, or shares of the planned units; got {self.looks!r}")
        if len(self.split) != 2 or not min(self.split) > 0:
            raise ExperimentError(f"the split gives both arms a share above 0; got {self.split}")

    @property
    def at_look(self) -> float:
        """The alpha of this look."""
        if isinstance(self.looks, str):
            return self.alpha
        return group_sequential.bounds(self.looks, alpha=self.alpha).nominal_p[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """Both arms ready for a test."""

    control: Data
    treatment: Data
    kind: Kind
    n: tuple[float, float]
    check: srm.Srm | None
    counters: bool
    notes: tuple[str, ...]


def gathered(control: Arm, treatment: Arm, columns: Columns, plan: Plan) -> Gathered:
    """Both arms in whatever form they came.

    Raises:
        ExperimentError: The forms differ, or the numbers cannot be.
    """
    tables = [isinstance(one, pd.DataFrame) for one in (control, treatment)]
    if isinstance(control, pd.DataFrame) and isinstance(treatment, pd.DataFrame):
        if arms.is_counters(control) and arms.is_counters(treatment):
            return _of_counters(control, treatment, plan)
        several = not math.isnan(columns.quantile)
        rows = arms.checked_rows(control, treatment, unit=columns.unit, several=several)
        return of_rows(rows, columns, plan)
    if any(tables) or isinstance(control, pd.DataFrame) or isinstance(treatment, pd.DataFrame):
        raise ExperimentError("the arms come in different forms; give both as the same totals or tables")
    asked = [name for name in (columns.denominator, columns.covariate, columns.covariate_denominator) if name]
    if asked or not math.isnan(columns.quantile):
        raise ExperimentError("a quantile, a denominator or a covariate needs a table with one row a unit")
    one, two = arms.of_totals(control, side="control"), arms.of_totals(treatment, side="treatment")
    if isinstance(one, Rate) and isinstance(two, Rate):
        return Gathered(
            control=one, treatment=two, kind="rate", n=(one.events, two.events), check=None, counters=True, notes=()
        )
    if isinstance(one, Rate) or isinstance(two, Rate) or type(one) is not type(two):
        raise ExperimentError("the arms come in different forms; give both as the same totals or tables")
    kind: Kind = "proportion" if isinstance(one, Share) else "ratio" if isinstance(one, Moments) else "mean"
    n = (one.n, two.n)
    return Gathered(control=one, treatment=two, kind=kind, n=n, check=_split_of(n, plan), counters=False, notes=())


def of_rows(rows: arms.Rows, columns: Columns, plan: Plan) -> Gathered:
    """Both arms from tables of units that were checked."""
    one, two = (
        arms.of_rows(table, columns, arm=name, alpha=plan.alpha)
        for name, table in (("control", rows.control), ("treatment", rows.treatment))
    )
    kind: Kind = "ratio" if columns.denominator else "mean"
    if isinstance(one, Share) and isinstance(two, Share):
        kind = "proportion"
    if not math.isnan(columns.quantile):
        kind = "quantile"
    n = (one.n, two.n)
    return Gathered(
        control=one, treatment=two, kind=kind, n=n, check=_split_of(n, plan), counters=False, notes=rows.notes
    )


def _of_counters(control: pd.DataFrame, treatment: pd.DataFrame, plan: Plan) -> Gathered:
    if set(control["ds"]) != set(treatment["ds"]):
        apart = len(set(control["ds"]) ^ set(treatment["ds"]))
        raise ExperimentError(f"the arms have different buckets: {apart} are in one arm only")
    if ("trials" in control) != ("trials" in treatment):
        raise ExperimentError("only one arm has trials")
    one, two = (
        arms.of_counters(frame, block=plan.block, tz=plan.tz, arm=name)
        for name, frame in (("control", control), ("treatment", treatment))
    )
    trials = (one.trials, two.trials)
    check = None
    n = (float(len(one.ds)), float(len(two.ds)))
    if trials[0] is not None and trials[1] is not None:
        n = (float(trials[0].sum()), float(trials[1].sum()))
        check = _split_of(n, plan) if plan.assignment == "request" and sum(n) > 0 else None
    begun = len(set(control["ds"].dt.tz_convert(plan.tz).dt.tz_localize(None).dt.floor(plan.block)))
    left_out = begun - len(one.ds.intersection(two.ds))
    notes = (f"{left_out} blocks of time lack a bucket and are left out",) if left_out else ()
    return Gathered(
        control=one,
        treatment=two,
        kind="rate" if one.trials is None else "proportion",
        n=n,
        check=check,
        counters=True,
        notes=notes,
    )


def _split_of(n: tuple[float, float], plan: Plan) -> srm.Srm:
    if isinstance(plan.looks, str) and plan.looks == "once":
        return srm.chi_square(n, plan.split)
    return srm.sequential([n], plan.split).check
