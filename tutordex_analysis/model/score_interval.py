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
_CLOSE = 1e-12


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


def difference_z1(sc: float, nc: float, st: float, nt: float, difference: float, *, corrected: bool = True) -> float:
    """`difference_z` of one experiment."""
    p0 = _restricted(sc, nc, st, nt, difference)
    p1 = min(max(p0 + difference, 0.0), 1.0)
    variance = (p1 * (1 - p1) / nt + p0 * (1 - p0) / nc) * _factor(nc + nt, corrected)
    return _z1(st / nt - sc / nc - difference, variance)


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
    middle = st / nt - sc / nc

    def z(delta: float) -> float:
        return difference_z1(sc, nc, st, nt, delta, corrected=corrected)

    p, q = (st + 1) / (nt + 2), (sc + 1) / (nc + 2)
    near = 1.1 * crit * math.sqrt(p * (1 - p) / nt + q * (1 - q) / nc)
    return root(z, crit, -1.0, middle, near=near), root(z, -crit, middle, 1.0, near=near)


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
    near = 1.1 * crit * math.sqrt(1 / (st + 1) + 1 / (sc + 1))
    low = math.exp(root(z, crit, -_WIDE, middle, near=near)) if some_t else 0.0
    high = math.exp(root(z, -crit, middle, _WIDE, near=near)) if some_c else math.inf
    return low, high


def root(falling: Callable[[float], float], level: float, low: float, high: float, *, near: float = 0.0) -> float:
    """Where a falling function meets a level between two points; the nearer end where it does not.

    Args:
        falling: A function.
        level: Value of it.
        low: Where it is above the level, mostly.
        high: Where it is below.
        near: How far from its zero, which is the end on the other side, to look first; 0 looks at the far end.
    """
    start, towards = (high, low) if level > 0 else (low, high)
    sign = -1.0 if level > 0 else 1.0
    inner, f_inner = start, falling(start) - level
    outer, f_outer = towards, math.nan
    while near > 0 and abs(near) < abs(towards - start):
        outer, f_outer = start + sign * near, falling(start + sign * near) - level
        if f_outer * sign <= 0:
            break
        inner, f_inner, near = outer, f_outer, 2 * near
    if not f_outer * sign <= 0:
        outer, f_outer = towards, falling(towards) - level
    if not f_outer * sign < 0:
        return outer
    if not f_inner * sign > 0:
        return inner
    last = 0
    for step in range(_STEPS):
        x = (inner * f_outer - outer * f_inner) / (f_outer - f_inner) if step % 8 < 7 else (inner + outer) / 2
        f = falling(x) - level
        if abs(f) < _CLOSE or abs(outer - inner) < _CLOSE:
            return x
        if f * sign > 0:
            inner, f_inner = x, f
            f_outer = f_outer / 2 if last > 0 else f_outer
            last = 1
        else:
            outer, f_outer = x, f
            f_inner = f_inner / 2 if last < 0 else f_inner
            last = -1
    return (inner + outer) / 2


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
