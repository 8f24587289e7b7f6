"""What a test of two arms says, in a form that is the same for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tutordex_analysis.model.comparison import Kind, Status
from tutordex_analysis.model.effect import Effect

Looks: TypeAlias = Literal["once", "any"] | Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Level:
    """How sure a verdict is.

    Attributes:
        alpha: Of this test.
        any_look: Whether the test must hold at any look.
        tuned_for: Units an arm at which a test of any look is tightest.
        sized_for: The alpha that its bets are sized for.
    """

    alpha: float
    any_look: bool
    tuned_for: float
    sized_for: float


@dataclass(frozen=True, kw_only=True)
class Test:
    """What a test says; `refusal` and `reason` are empty where it says something.

    Attributes:
        kind: Of the metric.
        control: The metric in the control.
        treatment: In the treatment.
        effect: Absolute.
        lift: As a share of the control.
        se: Of the effect, for what could have been seen.
        crit: Critical size of the statistic.
        why: Why this test.
        dispersion: As in `Comparison`.
        effective_n: As in `Comparison`.
        blocks: Of time.
        refusal: A status that refuses, or empty.
        reason: Of the refusal.
    """

    kind: Kind
    control: float
    treatment: float
    effect: Effect
    lift: Effect
    se: float
    crit: float
    why: str
    dispersion: float = math.nan
    effective_n: float = math.nan
    blocks: int = 0
    refusal: Status | Literal[""] = ""
    reason: str = ""


def nothing(kind: Kind, control: float, treatment: float, level: Level, reason: str) -> Test:
    """A refusal for want of data."""
    nan = math.nan
    effect = Effect(
        estimate=treatment - control,
        se=nan,
        statistic=nan,
        df=nan,
        p_value=nan,
        ci_lo=nan,
        ci_hi=nan,
        alpha=level.alpha,
        method="none",
    )
    lift = unknown(effect, over(treatment - control, abs(control)))
    return Test(
        kind=kind,
        control=control,
        treatment=treatment,
        effect=effect,
        lift=lift,
        se=nan,
        crit=nan,
        why="",
        refusal="not_enough",
        reason=reason,
    )


def unknown(effect: Effect, estimate: float) -> Effect:
    """The same test without bounds."""
    return replace(effect, estimate=estimate, se=math.nan, ci_lo=-math.inf, ci_hi=math.inf)


def over(above: float, below: float) -> float:
    """A ratio; NaN where nothing is below."""
    return float(above / below) if below else math.nan
