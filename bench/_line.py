"""One number of a benchmark and what it should be."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table: a number and what it should be.

    Attributes:
        case: What was measured.
        what: In words.
        value: Measured.
        target: Bound.
        at_most: Whether the bound is the largest or the smallest that is good.
        stretch: A bound that would be better still and is not asked for; NaN where there is none.
    """

    case: str
    what: str
    value: float
    target: float
    at_most: bool = True
    stretch: float = math.nan

    @property
    def good(self) -> bool:
        """Whether the target is met."""
        return self._within(self.target)

    def _within(self, bound: float) -> bool:
        return self.value <= bound if self.at_most else self.value >= bound

    def __str__(self) -> str:
        sign, verdict = "≤" if self.at_most else "≥", "met" if self.good else "MISSED"
        text = f"{self.case:10} {self.what:44} {self.value:8.3g}   {sign} {self.target:<6g} {verdict}"
        if math.isnan(self.stretch):
            return text
        return f"{text:82} stretch {sign} {self.stretch:g}{': met' if self._within(self.stretch) else ''}"


def told(lines: Sequence[Line]) -> int:
    """Prints the table of all numbers; the exit code is 1 when a target is missed."""
    load = os.getloadavg()[0]
    print(f"\n{'case':10} {'what':44} {'measured':>8}   target   verdict   (load {load:.1f}, {os.cpu_count()} cores)")
    print("\n".join(map(str, lines)))
    return 0 if all(line.good for line in lines) else 1
