"""What two arms differ by: an estimate with its error, interval and p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tutordex_analysis.model import tail
from tutordex_analysis.model.tail import Alternative


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A difference, absolute in the metric's unit or relative to the control.

    Attributes:
        estimate: Treatment less control; as a share of the control's absolute value where it is relative.
        se: Its standard error, in the same unit; NaN where the method has none.
        statistic: What the p-value was read from; NaN for exact tests.
        df: Degrees of freedom of the reference; infinite for the normal.
        p_value: In (0, 1]; NaN where it could not be computed.
        ci_lo: Lower bound; minus infinity where the alternative or the data leave it open.
        ci_hi: Upper bound.
        alpha: 1 - level of the interval.
        method: Its name.
    """

    estimate: float
    se: float
    statistic: float
    df: float
    p_value: float
    ci_lo: float
    ci_hi: float
    alpha: float
    method: str

    @property
    def significant(self) -> bool:
        """Whether the p-value is at most alpha; False where there is none."""
        return self.p_value <= self.alpha


@dataclass(frozen=True, kw_only=True)
class RatioEffect:
    """A ratio of treatment to control: of risks, odds, means or rates.

    Attributes:
        ratio: Treatment over control; 1 is no difference.
        log_se: Standard error of its logarithm; NaN where the method has none.
        statistic: Of the test that the ratio is 1.
        df: Degrees of freedom of the reference; infinite for the normal.
        p_value: In (0, 1]; NaN where it could not be computed.
        ci_lo: Lower bound of the ratio.
        ci_hi: Upper bound of the ratio.
        alpha: 1 - level of the interval.
        method: Its name.
    """

    ratio: float
    log_se: float
    statistic: float
    df: float
    p_value: float
    ci_lo: float
    ci_hi: float
    alpha: float
    method: str

    @property
    def log_ratio(self) -> float:
        """The natural logarithm of the ratio."""
        return math.log(self.ratio) if self.ratio > 0 else -math.inf if self.ratio == 0 else math.nan


def wald(
    estimate: float,
    se: float,
    *,
    alpha: float,
    method: str,
    alternative: Alternative = "two-sided",
    df: float = math.inf,
    null: float = 0.0,
) -> Effect:
    """The effect of an estimate that is normal, or Student's t, around the truth.

    Args:
        estimate: Difference.
        se: Its standard error; a p-value and bounds are NaN where it is not positive.
        alpha: In (0, 1).
        method: Its name.
        alternative: One-sided alternatives leave one bound open.
        df: Degrees of freedom.
        null: The difference that is tested.
    """
    tail.checked_alpha(alpha)
    if not se > 0:
        nan = math.nan
        return Effect(
            estimate=estimate,
            se=nan,
            statistic=nan,
            df=df,
            p_value=nan,
            ci_lo=nan,
            ci_hi=nan,
            alpha=alpha,
            method=method,
        )
    statistic = (estimate - null) / se
    low, high = tail.interval(estimate, se, alpha=alpha, alternative=alternative, df=df)
    p = tail.p_value(statistic, alternative=alternative, df=df)
    return Effect(
        estimate=estimate,
        se=se,
        statistic=statistic,
        df=df,
        p_value=p,
        ci_lo=low,
        ci_hi=high,
        alpha=alpha,
        method=method,
    )


def log_wald(
    log_ratio: float,
    log_se: float,
    *,
    alpha: float,
    method: str,
    alternative: Alternative = "two-sided",
    df: float = math.inf,
    null: float = 1.0,
) -> RatioEffect:
    """The ratio whose logarithm is normal, or Student's t, around the truth; `null` is the ratio that is tested."""
    on_log = wald(log_ratio, log_se, alpha=alpha, method=method, alternative=alternative, df=df, null=math.log(null))
    return RatioEffect(
        ratio=math.exp(log_ratio),
        log_se=on_log.se,
        statistic=on_log.statistic,
        df=df,
        p_value=on_log.p_value,
        ci_lo=math.exp(on_log.ci_lo),
        ci_hi=math.exp(on_log.ci_hi),
        alpha=alpha,
        method=method,
    )
