"""The verdict on one metric of an experiment, in numbers and in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tutordex_analysis.measure import number_text, value_text
from tutordex_analysis.model import tail
from tutordex_analysis.model.effect import Effect
from tutordex_analysis.model.srm import Srm

Status: TypeAlias = Literal[
    "better", "worse", "no_difference_shown", "blocked", "no_verdict", "not_randomised", "not_enough"
]
Kind: TypeAlias = Literal["proportion", "mean", "ratio", "rate", "quantile", "paired"]
_REFUSED: dict[Status, str] = {
    "blocked": "Blocked",
    "no_verdict": "No verdict",
    "not_randomised": "Not randomised, so no significance",
    "not_enough": "Not enough data",
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Treatment against control in one metric.

    Attributes:
        metric: Its name.
        kind: What is compared: proportions, means, ratios of sums, rates of events, quantiles, or yes and no of
            pairs ("paired"; numbers of pairs are means).
        status: "better" or "worse" where a difference is shown, "no_difference_shown" where none is; the others refuse:
            "blocked" by the split, "no_verdict" from such data, "not_randomised", "not_enough".
        control: The metric in the control, in its unit (a proportion is a fraction); NaN where it is not known.
        treatment: The same of the treatment.
        n_control: What was randomised: units of the control, trials or blocks of counters, or pairs.
        n_treatment: The same of the treatment.
        effect: Absolute, in the metric's unit. In a refusal the estimate stands alone: p-value and bounds are NaN.
        lift: As a share of the control, from the same test; NaN where the control is 0.
        alpha: 1 - level of both intervals; less than was asked for in a family of metrics or at an early look.
        p_adjusted: The p-value after the family's correction; that of `effect` where the metric stands alone.
        method: The test's name.
        why: Why this one.
        dispersion: Variance of the effect over that of independent trials or events; NaN where that means nothing.
        effective_n: Units of both arms that independent data of the same error would need.
        blocks: Blocks of time; 0 where units were counted.
        srm: The check of the split; None where there is nothing to check.
        mde: Effect that this many units show with a power of 0.8, absolute.
        mde_lift: The same as a share of the control.
        notes: What was left out or should be known.
        reason: Of a refusal, and what would give a verdict; empty otherwise.
    """

    metric: str
    kind: Kind
    status: Status
    control: float
    treatment: float
    n_control: float
    n_treatment: float
    effect: Effect
    lift: Effect
    alpha: float
    p_adjusted: float
    method: str
    why: str
    dispersion: float
    effective_n: float
    blocks: int
    srm: Srm | None
    mde: float
    mde_lift: float
    notes: tuple[str, ...]
    reason: str

    @property
    def refused(self) -> bool:
        """Whether there is no verdict of significance."""
        return self.status in _REFUSED

    @property
    def p_value(self) -> float:
        """Of the test, before a family's correction; NaN in a refusal."""
        return self.effect.p_value

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        numbers = f"{self.metric}: {self._value(self.treatment)} against {self._value(self.control)}"
        if self.refused:
            return f"{numbers}. {_REFUSED[self.status]}: {self.reason}."
        level = f"{100 * (1 - self.alpha):.3g} % interval"
        change = self._change()
        if self.status == "no_difference_shown":
            seen = f"; an effect of {self._size(self.mde)} would mostly have been seen" if self.mde > 0 else ""
            return f"{numbers}. No difference is shown ({change}, {level}, {tail.p_text(self.p_adjusted)}){seen}."
        return f"{numbers}. The treatment is {self.status} ({change}, {level}, {tail.p_text(self.p_adjusted)})."

    def _change(self) -> str:
        if math.isfinite(self.lift.ci_lo) and math.isfinite(self.lift.ci_hi):
            low, high = (_signed(100 * one) for one in (self.lift.ci_lo, self.lift.ci_hi))
            return f"{_signed(100 * self.lift.estimate)} %, {low} to {high} %"
        scale, unit = (100, " points") if self._fraction else (1, "")
        low, high = (_signed(scale * one) for one in (self.effect.ci_lo, self.effect.ci_hi))
        return f"{_signed(scale * self.effect.estimate)}{unit}, {low} to {high}{unit}"

    def _size(self, value: float) -> str:
        if math.isfinite(self.mde_lift) and math.isfinite(self.lift.ci_hi):
            return f"{number_text(100 * self.mde_lift)} %"
        return f"{number_text(100 * value)} points" if self._fraction else number_text(value)

    def _value(self, value: float) -> str:
        return value_text(value, "ratio" if self._fraction else "")

    @property
    def _fraction(self) -> bool:
        known = [abs(one) for one in (self.control, self.treatment) if not math.isnan(one)]
        return self.kind in ("proportion", "paired") and all(one <= 1 for one in known)


def _signed(value: float) -> str:
    text = number_text(float(f"{value:.2g}") if math.isfinite(value) else value)
    return f"+{text}" if value > 0 and text != "0" else text.replace("-", "−")
