"""The verdict on an experiment in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.measure import day_text, number_text
from tutordex_analysis.model import srm
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.question.experiment_parts import Need
from tutordex_analysis.question.experiment_verdict import Verdict

_FAR_DAYS = 365.0


def several(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    Example:
        >>> several(["a"]), several(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentence(one: Verdict, needed: Need | None, *, tz: str) -> str:
    """The verdict in plain words: the goals, the guardrails, what is still needed, the split where it failed."""
    plan = one.experiment
    if one.state == "blocked":
        why = srm.threshold_text(one.check) if one.check is not None else "the split is not as planned"
        return f"{plan.title}: blocked: {why}, so the arms cannot be compared; find out who is missing."
    if one.data.lacks:
        return f"{plan.title}: no verdict: {one.data.lacks}."
    said = [_titled(goal, one) for goal in one.of_role("goal").values()]
    goals = {name for name, metric in plan.metrics.items() if metric.role == "goal"}
    said += [f"{plan.metrics[name].title}: {why}." for name, why in one.unjudged.items() if name in goals]
    said += _guards(one)
    if needed is not None and one.state == "no_difference_shown":
        said.append(_needed(needed, one, tz=tz))
    return f"{plan.title}: {' '.join(said)}"


def _titled(one: Comparison, found: Verdict) -> str:
    """A comparison's sentence under the metric's title, without its own name."""
    title = found.experiment.metrics[one.metric].title
    return f"{title} {one.sentence.removeprefix(f'{one.metric}: ')}"


def _guards(one: Verdict) -> Iterator[str]:
    by_word: dict[str, list[str]] = {}
    for name, word in one.guards.items():
        by_word.setdefault(word, []).append(_loss(one, name))
    for word in ("harmed", "open", "held"):
        if word in by_word:
            names = ", ".join(by_word[word])
            many = len(by_word[word]) > 1
            yield {
                "harmed": f"Harmed: {names}.",
                "open": f"Whether {names} {'are' if many else 'is'} unharmed cannot be told yet.",
                "held": f"Unharmed: {names}.",
            }[word]
    if one.data.lacks:
        return
    guardrails = [name for name, metric in one.experiment.metrics.items() if metric.role == "guardrail"]
    if unjudged := [one.experiment.metrics[name].title for name in guardrails if name not in one.guards]:
        yield f"Not judged: {', '.join(unjudged)}."


def _loss(one: Verdict, name: str) -> str:
    """A guardrail with the worst loss that its interval allows, beside its margin."""
    metric, found = one.experiment.metrics[name], one.comparisons[name]
    sign = -1 if metric.higher_is_better else 1
    losses = [sign * each for each in (found.lift.estimate, found.lift.ci_lo, found.lift.ci_hi)]
    margin = number_text(100 * (metric.margin or math.nan))
    if not math.isfinite(max(losses)):
        return f"{metric.title} (a loss of {margin} % would be too much)"
    worst = f"at worst {_percent(max(losses))} worse"
    if one.guards[name] == "harmed":
        worst = f"{_percent(losses[0])} worse, {_percent(min(losses[1:]))} to {_percent(max(losses[1:]))}"
    return f"{metric.title} ({worst}; {margin} % would be too much)"


def _percent(share: float) -> str:
    return f"{number_text(float(f'{100 * max(share, 0):.2g}'))} %"


def _needed(need: Need, one: Verdict, *, tz: str) -> str:
    effect = number_text(100 * need.worth)
    unit = one.experiment.unit
    if need.units <= need.have:
        return f"An effect of {effect} % would mostly have been seen by now."
    said = f"An effect of {effect} % needs about {_round(need.units):,} {unit}s an arm; there are {need.have:,}"
    if need.days > _FAR_DAYS:
        return f"{said}, more than a year away at the pace of the last week."
    if math.isfinite(need.days):
        when = day_text(one.data.end + pd.Timedelta(days=need.days), ZoneInfo(tz))
        return f"{said}, enough about {when} at the pace of the last week."
    return f"{said}."


def _round(units: int) -> int:
    """Two leading digits."""
    step = int(10 ** max(len(str(units)) - 2, 0))
    return math.ceil(units / step) * step
