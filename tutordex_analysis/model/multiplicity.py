"""Several metrics at once: adjusted p-values, and levels of intervals that agree with the decisions."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats

Correction: TypeAlias = Literal[
    "holm", "benjamini-hochberg", "bonferroni", "hochberg", "sidak", "benjamini-yekutieli", "none"
]


def adjusted(p_values: npt.ArrayLike, *, correction: Correction = "holm") -> Floats:
    """Adjusted p-values: at most alpha exactly where the correction rejects.

    Args:
        p_values: Shape (..., m), in [0, 1]; NaN stays NaN and does not count as a test.
        correction: "holm", "hochberg", "bonferroni" and "sidak" bound the chance of any false finding,
            "benjamini-hochberg" and "benjamini-yekutieli" the share of false ones among the findings.

    References:
        Holm (1979), Scandinavian J. of Statistics 6, 65-70; Benjamini & Hochberg (1995), J. Royal Statistical Society B
        57, 289-300; Hochberg (1988), Biometrika 75, 800-802; Benjamini & Yekutieli (2001), Annals of Statistics 29.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ExperimentError("p-values are between 0 and 1")
    known = np.isfinite(p)
    m = known.sum(axis=-1, keepdims=True).astype(np.float64)
    order = np.argsort(p, axis=-1)  # NaN last
    ordered = np.take_along_axis(p, order, axis=-1)
    rank = np.arange(1, p.shape[-1] + 1, dtype=np.float64)
    found = _by_rank(np.where(np.isfinite(ordered), ordered, 1.0), rank, m, correction)
    back: Floats = np.empty_like(p)
    np.put_along_axis(back, order, np.minimum(found, 1.0), axis=-1)
    return np.where(known, back, np.nan)


def _by_rank(p: Floats, rank: Floats, m: Floats, correction: Correction) -> Floats:
    down = np.maximum.accumulate
    if correction == "none":
        return p
    if correction == "bonferroni":
        return p * m
    if correction == "sidak":
        return -np.expm1(m * np.log1p(-np.minimum(p, 1 - 1e-16)))
    if correction == "holm":
        return down(np.maximum(m - rank + 1, 1) * p, axis=-1)
    counted = rank <= m
    if correction == "hochberg":
        factor = np.maximum(m - rank + 1, 1)
    else:
        factor = m / rank
        if correction == "benjamini-yekutieli":
            factor = factor * np.array([[(1 / np.arange(1, int(k) + 1)).sum()] for k in m.ravel()]).reshape(m.shape)
    up = np.where(counted, factor * p, np.inf)
    return np.minimum.accumulate(up[..., ::-1], axis=-1)[..., ::-1]


def interval_alphas(p_values: npt.ArrayLike, *, alpha: float = 0.05, correction: Correction = "holm") -> Floats:
    """For each test the alpha of an interval that leaves out no effect exactly where the correction rejects.

    Args:
        p_values: Shape (m,), of tests whose intervals agree with them.
        alpha: Of the family.
        correction: "holm", "bonferroni", "benjamini-hochberg" or "none".

    References:
        Benjamini & Yekutieli (2005), J. American Statistical Association 100, 71-81 (false coverage rate).
    """
    p = np.asarray(p_values, dtype=np.float64)
    m = int(np.isfinite(p).sum())
    rejected = adjusted(p, correction=correction) <= alpha
    k = int(rejected.sum())
    if correction == "none" or m == 0:
        return np.full(p.shape, alpha)
    if correction == "bonferroni":
        return np.full(p.shape, alpha / m)
    if correction == "benjamini-hochberg":
        return np.full(p.shape, alpha * max(k, 1) / m)
    if correction != "holm":
        raise ExperimentError(f"intervals that agree with {correction} are not known; use holm or benjamini-hochberg")
    rank = np.argsort(np.argsort(p))
    return np.where(rejected, alpha / np.maximum(m - rank, 1), alpha / max(m - k, 1))
