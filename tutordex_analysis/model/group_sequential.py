"""Group sequential tests: error spent by a function of the information, at looks that need not be planned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import optimize, special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import tail

Spending: TypeAlias = Callable[[float, float], float]
_STEP = 0.02  # of the grid on the scale of z
_NOTHING = 1e-14  # of error: less is lost in rounding
_FAR = 8.5  # beyond it nothing is left


def obrien_fleming(t: float, alpha: float) -> float:
    """Error spent on one side by information t: little early, most at the end.

    References:
        Lan & DeMets (1983), Biometrika 70, 659-663.
    """
    return 2 * float(special.ndtr(special.ndtri(alpha / 2) / math.sqrt(t))) if t > 0 else 0.0


def pocock(t: float, alpha: float) -> float:
    """Error spent on one side by information t: about evenly."""
    return alpha * math.log1p((math.e - 1) * t)


def power_family(t: float, alpha: float, *, rho: float = 3.0) -> float:
    """Alpha t^rho (Kim & DeMets 1987, Biometrika 74, 149-154)."""
    return float(alpha * t**rho)


def hwang_shih_decani(t: float, alpha: float, *, gamma: float = -4.0) -> float:
    """Hwang, Shih & DeCani (1990), Statistics in Medicine 9, 1439-1445."""
    if gamma == 0:
        return alpha * t
    return alpha * math.expm1(-gamma * t) / math.expm1(-gamma)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What |z|, or z on one side, must reach at each look.

    Attributes:
        information: Share of the planned information at each look.
        spent: Error spent until each look, both sides together.
        z: Bounds; infinite where nothing may be spent.
        nominal_p: The p-value of each bound, both sides together.
        sides: 1 or 2.
    """

    information: tuple[float, ...]
    spent: tuple[float, ...]
    z: tuple[float, ...]
    nominal_p: tuple[float, ...]
    sides: int


def bounds(
    information: Sequence[float], *, alpha: float = 0.05, sides: int = 2, spending: Spending = obrien_fleming
) -> Bounds:
    """Bounds at the looks that were taken, planned or not.

    Args:
        information: Share of the planned information at each look, rising, such as users over planned users. A last
            look past the plan (above 1) spends what is left: nothing more can be gained by going on.
        alpha: In all; with two sides half of it is spent on each.
        sides: 1 or 2.
        spending: Error of one side spent by information t.

    Raises:
        ExperimentError: The information does not rise, or a look follows one at or past the plan.

    References:
        Lan & DeMets (1983), Biometrika 70, 659-663; Jennison & Turnbull (2000), chapters 7 and 19.

    Example:
        >>> [round(z, 3) for z in bounds([0.25, 0.5, 0.75, 1.0]).z]
        [4.333, 2.963, 2.359, 2.014]
    """
    times = np.asarray(information, dtype=np.float64)
    tail.checked_alpha(alpha)
    if sides not in (1, 2):
        raise ExperimentError(f"a test has 1 or 2 sides; got {sides}")
    if not len(times) or not (np.diff(times, prepend=0.0) > 0).all() or not np.isfinite(times).all():
        raise ExperimentError("the information of the looks must rise from above 0")
    if (times[:-1] >= 1).any():
        raise ExperimentError("a look at or past the planned information is the last one")
    spent = [spending(min(t, 1.0), alpha / sides) for t in times.tolist()]
    found = _boundaries(times, np.diff(np.array([0.0, *spent])), sides)
    nominal = [tail.open_tail(sides * tail.lower_tail(-z)) if math.isfinite(z) else tail.SMALLEST for z in found]
    return Bounds(
        information=tuple(times.tolist()),
        spent=tuple(sides * one for one in spent),
        z=tuple(found),
        nominal_p=tuple(nominal),
        sides=sides,
    )


def crossing(
    information: Sequence[float], z: Sequence[float], *, drift: float = 0.0, sides: int = 2
) -> tuple[float, ...]:
    """The chance of crossing by each look; `drift` is the mean of z at full information.

    Example:
        >>> looks = [0.5, 1.0]
        >>> round(crossing(looks, bounds(looks).z)[-1], 4)
        0.05
    """
    times, total, found = np.asarray(information, dtype=np.float64), 0.0, []
    path = _Path(sides)
    for t, bound in zip(times.tolist(), z, strict=True):
        total += path.crossed(t, bound, drift)
        path.keep(t, bound, drift)
        found.append(total)
    return tuple(found)


def _boundaries(times: Floats, spends: Floats, sides: int) -> list[float]:
    """Bounds that are crossed for the first time with the given chances of one side."""
    path, found = _Path(sides), []
    for t, spend in zip(times.tolist(), spends.tolist(), strict=True):
        if spend <= _NOTHING:
            z = -float(special.ndtri(spend)) if spend > 0 else math.inf  # earlier crossings take nothing away
        else:

            def excess(z: float, t: float = t, spend: float = spend) -> float:
                return path.upper(t, z) - spend

            z = (
                float(optimize.brentq(excess, -_FAR, _FAR, xtol=1e-10))
                if excess(_FAR) < 0 < excess(-_FAR)
                else math.inf
            )
        found.append(z)
        path.keep(t, z, 0.0)
    return found


class _Path:
    """The density of the score process among what has not crossed, on a grid of its values (Armitage et al. 1969)."""

    def __init__(self, sides: int) -> None:
        self.sides, self.t = sides, 0.0
        self.values: Floats = np.zeros(1)
        self.weights: Floats = np.ones(1)  # density times the width of the grid

    def upper(self, t: float, z: float, drift: float = 0.0) -> float:
        """The chance to be at or above z at t, not having crossed before."""
        sd = math.sqrt(t - self.t)
        ahead = (self.values + drift * (t - self.t) - z * math.sqrt(t)) / sd
        return float(self.weights @ special.ndtr(ahead))

    def crossed(self, t: float, z: float, drift: float) -> float:
        """The chance to cross at t, not having crossed before."""
        above = self.upper(t, z, drift)
        if self.sides == 1:
            return above
        sd = math.sqrt(t - self.t)
        return above + float(self.weights @ special.ndtr((-z * math.sqrt(t) - self.values - drift * (t - self.t)) / sd))

    def keep(self, t: float, z: float, drift: float) -> None:
        """Moves on to t, without what has crossed there; Simpson's rule between the bounds."""
        root, sd = math.sqrt(t), math.sqrt(t - self.t)
        top = min(z, _FAR + abs(drift) * root)
        low = -top if self.sides == 2 else -_FAR - abs(drift) * root
        n = 2 * max(math.ceil((top - low) * root / (2 * min(_STEP * root, sd / 6))), 2) + 1
        values = np.linspace(low * root, top * root, n)
        simpson = np.ones(n)
        simpson[1:-1:2], simpson[2:-1:2] = 4.0, 2.0
        moved = (values[:, None] - self.values[None, :] - drift * (t - self.t)) / sd
        density = np.exp(-0.5 * moved**2) @ self.weights / (sd * math.sqrt(2 * math.pi))
        self.weights = density * simpson * (values[1] - values[0]) / 3
        self.values, self.t = values, t
