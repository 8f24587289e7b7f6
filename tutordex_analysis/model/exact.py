"""Exact tests of small counts: Fisher, Barnard and Boschloo for two arms, McNemar for pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import special, stats
from scipy.stats import contingency

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.score_interval import root
from tutordex_analysis.model.tail import Alternative

Test: TypeAlias = Literal["fisher", "barnard", "boschloo"]


@dataclass(frozen=True, kw_only=True)
class ExactTest:
    """A two by two table.

    Attributes:
        p_value: In (0, 1].
        statistic: Of Barnard and Boschloo; NaN for Fisher.
        odds_ratio: Conditional maximum likelihood estimate, treatment over control; NaN where nothing is known of it.
        ci_lo: Exact lower bound of the odds ratio.
        ci_hi: Exact upper bound.
        method: "fisher", "barnard" or "boschloo".
    """

    p_value: float
    statistic: float
    odds_ratio: float
    ci_lo: float
    ci_hi: float
    method: Test


def exact(
    control: Share,
    treatment: Share,
    *,
    method: Test = "fisher",
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
    pooled: bool = True,
) -> ExactTest:
    """An exact test of two proportions, with the exact interval of the odds ratio.

    Args:
        control: Whole counts.
        treatment: Whole counts.
        method: Fisher's holds both margins fixed and is conservative; Boschloo's is never less powerful; Barnard's
            takes the Wald statistic, pooled or not.
        alternative: "greater" is a larger proportion in the treatment.
        alpha: 1 - level of the interval.
        pooled: For Barnard's statistic.

    References:
        Fisher (1935); Barnard (1947), Biometrika 34, 123-138; Boschloo (1970), Statistica Neerlandica 24, 1-9; the
        interval is that of Cornfield (1956) from the noncentral hypergeometric, as scipy has it.
    """
    if any(one != int(one) for share in (control, treatment) for one in (share.successes, share.n)):
        raise ExperimentError("an exact test needs whole counts; increase() gives fractions, take the raw counter")
    a, c = int(treatment.successes), int(control.successes)
    table = [[a, int(treatment.n) - a], [c, int(control.n) - c]]
    columns = [[a, c], [int(treatment.n) - a, int(control.n) - c]]  # Barnard and Boschloo of scipy: arms are columns
    statistic = math.nan
    if method == "fisher":
        p = float(stats.fisher_exact(np.array(table), alternative=alternative).pvalue)
    elif method == "barnard":
        found = stats.barnard_exact(columns, alternative=alternative, pooled=pooled)
        p, statistic = float(found.pvalue), float(found.statistic)
    else:
        wanted = stats.boschloo_exact(columns, alternative=alternative)
        p, statistic = float(wanted.pvalue), float(wanted.statistic)
    ratio = contingency.odds_ratio(table, kind="conditional")
    bounds = ratio.confidence_interval(1 - tail.checked_alpha(alpha), alternative=alternative)
    return ExactTest(
        p_value=tail.open_tail(p),
        statistic=statistic,
        odds_ratio=float(ratio.statistic),
        ci_lo=float(bounds.low),
        ci_hi=float(bounds.high),
        method=method,
    )


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Two outcomes of the same units.

    Attributes:
        n: Pairs.
        only_control: Pairs in which only the control succeeds.
        only_treatment: Pairs in which only the treatment does.
        difference: Proportion of the treatment less that of the control.
        ci_lo: Lower bound of the difference.
        ci_hi: Upper bound.
        p_value: McNemar's, in (0, 1]; 1 where no pair differs is what the exact test says.
        method: "exact" or "mid-p".
    """

    n: int
    only_control: int
    only_treatment: int
    difference: float
    ci_lo: float
    ci_hi: float
    p_value: float
    method: str


def mcnemar(both: int, only_control: int, only_treatment: int, neither: int, *, alpha: float = 0.05) -> Pairs:
    """McNemar's exact test of paired outcomes, with the score interval of the difference.

    Args:
        both: Pairs in which both succeed.
        only_control: Pairs in which only the control does.
        only_treatment: Pairs in which only the treatment does.
        neither: Pairs in which neither does.
        alpha: In (0, 1).

    Returns:
        The interval is Tango's score interval, widened to contain 0 where the exact test does not reject.

    References:
        McNemar (1947), Psychometrika 12, 153-157; Tango (1998), Statistics in Medicine 17, 891-908.
    """
    cells = (both, only_control, only_treatment, neither)
    if any(one < 0 for one in cells) or not sum(cells):
        raise ExperimentError(f"pairs are counted in four cells from 0, and there must be one; got {cells}")
    n, b, c = sum(cells), only_treatment, only_control
    tails = float(special.bdtr(min(b, c), b + c, 0.5)) if b + c else 1.0
    p = tail.open_tail(2 * tails)
    low, high = tango_bounds(b, c, n, crit=tail.critical(tail.checked_alpha(alpha)))
    if p > alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    return Pairs(
        n=n,
        only_control=c,
        only_treatment=b,
        difference=(b - c) / n,
        ci_lo=low,
        ci_hi=high,
        p_value=p,
        method="exact",
    )


def tango_bounds(b: float, c: float, n: float, *, crit: float) -> tuple[float, float]:
    """All differences of paired proportions that Tango's score test does not reject."""

    def z(delta: float) -> float:
        lead = -b - c + (2 * n - b + c) * delta
        rest = -c * delta * (1 - delta)
        q = (math.sqrt(max(lead * lead - 8 * n * rest, 0.0)) - lead) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        off = b - c - n * delta
        if variance > 1e-12:
            return off / math.sqrt(variance)
        return 0.0 if abs(off) < 1e-12 else math.copysign(1e6, off)

    middle = (b - c) / n
    return root(z, crit, -1.0, middle), root(z, -crit, middle, 1.0)
