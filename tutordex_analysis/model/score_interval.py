"""Score intervals of two proportions, for many experiments at once: one statistic gives the test and the bounds.

At no difference the statistic is the pooled z with Miettinen and Nurminen's factor N / (N - 1), for the absolute and
for the relative difference alike, so that the p-value, the interval and the relative interval never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats

Counts: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]
Bounds: TypeAlias = tuple[float, float]
Number = TypeVar("Number", float, Floats)
_WIDE = 40.0  # the largest log ratio that is looked at
_STEPS = 100  # of the root finding; it stops earlier, mostly after ten
_CLOSE = 1e-13


def difference_z(counts: Counts, difference: npt.ArrayLike, *, corrected: bool = True) -> Floats:
    """The score statistic of a difference of proportions.

    Args:
        counts: Successes and units of the control, then of the treatment; arrays that broadcast.
        difference: Treatment less control that is tested, in (-1, 1).
        corrected: The factor N / (N - 1) of the variance.

    Returns:
        A normal statistic, positive where the treatment is above what is tested; 0 where nothing varies.

    References:
        Miettinen & Nurminen (1985), Statistics in Medicine 4, 213-226, equations 8-10 and appendix I.
    """
    sc, nc, st, nt, delta = _floats(*counts, difference)
    b, c, d = _cubic(sc, nc, st, nt, delta)
    q = (b / 3) ** 3 - b * c / 6 + d / 2
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(b * b / 9 - c / 3, 0.0))
    safe = np.where(p == 0, 1.0, p)
    angle = (np.pi + np.arccos(np.clip(q / safe**3, -1, 1))) / 3
    p0 = np.clip(2 * p * np.cos(angle) - b / 3, np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta))
    p1 = np.clip(p0 + delta, 0.0, 1.0)
    variance = p1 * (1 - p1) / nt + p0 * (1 - p0) / nc
    return _z(st / nt - sc / nc - delta, variance, nc + nt, corrected)


def ratio_z(counts: Counts, ratio: npt.ArrayLike, *, corrected: bool = True) -> Floats:
    """The score statistic of a ratio of proportions, treatment over control; else as `difference_z`.

    References:
        Koopman (1984), Biometrics 40, 513-517; Miettinen & Nurminen (1985), equation 12.
    """
    sc, nc, st, nt, rho = _floats(*counts, ratio)
    n = nc + nt
    a = n * rho
    b = nt * rho + st + nc + sc * rho
    c = sc + st
    p0 = 2 * c / (b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))  # the smaller root, without cancellation
    p0 = np.clip(p0, 0.0, np.minimum(1.0, 1 / np.maximum(rho, 1e-300)))
    p1 = np.clip(p0 * rho, 0.0, 1.0)
    variance = p1 * (1 - p1) / nt + rho * rho * p0 * (1 - p0) / nc
    return _z(st / nt - rho * sc / nc, variance, n, corrected)


def difference_bounds(sc: float, nc: float, st: float, nt: float, *, crit: float, corrected: bool = True) -> Bounds:
    """All differences of two proportions whose score statistic is at most `crit` in size: lower and upper bound.

    Args:
        sc: Successes of the control.
        nc: Its units, at least 1.
        st: Successes of the treatment.
        nt: Its units, at least 1.
        crit: Critical size of the statistic.
        corrected: As in `difference_z`.

    Example:
        >>> low, high = difference_bounds(48, 80, 56, 70, crit=1.959964)  # Newcombe (1998), table II, example (a)
        >>> round(low, 4), round(high, 4)
        (0.0528, 0.3382)
    """
    factor = _factor(nc + nt, corrected)
    middle = st / nt - sc / nc

    def z(delta: float) -> float:
        p0 = _restricted(sc, nc, st, nt, delta)
        p1 = min(max(p0 + delta, 0.0), 1.0)
        return _z1(middle - delta, (p1 * (1 - p1) / nt + p0 * (1 - p0) / nc) * factor)

    return root(z, crit, -1.0, middle), root(z, -crit, middle, 1.0)


def ratio_bounds(sc: float, nc: float, st: float, nt: float, *, crit: float, corrected: bool = True) -> Bounds:
    """All ratios whose score statistic is at most `crit` in size; 0 or infinite where the counts leave a side open."""
    factor = _factor(nc + nt, corrected)

    def z(log_ratio: float) -> float:
        rho = math.exp(log_ratio)
        p0 = _restricted_by_ratio(sc, nc, st, nt, rho)
        p1 = min(p0 * rho, 1.0)
        return _z1(st / nt - rho * sc / nc, (p1 * (1 - p1) / nt + rho * rho * p0 * (1 - p0) / nc) * factor)

    some_c, some_t = sc > 0, st > 0
    middle = math.log((st / nt) / (sc / nc)) if some_c and some_t else _WIDE if some_t else -_WIDE
    low = math.exp(root(z, crit, -_WIDE, middle)) if some_t else 0.0
    high = math.exp(root(z, -crit, middle, _WIDE)) if some_c else math.inf
    return low, high


def root(falling: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling function meets a level between two points; the nearer end where it does not."""
    f_low, f_high = falling(low) - level, falling(high) - level
    if not f_low > 0:
        return low
    if not f_high < 0:
        return high
    side = 0
    for step in range(_STEPS):
        capped = min(f_low, 4 * abs(f_high))  # far ends are steep, and would make the first steps short
        x = (low * -f_high + high * capped) / (capped - f_high) if step % 6 < 5 else (low + high) / 2
        f = falling(x) - level
        if f > 0:
            low, f_low = x, f
            f_high = f_high / 2 if side > 0 else f_high
            side = 1
        else:
            high, f_high = x, f
            f_low = f_low / 2 if side < 0 else f_low
            side = -1
        if abs(f) < _CLOSE or high - low < _CLOSE:
            return x
    return (low + high) / 2


def _restricted(sc: float, nc: float, st: float, nt: float, delta: float) -> float:
    """The control's proportion that is most likely under a difference."""
    b, c, d = _cubic(sc, nc, st, nt, delta)
    q = (b / 3) ** 3 - b * c / 6 + d / 2
    p = math.copysign(math.sqrt(max(b * b / 9 - c / 3, 0.0)), q if q else 1.0)
    angle = (math.pi + math.acos(min(max(q / p**3, -1.0), 1.0))) / 3 if p else math.pi / 2
    return min(max(2 * p * math.cos(angle) - b / 3, 0.0, -delta), 1.0, 1 - delta)


def _restricted_by_ratio(sc: float, nc: float, st: float, nt: float, rho: float) -> float:
    a, b, c = (nc + nt) * rho, nt * rho + st + nc + sc * rho, sc + st
    return min(2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0))), 1.0, 1 / rho)


def _factor(n: float, corrected: bool) -> float:
    return n / (n - 1) if corrected else 1.0


def _z1(off: float, variance: float) -> float:
    if variance > 0:
        return min(max(off / math.sqrt(variance), -1e6), 1e6)
    return 0.0 if off == 0 else math.copysign(1e6, off)


def _cubic(sc: Number, nc: Number, st: Number, nt: Number, delta: Number) -> tuple[Number, Number, Number]:
    """Coefficients of the cubic of which the most likely proportion of the control is a root, beside x³."""
    n, s = nc + nt, sc + st
    b = ((nt + 2 * nc) * delta - n - s) / n
    c = ((nc * delta - n - 2 * sc) * delta + s) / n
    return b, c, sc * delta * (1 - delta) / n


def _z(off: Floats, variance: Floats, n: Floats, corrected: bool) -> Floats:
    se = np.sqrt(variance * (n / (n - 1) if corrected else 1.0))
    some = se > 0
    return np.where(some, off / np.where(some, se, 1.0), np.sign(off) * 1e6)


def _floats(*values: npt.ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.asarray(one, dtype=np.float64) for one in np.broadcast_arrays(*values))
