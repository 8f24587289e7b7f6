"""Looking whenever one likes: tests and intervals that hold at every look, and forever.

`always_valid` is ours. Its e-value is a mixture of two martingales of Brownian motion, one that bets on the effect
that a test of the tuned size would just see, one that bets on effects of every size. Early on it asks for far more than
a handful of units can show, so that it is safe without a burn-in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import means, score_interval, tail
from tutordex_analysis.model.effect import Effect
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.summary import Summary
from tutordex_analysis.model.tail import Alternative

TUNED_FOR = 5000.0  # units an arm
_WEIGHT = 0.8  # of the bet on one size; the rest keeps intervals shrinking for good
_ROUNDS = 80  # of the bisection


def log_e_value(z: npt.ArrayLike, information: npt.ArrayLike, *, alpha: float = 0.05) -> Floats:
    """The log e-value of no effect, two-sided; above log(1 / alpha) at any look with a chance of at most alpha.

    Args:
        z: Normal statistic of the effect.
        information: Share of the tuned size, above 0; arrays broadcast.
        alpha: For which the bets are sized; the e-value is valid for any.

    References:
        Ville (1939); Robbins (1970), Annals of Mathematical Statistics 41, 1397-1409; Howard et al. (2021), Annals of
        Statistics 49, 1055-1080, for both bets.
    """
    t = np.asarray(information, dtype=np.float64)
    s = np.asarray(z, dtype=np.float64) * np.sqrt(t)
    size, spread = _bets(alpha)
    one = np.logaddexp(size * s, -size * s) - math.log(2) - size**2 * t / 2
    every = spread * s**2 / (2 * (1 + spread * t)) - np.log1p(spread * t) / 2
    found: Floats = np.logaddexp(math.log(_WEIGHT) + one, math.log1p(-_WEIGHT) + every)
    return found


def critical_z(information: npt.ArrayLike, *, alpha: float = 0.05, sized_for: float | None = None) -> Floats:
    """The size of z from which no effect is rejected, at each share of the tuned size.

    Args:
        information: Share of the tuned size, above 0.
        alpha: In (0, 1).
        sized_for: The alpha that the bets are sized for, where it is another one (of a family of metrics, say).

    Example:
        >>> critical_z([0.01, 1.0, 4.0]).round(2).tolist()
        [9.19, 2.76, 3.4]
    """
    tail.checked_alpha(alpha)
    t = np.atleast_1d(np.asarray(information, dtype=np.float64))
    if not (t > 0).all():
        raise ExperimentError("the information at a look is above 0")
    low, high = np.zeros_like(t), np.full_like(t, 4.0)
    goal, bets = -math.log(alpha), alpha if sized_for is None else sized_for
    while (log_e_value(high, t, alpha=bets) < goal).any():
        high = high * 2
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        short = log_e_value(middle, t, alpha=bets) < goal
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high.reshape(np.shape(information))


def information(control: npt.ArrayLike, treatment: npt.ArrayLike, *, tuned_for: float = TUNED_FOR) -> Floats:
    """Share of the tuned size that so many units make; unequal arms count by their harmonic mean."""
    if not tuned_for > 0:
        raise ExperimentError(f"the tuned size is a number of units an arm above 0; got {tuned_for:g}")
    n, m = np.asarray(control, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    return 2 * n * m / (n + m) / tuned_for


@dataclass(frozen=True, kw_only=True)
class AlwaysValid:
    """An effect that may be looked at whenever one likes.

    Attributes:
        effect: With an interval and a p-value that hold at every look.
        lift: The same as a share of the control, from the same statistic.
        e_value: Its logarithm.
        information: Share of the tuned size.
        critical: Size of z from which no effect is rejected.
    """

    effect: Effect
    lift: Effect
    e_value: float
    information: float
    critical: float


def always_valid_mean(
    control: Summary,
    treatment: Summary,
    *,
    alpha: float = 0.05,
    tuned_for: float = TUNED_FOR,
    sized_for: float | None = None,
) -> AlwaysValid:
    """The difference of means at any look; relative by Fieller's theorem with the same critical value.

    Args:
        control: At least two units.
        treatment: At least two units.
        alpha: In (0, 1); the chance that any of all looks misses the truth.
        tuned_for: Units an arm at which the interval is tightest; set before the first look.
        sized_for: As in `critical_z`.
    """
    plain = means.welch(control, treatment, alpha=alpha)
    share = float(information(control.n, treatment.n, tuned_for=tuned_for))
    bets = alpha if sized_for is None else sized_for
    crit = float(critical_z(share, alpha=alpha, sized_for=sized_for))
    wide = -float(special.stdtrit(plain.df, float(special.ndtr(-crit)))) if plain.df > 0 else math.nan
    z = normal_equivalent(plain.statistic, plain.df)
    width = wide * plain.se if plain.se > 0 else math.nan
    effect = _held(plain, z, share, bets, plain.estimate - width, plain.estimate + width)
    lift = replace(effect, estimate=math.nan, se=math.nan, ci_lo=-math.inf, ci_hi=math.inf)
    if control.mean != 0 and plain.se > 0 and math.isfinite(wide):
        fieller = means.fieller(control, treatment, alpha=alpha, crit=wide)
        lift = replace(effect, estimate=fieller.estimate, se=fieller.se, ci_lo=fieller.ci_lo, ci_hi=fieller.ci_hi)
    e = float(log_e_value(z, share, alpha=bets)) if not math.isnan(z) else math.nan
    return AlwaysValid(effect=effect, lift=lift, e_value=e, information=share, critical=crit)


def always_valid_share(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    tuned_for: float = TUNED_FOR,
    sized_for: float | None = None,
) -> AlwaysValid:
    """The difference of proportions at any look: the score statistic, its interval and its relative interval.

    The arguments are those of `always_valid_mean`.
    """
    counts = (control.successes, control.n, treatment.successes, treatment.n)
    share = float(information(control.n, treatment.n, tuned_for=tuned_for))
    bets = alpha if sized_for is None else sized_for
    crit = float(critical_z(share, alpha=alpha, sized_for=sized_for))
    z = score_interval.difference_z1(*counts, 0.0)
    varies = 0 < control.successes + treatment.successes < control.n + treatment.n
    z = z if varies else math.nan
    difference = treatment.p - control.p
    low, high = score_interval.difference_bounds(*counts, crit=crit)
    plain = Effect(
        estimate=difference,
        se=difference / z if z else math.nan,
        statistic=z,
        df=math.inf,
        p_value=math.nan,
        ci_lo=low,
        ci_hi=high,
        alpha=alpha,
        method="",
    )
    effect = _held(plain, z, share, bets, low, high)
    ratio_low, ratio_high = score_interval.ratio_bounds(*counts, crit=crit)
    base = control.p
    lift = replace(
        effect,
        estimate=difference / base if base else math.nan,
        se=effect.se / base if base else math.nan,
        ci_lo=ratio_low - 1,
        ci_hi=ratio_high - 1,
    )
    e = float(log_e_value(z, share, alpha=bets)) if varies else math.nan
    return AlwaysValid(effect=effect, lift=lift, e_value=e, information=share, critical=crit)


def normal_equivalent(statistic: float, df: float) -> float:
    """The z with the same tail as a t; so few units cannot pass for many."""
    if math.isnan(statistic) or math.isinf(df):
        return statistic
    return math.copysign(-float(special.ndtri(max(special.stdtr(df, -abs(statistic)), tail.SMALLEST))), statistic)


def _held(plain: Effect, z: float, share: float, bets: float, low: float, high: float) -> Effect:
    p = math.nan if math.isnan(z) else tail.open_tail(math.exp(-max(float(log_e_value(z, share, alpha=bets)), 0.0)))
    return replace(plain, statistic=z, p_value=p, ci_lo=low, ci_hi=high, method="always valid")


def _bets(alpha: float) -> tuple[float, float]:
    """Drift of the first bet, and variance of the second, that are best at the tuned size."""
    rest = -2 * math.log((1 - _WEIGHT) * alpha)
    return math.sqrt(2 * math.log(2 / (_WEIGHT * alpha))), rest + math.log1p(rest)


@dataclass(frozen=True, kw_only=True)
class Msprt:
    """A mixture sequential probability ratio test at one look.

    Attributes:
        likelihood_ratio: Of some effect over none.
        p_value: min(1, 1 / likelihood ratio); its running minimum is valid over looks too.
        ci_lo: Lower bound of the effect, valid at any look.
        ci_hi: Upper bound.
    """

    likelihood_ratio: float
    p_value: float
    ci_lo: float
    ci_hi: float


def msprt_normal(difference: float, variance: float, *, tau: float, alpha: float = 0.05) -> Msprt:
    """The normal mSPRT of Johari, Pekelis and Walsh.

    Args:
        difference: Treatment less control.
        variance: Of that difference, known; above 0.
        tau: Standard deviation of the effects that are expected, above 0.
        alpha: In (0, 1).

    References:
        Johari, Pekelis & Walsh (2015), arXiv:1512.04922; Robbins (1970).
    """
    if not (variance > 0 and tau > 0):
        raise ExperimentError("mSPRT needs a variance and a tau above 0")
    wide = variance + tau**2
    log_ratio = (tau * difference) ** 2 / (2 * variance * wide) - math.log(wide / variance) / 2
    width = math.sqrt(
        2 * variance * wide / tau**2 * (math.log(wide / variance) / 2 - math.log(tail.checked_alpha(alpha)))
    )
    return Msprt(
        likelihood_ratio=math.exp(min(log_ratio, 700.0)),
        p_value=tail.open_tail(math.exp(-max(log_ratio, 0.0))),
        ci_lo=difference - width,
        ci_hi=difference + width,
    )


@dataclass(frozen=True, kw_only=True)
class ConfidenceSequence:
    """Waudby-Smith's asymptotic confidence sequence at one look.

    Attributes:
        effect: With its bounds and p-value.
        rho: Tuning of the boundary.
        half_width: Of the interval.
    """

    effect: Effect
    rho: float
    half_width: float


def asymptotic(
    effect: Effect,
    n: float,
    *,
    tuning: float = 5000.0,
    rho: float | None = None,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> ConfidenceSequence:
    """The asymptotic confidence sequence that GrowthBook prints; not safe at small n, `always_valid_mean` is.

    Args:
        effect: Estimate and standard error, absolute or relative.
        n: Units of both arms.
        tuning: Units of both arms at which the interval is tightest.
        rho: In place of what follows from `tuning`.
        alpha: In (0, 1); below 0.5 for one side.
        alternative: One-sided leaves one bound open.

    References:
        Waudby-Smith et al. (2021), arXiv:2103.06476v7, equations 9, 134, 155 and 161.
    """
    one_sided = alternative != "two-sided"
    level = 2 * tail.checked_alpha(alpha) if one_sided else tail.checked_alpha(alpha)
    if level >= 1:
        raise ExperimentError(f"a one-sided sequence needs alpha below 0.5; got {alpha:g}")
    if rho is None:
        rho = math.sqrt((-2 * math.log(level) + math.log1p(-2 * math.log(level))) / tuning)
    spread = n * rho**2 + 1
    scale = 2 * spread / (n * rho) ** 2
    log_odds = math.log1p(math.sqrt(spread) / level) if one_sided else math.log(math.sqrt(spread) / level)
    half = effect.se * math.sqrt(n) * math.sqrt(scale * log_odds)
    grown = effect.statistic**2 / n / scale  # of log(1 / p), before the root of spread
    if not one_sided:
        p = math.exp(min(math.log(spread) / 2 - grown, 0.0))
    elif (effect.estimate > 0) == (alternative == "greater") and grown > 0:
        p = min(math.sqrt(spread) / (2 * math.expm1(min(grown, 700.0))), 1.0)
    else:
        p = 1.0
    found = replace(
        effect,
        p_value=tail.open_tail(p),
        ci_lo=-math.inf if alternative == "less" else effect.estimate - half,
        ci_hi=math.inf if alternative == "greater" else effect.estimate + half,
        alpha=alpha,
        method="asymptotic confidence sequence",
    )
    return ConfidenceSequence(effect=found, rho=rho, half_width=half)
