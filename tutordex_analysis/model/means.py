"""Means of two arms: Welch and Student, relative effects by Fieller, by the logarithm and by the delta method."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.effect import Effect, RatioEffect, log_wald, wald
from tutordex_analysis.model.summary import Summary
from tutordex_analysis.model.tail import Alternative


def welch(
    control: Summary,
    treatment: Summary,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Effect:
    """The difference of two means whose variances differ, in the metric's unit.

    Args:
        control: At least two units.
        treatment: At least two units.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        null: The difference that is tested.

    References:
        Welch (1947), Biometrika 34, 28-35.
    """
    se = math.sqrt(control.variance_of_mean + treatment.variance_of_mean)
    df = welch_df(control, treatment)
    effect = treatment.mean - control.mean
    return wald(effect, se, alpha=alpha, method="Welch's t", alternative=alternative, df=df, null=null)


def welch_df(control: Summary, treatment: Summary) -> float:
    """Satterthwaite's degrees of freedom; NaN where neither arm varies or one has a single unit."""
    one, two = control.variance_of_mean, treatment.variance_of_mean
    below = _over(one * one, control.n - 1) + _over(two * two, treatment.n - 1)
    return (one + two) ** 2 / below if below > 0 else math.nan


def student(
    control: Summary,
    treatment: Summary,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    null: float = 0.0,
) -> Effect:
    """The difference of two means of the same variance (Student's t with the pooled variance)."""
    df = control.n + treatment.n - 2
    pooled = ((control.n - 1) * control.variance + (treatment.n - 1) * treatment.variance) / df if df > 0 else math.nan
    se = math.sqrt(pooled * (1 / control.n + 1 / treatment.n))
    effect = treatment.mean - control.mean
    return wald(effect, se, alpha=alpha, method="Student's t", alternative=alternative, df=df, null=null)


def relative_delta(
    control: Summary, treatment: Summary, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Effect:
    """The relative difference by the delta method: symmetric, and one-sided in its errors where the control is small.

    It is here because other tools print it; `fieller` and `log_ratio` keep their promise, this one does not.

    Raises:
        ExperimentError: The control's mean is 0.
    """
    base = _base(control)
    share = treatment.mean / control.mean
    variance = (treatment.variance_of_mean + share**2 * control.variance_of_mean) / base**2
    effect, df = (treatment.mean - control.mean) / base, welch_df(control, treatment)
    method = "delta method, relative"
    return wald(effect, math.sqrt(variance), alpha=alpha, method=method, alternative=alternative, df=df)


def fieller(
    control: Summary,
    treatment: Summary,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    covariance: float = 0.0,
    df: float | None = None,
    crit: float | None = None,
) -> Effect:
    """The relative difference by Fieller's theorem: all changes that a test of the difference would not reject.

    Args:
        control: Its mean is the base.
        treatment: The other arm.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        covariance: Of the two means; 0 for independent arms, more for pairs.
        df: Degrees of freedom; None takes those of Welch.
        crit: Critical size of the statistic instead of that of alpha; an always-valid bound, say.

    Returns:
        The bounds are infinite where the control's mean cannot be told from 0: nothing is known of a share then.

    Raises:
        ExperimentError: The control's mean is 0.

    References:
        Fieller (1954), J. Royal Statistical Society B 16, 175-185.
    """
    base = _base(control)
    df = welch_df(control, treatment) if df is None else df
    vc, vt = control.variance_of_mean, treatment.variance_of_mean
    se = math.sqrt(max(vc + vt - 2 * covariance, 0.0))
    absolute = wald(treatment.mean - control.mean, se, alpha=alpha, method="Fieller", alternative=alternative, df=df)
    g = tail.critical(alpha, alternative=alternative, df=df) if crit is None else crit
    low, high = _fieller_bounds(control.mean, treatment.mean, vc, vt, covariance, g)
    if control.mean < 0:
        low, high = -high, -low
    return replace(
        absolute,
        estimate=absolute.estimate / base,
        se=absolute.se / base,
        ci_lo=-math.inf if alternative == "less" else low,
        ci_hi=math.inf if alternative == "greater" else high,
    )


def log_ratio(
    control: Summary,
    treatment: Summary,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    reference: Literal["normal", "t"] = "normal",
) -> RatioEffect:
    """The ratio of two positive means on the log scale.

    Args:
        control: Mean above 0.
        treatment: Mean above 0.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        reference: The normal, or Student's t with Satterthwaite's degrees of freedom of the logarithms.

    Raises:
        ExperimentError: A mean is not above 0.
    """
    if not (control.mean > 0 and treatment.mean > 0):
        raise ExperimentError(f"a log ratio needs means above 0; got {control.mean:g} and {treatment.mean:g}")
    scaled = [
        replace(one, mean=math.log(one.mean), variance=one.variance / one.mean**2) for one in (control, treatment)
    ]
    se = math.sqrt(sum(one.variance_of_mean for one in scaled))
    df = welch_df(scaled[0], scaled[1]) if reference == "t" else math.inf
    effect = scaled[1].mean - scaled[0].mean
    return log_wald(effect, se, alpha=alpha, method="log ratio of means", alternative=alternative, df=df)


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Two one-sided tests.

    Attributes:
        effect: The difference with its interval of level 1 - 2 alpha, which lies within the margins when it is shown.
        low: Lower margin.
        high: Upper margin.
        p_lower: Of the test that the difference is above `low`.
        p_upper: Of the test that it is below `high`.
        p_value: The larger of both.
        equivalent: Whether both are at most alpha.
    """

    effect: Effect
    low: float
    high: float
    p_lower: float
    p_upper: float
    p_value: float
    equivalent: bool


def equivalence(
    control: Summary, treatment: Summary, *, low: float, high: float, alpha: float = 0.05, pooled: bool = False
) -> Equivalence:
    """Whether a difference lies between two margins (two one-sided tests).

    Args:
        control: One arm.
        treatment: The other.
        low: Lower margin in the metric's unit, below `high`.
        high: Upper margin.
        alpha: Of each test.
        pooled: Student's t instead of Welch's.

    References:
        Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15, 657-680.
    """
    if not low < high:
        raise ExperimentError(f"the lower margin must be below the upper one; got {low:g} and {high:g}")
    test = student if pooled else welch
    lower = test(control, treatment, alpha=alpha, alternative="greater", null=low).p_value
    upper = test(control, treatment, alpha=alpha, alternative="less", null=high).p_value
    p = max(lower, upper) if not math.isnan(lower) else math.nan
    effect = test(control, treatment, alpha=2 * alpha)
    return Equivalence(
        effect=effect, low=low, high=high, p_lower=lower, p_upper=upper, p_value=p, equivalent=p <= alpha
    )


@dataclass(frozen=True, kw_only=True)
class RankTest:
    """Mann-Whitney's test.

    Attributes:
        u_control: Pairs in which the control's value is larger; ties count half.
        u_treatment: Pairs in which the treatment's is larger.
        superiority: Chance that a unit of the treatment beats one of the control, ties half.
        shift: Median of all differences (Hodges and Lehmann), in the metric's unit.
        z: With correction for ties; NaN for the exact test.
        p_value: Two-sided unless asked otherwise.
        method: "exact" or "asymptotic".
    """

    u_control: float
    u_treatment: float
    superiority: float
    shift: float
    z: float
    p_value: float
    method: str


def mann_whitney(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    method: Literal["auto", "exact", "asymptotic"] = "auto",
    continuity: bool = True,
) -> RankTest:
    """Whether values of the treatment tend to be larger; it says nothing about means.

    References:
        Mann & Whitney (1947), Annals of Mathematical Statistics 18, 50-60; scipy's implementation.
    """
    x, y = np.asarray(treatment, dtype=np.float64), np.asarray(control, dtype=np.float64)
    if not (len(x) and len(y)) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ExperimentError("Mann-Whitney needs finite outcomes in both arms")
    found = stats.mannwhitneyu(x, y, alternative=alternative, method=method, use_continuity=continuity)
    pairs = len(x) * len(y)
    u = float(found.statistic)
    pool = np.concatenate([x, y])
    _, ties = np.unique(pool, return_counts=True)
    exact = method == "exact" or (method == "auto" and min(len(x), len(y)) <= 8 and ties.max() == 1)
    n = len(pool)
    spread = math.sqrt(pairs / 12 * (n + 1 - float((ties**3 - ties).sum()) / (n * (n - 1)))) if n > 1 else 0.0
    lean = (u > pairs / 2) - (u < pairs / 2) if alternative == "two-sided" else 1 if alternative == "greater" else -1
    off = u - pairs / 2 - (0.5 * lean if continuity else 0.0)
    shift = float(np.median(np.subtract.outer(x, y))) if pairs <= 4_000_000 else math.nan
    return RankTest(
        u_control=pairs - u,
        u_treatment=u,
        superiority=u / pairs,
        shift=shift,
        z=off / spread if spread > 0 and not exact else math.nan,
        p_value=tail.open_tail(float(found.pvalue)),
        method="exact" if exact else "asymptotic",
    )


def _fieller_bounds(
    base: float, other: float, v_base: float, v_other: float, covariance: float, crit: float
) -> tuple[float, float]:
    """Relative changes rho with |other - (1 + rho) base| <= crit se(rho)."""
    a = base**2 - crit**2 * v_base
    b = base * other - crit**2 * covariance
    c = other**2 - crit**2 * v_other
    if not a > 0:
        return -math.inf, math.inf
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a - 1, (b + root) / a - 1


def _base(control: Summary) -> float:
    if control.mean == 0:
        raise ExperimentError("the control's mean is 0, so nothing can be a share of it; ask for the absolute effect")
    return abs(control.mean)


def _over(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
