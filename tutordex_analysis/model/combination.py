"""Several models as one: quantiles averaged, the better model counting more, wider where the models disagree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from tutordex_analysis.frame import Floats

POWER = 8  # of the inverse loss: a model a tenth worse than another gets half of its weight
_SMALL = 0.05  # a weight below is none: it moves nothing, and its model need not run


def weights(loss: Floats, *, families: Sequence[str]) -> Floats:
    """How much each model counts, from what it lost on past moments.

    Models of one family err alike, so only the best of each counts.

    Args:
        loss: Shape (n_series, n_models), in one unit a series; NaN where a model is out.
        families: One name a model.

    Returns:
        Shape (n_series, n_models), rows adding up to 1; all NaN where no model has a loss.
    """
    known = np.where(np.isnan(loss), np.inf, loss)
    least = known.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        relative = np.where(known == least, 1.0, least / np.where(known > 0, known, 1.0))  # two infinities: no loss
    raw = np.where(np.isinf(known), 0.0, relative**POWER)
    names = np.array(families)
    for name in dict.fromkeys(families):
        members = np.flatnonzero(names == name)
        best = members[raw[:, members].argmax(axis=1)]
        raw[:, members] *= members == best[:, None]
    total = _added(raw)
    share = np.where(total > 0, raw / np.where(total > 0, total, 1.0), np.nan)
    kept = np.where(share >= _SMALL, share, np.where(np.isnan(share), np.nan, 0.0))
    result: Floats = kept / _added(kept)
    return result


def _added(values: Floats) -> Floats:
    """Sums of rows, one number after the other, so that a model which is out for a series changes no digit of it."""
    return np.cumsum(values, axis=1)[:, -1:]


def mixed(quantile_values: Floats, weight: Floats, *, quantiles: Sequence[float]) -> Floats:
    """One forecast from those of several models.

    The variance of a mixture is the mean variance of its parts and the variance of their means; the averaged
    quantiles have the first alone, so the square of their distance from the median grows by the second times that of a
    standard Gaussian.

    Args:
        quantile_values: Shape (n_models, n_series, horizon, n_quantiles); NaN counts where the weight is not 0.
        weight: Shape (n_series, n_models).
        quantiles: Levels, rising; 0.5 among them.

    Returns:
        Shape (n_series, horizon, n_quantiles), rising.

    References:
        Lichtendahl, Grushka-Cockayne & Winkler (2013), Management Science 59(7), for averaging quantiles.
    """
    middle = list(quantiles).index(0.5)
    share = weight.T[:, :, None, None]
    parts = np.where(share > 0, quantile_values, 0.0)
    mean = (share * parts).sum(axis=0)
    centre = mean[..., [middle]]
    between = (share * (parts[..., [middle]] - centre) ** 2).sum(axis=0)
    z = ndtri(np.asarray(quantiles))
    result: Floats = centre + np.sign(z) * np.sqrt((mean - centre) ** 2 + between * z**2)
    return result
