"""What is known of units from before the experiment: CUPED, the A/A check, differences in differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import means
from tutordex_analysis.model.effect import Effect, wald
from tutordex_analysis.model.summary import Moments, Summary, together
from tutordex_analysis.model.tail import Alternative


@dataclass(frozen=True, kw_only=True)
class Cuped:
    """An effect adjusted by a covariate from before the experiment.

    Attributes:
        theta: Weight of the covariate.
        control: The arm after adjustment; its mean lacks theta times that of the covariate.
        treatment: The other arm.
        effect: Absolute.
        lift: As a share of the control's unadjusted mean, by Fieller's theorem: its interval leaves out 0 when that of
            `effect` does.
        lift_delta: The same by the delta method.
        variance_reduction: 1 - adjusted over unadjusted variance of the effect.
    """

    theta: float
    control: Summary
    treatment: Summary
    effect: Effect
    lift: Effect
    lift_delta: Effect
    variance_reduction: float


def of_mean(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    theta: float | None = None,
    crit: float | None = None,
) -> Cuped:
    """The difference of means less what a covariate from before the experiment explains.

    Args:
        control: Outcome and covariate of each unit, in this order.
        treatment: The same of the other arm.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        theta: Weight of the covariate; None takes covariance over variance of both arms as one sample.
        crit: Critical size of the statistic for `lift`, where it is not that of alpha.

    References:
        Deng, Xu, Kohavi & Walker (2013), WSDM, 123-132.
    """
    if theta is None:
        pool = together(control, treatment)
        theta = float(pool.cov[0, 1] / pool.cov[1, 1]) if pool.cov[1, 1] > 0 else 0.0
    arms = [one.along([1, -theta], mean=float(one.mean[0] - theta * one.mean[1])) for one in (control, treatment)]
    plain = [one.along([1, 0], mean=float(one.mean[0])) for one in (control, treatment)]
    base = float(control.mean[0])
    share = float(treatment.mean[0]) / base if base else math.nan
    slopes = _Slopes(base=np.array([1.0, 0.0]), kept=np.array([0.0, theta]), lift=np.array([-share, theta]))
    return _result(control, theta, arms, plain, slopes, alpha=alpha, alternative=alternative, crit=crit)


def of_ratio(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    theta: float | None = None,
    crit: float | None = None,
) -> Cuped:
    """The difference of ratios less what the same ratio from before the experiment explains.

    Args:
        control: Numerator, denominator, then both from before the experiment, of each unit.
        treatment: The same of the other arm.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        theta: Weight of the earlier ratio; None takes covariance over variance of the linearised ratios, arms added.
        crit: Critical size of the statistic for `lift`, where it is not that of alpha.

    Raises:
        ExperimentError: A denominator sums to 0.
    """
    slopes = [_ratio_slopes(one) for one in (control, treatment)]
    if theta is None:
        pairs = list(zip((control, treatment), slopes, strict=True))
        shared = sum(float(post @ one.cov @ pre) for one, (post, pre) in pairs)
        before = sum(float(pre @ one.cov @ pre) for one, (_, pre) in pairs)
        theta = shared / before if before > 0 else 0.0
    arms, plain = [], []
    for one, (post, pre) in zip((control, treatment), slopes, strict=True):
        now, earlier = float(one.mean[0] / one.mean[1]), float(one.mean[2] / one.mean[3])
        arms.append(one.along(post - theta * pre, mean=now - theta * earlier))
        plain.append(one.along(post, mean=now))
    grown = 1 + (arms[1].mean - arms[0].mean) / plain[0].mean if plain[0].mean else math.nan
    post, kept = slopes[0][0], theta * slopes[0][1]
    of_control = _Slopes(base=post, kept=kept, lift=kept - grown * post)
    return _result(control, theta, arms, plain, of_control, alpha=alpha, alternative=alternative, crit=crit)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slopes:
    """How numbers change with the control's means: its outcome, what CUPED adds to it, the lift times it."""

    base: Floats
    kept: Floats
    lift: Floats


def _ratio_slopes(one: Moments) -> tuple[Floats, Floats]:
    top, bottom, top_before, bottom_before = map(float, one.mean)
    if bottom == 0 or bottom_before == 0:
        raise ExperimentError("the denominator of the ratio is 0 in one arm, so there is no ratio")
    post = np.array([1 / bottom, -top / bottom**2, 0, 0])
    return post, np.array([0, 0, 1 / bottom_before, -top_before / bottom_before**2])


def _result(
    control: Moments,
    theta: float,
    arms: list[Summary],
    plain: list[Summary],
    slopes: _Slopes,
    *,
    alpha: float,
    alternative: Alternative,
    crit: float | None,
) -> Cuped:
    effect = replace(means.welch(arms[0], arms[1], alpha=alpha, alternative=alternative), method="CUPED, Welch's t")
    base = abs(plain[0].mean)
    of_control = control.along(slopes.lift, mean=0.0)
    variance = (arms[1].variance_of_mean + of_control.variance_of_mean) / base**2 if base else math.nan
    lift_delta = wald(
        effect.estimate / base if base else math.nan,
        math.sqrt(variance),
        alpha=alpha,
        method="CUPED, delta method, relative",
        alternative=alternative,
        df=effect.df,
    )
    # what the treatment would have without adjustment, were it the control plus the adjusted effect
    other_variance = arms[1].variance_of_mean + control.along(slopes.kept, mean=0.0).variance_of_mean
    lift = lift_delta
    if base:
        lift = means.fieller(
            plain[0],
            Summary(n=1, mean=plain[0].mean + effect.estimate, variance=other_variance),
            alpha=alpha,
            alternative=alternative,
            covariance=float(slopes.base @ control.cov @ slopes.kept) / control.n,
            df=effect.df,
            crit=crit,
        )
    before = plain[0].variance_of_mean + plain[1].variance_of_mean
    after = arms[0].variance_of_mean + arms[1].variance_of_mean
    return Cuped(
        theta=theta,
        control=arms[0],
        treatment=arms[1],
        effect=effect,
        lift=lift,
        lift_delta=lift_delta,
        variance_reduction=1 - after / before if before > 0 else math.nan,
    )


@dataclass(frozen=True, kw_only=True)
class PrePeriod:
    """Two arms before and during an experiment.

    Attributes:
        before: The arms' difference before: what should be none.
        after: Their difference during the experiment.
        change: Difference in differences, from each unit's own change.
        balanced: Whether the difference before is what chance gives (p above alpha).
    """

    before: Effect
    after: Effect
    change: Effect
    balanced: bool


def pre_period(
    control: Moments, treatment: Moments, *, alpha: float = 0.05, aa_alpha: float = 0.01, normal: bool = False
) -> PrePeriod:
    """The A/A check on the time before, and the difference in differences.

    Args:
        control: Outcome and the same from before the experiment, of each unit.
        treatment: The same of the other arm.
        alpha: Of the intervals.
        aa_alpha: Of the A/A check; small, since it is made on every metric.
        normal: The normal as reference instead of Welch's t.
    """

    def differ(gradient: tuple[float, float]) -> Effect:
        arms = [one.along(gradient, mean=float(np.dot(gradient, one.mean))) for one in (control, treatment)]
        found = means.welch(arms[0], arms[1], alpha=alpha)
        return wald(found.estimate, found.se, alpha=alpha, method="normal") if normal else found

    before = differ((0.0, 1.0))
    return PrePeriod(
        before=before, after=differ((1.0, 0.0)), change=differ((1.0, -1.0)), balanced=not before.p_value <= aa_alpha
    )
