"""What an error is worth, judged by errors of the same kind on earlier dates on which nothing was changed.

Errors come studentised, in standard deviations as the forecast itself gave them. Windows of earlier dates overlap, so
many of them say little more than a few: a rank alone would find too much. So two things are asked of an error: that it
is among the largest of the earlier ones, and that it is large against their spread, by a Student distribution with as
many degrees of freedom as windows that do not overlap would have. The p-value is the larger of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import Floats

LEAST = 20  # dates: with fewer the rank cannot reach 1 in 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Placebo:
    """The errors of earlier dates, and what follows from them for another one.

    Attributes:
        sizes: Their sizes, rising; no NaN.
        scale: Root of their mean square: 1 where the forecast's own spread was right.
        freedom: Degrees of freedom of `scale`.
    """

    sizes: Floats
    scale: float
    freedom: float

    def rank(self, error: float) -> float:
        """The share of dates with an error as large, this one among them; never 0.

        Example:
            >>> placebo([0.5, -1.0, 2.0], length=1).rank(-1.0)
            0.75
        """
        return float((1 + (self.sizes >= abs(error)).sum()) / (1 + len(self.sizes)))

    def p_value(self, error: float) -> float:
        """The chance of an error as large without a change; above 0, NaN for an unknown error.

        Beyond the largest earlier error the rank goes on as the tail of the Student distribution.
        """
        if np.isnan(error):
            return float("nan")
        ours, most = self._tail(abs(error)), float(self.sizes[-1])
        ranked = self.rank(error)
        if abs(error) > most:
            ranked *= ours / max(self._tail(most), np.finfo(float).tiny)
        return float(np.clip(max(ours, ranked), np.finfo(float).tiny, 1.0))

    def half_width(self, alpha: float) -> float:
        """The largest error whose p-value is above `alpha`; infinite where every error's is."""
        by_spread = self._reach(alpha)
        n = len(self.sizes)
        kept = int(np.floor(alpha * (n + 1) + 1e-9))  # so many dates, this one among them, may be as far out
        if kept >= 1:
            by_rank = float(self.sizes[max(n - kept, 0)])
        else:
            by_rank = self._reach(alpha * (n + 1) * self._tail(float(self.sizes[-1])))
        return max(by_spread, by_rank)

    def _tail(self, size: float) -> float:
        """Chance of an error as large by the Student distribution."""
        if self.scale == 0:
            return 0.0 if size > 0 else 1.0
        return float(2 * special.stdtr(self.freedom, -size / self.scale)) if np.isfinite(self.scale) else 1.0

    def _reach(self, alpha: float) -> float:
        """The error with this tail."""
        if not alpha > 0:
            return float("inf")
        return float(-special.stdtrit(self.freedom, min(alpha, 1.0) / 2) * self.scale)


def placebo(errors: npt.ArrayLike, *, length: int) -> Placebo:
    """The yardstick that earlier errors make.

    Args:
        errors: Studentised, of windows that begin a day apart, shape (n,); NaN is left out.
        length: Days of a window.

    Raises:
        NotEnoughData: There is no error.
    """
    known = np.asarray(errors, dtype=np.float64)
    sizes = np.sort(np.abs(known[~np.isnan(known)]))
    if not len(sizes):
        raise NotEnoughData("a yardstick needs errors of earlier dates, there is none")
    with np.errstate(over="ignore"):
        scale = float(np.sqrt(np.mean(sizes**2)))
    return Placebo(sizes=sizes, scale=scale, freedom=freedom(len(sizes), length=length))


def freedom(n: int, *, length: int) -> float:
    """Degrees of freedom of a mean square over `n` windows of `length` days that begin a day apart; at least 1.

    Squares of sums that share a part 1 - k / length of their days correlate by the square of that.

    Example:
        >>> freedom(40, length=1), round(freedom(49, length=7), 1)
        (40.0, 10.4)
    """
    shared = 1 - np.arange(1, length) / length
    return max(float(n / (1 + 2 * (shared**2).sum())), 1.0)


def alarms(errors: npt.ArrayLike, *, length: int, alpha: float) -> int:
    """How many of the dates would have been called a change, each by those whose windows do not touch its own.

    Args:
        errors: Studentised, one a day in order, shape (n,); NaN where a date cannot be used.
        length: Days of a window.
        alpha: Of the question.
    """
    z = np.asarray(errors, dtype=np.float64)
    place = np.arange(len(z))
    found = 0
    for i in np.flatnonzero(~np.isnan(z)):
        rest = z[(np.abs(place - i) >= length) & ~np.isnan(z)]
        if len(rest):
            other = placebo(rest, length=length)
            found += abs(z[i]) > other.half_width(max(alpha, 1 / (1 + len(rest))))
    return int(found)
