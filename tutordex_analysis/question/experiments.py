"""Did it work? Every experiment of the catalogue, judged, in sentences, with what stands behind each verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.experiment import SIDES, ExperimentData
from tutordex_analysis.measure import day_text, number_text
from tutordex_analysis.model import tail
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.question import experiment_parts as parts
from tutordex_analysis.question import experiment_rows as rows
from tutordex_analysis.question.experiment_verdict import State, Verdict, ended, sizes, verdict
from tutordex_analysis.question.finding import Finding, table

QUESTION = "30_experiments"
SHORT: dict[State, str] = {
    "better": "better",
    "worse": "worse",
    "mixed": "better and worse",
    "no_difference_shown": "no difference shown",
    "blocked": "blocked by the split",
    "no_verdict": "no verdict from such data",
    "not_randomised": "not randomised",
    "not_enough": "not enough data",
}
_OVERVIEW = (
    *("title", "unit", "n_control", "n_treatment", "state", "goal_status", "lift", "lift_lower", "lift_upper"),
    *("guards", "running"),
)
GUARDS = {"held": "unharmed", "harmed": "harmed", "open": "cannot be told yet"}
_PRIORITY: dict[State, float] = {
    "better": 60.0, "worse": 70.0, "mixed": 65.0, "no_difference_shown": 30.0, "blocked": 75.0,
    "no_verdict": 20.0, "not_randomised": 20.0, "not_enough": 10.0,
}  # fmt: skip
_HARMED = 80.0
_FAR_DAYS = 365.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """One experiment with everything that its section of the page shows.

    Attributes:
        verdict: The comparisons.
        sentence: The verdict in plain words.
        running: Whether its end has not come.
        over_time: As `experiment_parts.over_time`.
        segments: As `experiment_parts.segments`.
        need: As `experiment_parts.need`.
        split: As `experiment_parts.split_by_day`.
        metrics: As `experiment_rows.metrics`.
        quality: As `experiment_rows.quality`.
    """

    verdict: Verdict
    sentence: str
    running: bool
    over_time: pd.DataFrame
    segments: tuple[parts.Segmented, ...]
    need: parts.Need | None
    split: pd.DataFrame
    metrics: pd.DataFrame
    quality: pd.DataFrame

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.verdict.experiment.name

    @property
    def title(self) -> str:
        """Of the experiment."""
        return self.verdict.experiment.title


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiments:
    """Every experiment.

    Attributes:
        told: One each, in the order of the catalogue.
        findings: As every question has them.
        headline: The answer in one sentence.
    """

    told: tuple[Told, ...]
    findings: pd.DataFrame
    headline: str

    @property
    def overview(self) -> pd.DataFrame:
        """One row an experiment: title, unit, units of each arm, state, the goal with bounds, guards, running."""
        return pd.DataFrame([_row(one) for one in self.told], columns=[*_OVERVIEW])


def experiments(data: Iterable[ExperimentData], *, tz: str) -> Experiments:
    """Judges all experiments.

    Args:
        data: What was read of each.
        tz: Zone in which days begin.
    """
    told = tuple(tell(one, tz=tz) for one in data)
    return Experiments(told=told, findings=table(_findings(told)), headline=headline(told))


def tell(data: ExperimentData, *, tz: str) -> Told:
    """One experiment, judged, with what stands behind it."""
    found = verdict(data, tz=tz)
    needed = parts.need(found, tz=tz)
    return Told(
        verdict=found,
        sentence=sentence(found, needed, tz=tz),
        running=not ended(data),
        over_time=parts.over_time(found, tz=tz),
        segments=parts.segments(found),
        need=needed,
        split=parts.split_by_day(found, tz=tz),
        metrics=rows.metrics(found),
        quality=rows.quality(found),
    )


def sentence(one: Verdict, needed: parts.Need | None, *, tz: str) -> str:
    """The verdict in plain words: the goals, the guardrails, what is still needed, the split where it failed."""
    plan = one.experiment
    if one.state == "blocked":
        goal = one.goal
        return f"{plan.title}: blocked: {goal.reason if goal is not None else 'the split is not as planned'}."
    if one.data.lacks:
        return f"{plan.title}: no verdict: {one.data.lacks}."
    said = [_titled(goal, one) for goal in one.of_role("goal").values()]
    goals = {name for name, metric in plan.metrics.items() if metric.role == "goal"}
    said += [f"{plan.metrics[name].title}: {why}." for name, why in one.unjudged.items() if name in goals]
    said += _guards(one)
    if needed is not None and one.state == "no_difference_shown":
        said.append(_needed(needed, one, tz=tz))
    return f"{plan.title}: {' '.join(said)}"


def headline(told: Sequence[Told]) -> str:
    """The answer over all experiments, in one sentence."""
    if not told:
        return "No experiment is declared; write one under experiments: in the catalogue."
    harmed = [one for one in told if "harmed" in one.verdict.guards.values()]
    by_state = {state: [one.title for one in told if one.verdict.state == state] for state in SHORT}
    parts_of = [
        f"{'; '.join(titles)}: {SHORT[state]}" for state, titles in by_state.items() if titles and state != "not_enough"
    ]
    waiting = by_state["not_enough"]
    if waiting:
        parts_of.append(f"{len(waiting)} cannot be told yet")
    said = ". ".join(parts_of)
    if harmed:
        said += f". A guardrail is harmed in {', '.join(one.title for one in harmed)}"
    return f"{said}."


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
    unjudged = [
        one.experiment.metrics[name].title
        for name in one.unjudged
        if one.experiment.metrics[name].role == "guardrail" and not one.data.lacks
    ]
    if unjudged:
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


def _needed(need: parts.Need, one: Verdict, *, tz: str) -> str:
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


def _row(one: Told) -> dict[str, object]:
    goal, plan = one.verdict.goal, one.verdict.experiment
    n = sizes(one.verdict.data)
    counted = (goal.n_control, goal.n_treatment) if goal is not None else (math.nan, math.nan)
    guards = (f"{plan.metrics[name].title}: {GUARDS[word]}" for name, word in one.verdict.guards.items())
    return {
        "title": one.title,
        "unit": plan.unit,
        "n_control": float(n[SIDES[0]]) if n else counted[0],
        "n_treatment": float(n[SIDES[1]]) if n else counted[1],
        "state": SHORT[one.verdict.state],
        "goal_status": goal.status if goal is not None else "",
        "lift": goal.lift.estimate if goal is not None else math.nan,
        "lift_lower": goal.lift.ci_lo if goal is not None else math.nan,
        "lift_upper": goal.lift.ci_hi if goal is not None else math.nan,
        "guards": "; ".join(guards),
        "running": one.running,
    }


def _findings(told: Sequence[Told]) -> Iterator[Finding]:
    for one in told:
        found, goal = one.verdict, one.verdict.goal
        harmed = "harmed" in found.guards.values()
        yield Finding(
            question=QUESTION,
            signal=one.name,
            kind="did_it_work",
            sentence=one.sentence,
            effect=goal.lift.estimate if goal is not None else math.nan,
            unit="ratio" if goal is not None else "",
            lower=goal.lift.ci_lo if goal is not None else math.nan,
            upper=goal.lift.ci_hi if goal is not None else math.nan,
            action=_action(found, harmed=harmed),
            priority=_HARMED if harmed else _PRIORITY[found.state],
        )
        for part in one.segments:
            if part.reversed:
                yield Finding(
                    question=QUESTION, signal=one.name, where=part.column, kind="did_it_work",
                    sentence=f"{one.title}: all together say the opposite of the segments by {part.column}; "
                    "the mix of segments differs between the arms.",
                    action="Read the segments, not the total, and find out why the mix differs.", priority=70.0,
                )  # fmt: skip
            elif part.p_adjusted < found.experiment.alpha:
                yield Finding(
                    question=QUESTION, signal=one.name, where=part.column, kind="did_it_work",
                    sentence=f"{one.title}: the effect differs between segments by {part.column} "
                    f"({tail.p_text(part.p_adjusted)}).",
                    priority=35.0,
                )  # fmt: skip
        for note in found.data.notes:
            yield Finding(question=QUESTION, signal=one.name, kind="data", sentence=f"{one.title}: {note}.")


def _action(found: Verdict, *, harmed: bool) -> str:
    if harmed:
        return "Do not roll it out before the harm is understood."
    return {
        "better": "Roll it out." if set(found.guards.values()) <= {"held"} else "Wait for the guardrails.",
        "worse": "Stop it.",
        "mixed": "Decide which goal counts more.",
        "blocked": "Find out who is missing from an arm, and begin again.",
        "no_verdict": "Emit exposures and outcomes as events (docs/instrumentation.md).",
        "not_randomised": "Compare with a forecast frozen at the change, or split at random.",
    }.get(found.state, "")
