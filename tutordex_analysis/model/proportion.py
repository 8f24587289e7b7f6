"""Two proportions: z, score and Newcombe intervals, non-inferiority."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import score_interval, tail
from tutordex_analysis.model.effect import Effect, wald
from tutordex_analysis.model.tail import Alternative

SMALL = 20  # conversions a side; below it the score interval is widened
_CAUTION = 0.8  # of alpha below SMALL: by enumeration the score interval covers 94.4 % at worst there, this one 95 %


@dataclass(frozen=True, kw_only=True)
class Share:
    """Successes out of trials in one arm.

    Attributes:
        successes: From 0 to n.
        n: Units, at least 1.
    """

    successes: float
    n: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.successes) and math.isfinite(self.n)):
            raise ExperimentError(f"counts must be finite; got {self.successes:g} of {self.n:g}")
        if self.n < 1:
            raise ExperimentError(f"an arm needs at least one unit; got {self.n:g}")
        if self.successes < 0:
            raise ExperimentError(f"a count cannot be negative; got {self.successes:g}")
        if self.successes > self.n:
            raise ExperimentError(f"more successes ({self.successes:g}) than trials ({self.n:g})")

    @property
    def p(self) -> float:
        """The proportion."""
        return self.successes / self.n

    @property
    def rare(self) -> float:
        """The smaller of successes and failures."""
        return min(self.successes, self.n - self.successes)


def two_proportion_z(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    pooled: bool = True,
    null: float = 0.0,
) -> Effect:
    """The textbook's z test with Wald's interval; good at large counts only.

    Args:
        control: One arm.
        treatment: The other.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        pooled: Whether the test's variance is that of both arms together; the interval's never is.
        null: The difference that is tested.

    Returns:
        `se` is that of the test.
    """
    apart = math.sqrt(_variance(control) + _variance(treatment))
    p = (control.successes + treatment.successes) / (control.n + treatment.n)
    se = math.sqrt(p * (1 - p) * (1 / control.n + 1 / treatment.n)) if pooled else apart
    difference = treatment.p - control.p
    found = wald(difference, se, alpha=alpha, method="two-proportion z", alternative=alternative, null=null)
    low, high = tail.interval(difference, apart, alpha=alpha, alternative=alternative)
    return replace(found, ci_lo=low, ci_hi=high)


def score(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
    corrected: bool = True,
) -> Effect:
    """The difference by the score test and the interval of Miettinen and Nurminen, which agree with each other.

    Args:
        control: One arm.
        treatment: The other.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        null: The difference that is tested.
        corrected: The factor N / (N - 1) of the variance; without it the interval is Mee's.

    References:
        Miettinen & Nurminen (1985), Statistics in Medicine 4, 213-226.
    """
    counts = (control.successes, control.n, treatment.successes, treatment.n)
    z = score_interval.difference_z1(*counts, null, corrected=corrected)
    crit = tail.critical(tail.checked_alpha(alpha), alternative=alternative)
    low, high = score_interval.difference_bounds(*counts, crit=crit, corrected=corrected)
    difference = treatment.p - control.p
    se = (difference - null) / z if z else math.sqrt(_variance(control) + _variance(treatment))
    varies = 0 < control.successes + treatment.successes < control.n + treatment.n or null != 0
    return Effect(
        estimate=difference,
        se=se,
        statistic=z if varies else math.nan,
        df=math.inf,
        p_value=tail.p_value(z, alternative=alternative) if varies else math.nan,
        ci_lo=-1.0 if alternative == "less" else low,
        ci_hi=1.0 if alternative == "greater" else high,
        alpha=alpha,
        method="score (Miettinen-Nurminen)",
    )


def relative_score(
    control: Share, treatment: Share, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Effect:
    """The relative difference by the same score test: its interval leaves out 0 when that of `score` does.

    References:
        Koopman (1984), Biometrics 40, 513-517; Miettinen & Nurminen (1985).
    """
    counts = (control.successes, control.n, treatment.successes, treatment.n)
    crit = tail.critical(tail.checked_alpha(alpha), alternative=alternative)
    low, high = score_interval.ratio_bounds(*counts, crit=crit)
    z = score_interval.difference_z1(*counts, 0.0)
    base, difference = control.p, treatment.p - control.p
    se = difference / z if z else math.sqrt(_variance(control) + _variance(treatment))
    varies = 0 < control.successes + treatment.successes < control.n + treatment.n
    return Effect(
        estimate=difference / base if base else math.nan,
        se=se / base if base else math.nan,
        statistic=z if varies else math.nan,
        df=math.inf,
        p_value=tail.p_value(z, alternative=alternative) if varies else math.nan,
        ci_lo=-1.0 if alternative == "less" else low - 1,
        ci_hi=math.inf if alternative == "greater" else high - 1,
        alpha=alpha,
        method="score (Koopman)",
    )


def cautious_alpha(control: Share, treatment: Share, alpha: float) -> float:
    """The alpha with which a score test keeps its promise: less where an arm has fewer than 20 of either outcome."""
    return alpha if min(control.rare, treatment.rare) >= SMALL else _CAUTION * alpha


def newcombe(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    continuity: bool = False,
) -> Effect:
    """The difference with Newcombe's interval from two Wilson intervals; the p-value is that of the pooled z.

    References:
        Newcombe (1998), Statistics in Medicine 17, 873-890, methods 10 and 11.
    """
    crit = tail.critical(tail.checked_alpha(alpha), alternative=alternative)
    lc, uc = wilson(control, crit=crit, continuity=continuity)
    lt, ut = wilson(treatment, crit=crit, continuity=continuity)
    difference = treatment.p - control.p
    low = difference - math.hypot(treatment.p - lt, uc - control.p)
    high = difference + math.hypot(ut - treatment.p, control.p - lc)
    return replace(
        two_proportion_z(control, treatment, alpha=alpha, alternative=alternative),
        ci_lo=-1.0 if alternative == "less" else low,
        ci_hi=1.0 if alternative == "greater" else high,
        method="Newcombe-Wilson",
    )


def wilson(share: Share, *, crit: float, continuity: bool = False) -> tuple[float, float]:
    """Wilson's interval of one proportion.

    References:
        Wilson (1927), J. American Statistical Association 22, 209-212; Newcombe (1998), method 11 for continuity.
    """
    n, p, z = share.n, share.p, crit
    if not continuity:
        middle, width = 2 * n * p + z * z, z * math.sqrt(z * z + 4 * n * p * (1 - p))
        low, high = (middle - width) / (2 * (n + z * z)), (middle + width) / (2 * (n + z * z))
        return (0.0 if p == 0 else low), (1.0 if p == 1 else high)
    below = 2 * (n + z * z)
    low = (2 * n * p + z * z - 1 - z * math.sqrt(max(z * z - 2 - 1 / n + 4 * p * (n * (1 - p) + 1), 0.0))) / below
    high = (2 * n * p + z * z + 1 + z * math.sqrt(max(z * z + 2 - 1 / n + 4 * p * (n * (1 - p) - 1), 0.0))) / below
    return (0.0 if p == 0 else max(low, 0.0)), (1.0 if p == 1 else min(high, 1.0))


@dataclass(frozen=True, kw_only=True)
class NonInferiority:
    """Whether the treatment is at most a margin worse.

    Attributes:
        effect: The difference with its one-sided test against the margin and an interval of level 1 - 2 alpha.
        margin: The difference that would be too bad, in proportions, above 0.
        non_inferior: Whether the p-value is at most alpha.
    """

    effect: Effect
    margin: float
    non_inferior: bool


def non_inferiority(
    control: Share,
    treatment: Share,
    *,
    margin: float,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    method: Literal["score", "wald", "pooled"] = "score",
    corrected: bool = True,
) -> NonInferiority:
    """The one-sided test that the treatment is not worse than the control by the margin.

    Args:
        control: One arm.
        treatment: The other.
        margin: Above 0.
        alpha: Of the one-sided test.
        higher_is_better: False for failures.
        method: "score" restricts the variance to the margin (Farrington and Manning), "wald" does not,
            "pooled" takes that of both arms together.
        corrected: The factor N / (N - 1) of the score test.

    References:
        Farrington & Manning (1990), Statistics in Medicine 9, 1447-1454.
    """
    if not margin > 0:
        raise ExperimentError(f"a margin is above 0: how much worse would be too bad; got {margin:g}")
    side: Alternative = "greater" if higher_is_better else "less"
    null = -margin if higher_is_better else margin
    if method == "score":
        test = score(control, treatment, alpha=alpha, alternative=side, null=null, corrected=corrected)
        both = score(control, treatment, alpha=2 * alpha, corrected=corrected)
    else:
        pooled = method == "pooled"
        test = two_proportion_z(control, treatment, alpha=alpha, alternative=side, pooled=pooled, null=null)
        both = two_proportion_z(control, treatment, alpha=2 * alpha)
    effect = replace(test, ci_lo=both.ci_lo, ci_hi=both.ci_hi, method=f"non-inferiority, {test.method}")
    return NonInferiority(effect=effect, margin=margin, non_inferior=test.p_value <= alpha)


def _variance(share: Share) -> float:
    return share.p * (1 - share.p) / share.n
