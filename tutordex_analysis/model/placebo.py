"""What an error is worth, judged by errors of the same kind on earlier dates on which nothing was changed.

Errors come studentised, in standard deviations as the forecast itself gave them. An error is worth its rank among the
earlier ones, interpolated between two of them. Windows of earlier dates overlap and many of them say little more than a
few: the ranks count as those of twice as many dates as windows that do not overlap would be. Beyond the largest of the
earlier errors a Student tail goes on, with as many degrees of freedom as such windows would have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import Floats

LEAST = 20  # dates: with fewer the rank cannot reach 1 in 20
MOST_ALARMS = 0.1  # of the earlier dates; with more the question cannot be answered by this history
_LARGEST = 1e12  # what an error that the forecast thought impossible counts as
_TWICE = 2.0  # windows that share half of their days hardly know of each other; `bench experiment deploy`


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

        Example:
            >>> placebo([0.5, -1.0, 2.0], length=1).p_value(-1.0)
            0.5
        """
        if np.isnan(error):
            return float("nan")
        size, (edges, logs) = min(abs(error), _LARGEST), self._steps
        if size <= edges[-1]:
            return float(np.exp(np.interp(size, edges, logs)))
        beyond = self._tail(size) / max(self._tail(edges[-1]), np.finfo(float).tiny)
        return float(max(np.exp(logs[-1]) * min(beyond, 1.0), np.finfo(float).tiny))

    def half_width(self, alpha: float) -> float:
        """The largest error whose p-value is above `alpha`; infinite where every error's is."""
        edges, logs = self._steps
        if alpha >= np.exp(logs[-1]):
            return float(np.interp(np.log(alpha), logs[::-1], edges[::-1]))
        return max(self._reach(alpha / float(np.exp(logs[-1])) * self._tail(edges[-1])), float(edges[-1]))

    @cached_property
    def _steps(self) -> tuple[Floats, Floats]:
        """Sizes, rising from 0, and the logarithm of the p-value at each; among equal ones the largest."""
        n = len(self.sizes)
        counted = min(float(n), _TWICE * self.freedom)
        p = (1 + (np.arange(n, 0, -1) - 1) * counted / n) / (1 + counted)
        edges, first = np.unique(np.minimum(self.sizes, _LARGEST), return_index=True)
        logs = np.log(p[first])
        if edges[0] > 0:
            return np.concatenate([[0.0], edges]), np.concatenate([[0.0], logs])
        logs[0] = 0.0
        return edges, logs

    def _tail(self, size: float) -> float:
        """Chance of an error as large by the Student distribution."""
        if self.scale == 0:
            return 0.0 if size > 0 else 1.0
        return float(2 * special.stdtr(self.freedom, -size / self.scale))

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
    scale = float(np.sqrt(np.mean(np.minimum(sizes, _LARGEST) ** 2)))
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
    places = np.flatnonzero(~np.isnan(z))
    found = 0
    for i in places:
        rest = z[places[np.abs(places - i) >= length]]
        if len(rest):
            found += placebo(rest, length=length).p_value(z[i]) <= alpha
    return int(found)
