"""Counts by time bucket and arm, as Prometheus has them: what they can say of a difference, and how sure that is.

Events of a bucket are not independent (bursts, one user's many clicks, a slow worker), so the spread is taken from the
buckets themselves and never from Poisson.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import stats

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import means, tail
from tutordex_analysis.model.effect import Effect, RatioEffect, log_wald, wald
from tutordex_analysis.model.summary import Moments, Summary
from tutordex_analysis.model.tail import Alternative

FEWEST_BLOCKS = 6  # a t with fewer has bounds that nobody can use, and its promise rests on the normal alone


@dataclass(frozen=True, kw_only=True)
class QuasiPoisson:
    """Two arms' counts in buckets of equal length or known exposure.

    Attributes:
        poisson: As if events were independent.
        quasi: With the dispersion, against the normal.
        quasi_t: With the dispersion, against t with the residual degrees of freedom.
        dispersion: Pearson's chi-square over its degrees of freedom; 1 is Poisson.
        df: Buckets of both arms less two.
    """

    poisson: RatioEffect
    quasi: RatioEffect
    quasi_t: RatioEffect
    dispersion: float
    df: int


def quasi_poisson(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    *,
    exposure_control: npt.ArrayLike = 1.0,
    exposure_treatment: npt.ArrayLike = 1.0,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> QuasiPoisson:
    """The log rate ratio with the variance inflated by Pearson's dispersion; for buckets that do not hang together.

    Args:
        control: Counts, shape (n_buckets,).
        treatment: Counts, shape (m_buckets,).
        exposure_control: Length or requests of each bucket.
        exposure_treatment: The same of the treatment.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.

    Raises:
        ExperimentError: A count is negative or an arm has no event.

    References:
        Wedderburn (1974), Biometrika 61, 439-447; McCullagh & Nelder (1989), section 6.2.
    """
    y, x = counts_of(control), counts_of(treatment)
    e_y, e_x = (
        np.broadcast_to(np.asarray(one, float), two.shape)
        for one, two in ((exposure_control, y), (exposure_treatment, x))
    )
    if not (e_y > 0).all() or not (e_x > 0).all():
        raise ExperimentError("the exposure of a bucket is above 0")
    if not (y.sum() > 0 and x.sum() > 0):
        raise ExperimentError("a log rate ratio needs an event in each arm")
    rates = [float(y.sum() / e_y.sum()), float(x.sum() / e_x.sum())]
    df = len(x) + len(y) - 2
    fits = ((y, rates[0] * e_y), (x, rates[1] * e_x))
    dispersion = sum(float(((one - fit) ** 2 / fit).sum()) for one, fit in fits) / df if df > 0 else math.nan
    effect, se = math.log(rates[1] / rates[0]), math.sqrt(1 / float(x.sum()) + 1 / float(y.sum()))
    wide = se * math.sqrt(dispersion)
    return QuasiPoisson(
        poisson=log_wald(effect, se, alpha=alpha, method="Poisson", alternative=alternative),
        quasi=log_wald(effect, wide, alpha=alpha, method="quasi-Poisson", alternative=alternative),
        quasi_t=log_wald(effect, wide, alpha=alpha, method="quasi-Poisson, t", alternative=alternative, df=df),
        dispersion=dispersion,
        df=df,
    )


@dataclass(frozen=True, kw_only=True)
class PairedBlocks:
    """Two arms in the same blocks of time.

    Attributes:
        effect: Mean difference a block, in events or, with trials, in proportions.
        lift: As a share of the control, by Fieller on the same pairs.
        blocks: How many.
        dispersion: Variance of the difference over that of independent events; 1 is Poisson.
    """

    effect: Effect
    lift: Effect
    blocks: int
    dispersion: float


def paired_blocks(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    *,
    trials_control: npt.ArrayLike | None = None,
    trials_treatment: npt.ArrayLike | None = None,
    share: float = 0.5,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> PairedBlocks:
    """The paired t test over blocks, such as days: right for bursts, for what both arms share, and for slow swings.

    The spread of the differences is taken from their slow half (the first cosines over time), so that blocks which
    still hang together do not pass for independent ones; it costs a tenth of the width.

    Args:
        control: Events of each block, shape (n_blocks,), at least six blocks.
        treatment: Events of the same blocks.
        trials_control: Trials of each block, where the question is one of proportions (events over trials).
        trials_treatment: Of the treatment.
        share: Of the traffic that the treatment gets; without trials its events are compared in proportion to it.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.

    Raises:
        ExperimentError: There are fewer than six blocks, or the arms have different ones.

    References:
        Mueller (2004), Econometric Theory 20, 1203-1240; Lazarus, Lewis, Stock & Watson (2018), J. Business & Economic
        Statistics 36, 541-559 (the equal-weighted cosine estimator with its t).
    """
    y, x = counts_of(control), counts_of(treatment)
    if len(y) != len(x):
        raise ExperimentError(f"the arms have different blocks: {len(y)} and {len(x)}")
    if len(y) < FEWEST_BLOCKS:
        raise ExperimentError(f"{len(y)} blocks are not enough; {FEWEST_BLOCKS} are the least")
    if not 0 < share < 1:
        raise ExperimentError(f"a share of the traffic is between 0 and 1; got {share:g}")
    n, df = len(y), cosines(len(y))
    if trials_control is None or trials_treatment is None:
        scale = (1 - share) / share
        both = _slow(df, y, x * scale)
        base, other = (Summary(n=n, mean=float(both.mean[i]), variance=float(both.cov[i, i])) for i in (0, 1))
        together = float(both.cov[0, 1]) / n
        chance = (float(y.sum()) + scale**2 * float(x.sum())) / n**2
    else:
        base, other, together, chance = _shares(y, x, counts_of(trials_control), counts_of(trials_treatment))
    se = math.sqrt(max(base.variance_of_mean + other.variance_of_mean - 2 * together, 0.0))
    method = f"paired t over {n} blocks of time"
    effect = wald(other.mean - base.mean, se, alpha=alpha, method=method, alternative=alternative, df=df)
    nothing = Effect(
        estimate=math.nan,
        se=math.nan,
        statistic=math.nan,
        df=df,
        p_value=effect.p_value,
        ci_lo=-math.inf,
        ci_hi=math.inf,
        alpha=alpha,
        method=method,
    )
    lift = (
        means.fieller(base, other, alpha=alpha, alternative=alternative, covariance=together, df=df)
        if base.mean > 0
        else nothing
    )
    return PairedBlocks(effect=effect, lift=lift, blocks=n, dispersion=se**2 / chance if chance > 0 else math.nan)


def cosines(blocks: int) -> int:
    """How many cosines the spread is taken from, the degrees of freedom: half of the blocks, five at least."""
    return max(blocks // 2, min(5, blocks - 1))


def _slow(k: int, *columns: Floats) -> Moments:
    """Means of columns in time's order, with the covariances that their slow swings tell."""
    values = np.stack(columns)
    n = values.shape[1]
    waves = np.sqrt(2 / n) * np.cos(np.pi * np.outer(np.arange(1, k + 1), np.arange(n) + 0.5) / n)
    weights = waves @ values.T
    return Moments(n=n, mean=values.mean(axis=1), cov=weights.T @ weights / k)


def _shares(y: Floats, x: Floats, m: Floats, n: Floats) -> tuple[Summary, Summary, float, float]:
    """Both arms' ratios of sums, their covariance over paired blocks, and the variance of independent trials."""
    if len(m) != len(y) or len(n) != len(y) or (y > m).any() or (x > n).any():
        raise ExperimentError("trials are needed for each block, and no block has more events than trials")
    moments = _slow(cosines(len(y)), y, m, x, n)
    mean_m, mean_n = float(moments.mean[1]), float(moments.mean[3])
    if not (mean_m > 0 and mean_n > 0):
        raise ExperimentError("an arm has no trials")
    p, q = float(moments.mean[0]) / mean_m, float(moments.mean[2]) / mean_n
    one = np.array([1 / mean_m, -p / mean_m, 0, 0])
    two = np.array([0, 0, 1 / mean_n, -q / mean_n])
    together = float(one @ moments.cov @ two) / moments.n
    chance = p * (1 - p) / float(m.sum()) + q * (1 - q) / float(n.sum())
    return moments.along(one, mean=p), moments.along(two, mean=q), together, chance


def hac_mean(
    values: npt.ArrayLike,
    *,
    lags: int,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    correction: bool = False,
    reference: str = "normal",
) -> Effect:
    """The mean of a series whose values hang together, with the error of Newey and West.

    Args:
        values: Shape (n,), finite, in time's order; differences of paired buckets, say.
        lags: Autocovariances that count, with Bartlett's weights 1 - k / (lags + 1).
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        correction: The small-sample factor n / (n - 1).
        reference: "normal", or "t" with n - 1 degrees of freedom.

    References:
        Newey & West (1987), Econometrica 55, 703-708.
    """
    y = np.asarray(values, dtype=np.float64)
    n = len(y)
    if n < 2 or not np.isfinite(y).all():
        raise ExperimentError("a mean with its error needs two finite values")
    if not 0 <= lags < n:
        raise ExperimentError(f"lags are from 0 to {n - 1}; got {lags}")
    off = y - y.mean()
    total = float(off @ off)
    for k in range(1, lags + 1):
        total += 2 * (1 - k / (lags + 1)) * float(off[k:] @ off[:-k])
    total *= n / (n - 1) if correction else 1.0
    df = n - 1 if reference == "t" else math.inf
    method = f"HAC mean, {lags} lags"
    return wald(
        float(y.mean()), math.sqrt(max(total, 0.0)) / n, alpha=alpha, method=method, alternative=alternative, df=df
    )


def increase(samples: npt.ArrayLike, *, born: bool = False) -> float:
    """What a raw counter grew by over its samples; a fall is a restart from 0.

    Args:
        samples: Readings in time's order, shape (n,); NaN where there was none.
        born: Whether the first reading counts as growth from 0, as of a series that appeared within the window.

    Example:
        >>> increase([5.0, 9.0, 2.0, float("nan"), 4.0])
        8.0
    """
    seen = np.asarray(samples, dtype=np.float64)
    seen = seen[np.isfinite(seen)]
    if (seen < 0).any():
        raise ExperimentError("a counter is never negative")
    steps = [b - a if b >= a else b for a, b in pairwise(seen.tolist())]
    return float(sum(steps) + (seen[0] if born and len(seen) else 0.0))


def counts_of(values: npt.ArrayLike) -> Floats:
    """Counts as floats.

    Raises:
        ExperimentError: One is negative or not a number.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ExperimentError("counts are one number a bucket; a bucket without a reading is left out in both arms")
    if (found < 0).any():
        raise ExperimentError("a count is negative: the counter was reset between buckets; use its increase")
    return found


def dispersion_test(dispersion: float, df: int) -> float:
    """Chance of so much dispersion among independent events; small says that Poisson does not hold."""
    return tail.open_tail(float(stats.chi2.sf(dispersion * df, df)))
