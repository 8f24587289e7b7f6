"""Intervals that are looked at once: coverage by enumeration of all outcomes, and by simulation of skewed means."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from bench._line import Line
from bench._sample import Agreement, between
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.experiment import compare
from tutordex_analysis.model.proportion import SMALL, Share, cautious_alpha, non_inferiority
from tutordex_analysis.model.score_interval import difference_z, ratio_z

ALPHA = 0.05
SCALES = (1.0, 1.2, 0.8, 1.5)  # treatment over control
LARGE = ((400, 0.1), (1000, 0.1), (5000, 0.1), (150, 0.3), (400, 0.3), (2000, 0.3))
FEW = (2, 3, 4, 5, 7, 9, 11, 13, 15, 17, 19)  # expected conversions a side
UNITS = (60, 200, 1000, 10_000)


def coverage(n: int, p: float, m: int, q: float) -> dict[str, float]:
    """Coverage of the intervals that `compare` gives, over all outcomes of two binomials.

    Returns:
        absolute, relative; relative_low and relative_high, the chance that the truth is below or above the interval.
    """
    one, two = _outcomes(n, p), _outcomes(m, q)
    c, t = np.meshgrid(one, two, indexing="ij")
    chance = np.outer(stats.binom.pmf(one, n, p), stats.binom.pmf(two, m, q))
    crit = _critical(c, n, t, m)
    z = difference_z((c, n, t, m), q - p)
    r = ratio_z((c, n, t, m), q / p)
    return {
        "absolute": float(chance[np.abs(z) <= crit].sum()),
        "relative": float(chance[np.abs(r) <= crit].sum()),
        "relative_low": float(chance[r > crit].sum()),
        "relative_high": float(chance[r < -crit].sum()),
    }


def _outcomes(n: int, p: float) -> npt.NDArray[np.int64]:
    low, high = (int(stats.binom.ppf(end, n, p)) for end in (1e-10, 1 - 1e-10))
    return np.arange(low, high + 1)


def _critical(c: npt.NDArray[np.int64], n: int, t: npt.NDArray[np.int64], m: int) -> Floats:
    """Critical values as `compare` takes them: larger where an arm has few of either outcome."""
    rare = np.minimum(np.minimum(c, n - c), np.minimum(t, m - t))
    few = cautious_alpha(Share(successes=0, n=2), Share(successes=0, n=2), ALPHA)
    return np.where(rare < SMALL, -special.ndtri(few / 2), -special.ndtri(ALPHA / 2))


def fixed(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """Large counts, skewed means, and the non-inferiority test at its margin."""
    found = [coverage(n, p, int(n * k), p * s) for n, p in LARGE for s in SCALES for k in (1, 2)]
    both = [one[name] for one in found for name in ("absolute", "relative")]
    from_twenty = [
        coverage(n, e / n, n, s * e / n)
        for n in UNITS
        for e in (20, 25, 30, 40, 60)
        for s in SCALES
        if s >= 1 and s * e / n < 0.6
    ]
    misses = [one[name] for one in from_twenty for name in ("relative_low", "relative_high")]
    _agree(agreement, np.random.default_rng([seed, 4]), 40)
    return [
        Line(case="intervals", what="proportions, large: least coverage", value=min(both), target=0.94, at_most=False),
        Line(case="intervals", what="proportions, large: most", value=max(both), target=0.96),
        Line(case="intervals", what="relative from 20 a side: a side's miss", value=max(misses), target=0.032),
        *_skewed(runs, seed, agreement),
        Line(case="margin", what="non-inferiority at the margin: passes", value=_margin(), target=0.055),
    ]


def small(*, agreement: Agreement, seed: int) -> list[Line]:
    """Below 20 conversions a side."""
    found = [
        coverage(n, e / n, n * k, s * e / n)
        for n in UNITS
        for e in FEW
        for s in SCALES
        for k in (1, 2)
        if s * e / n < 0.5 and s * e < SMALL
    ]
    both = [one[name] for one in found for name in ("absolute", "relative")]
    _agree(agreement, np.random.default_rng([seed, 5]), 40, most=20)
    return [
        Line(
            case="small",
            what="2 to 19 conversions a side: least coverage",
            value=min(both),
            target=0.945,
            at_most=False,
        ),
        Line(case="small", what="2 to 19 conversions a side: most", value=max(both), target=0.995),
    ]


def _agree(agreement: Agreement, rng: np.random.Generator, points: int, *, most: int = 400) -> None:
    for _ in range(points):
        n, m = (int(one) for one in rng.integers(450, 3000, 2))
        c, t = (int(one) for one in rng.integers(1, most, 2))
        verdict = compare({"successes": c, "n": n}, {"successes": t, "n": m}, split=(n, m))
        crit = _critical(np.array([c]), n, np.array([t]), m)[0]
        for bound, size in ((verdict.effect.ci_lo, crit), (verdict.effect.ci_hi, -crit)):
            agreement.near(float(difference_z((c, n, t, m), bound)) / size, 1.0)
        for bound, size in ((verdict.lift.ci_lo, crit), (verdict.lift.ci_hi, -crit)):
            agreement.near(float(ratio_z((c, n, t, m), 1 + bound)) / size, 1.0)


def _skewed(runs: int, seed: int, agreement: Agreement) -> Iterable[Line]:
    """Log-normal spend of 5,000 units an arm; the effect is 10 % of it."""
    n, lift, rng = 5000, 0.1, np.random.default_rng([seed, 6])
    mean = math.exp(0.5)
    held = {"absolute": 0, "relative": 0, "low": 0, "high": 0}
    for chunk in range(-(-runs // 500)):
        size = min(500, runs - 500 * chunk)
        c = rng.lognormal(0, 1, (size, n))
        t = rng.lognormal(0, 1, (size, n)) * (1 + lift)
        a, b = c.var(axis=1, ddof=1) / n, t.var(axis=1, ddof=1) / n
        df = (a + b) ** 2 / ((a**2 + b**2) / (n - 1))
        crit = -special.stdtrit(df, ALPHA / 2)
        difference = t.mean(axis=1) - c.mean(axis=1)
        held["absolute"] += int((np.abs(difference - lift * mean) <= crit * np.sqrt(a + b)).sum())
        off = t.mean(axis=1) - (1 + lift) * c.mean(axis=1)
        z = off / np.sqrt(b + (1 + lift) ** 2 * a)
        held["relative"] += int((np.abs(z) <= crit).sum())
        held["low"] += int((z > crit).sum())
        held["high"] += int((z < -crit).sum())
        if chunk == 0:
            for run in range(20):
                fields = [{"mean": y[run].mean(), "sd": y[run].std(ddof=1), "n": n} for y in (c, t)]
                verdict = compare(fields[0], fields[1])
                inside = verdict.lift.ci_lo <= lift <= verdict.lift.ci_hi
                agreement.same(bool(abs(z[run]) <= crit[run]), inside)
    yield from between("intervals", "skewed means, 5,000 a side: coverage", held["absolute"] / runs, 0.94, 0.96)
    yield from between("intervals", "the same, relative", held["relative"] / runs, 0.94, 0.96)
    worst = max(held["low"], held["high"]) / runs
    yield Line(case="intervals", what="the same, relative: a side's miss", value=worst, target=0.032)


def _margin() -> float:
    """Largest chance to pass of a treatment that is worse by the whole margin."""
    worst = 0.0
    for n, p, margin in ((500, 0.1, 0.03), (1000, 0.1, 0.02), (1000, 0.3, 0.05), (4000, 0.05, 0.01)):
        one, two = _outcomes(n, p), _outcomes(n, p - margin)
        c, t = np.meshgrid(one, two, indexing="ij")
        chance = np.outer(stats.binom.pmf(one, n, p), stats.binom.pmf(two, n, p - margin))
        passed = difference_z((c, n, t, n), -margin) >= -special.ndtri(ALPHA)
        row = len(one) // 2
        public = non_inferiority(
            Share(successes=float(one[row]), n=n), Share(successes=float(two[row]), n=n), margin=margin
        )
        if public.non_inferior != bool(passed[row, row]):
            raise AssertionError("the kernel of non-inferiority is not the function")
        worst = max(worst, float(chance[passed].sum()))
    return worst
