"""One number of a benchmark and what it should be."""

from __future__ import annotations

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
    """

    case: str
    what: str
    value: float
    target: float
    at_most: bool = True

    @property
    def good(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign, verdict = "≤" if self.at_most else "≥", "met" if self.good else "MISSED"
        return f"{self.case:10} {self.what:44} {self.value:8.3g}   {sign} {self.target:<6g} {verdict}"
