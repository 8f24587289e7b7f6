"""Posteriors of two arms: beta for proportions, gamma for rates, normal for any estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import tail
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.rates import Rate

Values: TypeAlias = npt.NDArray[np.floating[Any]]
_NODES = 800  # of the quadrature over one arm's quantiles


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What is believed of two arms after the data.

    Attributes:
        control: Parameters of the control's posterior: a and b of the beta, shape and rate of the gamma.
        treatment: The same of the treatment.
        mean_control: Posterior mean.
        mean_treatment: Posterior mean.
        interval_control: Central interval of level 1 - alpha.
        interval_treatment: The same of the treatment.
        superiority: Chance that the treatment's rate is higher.
        difference: Mean of treatment less control.
        interval: Central interval of the difference.
        ratio_interval: Central interval of treatment over control.
        loss_treatment: What is lost on average by choosing the treatment: the mean of max(control - treatment, 0).
        loss_control: What is lost on average by choosing the control.
    """

    control: tuple[float, float]
    treatment: tuple[float, float]
    mean_control: float
    mean_treatment: float
    interval_control: tuple[float, float]
    interval_treatment: tuple[float, float]
    superiority: float
    difference: float
    interval: tuple[float, float]
    ratio_interval: tuple[float, float]
    loss_treatment: float
    loss_control: float


def beta_binomial(
    control: Share,
    treatment: Share,
    *,
    prior: tuple[float, float] = (1.0, 1.0),
    prior_treatment: tuple[float, float] | None = None,
    alpha: float = 0.05,
) -> Posterior:
    """Beta posteriors of two proportions; chance and losses by quadrature, exact to about ten digits.

    Args:
        control: One arm.
        treatment: The other.
        prior: Parameters a and b of the beta prior of both arms.
        prior_treatment: That of the treatment where it is another.
        alpha: 1 - level of the intervals.

    References:
        Gelman et al. (2013), Bayesian Data Analysis, section 2.4; Stucchio (2015) for the loss.
    """
    arms = []
    for share, (a, b) in zip((control, treatment), (prior, prior_treatment or prior), strict=True):
        if not (a > 0 and b > 0):
            raise ExperimentError(f"the parameters of a beta prior are above 0; got {a:g} and {b:g}")
        arms.append((a + share.successes, b + share.n - share.successes))

    def law(arm: tuple[float, float]) -> _Law:
        a, b = arm
        return _Law(
            mean=a / (a + b),
            cdf=lambda x: special.betainc(a, b, np.clip(x, 0, 1)),
            ppf=lambda u: special.betaincinv(a, b, u),
            partial=lambda x: a / (a + b) * special.betainc(a + 1, b, np.clip(x, 0, 1)),
        )

    return _posterior(arms[0], arms[1], law(arms[0]), law(arms[1]), alpha, (-1.0, 1.0))


def gamma_poisson(
    control: Rate,
    treatment: Rate,
    *,
    prior: tuple[float, float] = (0.5, 0.0),
    prior_treatment: tuple[float, float] | None = None,
    alpha: float = 0.05,
) -> Posterior:
    """Gamma posteriors of two Poisson rates.

    Args:
        control: One arm.
        treatment: The other.
        prior: Shape and rate (not scale) of the gamma prior of both arms; shape 0.5 with rate 0 is Jeffreys's.
        prior_treatment: That of the treatment where it is another.
        alpha: 1 - level of the intervals.

    References:
        Gelman et al. (2013), Bayesian Data Analysis, section 2.6.
    """
    arms = []
    for rate, (shape, inverse_scale) in zip((control, treatment), (prior, prior_treatment or prior), strict=True):
        if not (shape >= 0 and inverse_scale >= 0 and shape + rate.events > 0):
            raise ExperimentError(
                f"a gamma prior needs a shape above 0 and a rate from 0; got {shape:g}, {inverse_scale:g}"
            )
        arms.append((shape + rate.events, inverse_scale + rate.exposure))

    def law(arm: tuple[float, float]) -> _Law:
        a, b = arm
        return _Law(
            mean=a / b,
            cdf=lambda x: special.gammainc(a, np.maximum(x, 0) * b),
            ppf=lambda u: special.gammaincinv(a, u) / b,
            partial=lambda x: a / b * special.gammainc(a + 1, np.maximum(x, 0) * b),
        )

    return _posterior(arms[0], arms[1], law(arms[0]), law(arms[1]), alpha, (-math.inf, math.inf))


@dataclass(frozen=True, kw_only=True)
class NormalPosterior:
    """A normal posterior of an effect.

    Attributes:
        mean: In the effect's unit.
        sd: Its standard deviation.
        interval: Central interval of level 1 - alpha.
        superiority: Chance that the effect is above 0.
        loss_treatment: Mean of max(-effect, 0): what choosing the treatment loses on average.
        loss_control: Mean of max(effect, 0).
    """

    mean: float
    sd: float
    interval: tuple[float, float]
    superiority: float
    loss_treatment: float
    loss_control: float


def normal(
    estimate: float, se: float, *, prior_mean: float = 0.0, prior_sd: float = math.inf, alpha: float = 0.05
) -> NormalPosterior:
    """The posterior of an effect from its estimate; an infinite prior standard deviation is the flat prior.

    Args:
        estimate: Of the effect.
        se: Above 0, in the same unit.
        prior_mean: Of the normal prior.
        prior_sd: Its standard deviation.
        alpha: 1 - level of the interval.
    """
    if not se > 0 or not prior_sd > 0:
        raise ExperimentError("a posterior needs a standard error and a prior standard deviation above 0")
    precision = 1 / se**2 + 1 / prior_sd**2
    mean = (estimate / se**2 + (prior_mean / prior_sd**2 if math.isfinite(prior_sd) else 0.0)) / precision
    sd = math.sqrt(1 / precision)
    z = mean / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return NormalPosterior(
        mean=mean,
        sd=sd,
        interval=tail.interval(mean, sd, alpha=tail.checked_alpha(alpha)),
        superiority=tail.lower_tail(z),
        loss_treatment=sd * density - mean * tail.lower_tail(-z),
        loss_control=sd * density + mean * tail.lower_tail(z),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Law:
    """One posterior: mean, distribution, quantiles, and the mean of x below a point."""

    mean: float
    cdf: Callable[[Values], Values]
    ppf: Callable[[Floats], Values]
    partial: Callable[[Values], Values]


def _posterior(
    one: tuple[float, float], two: tuple[float, float], c: _Law, t: _Law, alpha: float, ends: tuple[float, float]
) -> Posterior:
    tail.checked_alpha(alpha)
    u, w = _nodes()
    at = t.ppf(u)  # quantiles of the treatment: E f(T) = sum of w f
    below = c.cdf(at)
    superiority = float(w @ below)
    gain = float((w * (at * below - c.partial(at))).sum())  # E max(T - C, 0)
    sides = np.array([alpha / 2, 1 - alpha / 2])

    def quantile(chance: Callable[[float], float], level: float, low: float, high: float) -> float:
        return float(optimize.brentq(lambda value: chance(value) - level, low, high, xtol=1e-13))

    spread = float(t.ppf(np.array([1 - 1e-12]))[0] + c.ppf(np.array([1 - 1e-12]))[0])
    low, high = max(ends[0], -spread), min(ends[1], spread)
    interval = [quantile(lambda d: float(w @ (1 - c.cdf(at - d))), level, low, high) for level in sides]
    tiny = float(t.ppf(np.array([1e-12]))[0] / c.ppf(np.array([1 - 1e-12]))[0])
    huge = float(t.ppf(np.array([1 - 1e-12]))[0] / max(float(c.ppf(np.array([1e-12]))[0]), 1e-300))
    logs = [math.log(max(tiny, 1e-300)) - 1, math.log(min(huge, 1e300)) + 1]
    ratios = [
        math.exp(quantile(lambda r: float(w @ (1 - c.cdf(at / math.exp(r)))), level, logs[0], logs[1]))
        for level in sides
    ]
    return Posterior(
        control=one,
        treatment=two,
        mean_control=c.mean,
        mean_treatment=t.mean,
        interval_control=(float(c.ppf(sides)[0]), float(c.ppf(sides)[1])),
        interval_treatment=(float(t.ppf(sides)[0]), float(t.ppf(sides)[1])),
        superiority=superiority,
        difference=t.mean - c.mean,
        interval=(interval[0], interval[1]),
        ratio_interval=(ratios[0], ratios[1]),
        loss_treatment=gain - (t.mean - c.mean),
        loss_control=gain,
    )


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Gauss and Legendre's points in (0, 1), and their weights."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    return (x + 1) / 2, w / 2


def beta_superiority(control: tuple[float, float], treatment: tuple[float, float]) -> float:
    """P(treatment > control) of two beta posteriors in closed form, for a whole first parameter of the treatment.

    References:
        Miller (2015), Formulas for Bayesian A/B testing.
    """
    (c, d), (a, b) = control, treatment
    i = np.arange(round(a))
    terms = special.betaln(c + i, b + d) - np.log(b + i) - special.betaln(1 + i, b) - special.betaln(c, d)
    return float(np.exp(terms).sum())


def rate_superiority(control: tuple[float, float], treatment: tuple[float, float]) -> float:
    """P(treatment > control) of two gamma posteriors (shape, rate) in closed form: a tail of the beta."""
    (c, d), (a, b) = control, treatment
    return float(stats.beta.sf(b / (b + d), a, c))
