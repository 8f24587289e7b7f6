"""Rates of simulated experiments: lines with two bounds, and points of a kernel held against the public function."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench._line import Line


@dataclass(kw_only=True)
class Agreement:
    """Points at which a vectorised kernel and `compare` said the same.

    Attributes:
        checked: How many.
        apart: At how many they differed.
        largest: Largest difference of two numbers.
    """

    checked: int = 0
    apart: int = 0
    largest: float = field(default=0.0)

    def same(self, kernel: bool, public: bool) -> None:
        """Notes one decision."""
        self.checked += 1
        self.apart += kernel != public

    def near(self, kernel: float, public: float) -> None:
        """Notes one number."""
        self.checked += 1
        self.largest = max(self.largest, abs(kernel - public))
        self.apart += not abs(kernel - public) <= 1e-8

    def lines(self) -> list[Line]:
        """How many points were looked at, and how many differed."""
        return [
            Line(
                case="agreement",
                what="points of kernels held against compare",
                value=self.checked,
                target=200,
                at_most=False,
            ),
            Line(case="agreement", what="points that differ", value=self.apart, target=0),
        ]


def between(case: str, what: str, value: float, low: float, high: float) -> list[Line]:
    """One number that should lie between two bounds, as two lines."""
    return [
        Line(case=case, what=what, value=value, target=high),
        Line(case=case, what=what, value=value, target=low, at_most=False),
    ]
