"""Bands that hold what they promise: each is stretched by what the forecast's errors on past moments were worth.

The score of an error is how many half-widths of the band it lies from the median. The conformal factor of a central
band is the quantile of these scores at the band's level, newer moments counting more. Few moments that follow each
other are weak evidence, so the factor moves only part of the way there from 1, and the outermost bands get the tail of
a Student distribution beside what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.score import mean, ratio

LEVELS = (0.2, 0.4, 0.6, 0.8, 0.95)  # central bands whose factors are learnt
BUCKETS = 4  # parts of the horizon
_EVIDENCE = 1.0  # past moments that weigh as much as the model's own band
_FADE = 0.8  # weight of a moment against the one after it
_OWN = 0.3  # how far a part of the horizon follows its own errors rather than those of all parts
_LEAST, _MOST = 0.4, 3.0  # factors; an error ten times the band is an incident, no width
_CORE = 0.8  # the band beyond which chance has the tail of a Student distribution
_LEAST_FREEDOM = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """Factors of the half-widths of one forecast.

    Attributes:
        factors: Shape (BUCKETS, len(LEVELS)).
        steps: How many steps of horizon the buckets cover; later ones take the last bucket's.
        freedom: Degrees of freedom of the Student distribution whose tail the outermost bands have.
    """

    factors: Floats
    steps: int
    freedom: float

    def apply(self, quantile_values: Floats, *, quantiles: Sequence[float]) -> Floats:
        """Quantiles with their distance from the median stretched.

        Args:
            quantile_values: Shape (horizon, n_quantiles), the median among them.
            quantiles: Levels, rising.
        """
        horizon = len(quantile_values)
        levels = np.abs(2 * np.asarray(quantiles) - 1)
        middle = quantile_values[:, [list(quantiles).index(0.5)]]
        by_level = np.stack([np.interp(levels, LEVELS, row) for row in self.factors]) * _tail(levels, self.freedom)
        # between the middles of the buckets the factors change gradually
        middles = (np.arange(BUCKETS) + 0.5) * self.steps / BUCKETS
        at = np.arange(horizon) + 0.5
        factor = np.stack([np.interp(at, middles, column) for column in by_level.T], axis=1)
        return np.sort(middle + factor * (quantile_values - middle), axis=1)


def stretch(actual: Floats, quantile_values: Floats, *, quantiles: Sequence[float], horizons: float) -> Stretch:
    """What past forecasts of one series say about the width of its next bands.

    Args:
        actual: What happened, shape (n_moments, horizon), oldest moment first; NaN where nothing was read.
        quantile_values: What was forecast, shape (n_moments, horizon, n_quantiles); NaN where nothing was.
        quantiles: Levels, rising, those of `LEVELS` among them.
        horizons: How many horizons the history is long. What happens once in many of them, such as a new level, was
            seen as seldom as this is small: a third of it are the degrees of freedom of the tails.

    References:
        Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World, for the quantile of scores.
        Barber, Candes, Ramdas & Tibshirani (2023), Annals of Statistics 51(2), for weights that fade.
    """
    moments, horizon = actual.shape
    scores, width = _scores(actual, quantile_values, quantiles)
    weight = np.broadcast_to(_FADE ** np.arange(moments - 1, -1, -1)[:, None], actual.shape)
    part = np.broadcast_to(np.arange(horizon) * BUCKETS // horizon, actual.shape)
    there = ~np.isnan(scores[0])
    factors = np.ones((BUCKETS, len(LEVELS)))
    seen = int(there.any(axis=1).sum())
    if seen:
        share = seen / (seen + _EVIDENCE)
        for j, level in enumerate(LEVELS):
            whole = _quantile(scores[j][there], weight[there], level)
            for b in range(BUCKETS):
                some = there & (part == b)
                own = _quantile(scores[j][some], weight[some], level) if some.any() else whole
                found = whole ** (1 - _OWN) * np.clip(own, _LEAST, _MOST) ** _OWN
                factors[b, j] = 1 - share + share * found
        parts = [width[:, :, part[0] == b].reshape(len(LEVELS), -1) for b in range(BUCKETS)]
        factors = _growing(factors, np.stack([mean(one) for one in parts]))
    return Stretch(factors=factors, steps=horizon, freedom=max(horizons / 3, _LEAST_FREEDOM))


def _scores(actual: Floats, q: Floats, quantiles: Sequence[float]) -> tuple[Floats, Floats]:
    """Distance from the median in half-widths of each central band, and the widths of the bands.

    Returns:
        Both of shape (len(LEVELS), n_moments, horizon).
    """
    at = {round(p, 6): i for i, p in enumerate(quantiles)}
    middle = q[..., at[0.5]]
    error = actual - middle
    scores, widths = [], []
    for level in LEVELS:
        low, high = q[..., at[round(0.5 - level / 2, 6)]], q[..., at[round(0.5 + level / 2, 6)]]
        half = np.where(error > 0, high - middle, middle - low)
        with np.errstate(over="ignore"):  # of a band next to nothing
            ratio = np.abs(error) / np.where(half > 0, half, 1.0)
        score = np.where(half > 0, ratio, np.where(error == 0, 0.0, np.inf))
        scores.append(np.where(np.isnan(error), np.nan, score))
        widths.append(high - low)
    return np.stack(scores), np.stack(widths)


def _growing(factors: Floats, width: Floats) -> Floats:
    """Factors with which the band narrows from one part of the horizon to the next only where the model's own does.

    Args:
        factors: Shape (BUCKETS, len(LEVELS)).
        width: Mean width of the model's own bands, same shape; NaN in a part without a step.
    """
    result = factors.copy()
    for b in range(1, BUCKETS):
        grown = ratio(width[b], width[b - 1])
        shrink = np.where(grown > 1, 1 / np.where(grown > 1, grown, 1.0), 1.0)
        result[b] = np.maximum(result[b], result[b - 1] * shrink)
    return result


def _quantile(scores: Floats, weight: Floats, level: float) -> float:
    """Weighted conformal quantile; one more score, as large as any, stands for the one to come."""
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weight[order]) / (weight.sum() + weight.max())
    place = min(int(np.searchsorted(reached, level)), len(scores) - 1)
    return float(np.clip(scores[order[place]], _LEAST, _MOST))


def _tail(levels: Floats, freedom: float) -> Floats:
    """How much further out a Student's band lies than a Gaussian's where both have the same band of `_CORE`."""
    outer = 0.5 + np.maximum(levels, _CORE) / 2
    core = 0.5 + _CORE / 2
    return np.asarray(stdtrit(freedom, outer) / stdtrit(freedom, core) * ndtri(core) / ndtri(outer))
