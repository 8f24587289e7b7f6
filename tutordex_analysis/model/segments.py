"""Segments: whether an effect differs between them, and whether the whole says the opposite of its parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.effect import Effect, RatioEffect, log_wald, wald
from tutordex_analysis.model.proportion import Share

_SPREAD = 8.0  # near the best for alpha = 0.05: -2 log(alpha) + log(1 - 2 log(alpha))


@dataclass(frozen=True, kw_only=True)
class Heterogeneity:
    """Effects of several segments.

    Attributes:
        pooled: Their mean, weighted by precision.
        q: Cochran's statistic.
        df: Segments less one.
        p_value: Of no difference between segments.
        i_squared: Share of the spread that is more than chance, 0 to 1.
        tau_squared: Variance between segments (DerSimonian and Laird).
    """

    pooled: Effect
    q: float
    df: int
    p_value: float
    i_squared: float
    tau_squared: float

    def p_value_at_any_look(self, information: float) -> float:
        """A p-value that may be looked at whenever one likes; valid while the shares of the segments stay as they are.

        The mixture over differences between segments whose spread is `_SPREAD` times the error at the tuned size.

        Args:
            information: Share of the tuned size that has come, above 0.

        References:
            Robbins (1970), Annals of Mathematical Statistics 41, 1397-1409, in `df` dimensions.
        """
        grown = 1 + _SPREAD * information
        log_e = self.q * (1 - 1 / grown) / 2 - self.df * math.log(grown) / 2
        return tail.open_tail(math.exp(-max(log_e, 0.0)))


def heterogeneity(effects: npt.ArrayLike, errors: npt.ArrayLike, *, alpha: float = 0.05) -> Heterogeneity:
    """Whether an effect differs between segments more than chance makes it.

    Args:
        effects: One a segment, shape (k,), k at least two.
        errors: Their standard errors, above 0.
        alpha: Of the pooled interval.

    References:
        Cochran (1954), Biometrics 10, 101-129; Higgins & Thompson (2002), Statistics in Medicine 21, 1539-1558.
    """
    y, se = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(y) < 2 or len(y) != len(se) or not (se > 0).all() or not np.isfinite(y).all():
        raise ExperimentError("heterogeneity needs the effects of two segments with errors above 0")
    w = 1 / se**2
    mean = float((w * y).sum() / w.sum())
    q = float((w * (y - mean) ** 2).sum())
    df = len(y) - 1
    scale = float(w.sum() - (w**2).sum() / w.sum())
    return Heterogeneity(
        pooled=wald(mean, math.sqrt(1 / float(w.sum())), alpha=alpha, method="inverse variance"),
        q=q,
        df=df,
        p_value=tail.open_tail(float(special.chdtrc(df, q))),
        i_squared=max(0.0, (q - df) / q) if q > 0 else 0.0,
        tau_squared=max(0.0, (q - df) / scale),
    )


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Two arms over several segments with a yes or no.

    Attributes:
        crude: Difference of proportions of all together.
        adjusted: Mantel and Haenszel's difference, segments held fixed.
        crude_odds_ratio: Of all together.
        odds_ratio: Mantel and Haenszel's.
        risk_ratio: Mantel and Haenszel's.
        cmh: Cochran, Mantel and Haenszel's statistic, one degree of freedom, without correction.
        cmh_p: Its p-value.
        cmh_corrected: The statistic with the correction for continuity.
        cmh_corrected_p: Its p-value.
        differences: Of each segment.
        reversed: Whether all together say the opposite of the adjusted difference (Simpson's paradox).
    """

    crude: float
    adjusted: Effect
    crude_odds_ratio: float
    odds_ratio: RatioEffect
    risk_ratio: RatioEffect
    cmh: float
    cmh_p: float
    cmh_corrected: float
    cmh_corrected_p: float
    differences: tuple[float, ...]
    reversed: bool


def mantel_haenszel(control: Sequence[Share], treatment: Sequence[Share], *, alpha: float = 0.05) -> Strata:
    """The effect with segments held fixed, and an alarm where leaving them out turns it around.

    Args:
        control: One share a segment.
        treatment: The same segments in the same order.
        alpha: Of the intervals.

    References:
        Mantel & Haenszel (1959), J. National Cancer Institute 22, 719-748; Robins, Breslow & Greenland (1986),
        Biometrics 42, 311-323 (odds); Greenland & Robins (1985), Biometrics 41, 55-68 (risks).
    """
    if len(control) != len(treatment) or not control:
        raise ExperimentError("each segment needs both arms")
    a, n1 = (np.array([getattr(one, name) for one in treatment], float) for name in ("successes", "n"))
    c, n0 = (np.array([getattr(one, name) for one in control], float) for name in ("successes", "n"))
    b, d, n = n1 - a, n0 - c, n1 + n0
    crude = float(a.sum() / n1.sum() - c.sum() / n0.sum())
    weight = n1 * n0 / n
    difference = float((weight * (a / n1 - c / n0)).sum() / weight.sum())
    spread = float(((a * b * n0**3 + c * d * n1**3) / (n1 * n0 * n**2)).sum() / weight.sum() ** 2)
    adjusted = wald(difference, math.sqrt(spread), alpha=alpha, method="Mantel-Haenszel")
    m1 = a + c
    off, variance = (
        float((a - n1 * m1 / n).sum()),
        float((n1 * n0 * m1 * (n - m1) / (n**2 * np.maximum(n - 1, 1))).sum()),
    )
    cmh = off**2 / variance if variance > 0 else math.nan
    corrected = max(abs(off) - 0.5, 0.0) ** 2 / variance if variance > 0 else math.nan
    below = float(b.sum() * c.sum())
    return Strata(
        crude=crude,
        adjusted=adjusted,
        crude_odds_ratio=float(a.sum() * d.sum()) / below if below else math.nan,
        odds_ratio=_odds(a, b, c, d, n, alpha),
        risk_ratio=_risk(a, c, n1, n0, n, alpha),
        cmh=cmh,
        cmh_p=tail.open_tail(float(special.chdtrc(1, cmh))),
        cmh_corrected=corrected,
        cmh_corrected_p=tail.open_tail(float(special.chdtrc(1, corrected))),
        differences=tuple(map(float, a / n1 - c / n0)),
        reversed=crude * difference < 0,
    )


def _odds(
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    c: npt.NDArray[np.float64],
    d: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
    alpha: float,
) -> RatioEffect:
    r, s = a * d / n, b * c / n
    p, q = (a + d) / n, (b + c) / n
    big_r, big_s = float(r.sum()), float(s.sum())
    if not (big_r > 0 and big_s > 0):
        return log_wald(math.nan, math.nan, alpha=alpha, method="Mantel-Haenszel odds ratio")
    variance = (
        float((p * r).sum()) / (2 * big_r**2)
        + float((p * s + q * r).sum()) / (2 * big_r * big_s)
        + float((q * s).sum()) / (2 * big_s**2)
    )
    return log_wald(math.log(big_r / big_s), math.sqrt(variance), alpha=alpha, method="Mantel-Haenszel odds ratio")


def _risk(
    a: npt.NDArray[np.float64],
    c: npt.NDArray[np.float64],
    n1: npt.NDArray[np.float64],
    n0: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
    alpha: float,
) -> RatioEffect:
    top, bottom = float((a * n0 / n).sum()), float((c * n1 / n).sum())
    if not (top > 0 and bottom > 0):
        return log_wald(math.nan, math.nan, alpha=alpha, method="Mantel-Haenszel risk ratio")
    variance = float(((n1 * n0 * (a + c) - a * c * n) / n**2).sum()) / (top * bottom)
    return log_wald(math.log(top / bottom), math.sqrt(variance), alpha=alpha, method="Mantel-Haenszel risk ratio")


@dataclass(frozen=True, kw_only=True)
class Slope:
    """How an effect changes from day to day.

    Attributes:
        effect: Change of the effect a day, with its interval.
        intercept: The effect on day 0.
        fades: Whether the slope is significant and goes towards no effect.
    """

    effect: Effect
    intercept: float
    fades: bool


def novelty(
    days: npt.ArrayLike, effects: npt.ArrayLike, errors: npt.ArrayLike, *, alpha: float = 0.05, known: bool = True
) -> Slope:
    """The slope of daily effects over days, weighted by precision: a novelty that wears off, or a habit that grows.

    Args:
        days: Shape (k,), k at least three.
        effects: Of users first seen, or of outcomes made, on each day.
        errors: Their standard errors.
        alpha: Of the interval.
        known: The errors are what they say (normal); else they are only right up to a factor, which the residuals give
            (t with k - 2 degrees of freedom).
    """
    x, y, se = (np.asarray(one, dtype=np.float64) for one in (days, effects, errors))
    if len(x) < 3 or not len(x) == len(y) == len(se) or not (se > 0).all():
        raise ExperimentError("a slope needs three days with an effect and an error above 0 each")
    w = 1 / se**2
    mx, my = float((w * x).sum() / w.sum()), float((w * y).sum() / w.sum())
    sxx = float((w * (x - mx) ** 2).sum())
    if not sxx > 0:
        raise ExperimentError("a slope needs different days")
    slope = float((w * (x - mx) * (y - my)).sum()) / sxx
    scale, df = 1.0, math.inf
    if not known:
        df = len(x) - 2
        scale = float((w * (y - my - slope * (x - mx)) ** 2).sum()) / df
    effect = wald(slope, math.sqrt(scale / sxx), alpha=alpha, method="weighted slope", df=df)
    intercept = my - slope * mx
    fades = effect.significant and slope * my < 0
    return Slope(effect=effect, intercept=intercept, fades=fades)
