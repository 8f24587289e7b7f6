"""Looks after every visitor, and group sequential looks: errors and power, and the split watched day by day."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from bench._line import Line
from bench._sample import Agreement, between
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import group_sequential, sequential, srm
from tutordex_analysis.model.experiment import compare

Arm: TypeAlias = dict[str, float]
Flags: TypeAlias = npt.NDArray[np.bool_]
Check: TypeAlias = Callable[[int, int], tuple[Arm, Arm]]  # arms of a run as they were at a look
N, CHUNK, ALPHA = 5000, 250, 0.05  # visitors an arm, runs at once
SHARES = (0.01, 0.02, 0.1)
BUYERS, LOG_MEAN, LOG_SD = 0.05, 3.0, 1.3  # skewed spend: few buy, and what they spend is log-normal
FIXED = {0.8: 0.48, 0.9: 0.65}  # power of a test that looks once: target at any look
LOOKS = 28


def always_valid(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """False positives and power of the test that may be looked at after every visitor."""
    lines = []
    crit = sequential.critical_z(np.arange(1, N + 1) / sequential.TUNED_FOR, alpha=ALPHA)
    for name in (*SHARES, "spend"):
        rng = np.random.default_rng([seed, 1, int(1000 * name) if isinstance(name, float) else 0])
        what = f"any look, {name:.0%} convert" if isinstance(name, float) else "any look, skewed spend"
        found = _crossed(name, 0.0, crit, runs, rng, agreement)
        lines.append(Line(case="peeking", what=f"{what}: false positives", value=found, target=ALPHA))
        for fixed, target in FIXED.items():
            found = _crossed(name, _effect(name, fixed), crit, runs, rng, agreement)
            text = f"{what}: power where once has {fixed:.0%}"
            lines.append(Line(case="peeking", what=text, value=found, target=target, at_most=False))
    return lines


def _crossed(
    name: float | str, effect: float, crit: Floats, runs: int, rng: np.random.Generator, agreement: Agreement
) -> float:
    crossed = 0
    for chunk in range(-(-runs // CHUNK)):
        size = min(CHUNK, runs - chunk * CHUNK)
        flags, check = (
            _shares(name, effect, crit, size, rng) if isinstance(name, float) else _spend(effect, crit, size, rng)
        )
        crossed += int(flags.any(axis=1).sum())
        if chunk == 0:
            for _ in range(4):
                run, n = int(rng.integers(size)), int(rng.integers(200, N))
                verdict = compare(*check(run, n), looks="any")
                agreement.same(bool(flags[run, n - 1]), not verdict.refused and verdict.status != "no_difference_shown")
                if not verdict.refused:
                    shown = not verdict.lift.ci_lo <= 0 <= verdict.lift.ci_hi
                    agreement.same(shown, verdict.status != "no_difference_shown")
    return crossed / runs


def _shares(p: float, effect: float, crit: Floats, size: int, rng: np.random.Generator) -> tuple[Flags, Check]:
    n = np.arange(1, N + 1)
    c, t = (np.cumsum(rng.random((size, N)) < q, axis=1, dtype=np.int32) for q in (p, p + effect))
    pool = (c + t) / (2 * n)
    se = np.sqrt(pool * (1 - pool) * 2 / n * (2 * n / (2 * n - 1)))
    flags = np.abs(t - c) / n >= crit * np.where(se > 0, se, np.inf)

    def check(run: int, at: int) -> tuple[dict[str, float], dict[str, float]]:
        return {"successes": c[run, at - 1], "n": at}, {"successes": t[run, at - 1], "n": at}

    return flags, check


def _spend(effect: float, crit: Floats, size: int, rng: np.random.Generator) -> tuple[Flags, Check]:
    n = np.arange(1, N + 1)
    arms = []
    for scale in (1.0, 1.0 + effect):
        y = np.where(rng.random((size, N)) < BUYERS, rng.lognormal(LOG_MEAN, LOG_SD, (size, N)), 0.0) * scale
        arms.append((np.cumsum(y, axis=1), np.cumsum(y * y, axis=1)))
    spread = [np.maximum(squares - total**2 / n, 0.0) / np.maximum(n - 1, 1) / n for total, squares in arms]
    off = (arms[1][0] - arms[0][0]) / n
    se = np.sqrt(spread[0] + spread[1])
    flags = np.abs(off) >= crit * np.where(se > 0, se, np.inf)
    run, at = np.nonzero(flags)  # the t is only needed where the normal crosses
    a, b = spread[0][run, at], spread[1][run, at]
    df = (a + b) ** 2 / ((a**2 + b**2) / np.maximum(at, 1))
    z = -special.ndtri(np.maximum(special.stdtr(df, -np.abs(off[run, at]) / se[run, at]), 1e-300))
    flags[run, at] = z >= crit[at]

    def check(run: int, at: int) -> tuple[dict[str, float], dict[str, float]]:
        fields = [{"sum": one[0][run, at - 1], "sum_squares": one[1][run, at - 1], "n": at} for one in arms]
        return fields[0], fields[1]

    return flags, check


def _effect(name: float | str, power: float) -> float:
    """What a test that looks once, at the end, sees with a power."""
    size = -special.ndtri(ALPHA / 2) + special.ndtri(power)
    if isinstance(name, float):
        effect = 0.0
        for _ in range(50):
            q = name + effect
            effect = size * math.sqrt((name * (1 - name) + q * (1 - q)) / N)
        return float(effect)
    mean = BUYERS * math.exp(LOG_MEAN + LOG_SD**2 / 2)
    variance = BUYERS * math.exp(2 * LOG_MEAN + 2 * LOG_SD**2) - mean**2
    effect = 0.0
    for _ in range(50):
        effect = size * math.sqrt(variance * (1 + (1 + effect) ** 2) / N) / mean
    return float(effect)


def groups(*, runs: int, seed: int) -> list[Line]:
    """O'Brien and Fleming's spending at 28 looks, and at looks that nobody planned with an overrun."""
    rng = np.random.default_rng([seed, 2])
    planned = np.arange(1, LOOKS + 1) / LOOKS
    bounds = np.array(group_sequential.bounds(planned.tolist()).z)
    drift = -special.ndtri(ALPHA / 2) + special.ndtri(0.8)
    null, _ = _walked(planned, bounds, 0.0, runs, rng)
    shown, used = _walked(planned, bounds, drift, runs, rng)
    pocock = np.array(group_sequential.bounds(planned.tolist(), spending=group_sequential.pocock).z)
    even, _ = _walked(planned, pocock, 0.0, runs, rng)
    wild = 0.0
    plans = list(_unplanned(rng, 20))
    for times in plans:
        found = np.array(group_sequential.bounds(times.tolist()).z)
        wild += _walked(times, found, 0.0, runs // len(plans), rng)[0] / len(plans)
    exact = group_sequential.crossing(planned.tolist(), bounds.tolist(), drift=drift)[-1]
    return [
        *between("groups", f"O'Brien-Fleming, {LOOKS} looks: false positives", null, 0.044, 0.056),
        Line(case="groups", what="the same: power where once has 80 %", value=shown, target=0.76, at_most=False),
        Line(case="groups", what="the same by integration", value=exact, target=0.76, at_most=False),
        Line(case="groups", what="the same: share of the sample used", value=used, target=0.76),
        *between("groups", f"Pocock, {LOOKS} looks: false positives", even, 0.044, 0.056),
        *between("groups", "unplanned looks, overrun: false positives", wild, 0.044, 0.056),
    ]


def _walked(times: Floats, bounds: Floats, drift: float, runs: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of runs that cross, and the mean share of the information that they use."""
    steps = np.diff(times, prepend=0.0)
    path = np.cumsum(rng.normal(size=(runs, len(times))) * np.sqrt(steps) + drift * steps, axis=1)
    over = np.abs(path) / np.sqrt(times) >= bounds
    crossed = over.any(axis=1)
    used = np.where(crossed, times[over.argmax(axis=1)], times[-1])
    return float(crossed.mean()), float(used.mean())


def _unplanned(rng: np.random.Generator, n: int) -> Iterator[Floats]:
    for _ in range(n):
        early = np.sort(rng.uniform(0.02, 0.99, int(rng.integers(2, 12))))
        yield np.append(early[np.diff(early, prepend=0.0) > 0.002], rng.uniform(1.0, 1.1))


def split(*, runs: int, seed: int) -> list[Line]:
    """The split of 1,000 units a day, watched for 28 days."""
    rng = np.random.default_rng([seed, 3])
    share = np.array([0.5, 0.5])

    def flagged(p: float) -> tuple[float, npt.NDArray[np.int64]]:
        first = np.cumsum(rng.binomial(1000, p, (runs, LOOKS)), axis=1)
        sums = np.stack([first, 1000 * np.arange(1, LOOKS + 1) - first], axis=-1).astype(np.float64)
        bayes = srm.log_bayes_factor(sums, share, srm.CONCENTRATION)
        return float((bayes > -math.log(srm.THRESHOLD)).any(axis=1).mean()), first

    clean, first = flagged(0.5)
    found, _ = flagged(0.52)
    new = np.diff(first[0], prepend=0)
    looks = np.stack([new, 1000 - new], axis=1)
    plain = srm.sequential(looks, [1, 1]).check
    padded = srm.sequential(np.column_stack([looks, np.zeros(LOOKS)]), [1, 1, 0]).check
    once = [srm.chi_square([*looks.sum(axis=0), *rest], [1, 1, *rest]) for rest in ((), (0,))]
    apart = max(abs(plain.p_value - padded.p_value), abs(once[0].p_value - once[1].p_value))
    return [
        Line(case="srm", what="watched 28 days, clean: alarms", value=clean, target=0.001),
        Line(case="srm", what="52/48 of 1,000 a day: found", value=found, target=0.99, at_most=False),
        Line(case="srm", what="an arm of weight 0: change of p", value=apart, target=1e-12),
    ]
