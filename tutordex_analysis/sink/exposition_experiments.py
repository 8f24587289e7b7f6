"""Verdicts on experiments as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.srm import Srm
from tutordex_analysis.sink.exposition import Family, Sample


class Judged(Protocol):
    """What one experiment says."""

    @property
    def comparisons(self) -> Mapping[str, Comparison]:
        """By metric."""

    @property
    def check(self) -> Srm | None:
        """Of the split."""

    @property
    def state(self) -> str:
        """What the goals say together."""


def from_experiments(judged: Iterable[tuple[str, Judged]]) -> tuple[Family, ...]:
    """Families `tutordex_experiment_effect`, `…_pvalue`, `…_srm_pvalue` and `…_status`.

    Args:
        judged: Names of experiments with their verdicts.
    """
    effects, p_values, splits, states = [], [], [], []
    for name, one in judged:
        for metric, found in one.comparisons.items():
            labels = {"experiment": name, "metric": metric}
            bounds = {"estimate": found.lift.estimate, "lower": found.lift.ci_lo, "upper": found.lift.ci_hi}
            effects += [Sample(labels={**labels, "bound": bound}, value=value) for bound, value in bounds.items()]
            p_values.append(Sample(labels=labels, value=found.p_adjusted))
            states.append(Sample(labels={**labels, "status": found.status}, value=1.0))
        states.append(Sample(labels={"experiment": name, "status": one.state}, value=1.0))
        if one.check is not None:
            splits.append(Sample(labels={"experiment": name}, value=one.check.p_value))
    families = (
        Family(
            name="tutordex_experiment_effect",
            help="Change of a metric in the treatment, as a share of the control, with the bounds of its interval.",
            samples=tuple(effects),
        ),
        Family(
            name="tutordex_experiment_pvalue",
            help="Adjusted p-value of a metric; absent where there is no verdict.",
            samples=tuple(p_values),
        ),
        Family(
            name="tutordex_experiment_srm_pvalue",
            help="p-value of the split of units against its plan; below 0.001 every verdict is blocked.",
            samples=tuple(splits),
        ),
        Family(
            name="tutordex_experiment_status",
            help="Always 1; what a metric says, and without a metric what the goals of the experiment say together.",
            samples=tuple(states),
        ),
    )
    return tuple(one for one in families if one.samples)
