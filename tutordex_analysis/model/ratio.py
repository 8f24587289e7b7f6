"""Ratio metrics, such as applies per session: one sum over the randomised units divided by another."""

from __future__ import annotations

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model.summary import Moments, Summary


def of_ratio(moments: Moments) -> Summary:
    """A ratio of two means as if each unit had one number of that mean: its linearisation (delta method).

    With it every method for means (Welch, Fieller, log ratio) serves ratio metrics too.

    Args:
        moments: Numerator and denominator of each unit, in this order.

    Raises:
        ExperimentError: The denominators sum to 0.

    References:
        Deng, Knoblich & Lu (2018), KDD, 233-242.
    """
    top, bottom = float(moments.mean[0]), float(moments.mean[1])
    if bottom == 0:
        raise ExperimentError("the denominator of the ratio is 0 in one arm, so there is no ratio")
    value = top / bottom
    return moments.along([1 / bottom, -value / bottom], mean=value)
