"""Before the experiment: power, sample size, the effect that can be seen, and the days it takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scipy import optimize, special, stats

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.tail import Alternative

Proportions: TypeAlias = Literal["pooled", "unpooled", "arcsine"]


def of_means(
    effect: float,
    sd: float,
    n: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    reference: Literal["t", "normal"] = "t",
) -> float:
    """The chance that a test of two means sees an effect.

    Args:
        effect: Treatment less control, in the metric's unit.
        sd: Of one unit, in both arms.
        n: Units of the control.
        ratio: Units of the treatment over those of the control.
        alpha: In (0, 1).
        alternative: "greater" and "less" speak of treatment against control.
        reference: Student's t (noncentral), or the normal.

    References:
        Cohen (1988), Statistical Power Analysis, chapter 2.

    Example:
        >>> round(of_means(0.5, 1.0, 64), 3)  # Cohen's table
        0.801
    """
    tail.checked_alpha(alpha)
    if not sd > 0 or not n > 1:
        raise ExperimentError(f"power needs a standard deviation above 0 and two units; got {sd:g} and {n:g}")
    shift = effect / sd * math.sqrt(n * ratio / (1 + ratio))
    if reference == "normal":
        return _normal(shift, 1.0, alpha, alternative)
    df = n * (1 + ratio) - 2
    crit = tail.critical(alpha, alternative=alternative, df=df)
    upper = float(stats.nct.sf(crit, df, shift)) if alternative != "less" else 0.0
    lower = float(stats.nct.cdf(-crit, df, shift)) if alternative != "greater" else 0.0
    return (0.0 if math.isnan(upper) else upper) + (0.0 if math.isnan(lower) else lower)


def of_proportions(
    control: float,
    treatment: float,
    n: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    variance: Proportions = "pooled",
) -> float:
    """The chance that a z test of two proportions sees their difference.

    Args:
        control: Proportion, in (0, 1).
        treatment: Proportion, in (0, 1).
        n: Units of the control.
        ratio: Units of the treatment over those of the control.
        alpha: In (0, 1).
        alternative: "greater" and "less" speak of treatment against control.
        variance: Of the test: "pooled", "unpooled", or on Cohen's "arcsine" scale.
    """
    tail.checked_alpha(alpha)
    shift, spread = _proportions(control, treatment, ratio, variance)
    return _normal(shift * math.sqrt(n), spread, alpha, alternative)


def _proportions(control: float, treatment: float, ratio: float, variance: Proportions) -> tuple[float, float]:
    """Shift of z for one unit of control, and its standard deviation under the null over that under the effect."""
    if not (0 < control < 1 and 0 < treatment < 1):
        raise ExperimentError(f"proportions are between 0 and 1; got {control:g} and {treatment:g}")
    if variance == "arcsine":
        h = 2 * (math.asin(math.sqrt(treatment)) - math.asin(math.sqrt(control)))
        return h * math.sqrt(ratio / (1 + ratio)), 1.0
    apart = math.sqrt(control * (1 - control) + treatment * (1 - treatment) / ratio)
    p = (control + ratio * treatment) / (1 + ratio)
    pooled = math.sqrt(p * (1 - p) * (1 + 1 / ratio))
    return (treatment - control) / apart, (pooled / apart if variance == "pooled" else 1.0)


def _normal(shift: float, spread: float, alpha: float, alternative: Alternative) -> float:
    crit = tail.critical(alpha, alternative=alternative) * spread
    upper = tail.lower_tail(shift - crit) if alternative != "less" else 0.0
    lower = tail.lower_tail(-shift - crit) if alternative != "greater" else 0.0
    return upper + lower


def units_for_means(
    effect: float,
    sd: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    reference: Literal["t", "normal"] = "t",
) -> float:
    """Units of the control with which `of_means` is `power`; a fraction, to be rounded up.

    Example:
        >>> math.ceil(units_for_means(0.5, 1.0))
        64
    """
    _checked_power(power, alpha)
    if effect == 0:
        raise ExperimentError("no number of units sees an effect of 0")

    def reached(n: float) -> float:
        return of_means(effect, sd, n, ratio=ratio, alpha=alpha, alternative=alternative, reference=reference)

    return _solve(reached, power, low=2 / min(1.0, ratio) + 1e-9)


def units_for_proportions(
    control: float,
    treatment: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    variance: Proportions = "pooled",
) -> float:
    """Units of the control with which one tail of the z test has `power`; a fraction, to be rounded up.

    The far tail of a two-sided test counts for nothing here, as in Fleiss's formula.

    References:
        Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, section 4.2.
    """
    _checked_power(power, alpha)
    if control == treatment:
        raise ExperimentError("no number of units sees an effect of 0")
    shift, spread = _proportions(control, treatment, ratio, variance)
    crit = tail.critical(alpha, alternative=alternative)
    return ((crit * spread + float(special.ndtri(power))) / shift) ** 2


def detectable_mean(
    sd: float,
    n: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    reference: Literal["t", "normal"] = "normal",
) -> float:
    """The smallest difference of means that a test sees with `power`, in the metric's unit.

    Args:
        sd: Of one unit.
        n: Units of the control.
        power: In (alpha, 1).
        ratio: Units of the treatment over those of the control.
        alpha: In (0, 1).
        alternative: Of the test.
        reference: The normal with one tail, (z + z) se; or the noncentral t with both.
    """
    _checked_power(power, alpha)
    se = sd * math.sqrt((1 + 1 / ratio) / n)
    if reference == "normal":
        return detectable(se, power=power, alpha=alpha, alternative=alternative)
    side: Alternative = "two-sided" if alternative == "two-sided" else "greater"

    def reached(effect: float) -> float:
        return of_means(effect, sd, n, ratio=ratio, alpha=alpha, alternative=side, reference="t")

    return _solve(reached, power, low=1e-9 * sd)


def detectable(
    se: float, *, power: float = 0.8, alpha: float = 0.05, alternative: Alternative = "two-sided", df: float = math.inf
) -> float:
    """The effect that an estimate with this standard error shows with `power`, in the unit of the error.

    Example:
        >>> round(detectable(1.0), 3)
        2.802
    """
    _checked_power(power, alpha)
    beta = float(special.ndtri(power)) if math.isinf(df) else float(special.stdtrit(df, power))
    return (tail.critical(alpha, alternative=alternative, df=df) + beta) * se


def detectable_proportion(
    control: float,
    n: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    variance: Proportions = "pooled",
    lower: bool = False,
) -> float:
    """The smallest difference from a base proportion that a z test sees with `power`; NaN where none would do.

    Args:
        control: Base proportion.
        n: Units of the control.
        power: In (alpha, 1).
        ratio: Units of the treatment over those of the control.
        alpha: In (0, 1).
        alternative: Of the test.
        variance: As in `of_proportions`.
        lower: A fall instead of a rise; the difference is negative then.
    """
    _checked_power(power, alpha)
    room = (control if lower else 1 - control) - 1e-12

    def missing(size: float) -> float:
        other = control - size if lower else control + size
        needed = units_for_proportions(
            control, other, power=power, ratio=ratio, alpha=alpha, alternative=alternative, variance=variance
        )
        return needed - n

    if missing(room) > 0:
        return math.nan
    size = float(optimize.brentq(missing, 1e-12, room, xtol=1e-15))
    return -size if lower else size


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long an experiment runs.

    Attributes:
        units: Of the control, after the covariate and the design effect; a fraction.
        total: Units of both arms, each rounded up.
        days: Until that many came, rounded up to whole days.
    """

    units: float
    total: int
    days: int


def plan(
    units: float, *, a_day: float, ratio: float = 1.0, correlation: float = 0.0, design_effect: float = 1.0
) -> Plan:
    """A sample size with CUPED and clustering, and the days it takes.

    Args:
        units: Of the control without either, such as `units_for_means` gives.
        a_day: New units a day, of both arms together.
        ratio: Units of the treatment over those of the control.
        correlation: Of outcome and covariate; CUPED leaves 1 - its square of the variance.
        design_effect: Variance of a mean over that of independent units, such as 1 + (m - 1) times the correlation
            within clusters of m.
    """
    if not a_day > 0:
        raise ExperimentError(f"new units a day are above 0; got {a_day:g}")
    if not -1 < correlation < 1 or not design_effect > 0:
        raise ExperimentError("a correlation is between -1 and 1, and a design effect above 0")
    needed = units * (1 - correlation**2) * design_effect
    total = _up(needed) + _up(needed * ratio)
    return Plan(units=needed, total=total, days=_up(total / a_day))


def _up(value: float) -> int:
    return math.ceil(value - 1e-9 * max(abs(value), 1.0))


def _checked_power(power: float, alpha: float) -> None:
    tail.checked_alpha(alpha)
    if not alpha < power < 1:
        raise ExperimentError(f"power is between alpha and 1, such as 0.8; got {power:g}")


def _solve(reached: Callable[[float], float], power: float, *, low: float) -> float:
    """Where a rising function meets the power."""
    if reached(low) >= power:
        return low
    high = 2 * low
    while reached(high) < power:
        high *= 2
        if high > 1e15:
            raise ExperimentError("no sample size reaches this power: the effect goes the other way")
    return float(optimize.brentq(lambda n: reached(n) - power, high / 2, high, xtol=1e-10, rtol=1e-14))
