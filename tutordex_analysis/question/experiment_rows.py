"""Rows of the tables of experiments: metrics of one, its data, all of them."""

from __future__ import annotations

import math

import pandas as pd

from tutordex_analysis.experiment import SIDES
from tutordex_analysis.model import srm
from tutordex_analysis.question.experiment_verdict import Verdict, sizes

METRICS = (
    *("metric", "title", "role", "kind", "control", "treatment", "lift", "lift_lower", "lift_upper"),
    *("estimate", "lower", "upper", "p_value", "alpha", "status", "guard", "margin", "higher_is_better"),
    *("method", "why", "dispersion", "effective_n", "blocks", "mde_lift", "reason"),
)


def metrics(found: Verdict) -> pd.DataFrame:
    """One row a metric in the order of the plan; columns METRICS. A metric without comparison has NaN and a reason.

    p_value is the adjusted one; lift and its bounds are shares of the control.
    """
    rows = []
    for name, metric in found.experiment.metrics.items():
        row: dict[str, object] = {
            "metric": name,
            "title": metric.title,
            "role": metric.role,
            "margin": math.nan if metric.margin is None else metric.margin,
            "higher_is_better": metric.higher_is_better,
            "guard": found.guards.get(name, ""),
            "status": "",
            "reason": found.unjudged.get(name, ""),
        }
        one = found.comparisons.get(name)
        if one is not None:
            row |= {
                "kind": one.kind,
                "control": one.control,
                "treatment": one.treatment,
                "lift": one.lift.estimate,
                "lift_lower": one.lift.ci_lo,
                "lift_upper": one.lift.ci_hi,
                "estimate": one.effect.estimate,
                "lower": one.effect.ci_lo,
                "upper": one.effect.ci_hi,
                "p_value": one.p_adjusted,
                "alpha": one.alpha,
                "status": one.status,
                "method": one.method,
                "why": one.why,
                "dispersion": one.dispersion,
                "effective_n": one.effective_n,
                "blocks": one.blocks,
                "mde_lift": one.mde_lift,
                "reason": one.reason,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=[*METRICS])


def quality(found: Verdict) -> pd.DataFrame:
    """What came, and whether it can be trusted: one row a check; columns check, found."""
    plan, n = found.experiment, sizes(found.data)
    rows: list[tuple[str, str]] = []
    if n:
        rows.append((f"{plan.unit.capitalize()}s that count", " · ".join(f"{side} {n[side]:,}" for side in SIDES)))
    strange = {name: count for name, count in found.data.seen.items() if name not in plan.arms.values()}
    if strange:
        rows.append(("Arms that are not in the plan", ", ".join(f"{name}: {k:,}" for name, k in strange.items())))
    if found.check is not None:
        wanted = " : ".join(f"{100 * one / sum(plan.split):.3g} %" for one in plan.split)
        rows.append((f"Split, planned as {wanted}", srm.threshold_text(found.check)))
    rows += [("Left out, or to be known", note) for note in found.data.notes]
    return pd.DataFrame(rows, columns=["check", "found"])
