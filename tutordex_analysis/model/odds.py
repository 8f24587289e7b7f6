"""Two proportions as a ratio of risks or of odds, and whether a larger table is independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.effect import RatioEffect, log_wald
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.tail import Alternative


def relative_risk(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    shift: float = 0.0,
) -> RatioEffect:
    """The ratio of two proportions with Katz's interval on the log scale.

    Args:
        control: One arm.
        treatment: The other.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        shift: Added to successes and units of both arms, such as 0.5 where an arm has no success.

    Raises:
        ExperimentError: An arm has no success and nothing is added.

    References:
        Katz et al. (1978), Biometrics 34, 469-474.
    """
    a, n, c, m = (one + shift for one in (treatment.successes, treatment.n, control.successes, control.n))
    if not (a > 0 and c > 0):
        raise ExperimentError("a log ratio needs a success in each arm; ask for the score interval instead")
    se = math.sqrt(max(1 / a - 1 / n + 1 / c - 1 / m, 0.0))
    return log_wald(
        math.log((a / n) / (c / m)), se, alpha=alpha, method="risk ratio, log (Katz)", alternative=alternative
    )


def odds_ratio(
    control: Share,
    treatment: Share,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    shift: float = 0.0,
) -> RatioEffect:
    """The ratio of two odds with Woolf's interval on the log scale.

    Args:
        control: One arm.
        treatment: The other.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        shift: Added to all four cells, such as 0.5 (Haldane and Anscombe) where one is empty.

    Raises:
        ExperimentError: A cell is empty and nothing is added.

    References:
        Woolf (1955), Annals of Human Genetics 19, 251-253.
    """
    cells = [treatment.successes, treatment.n - treatment.successes, control.successes, control.n - control.successes]
    a, b, c, d = (one + shift for one in cells)
    if not min(a, b, c, d) > 0:
        raise ExperimentError("a log odds ratio needs every outcome in each arm; ask for the exact test instead")
    se = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return log_wald(
        math.log(a * d / (b * c)), se, alpha=alpha, method="odds ratio, log (Woolf)", alternative=alternative
    )


@dataclass(frozen=True, kw_only=True)
class ChiSquare:
    """A test of independence.

    Attributes:
        statistic: Pearson's.
        df: Degrees of freedom.
        p_value: In (0, 1].
        expected: Counts under independence, same shape as the table.
        cramers_v: From 0 to 1.
    """

    statistic: float
    df: int
    p_value: float
    expected: tuple[tuple[float, ...], ...]
    cramers_v: float


def chi_square(table: npt.ArrayLike, *, continuity: bool = False, likelihood: bool = False) -> ChiSquare:
    """Whether rows and columns of a table of counts are independent.

    Args:
        table: Counts, shape (rows, columns), each at least two.
        continuity: Yates's correction, for two by two.
        likelihood: The likelihood ratio G instead of Pearson's statistic.

    Raises:
        ExperimentError: A count is negative, or a whole row or column is empty.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or min(counts.shape) < 2 or not np.isfinite(counts).all() or (counts < 0).any():
        raise ExperimentError("a table of counts needs two rows and two columns of numbers from 0")
    if (counts.sum(axis=0) == 0).any() or (counts.sum(axis=1) == 0).any():
        raise ExperimentError("a whole row or column of the table is empty; leave it out")
    found = stats.chi2_contingency(counts, correction=continuity, lambda_="log-likelihood" if likelihood else "pearson")
    statistic = float(found.statistic)
    smaller = min(counts.shape) - 1
    return ChiSquare(
        statistic=statistic,
        df=int(found.dof),
        p_value=tail.open_tail(float(found.pvalue)),
        expected=tuple(tuple(map(float, row)) for row in found.expected_freq),
        cramers_v=math.sqrt(statistic / (float(counts.sum()) * smaller)),
    )
