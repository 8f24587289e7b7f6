"""Rates over whole experiments: counters, users with many requests, covariates, many metrics, quantiles; and speed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from bench._cpu import cpu_seconds
from bench._line import Line
from bench._sample import Agreement, between
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import counters, multiplicity
from tutordex_analysis.model.experiment import compare, family

ALPHA, DAYS, HOURS = 0.05, 14, 24
A_DAY = 300.0  # events an arm
METRICS = 12
WORLDS = (
    ("independent requests", 1.0, 0.0),
    ("bursts, variance × 15", 15.0, 0.0),
    ("own worker, × 39, 3 h", 39.0, 3.0),
    ("own worker, × 39, 8 h", 39.0, 8.0),
)
CORRECTIONS: tuple[tuple[multiplicity.Correction, float], ...] = (("holm", 0.056), ("benjamini-hochberg", 0.055))


def null_counters(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """Two arms that do not differ, counted by the hour for 14 days."""
    rng = np.random.default_rng([seed, 7])
    lines = []
    df = counters.cosines(DAYS)
    waves = np.cos(np.pi * np.outer(np.arange(1, df + 1), np.arange(DAYS) + 0.5) / DAYS) * np.sqrt(2 / DAYS)
    crit = -special.stdtrit(df, ALPHA / 2)
    for name, inflated, memory in WORLDS:
        arms = [_hours(rng, runs, inflated, memory=memory) for _ in range(2)]
        days = [one.reshape(runs, DAYS, HOURS).sum(axis=2) for one in arms]
        off = days[1] - days[0]
        t = off.mean(axis=1) / np.sqrt(((off @ waves.T) ** 2).mean(axis=1) / DAYS)
        naive = np.abs(arms[1].sum(axis=1) - arms[0].sum(axis=1)) / np.sqrt(arms[0].sum(axis=1) + arms[1].sum(axis=1))
        print(f"counters, {name}: Poisson's test finds {np.mean(naive > 1.96):.1%}", flush=True)
        lines += between("counters", f"{name}: false positives", float(np.mean(np.abs(t) >= crit)), 0.03, 0.07)
        ds = pd.date_range("2026-03-02", periods=DAYS * HOURS, freq="h", tz="UTC")
        for run in range(15):
            tables = [pd.DataFrame({"ds": ds, "y": one[run]}) for one in arms]
            verdict = compare(tables[0], tables[1], assignment="request")
            agreement.near(float(2 * special.stdtr(df, -abs(t[run]))), verdict.p_value)
    return lines


def _hours(rng: np.random.Generator, runs: int, inflated: float, *, memory: float) -> Floats:
    """Events by the hour, with a day, whose total varies `inflated` times as much as Poisson; memory is in hours."""
    hour = np.arange(DAYS * HOURS)
    rate = A_DAY / HOURS * (1 + 0.6 * np.sin(2 * np.pi * hour / HOURS))
    if not memory:
        size = inflated  # a burst of m events: the variance of a sum of bursts is m times the mean
        return np.asarray(rng.poisson(rate / size, (runs, len(hour))) * size, dtype=np.float64)
    keep = np.exp(-1 / memory)  # the speed of a worker changes slowly
    state, states = rng.normal(size=runs), []
    for _ in hour:
        state = keep * state + np.sqrt(1 - keep**2) * rng.normal(size=runs)
        states.append(state)
    speed = np.stack(states, axis=1)
    share = (inflated - 1) * A_DAY * DAYS / _variance_of_sum(rate, keep)
    spread = np.sqrt(np.log1p(share))
    found: Floats = rng.poisson(rate * np.exp(spread * speed - spread**2 / 2)).astype(np.float64)
    return found


def _variance_of_sum(rate: Floats, keep: float) -> float:
    apart = np.abs(np.subtract.outer(np.arange(len(rate)), np.arange(len(rate))))
    return float((rate[:, None] * rate[None, :] * keep**apart).sum())


def sticky(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """Users who keep their arm and make many requests, without any effect."""
    n, rng = 1000, np.random.default_rng([seed, 8])
    false = 0
    for chunk in range(-(-runs // 500)):
        size = min(500, runs - 500 * chunk)
        arms = []
        for _ in range(2):
            requests = 1 + rng.poisson(rng.gamma(0.3, 30, (size, n)))  # a few users make most of them
            arms.append(
                (rng.binomial(requests, rng.beta(1, 4, (size, n))).astype(np.float64), requests.astype(np.float64))
            )
        p = _ratio_test(arms)
        false += int((p <= ALPHA).sum())
        if chunk == 0:
            for run in range(10):
                tables = [
                    pd.DataFrame({"unit": np.arange(n) + n * i, "outcome": y[run], "requests": m[run]})
                    for i, (y, m) in enumerate(arms)
                ]
                verdict = compare(tables[0], tables[1], denominator="requests")
                agreement.near(float(p[run]), verdict.p_value)
    ds = pd.date_range("2026-03-02", periods=DAYS * HOURS, freq="h", tz="UTC")
    frame = pd.DataFrame({"ds": ds, "y": rng.poisson(5, len(ds)), "trials": 40 + rng.poisson(5, len(ds))})
    refused = compare(frame, frame).status == "no_verdict"
    return [
        Line(case="sticky", what="counters only: refused", value=float(refused), target=1.0, at_most=False),
        Line(case="sticky", what="rows of users: false positives", value=false / runs, target=0.06),
    ]


def _ratio_test(arms: list[tuple[Floats, Floats]]) -> Floats:
    """P-values of Welch's test of ratios of sums, one run a row."""
    values, variances = [], []
    for y, m in arms:
        ratio = y.sum(axis=1) / m.sum(axis=1)
        off = (y - ratio[:, None] * m) / m.mean(axis=1, keepdims=True)
        values.append(ratio)
        variances.append(off.var(axis=1, ddof=1) / y.shape[1])
    a, b = variances
    n = arms[0][0].shape[1]
    df = (a + b) ** 2 / ((a**2 + b**2) / (n - 1))
    p: Floats = 2 * special.stdtr(df, -np.abs(values[1] - values[0]) / np.sqrt(a + b))
    return p


def covariate(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """CUPED with 500 units an arm."""
    n, rng, lines = 500, np.random.default_rng([seed, 9]), []
    for r in (0.5, 0.8):
        ratios, covered, estimates, plains = [], 0, [], []
        for chunk in range(-(-runs // 1000)):
            size = min(1000, runs - 1000 * chunk)
            arms = []
            for effect in (0.0, 0.2):
                x = rng.normal(size=(size, n))
                arms.append((r * x + np.sqrt(1 - r**2) * rng.normal(size=(size, n)) + effect, x))
            both = [np.concatenate([arms[0][i], arms[1][i]], axis=1) for i in (0, 1)]
            centred = [one - one.mean(axis=1, keepdims=True) for one in both]
            theta = (centred[0] * centred[1]).sum(axis=1) / (centred[1] ** 2).sum(axis=1)
            adjusted = [y - theta[:, None] * x for y, x in arms]
            effect_ = adjusted[1].mean(axis=1) - adjusted[0].mean(axis=1)
            a, b = (one.var(axis=1, ddof=1) / n for one in adjusted)
            plain = sum(y.var(axis=1, ddof=1) / n for y, _ in arms)
            df = (a + b) ** 2 / ((a**2 + b**2) / (n - 1))
            covered += int((np.abs(effect_ - 0.2) <= -special.stdtrit(df, ALPHA / 2) * np.sqrt(a + b)).sum())
            ratios.append((a + b) / plain)
            estimates.append(effect_)
            plains.append(arms[1][0].mean(axis=1) - arms[0][0].mean(axis=1))
            if chunk == 0:
                for run in range(5):
                    tables = [pd.DataFrame({"outcome": y[run], "pre": x[run]}) for y, x in arms]
                    verdict = compare(tables[0], tables[1], covariate="pre")
                    agreement.near(float(effect_[run]), verdict.effect.estimate)
                    agreement.near(float(np.sqrt((a + b)[run])), verdict.effect.se)
        told = abs(float(np.concatenate(ratios).mean()) - (1 - r**2))
        true = abs(float(np.concatenate(estimates).var() / np.concatenate(plains).var()) - (1 - r**2))
        lines += [
            Line(case="cuped", what=f"r = {r}: variance told, off 1 - r²", value=told, target=0.03),
            Line(case="cuped", what=f"r = {r}: variance of estimates, off 1 - r²", value=true, target=0.03),
            *between("cuped", f"r = {r}: coverage", covered / runs, 0.94, 0.96),
        ]
    return lines


def many(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """Twelve metrics without an effect, half of them hanging together."""
    rng, n = np.random.default_rng([seed, 10]), 1000
    shared = rng.normal(size=(runs, 1)) * np.sqrt(0.5)
    z = rng.normal(size=(runs, METRICS))
    z[:, : METRICS // 2] = shared + z[:, : METRICS // 2] * np.sqrt(0.5)
    lone = rng.normal(size=(runs, METRICS))
    lines = []
    for what, one in (("independent", lone), ("half hang together", z)):
        p = 2 * special.ndtr(-np.abs(one))
        raw = float((p <= ALPHA).any(axis=1).mean())
        print(f"{METRICS} null metrics, {what}: any below 5 % without correction {raw:.1%}", flush=True)
        for correction, target in CORRECTIONS:
            found = float((multiplicity.adjusted(p, correction=correction) <= ALPHA).any(axis=1).mean())
            lines.append(Line(case="family", what=f"{what}: any false, {correction}", value=found, target=target))
    for run in range(2):
        mean = 10 + lone[run] * np.sqrt(2 / n) * 3
        names = [f"m{i}" for i in range(METRICS)]
        control = {name: {"mean": 10.0, "sd": 3.0, "n": n} for name in names}
        treatment = {name: {"mean": float(one), "sd": 3.0, "n": n} for name, one in zip(names, mean, strict=True)}
        verdicts = family(control, treatment, outcomes=names)
        raw_p = [one.p_value for one in verdicts]
        for verdict, adjusted in zip(verdicts, multiplicity.adjusted(raw_p), strict=True):
            agreement.near(float(adjusted), verdict.p_adjusted)
            agreement.same(bool(adjusted <= ALPHA), not verdict.effect.ci_lo <= 0 <= verdict.effect.ci_hi)
    return lines


def p95(*, runs: int, seed: int, agreement: Agreement) -> list[Line]:
    """The 95 % quantile of nine requests a user, 500 users an arm, without an effect."""
    users, each, q, rng = 500, 9, 0.95, np.random.default_rng([seed, 11])
    covered = naive = 0
    for chunk in range(-(-runs // 200)):
        size = min(200, runs - 200 * chunk)
        values, variances, simple, raw = [], [], [], []
        for _ in range(2):
            y = rng.lognormal(0, 0.5, (size, users, each)) * rng.lognormal(0, 0.5, (size, users, 1))
            raw.append(y)
            value, variance, plain = _quantile(y, q)
            values.append(value)
            variances.append(variance)
            simple.append(plain)
        a, b = variances
        df = (a + b) ** 2 / ((a**2 + b**2) / (users - 1))
        t = np.abs(values[1] - values[0]) / np.sqrt(a + b)
        covered += int((t <= -special.stdtrit(df, ALPHA / 2)).sum())
        naive += int((np.abs(values[1] - values[0]) <= 1.96 * np.sqrt(simple[0] + simple[1])).sum())
        if chunk == 0:
            for run in range(4):
                tables = [
                    pd.DataFrame({"unit": np.repeat(np.arange(users) + users * i, each), "outcome": y[run].ravel()})
                    for i, y in enumerate(raw)
                ]
                verdict = compare(tables[0], tables[1], quantile=q)
                agreement.near(float(2 * special.stdtr(df[run], -t[run])), verdict.p_value)
    print(f"p95 of nine requests a user: taken as independent it covers {naive / runs:.1%}", flush=True)
    return [
        Line(
            case="quantile",
            what="p95, nine requests a user: coverage",
            value=covered / runs,
            target=0.945,
            at_most=False,
        )
    ]


def _quantile(y: Floats, q: float) -> tuple[Floats, Floats, Floats]:
    """Quantile, its variance over users, and that of independent values; one run a row."""
    runs, users, each = y.shape
    n = users * each
    ordered = np.sort(y.reshape(runs, n), axis=1)

    def at(level: Floats) -> Floats:
        place = np.clip(level, 0, 1) * (n - 1)
        low = np.floor(place).astype(int)
        part = place - low
        rows = np.arange(runs)
        found: Floats = ordered[rows, low] * (1 - part) + ordered[rows, np.minimum(low + 1, n - 1)] * part
        return found

    value = at(np.full(runs, q))
    below = (y <= value[:, None, None]).sum(axis=2)
    off = below - below.mean(axis=1, keepdims=True)
    se = np.sqrt((off**2).sum(axis=1) * users / (users - 1)) / n
    crit = -float(special.stdtrit(users - 1, ALPHA / 2))
    variance = ((at(q + crit * se) - at(q - crit * se)) / (2 * crit)) ** 2
    plain = np.full(runs, np.sqrt(q * (1 - q) / n))
    return value, variance, ((at(q + 1.96 * plain) - at(q - 1.96 * plain)) / 3.92) ** 2


def speed(*, seed: int) -> list[Line]:
    """CPU seconds for many users and for many experiments."""
    rng, n = np.random.default_rng([seed, 12]), 500_000
    columns = {f"m{i}": rng.random(n) < 0.1 if i % 2 else rng.gamma(1.0, 2.0, n) for i in range(METRICS)}
    control = pd.DataFrame({"unit": np.arange(n), **columns})
    treatment = control.assign(unit=control["unit"] + n)
    began = cpu_seconds()
    family(control, treatment, outcomes=list(columns))
    users = cpu_seconds() - began
    counts = rng.binomial(1000, 0.1, (10_000, 2)).tolist()
    began = cpu_seconds()
    for c, t in counts:
        compare({"successes": c, "n": 1000}, {"successes": t, "n": 1000})
    return [
        Line(case="speed", what="1 million users, 12 metrics: CPU s", value=users, target=2.0),
        Line(case="speed", what="10,000 experiments as totals: CPU s", value=cpu_seconds() - began, target=5.0),
    ]
