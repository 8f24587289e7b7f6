"""Which test a pair of arms gets, and why."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import cuped, means, proportion, sequential, tail
from tutordex_analysis.model import ratio as ratios
from tutordex_analysis.model.arms import Blocks
from tutordex_analysis.model.comparison import Kind
from tutordex_analysis.model.judgement_together import blocks_test, rates_test
from tutordex_analysis.model.proportion import SMALL, Share
from tutordex_analysis.model.rates import Rate
from tutordex_analysis.model.summary import Moments, Summary
from tutordex_analysis.model.tested import Level, Test, nothing, unknown

Data: TypeAlias = Share | Summary | Moments | Rate | Blocks


def test_of(control: Data, treatment: Data, level: Level, *, kind: Kind, share: float) -> Test:
    """The test of two arms of the same form.

    Args:
        control: One arm.
        treatment: The other.
        level: How sure.
        kind: Of the metric.
        share: Of the traffic that the treatment gets.

    Raises:
        ExperimentError: The arms come in different forms.
    """
    if isinstance(control, Share) and isinstance(treatment, Share):
        return _shares(control, treatment, level)
    if isinstance(control, Rate) and isinstance(treatment, Rate):
        return rates_test(control, treatment, level)
    if isinstance(control, Blocks) and isinstance(treatment, Blocks):
        return blocks_test(control, treatment, level, share)
    if isinstance(control, Moments) and isinstance(treatment, Moments):
        return _moments(control, treatment, level, kind)
    if isinstance(control, Share | Summary) and isinstance(treatment, Share | Summary):
        return _summaries(_summary(control), _summary(treatment), level, kind)
    raise ExperimentError("the arms come in different forms; give both as the same totals or tables")


def _summary(arm: Share | Summary) -> Summary:
    if isinstance(arm, Summary):
        return arm
    return Summary(n=arm.n, mean=arm.p, variance=arm.p * (1 - arm.p) * arm.n / (arm.n - 1) if arm.n > 1 else math.nan)


def _shares(control: Share, treatment: Share, level: Level) -> Test:
    n = control.n + treatment.n
    se = math.sqrt(sum(one.p * (1 - one.p) / one.n for one in (control, treatment)))
    few = min(control.rare, treatment.rare)
    if level.any_look:
        held = sequential.always_valid_share(
            control, treatment, alpha=level.alpha, tuned_for=level.tuned_for, sized_for=level.sized_for
        )
        effect, lift, crit = held.effect, held.lift, held.critical
        why = "it is looked at more than once, so the score test is held to a bound that covers all looks"
    else:
        careful = proportion.cautious_alpha(control, treatment, level.alpha)
        scale = level.alpha / careful
        found = [test(control, treatment, alpha=careful) for test in (proportion.score, proportion.relative_score)]
        effect, lift = (replace(one, p_value=min(one.p_value * scale, 1.0), alpha=level.alpha) for one in found)
        crit = tail.critical(careful)
        why = "two proportions of independent units: the score test and interval agree and hold from small counts on"
        if few < SMALL:
            why = f"an arm has {few:,.0f} of the rarer outcome, under {SMALL}: the score interval is widened to hold"
    test = Test(
        kind="proportion",
        control=control.p,
        treatment=treatment.p,
        effect=effect,
        lift=lift,
        se=se,
        crit=crit,
        why=why,
        effective_n=n,
    )
    if min(control.n, treatment.n) < 2:
        return replace(test, refusal="not_enough", reason="an arm has one unit")
    if math.isnan(effect.p_value):
        done = "no unit of either arm" if control.successes == 0 else "every unit of both arms"
        return replace(test, refusal="not_enough", reason=f"{done} converted, so nothing can be told apart")
    return test


def _summaries(control: Summary, treatment: Summary, level: Level, kind: Kind) -> Test:
    if min(control.n, treatment.n) < 2:
        return nothing(kind, control.mean, treatment.mean, level, "an arm has one unit; a spread needs two")
    if not control.variance + treatment.variance > 0:
        return nothing(kind, control.mean, treatment.mean, level, "the outcomes do not vary within the arms")
    why = {
        "ratio": "a ratio of sums over randomised units: linearised a unit at a time (delta method), then Welch's t",
        "quantile": "several values a unit: the error of the quantile is taken over units, then Welch's t",
    }.get(
        kind, "means of independent units whose variances may differ: Welch's t, and Fieller's interval for the share"
    )
    if level.any_look:
        held = sequential.always_valid_mean(
            control, treatment, alpha=level.alpha, tuned_for=level.tuned_for, sized_for=level.sized_for
        )
        effect, lift, crit = held.effect, held.lift, held.critical
        why += "; looked at more than once, so held to a bound that covers all looks"
    else:
        effect = means.welch(control, treatment, alpha=level.alpha)
        crit = tail.critical(level.alpha, df=effect.df)
        lift = means.fieller(control, treatment, alpha=level.alpha) if control.mean else unknown(effect, math.nan)
    return Test(
        kind=kind,
        control=control.mean,
        treatment=treatment.mean,
        effect=effect,
        lift=lift,
        se=effect.se,
        crit=crit,
        why=why,
        effective_n=control.n + treatment.n,
    )


def _moments(control: Moments, treatment: Moments, level: Level, kind: Kind) -> Test:
    if len(control.mean) != len(treatment.mean):
        raise ExperimentError("the arms have different columns")
    if kind == "ratio" and len(control.mean) == 2:
        return _summaries(ratios.of_ratio(control), ratios.of_ratio(treatment), level, kind)
    adjust = cuped.of_ratio if len(control.mean) == 4 else cuped.of_mean
    found = adjust(control, treatment, alpha=level.alpha)
    why = "a covariate from before the experiment explains part of the outcome (CUPED), then Welch's t"
    effect, crit = found.effect, tail.critical(level.alpha, df=found.effect.df)
    if level.any_look:
        held = sequential.always_valid_mean(
            found.control, found.treatment, alpha=level.alpha, tuned_for=level.tuned_for, sized_for=level.sized_for
        )
        effect, crit = held.effect, held.critical
        wide = (held.effect.ci_hi - held.effect.ci_lo) / 2 / found.effect.se
        found = adjust(control, treatment, alpha=level.alpha, crit=wide)
        why += "; looked at more than once, so held to a bound that covers all looks"
    base = float(control.mean[0] / control.mean[1]) if len(control.mean) == 4 else float(control.mean[0])
    lift = replace(found.lift, p_value=effect.p_value) if base else unknown(effect, math.nan)
    if not effect.se > 0:
        return nothing(kind, base, base + effect.estimate, level, "the outcomes do not vary within the arms")
    kept = 1 - found.variance_reduction
    return Test(
        kind=kind,
        control=base,
        treatment=base + effect.estimate,
        effect=effect,
        lift=lift,
        se=effect.se,
        crit=crit,
        why=why,
        effective_n=(control.n + treatment.n) / kept if kept > 0 else math.nan,
    )
