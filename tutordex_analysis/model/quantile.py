"""Quantiles of two arms: order statistics, and units of several values each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import tail
from tutordex_analysis.model.summary import Summary

_Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class QuantileInterval:
    """One quantile with an interval between two order statistics.

    Attributes:
        estimate: The sample quantile (linear interpolation).
        ci_lo: The order statistic of rank `rank_lo`.
        ci_hi: That of rank `rank_hi`.
        rank_lo: From 1; 0 where the interval is open below.
        rank_hi: Up to n; n + 1 where it is open above.
        coverage: Exact for independent values of a continuous distribution.
    """

    estimate: float
    ci_lo: float
    ci_hi: float
    rank_lo: int
    rank_hi: int
    coverage: float


def order_statistics(values: npt.ArrayLike, q: float, *, alpha: float = 0.05, normal: bool = False) -> QuantileInterval:
    """The interval of a quantile by order statistics, for independent values.

    Args:
        values: Shape (n,), finite.
        q: In (0, 1).
        alpha: Each side misses at most half of it.
        normal: Ranks from the normal, n q -/+ z sqrt(n q (1 - q)) rounded outwards, instead of from the binomial.

    References:
        Conover (1999), Practical Nonparametric Statistics, section 3.2.
    """
    found = np.sort(_finite(values))
    if not 0 < q < 1:
        raise ExperimentError(f"a quantile is between 0 and 1, such as 0.95; got {q:g}")
    n = len(found)
    if normal:
        width = tail.critical(tail.checked_alpha(alpha)) * math.sqrt(n * q * (1 - q))
        low, high = math.floor(n * q - width), math.ceil(n * q + width) + 1
        low, high = max(low, 0), min(high, n + 1)
    else:
        low, high = ranks(n, q, alpha=alpha)
    below = float(special.bdtr(low - 1, n, q)) if low > 0 else 0.0
    return QuantileInterval(
        estimate=float(np.quantile(found, q)),
        ci_lo=float(found[low - 1]) if low > 0 else -math.inf,
        ci_hi=float(found[high - 1]) if high <= n else math.inf,
        rank_lo=low,
        rank_hi=high,
        coverage=(float(special.bdtr(high - 1, n, q)) if high <= n else 1.0) - below,
    )


def ranks(n: int, q: float, *, alpha: float = 0.05) -> tuple[int, int]:
    """The largest lower and the smallest upper rank of which each misses at most half of alpha; 0 and n + 1 are open.

    Example:
        >>> ranks(20, 0.5)
        (6, 15)
    """
    cdf = special.bdtr(np.arange(n), n, q)  # P(K <= k), K of n values below the quantile
    low = int(np.searchsorted(cdf, alpha / 2, side="right"))  # P(K <= low - 1) <= alpha / 2
    high = int(np.searchsorted(cdf, 1 - alpha / 2, side="left")) + 1  # P(K >= high) <= alpha / 2
    return low, high


@dataclass(frozen=True, kw_only=True)
class OrderedSample:
    """What a database gives of a quantile: the quantile, and two order statistics around it.

    Attributes:
        n: Values.
        n_star: Values that were there when the two bounds were taken.
        q: In (0, 1).
        estimate: The sample quantile.
        lower: The sample quantile at q - 1.96 sqrt(q (1 - q) / n_star).
        upper: That at q + the same.
        design_effect: Variance of the share of values below, over that of independent values.
    """

    n: float
    n_star: float
    q: float
    estimate: float
    lower: float
    upper: float
    design_effect: float = 1.0

    def summary(self) -> Summary:
        """The quantile as if it were a mean; its variance from the distance of the two bounds.

        References:
            Deng, Knoblich & Lu (2018), KDD, 233-242, section 4.2; the form is that of GrowthBook's engine.
        """
        sd = (self.upper - self.lower) / (2 * _Z95)
        variance = (self.n_star / self.n) * (self.n - 1) * sd**2 * self.design_effect
        return Summary(n=self.n, mean=self.estimate, variance=variance)


def clustered(values: npt.ArrayLike, units: npt.ArrayLike, q: float, *, alpha: float = 0.05) -> Summary:
    """A quantile of values that come several to a unit, with an error that knows it.

    Args:
        values: Shape (n,), finite.
        units: What was randomised, such as the user of each request; shape (n,).
        q: In (0, 1).
        alpha: Order statistics are taken as far out as this level needs.

    Returns:
        The quantile as a mean over units; its variance is right for that many units.

    Raises:
        ExperimentError: There are fewer than two units, or too few values for the quantile.

    References:
        Woodruff (1952), J. American Statistical Association 47, 635-646; Deng, Knoblich & Lu (2018), section 4.2.
    """
    y = _finite(values)
    _, codes = np.unique(np.asarray(units), return_inverse=True)
    if len(codes) != len(y):
        raise ExperimentError("each value needs its unit")
    k = int(codes.max()) + 1
    if k < 2:
        raise ExperimentError("one unit has all values, and an error needs two units")
    ordered = np.sort(y)
    estimate = float(np.quantile(ordered, q))
    below = np.bincount(codes, weights=(y <= estimate).astype(np.float64), minlength=k)
    sizes = np.bincount(codes, minlength=k).astype(np.float64)
    off = below - below.sum() / sizes.sum() * sizes
    se = math.sqrt(float(off @ off) * k / (k - 1)) / len(y)
    crit = tail.critical(tail.checked_alpha(alpha), df=k - 1)
    low, high = _at(ordered, q - crit * se), _at(ordered, q + crit * se)
    if not q + crit * se < 1 or not q - crit * se > 0:
        raise ExperimentError(f"{len(y):,} values of {k:,} units are too few for the {q:g} quantile")
    return Summary(n=k, mean=estimate, variance=k * ((high - low) / (2 * crit)) ** 2)


def _at(ordered: Floats, q: float) -> float:
    return float(np.quantile(ordered, min(max(q, 0.0), 1.0)))


def _finite(values: npt.ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if not len(found) or not np.isfinite(found).all():
        raise ExperimentError("a quantile needs finite values")
    return found
