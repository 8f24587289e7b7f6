"""Tests of arms that belong together: the same units, the same blocks of time, or events of one stream."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import exact, means, sequential, tail
from tutordex_analysis.model.arms import Blocks
from tutordex_analysis.model.comparison import Kind
from tutordex_analysis.model.counters import FEWEST_BLOCKS, paired_blocks
from tutordex_analysis.model.effect import Effect, wald
from tutordex_analysis.model.rates import Rate, rate_ratio
from tutordex_analysis.model.summary import Summary, moments_of_values
from tutordex_analysis.model.tested import Level, Test, nothing, over, unknown


def rates_test(control: Rate, treatment: Rate, level: Level) -> Test:
    """The test of two totals of events."""
    found = rate_ratio(control, treatment, alpha=level.alpha)
    difference = treatment.rate - control.rate
    se = math.sqrt(treatment.events / treatment.exposure**2 + control.events / control.exposure**2)
    lift = Effect(
        estimate=found.ratio - 1,
        se=math.nan,
        statistic=math.nan,
        df=math.inf,
        p_value=found.p_value,
        ci_lo=found.ci_lo - 1,
        ci_hi=found.ci_hi - 1,
        alpha=level.alpha,
        method=found.method,
    )
    base = control.rate
    effect = replace(
        lift,
        estimate=difference,
        se=se,
        ci_lo=base * lift.ci_lo if base else -math.inf,
        ci_hi=base * lift.ci_hi if base else math.inf,
    )
    test = Test(
        kind="rate",
        control=base,
        treatment=treatment.rate,
        effect=effect,
        lift=lift,
        se=se,
        crit=tail.critical(level.alpha),
        effective_n=control.events + treatment.events,
        why="totals of events that are taken as independent: the exact conditional test of two Poisson rates",
    )
    if control.events + treatment.events == 0:
        return replace(test, refusal="not_enough", reason="no arm has an event")
    if level.any_look:
        return replace(
            test, refusal="no_verdict", reason="the exact test of rates is looked at once; count units instead"
        )
    return test


def blocks_test(control: Blocks, treatment: Blocks, level: Level, share: float) -> Test:
    """The test of counters in the same blocks of time; `share` is that of the traffic that the treatment gets."""
    shared = control.ds.intersection(treatment.ds)
    y, x = (one.events[one.ds.isin(shared)] for one in (control, treatment))
    m = control.trials[control.ds.isin(shared)] if control.trials is not None else None
    n = treatment.trials[treatment.ds.isin(shared)] if treatment.trials is not None else None
    kind: Kind = "rate" if m is None or n is None else "proportion"
    if m is None or n is None:
        scale = (1 - share) / share
        values = (float(y.mean()), float(x.mean()) * scale) if len(y) else (math.nan, math.nan)
    else:
        values = (over(y.sum(), m.sum()), over(x.sum(), n.sum()))
    if len(shared) < FEWEST_BLOCKS:
        reason = f"{len(shared)} whole blocks of time in both arms; {FEWEST_BLOCKS} are the least"
        return replace(nothing(kind, *values, level, reason), blocks=len(shared))
    if level.any_look:
        reason = "blocks of counters are looked at once, at the planned end; rows of units may be looked at any time"
        return replace(nothing(kind, *values, level, reason), refusal="no_verdict", blocks=len(shared))
    if not y.sum() + x.sum() > 0:
        return replace(nothing(kind, *values, level, "no arm has an event"), blocks=len(shared))
    found = paired_blocks(y, x, trials_control=m, trials_treatment=n, share=share, alpha=level.alpha)
    if not found.effect.se > 0:
        return replace(nothing(kind, *values, level, "the blocks do not vary"), blocks=len(shared))
    total = float(y.sum() + x.sum()) if m is None or n is None else float(m.sum() + n.sum())
    return Test(
        kind=kind,
        control=values[0],
        treatment=values[1],
        effect=found.effect,
        lift=found.lift,
        se=found.effect.se,
        crit=tail.critical(level.alpha, df=found.effect.df),
        dispersion=found.dispersion,
        effective_n=total / max(found.dispersion, 1.0),
        blocks=found.blocks,
        why="events come in bursts and swings: the arms are paired in blocks of time, whose spread is measured",
    )


def paired_test(control: Floats, treatment: Floats, level: Level) -> Test:
    """The test of two outcomes of the same units: McNemar for yes and no, else the paired t."""
    n = len(control)
    values = float(control.mean()), float(treatment.mean())
    binary = bool(np.isin(control, (0, 1)).all() and np.isin(treatment, (0, 1)).all())
    kind: Kind = "paired" if binary else "mean"
    if n < 2:
        return nothing(kind, *values, level, "there is one pair")
    moments = moments_of_values(control, treatment)
    base, other = (Summary(n=n, mean=values[i], variance=float(moments.cov[i, i])) for i in (0, 1))
    together = float(moments.cov[0, 1]) / n
    se = math.sqrt(max(base.variance_of_mean + other.variance_of_mean - 2 * together, 0.0))
    if not se > 0:
        return nothing(kind, *values, level, "every pair differs by the same, or none does")
    effect = wald(other.mean - base.mean, se, alpha=level.alpha, method="paired t", df=n - 1)
    crit, why = tail.critical(level.alpha, df=n - 1), "both arms met the same units: the paired t of their differences"
    if level.any_look:
        share = n / level.tuned_for
        crit = float(sequential.critical_z(share, alpha=level.alpha, sized_for=level.sized_for))
        z = sequential.normal_equivalent(effect.statistic, n - 1)
        p = tail.open_tail(math.exp(-max(float(sequential.log_e_value(z, share, alpha=level.sized_for)), 0.0)))
        crit = tail.critical(2 * tail.lower_tail(-crit), df=n - 1)
        low, high = effect.estimate - crit * se, effect.estimate + crit * se
        effect = replace(effect, p_value=p, ci_lo=low, ci_hi=high, method="paired, always valid")
    elif binary:
        yes, no = control == 1, treatment == 1
        cells = [int((yes & no).sum()), int((yes & ~no).sum()), int((~yes & no).sum()), int((~yes & ~no).sum())]
        found = exact.mcnemar(cells[0], cells[1], cells[2], cells[3], alpha=level.alpha)
        effect = replace(
            effect,
            p_value=found.p_value,
            ci_lo=found.ci_lo,
            ci_hi=found.ci_hi,
            df=math.inf,
            statistic=math.nan,
            method="McNemar, exact",
        )
        why = f"both arms met the same units: only the {cells[1] + cells[2]:,} pairs that differ count (McNemar)"
    lift = unknown(effect, math.nan)
    if base.mean:
        lift = means.fieller(base, other, alpha=level.alpha, covariance=together, df=n - 1, crit=crit)
        low, high = lift.ci_lo, lift.ci_hi
        if binary and not effect.significant:  # the exact test is the stricter one
            low, high = min(low, 0.0), max(high, 0.0)
        lift = replace(lift, p_value=effect.p_value, ci_lo=low, ci_hi=high)
    return Test(
        kind=kind,
        control=values[0],
        treatment=values[1],
        effect=effect,
        lift=lift,
        se=se,
        crit=crit,
        why=why,
        effective_n=2.0 * n,
    )
