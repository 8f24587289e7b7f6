"""What a method needs of an arm: its units, their mean and their variance, also of several columns together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats

_ROUNDED = 1e-6  # of sums that were printed; what is further off belongs to other units


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One number a unit, in one arm.

    Attributes:
        n: Units.
        mean: In the metric's unit.
        variance: Of one unit around the mean, with n - 1 below.
    """

    n: float
    mean: float
    variance: float

    @property
    def variance_of_mean(self) -> float:
        """Squared standard error of the mean; NaN without units."""
        return self.variance / self.n if self.n > 0 else math.nan


def of_sums(n: float, total: float, sum_squares: float) -> Summary:
    """From the number of units, the sum and the sum of squares.

    Raises:
        ExperimentError: There is no unit, or the squares cannot belong to the sum.

    Example:
        >>> of_sums(3, 6.0, 14.0)
        Summary(n=3, mean=2.0, variance=1.0)
    """
    if not n > 0 or not math.isfinite(n):
        raise ExperimentError(f"an arm needs at least one unit; got n = {n:g}")
    if not (math.isfinite(total) and math.isfinite(sum_squares)):
        raise ExperimentError("sums must be finite numbers; leave units without an outcome out and say how many")
    spread = sum_squares - total * total / n
    if spread < -1e-9 * max(sum_squares, 1e-300):
        raise ExperimentError(
            f"a sum of squares of {sum_squares:g} is too small for a sum of {total:g} over {n:g} units"
        )
    return Summary(n=n, mean=total / n, variance=max(spread, 0.0) / (n - 1) if n > 1 else math.nan)


def of_successes(successes: float, n: float, *, ddof: int = 1) -> Summary:
    """Of a proportion; `ddof` 0 gives the variance p (1 - p)."""
    p = successes / n
    return Summary(n=n, mean=p, variance=p * (1 - p) * n / (n - ddof) if n > ddof else math.nan)


def of_values(values: npt.ArrayLike) -> Summary:
    """From one number a unit, shape (n,), finite.

    Raises:
        ExperimentError: There is none, or one is not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if not len(found):
        raise ExperimentError("an arm needs at least one unit; got none")
    mean = float(found.mean())
    if not math.isfinite(mean):
        raise ExperimentError("outcomes must be finite numbers; leave units without an outcome out and say how many")
    centred = found - mean
    n = len(found)
    return Summary(n=n, mean=mean, variance=float(centred @ centred) / (n - 1) if n > 1 else math.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Several numbers a unit, in one arm, such as numerator and denominator, or outcome and covariate.

    Attributes:
        n: Units.
        mean: Shape (k,).
        cov: Covariances of one unit, shape (k, k), with n - 1 below.
    """

    n: float
    mean: Floats
    cov: Floats

    def along(self, gradient: npt.ArrayLike, *, mean: float) -> Summary:
        """The linearised function of the means whose slopes are `gradient` and whose value is `mean` (delta method)."""
        slope = np.asarray(gradient, dtype=np.float64)
        return Summary(n=self.n, mean=mean, variance=max(float(slope @ self.cov @ slope), 0.0))


def moments_of_sums(n: float, sums: Sequence[float], products: npt.ArrayLike) -> Moments:
    """From the number of units, k sums and the (k, k) sums of products."""
    if not n >= 2 or not math.isfinite(n):
        raise ExperimentError(f"an arm needs at least two units for a covariance; got n = {n:g}")
    total = np.asarray(sums, dtype=np.float64)
    crossed = np.asarray(products, dtype=np.float64)
    if not (np.isfinite(total).all() and np.isfinite(crossed).all()):
        raise ExperimentError("sums must be finite numbers; leave units without an outcome out and say how many")
    scatter = crossed - np.outer(total, total) / n
    squares = np.maximum(crossed.diagonal(), 0.0)
    if (scatter.diagonal() < -_ROUNDED * np.maximum(squares, 1e-300)).any():
        raise ExperimentError("a sum of squares is too small for its sum and so many units")
    spread = np.sqrt(np.maximum(scatter.diagonal(), 0.0))
    if (np.abs(scatter) > np.outer(spread, spread) + _ROUNDED * np.sqrt(np.outer(squares, squares))).any():
        raise ExperimentError("a sum of products is too far from zero for the sums of squares beside it")
    return Moments(n=n, mean=total / n, cov=scatter / (n - 1))


def moments_of_values(*columns: npt.ArrayLike) -> Moments:
    """From k columns, each of shape (n,), finite."""
    values = np.stack([np.asarray(one, dtype=np.float64) for one in columns])
    n = values.shape[1]
    if n < 2:
        raise ExperimentError(f"an arm needs at least two units for a covariance; got {n}")
    mean = values.mean(axis=1)
    if not np.isfinite(mean).all():
        raise ExperimentError("outcomes must be finite numbers; leave units without an outcome out and say how many")
    centred = values - mean[:, None]
    return Moments(n=n, mean=mean, cov=centred @ centred.T / (n - 1))


def together(one: Moments, two: Moments) -> Moments:
    """Both arms as one sample."""
    n = one.n + two.n
    mean = (one.n * one.mean + two.n * two.mean) / n
    apart = two.mean - one.mean
    scatter = (one.n - 1) * one.cov + (two.n - 1) * two.cov + np.outer(apart, apart) * (one.n * two.n / n)
    return Moments(n=n, mean=mean, cov=scatter / (n - 1))
