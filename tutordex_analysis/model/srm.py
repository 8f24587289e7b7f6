"""Sample ratio mismatch: whether the units came to the arms as they were meant to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import tail

THRESHOLD = 0.001  # small, since it is looked at often and stops everything (Fabijan et al. 2019, KDD)
CONCENTRATION = 1500.0  # of the prior: mismatches of a percent point or two are what it looks for first


@dataclass(frozen=True, kw_only=True)
class Srm:
    """One check of the split.

    Attributes:
        statistic: Pearson's chi-square; the log Bayes factor where the check is sequential.
        df: Arms with a weight less one.
        p_value: In (0, 1]; valid at every look where the check is sequential.
        failed: Whether it is below the threshold, or an arm without weight has units.
        stray: Units in arms without weight.
        method: "chi-square" or "sequential multinomial".
    """

    statistic: float
    df: int
    p_value: float
    failed: bool
    stray: float
    method: str


def chi_square(observed: Sequence[float], weights: Sequence[float], *, threshold: float = THRESHOLD) -> Srm:
    """The split against its weights, looked at once.

    Args:
        observed: Units of each arm, from 0.
        weights: What each arm was meant to get, in any unit; 0 for an arm that was switched off.
        threshold: Below it the check has failed.

    Raises:
        ExperimentError: The lists differ in length, fewer than two arms have a weight, or nobody came.

    References:
        Pearson (1900); Fabijan et al. (2019), KDD, 2156-2164, for the use.

    Example:
        >>> chi_square([10240, 9760], [1, 1]).failed
        True
    """
    counts, share, kept = _checked([observed], weights)
    seen = counts[0]
    expected = share * seen[kept].sum()
    if not expected.sum() > 0:
        raise ExperimentError("no unit came to any arm that has a weight")
    statistic = float(((seen[kept] - expected) ** 2 / expected).sum())
    df = int(kept.sum()) - 1
    stray = float(seen[~kept].sum())
    p = tail.open_tail(float(special.chdtrc(df, statistic)))
    return Srm(
        statistic=statistic, df=df, p_value=p, failed=p < threshold or stray > 0, stray=stray, method="chi-square"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SequentialSrm:
    """A check after every look.

    Attributes:
        log_bayes_factor: For a mismatch, after each look, shape (n_looks,).
        p_values: Valid at any look; they never rise, shape (n_looks,).
        posterior: Mean share of each arm with a weight at the last look.
        check: The last look.
    """

    log_bayes_factor: Floats
    p_values: Floats
    posterior: tuple[float, ...]
    check: Srm


def sequential(
    looks: npt.ArrayLike,
    weights: Sequence[float],
    *,
    concentration: float = CONCENTRATION,
    threshold: float = THRESHOLD,
) -> SequentialSrm:
    """The split looked at as often as one likes, with an error that holds over all looks.

    Args:
        looks: New units of each arm at each look, shape (n_looks, n_arms).
        weights: What each arm was meant to get; 0 for an arm that was switched off.
        concentration: Of the Dirichlet prior around the weights.
        threshold: Below it the check has failed.

    References:
        Lindon & Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS.
    """
    if not concentration > 0:
        raise ExperimentError(f"a concentration is above 0; got {concentration:g}")
    counts, share, kept = _checked(looks, weights)
    sums = np.cumsum(counts[:, kept], axis=0)
    bayes = log_bayes_factor(sums, share, concentration)
    p = np.minimum.accumulate(np.clip(np.exp(-np.clip(bayes, -700, 700)), tail.SMALLEST, 1.0))
    prior = share * concentration
    posterior = (prior + sums[-1]) / (prior.sum() + sums[-1].sum())
    stray = float(counts[:, ~kept].sum())
    check = Srm(
        statistic=float(bayes[-1]),
        df=int(kept.sum()) - 1,
        p_value=float(p[-1]),
        failed=bool(p[-1] < threshold) or stray > 0,
        stray=stray,
        method="sequential multinomial",
    )
    return SequentialSrm(log_bayes_factor=bayes, p_values=p, posterior=tuple(map(float, posterior)), check=check)


def log_bayes_factor(sums: Floats, share: Floats, concentration: float) -> Floats:
    """Log Bayes factor for a mismatch from cumulative units, shape (..., n_arms) to (...)."""
    prior = share * concentration
    n = sums.sum(axis=-1)
    alternative = special.gammaln(prior.sum()) - special.gammaln(prior.sum() + n)
    alternative = alternative + (special.gammaln(prior + sums) - special.gammaln(prior)).sum(axis=-1)
    found: Floats = alternative - special.xlogy(sums, share).sum(axis=-1)
    return found


def _checked(looks: npt.ArrayLike, weights: Sequence[float]) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Counts of each look, shares of the arms with a weight, and which those are."""
    counts, weight = np.atleast_2d(np.asarray(looks, dtype=np.float64)), np.asarray(weights, dtype=np.float64)
    if weight.ndim != 1 or counts.shape[-1] != len(weight):
        raise ExperimentError(f"{counts.shape[-1]} arms came and {weight.size} have weights")
    if not (np.isfinite(weight).all() and (weight >= 0).all()) or (weight > 0).sum() < 2:
        raise ExperimentError("weights are numbers from 0, and two arms need one above 0")
    if not np.isfinite(counts).all() or (counts < 0).any() or not len(counts):
        raise ExperimentError("units of an arm are counts from 0")
    kept = weight > 0
    return counts, weight[kept] / weight.sum(), kept


def threshold_text(check: Srm) -> str:
    """The check in a sentence.

    Example:
        >>> threshold_text(chi_square([500, 502], [1, 1]))
        'the split is as planned (p = 0.95)'
    """
    if check.stray:
        return f"{check.stray:,.0f} units are in an arm that should get none"
    word = "is not as planned" if check.failed else "is as planned"
    return (
        f"the split {word} ({tail.p_text(check.p_value)})" if not math.isnan(check.p_value) else "the split is unknown"
    )
