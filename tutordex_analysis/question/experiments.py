"""Did it work? Every experiment of the catalogue, judged, in sentences, with what stands behind each verdict."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from tutordex_analysis.experiment import SIDES
from tutordex_analysis.experiment_data import ExperimentData
from tutordex_analysis.measure import number_text
from tutordex_analysis.model import tail
from tutordex_analysis.question import experiment_parts as parts
from tutordex_analysis.question import experiment_rows as rows
from tutordex_analysis.question import experiment_words as words
from tutordex_analysis.question.experiment_verdict import State, Verdict, ended, sizes, verdict
from tutordex_analysis.question.finding import Finding, table

QUESTION = "30_experiments"
SHORT: dict[State, str] = {
    "better": "better",
    "worse": "worse",
    "mixed": "better and worse",
    "harmed": "harms a guardrail",
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
    "better": 60.0, "worse": 70.0, "mixed": 65.0, "harmed": 80.0, "no_difference_shown": 30.0, "blocked": 75.0,
    "no_verdict": 20.0, "not_randomised": 20.0, "not_enough": 10.0,
}  # fmt: skip
_HARMED = 80.0


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
        sentence=words.sentence(found, needed, tz=tz),
        running=not ended(data),
        over_time=parts.over_time(found, tz=tz),
        segments=parts.segments(found),
        need=needed,
        split=parts.split_by_day(found, tz=tz),
        metrics=rows.metrics(found),
        quality=rows.quality(found),
    )


def headline(told: Sequence[Told]) -> str:
    """The answer over all experiments, in one sentence."""
    if not told:
        return "No experiment is declared; write one under experiments: in the catalogue."
    by_state = {state: [f"“{one.title}”" for one in told if one.verdict.state == state] for state in SHORT}
    said = [
        f"{words.several(titles)}: {SHORT[state]}"
        for state, titles in by_state.items()
        if titles and state != "not_enough"
    ]
    if waiting := by_state["not_enough"]:
        said.append(f"{len(waiting)} cannot be told yet")
    beside = [one for one in told if "harmed" in one.verdict.guards.values() and one.verdict.state != "harmed"]
    if beside:
        said.append(f"a guardrail is harmed in {words.several([f'“{one.title}”' for one in beside])}")
    return f"{'; '.join(said)}."


def scorecard(told: Sequence[Told]) -> tuple[str, ...]:
    """How good the verdicts are, in sentences."""
    judged = [one for one in told if one.verdict.state in ("better", "worse", "mixed", "harmed", "no_difference_shown")]
    alphas = sorted({100 * one.verdict.experiment.alpha for one in judged})
    said = [f"{len(judged)} of {len(told)} experiments have a verdict."]
    if alphas:
        shares = words.several([number_text(one) for one in alphas])
        said.append(f"Where nothing is changed, a goal is said to be in at most {shares} of 100 experiments.")
    return tuple(said)


def digest(told: Sequence[Told], *others: pd.DataFrame) -> str:
    """Twelve hex digits of every number that the page shows, and of other tables on it."""
    text = "".join(one.to_csv() for one in others)
    text += "".join(f"{one.name}{one.sentence}{one.metrics.to_csv()}{one.over_time.to_csv()}" for one in told)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _row(one: Told) -> dict[str, object]:
    goal, plan = one.verdict.goal, one.verdict.experiment
    n = sizes(one.verdict.data)
    counted = (goal.n_control, goal.n_treatment) if goal is not None else (math.nan, math.nan)
    guards = (f"{plan.metrics[name].title}: {GUARDS[word]}" for name, word in one.verdict.guards.items())
    return {
        "title": one.title,
        "unit": "day" if goal is not None and goal.kind == "rate" and goal.blocks else plan.unit,
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
        found = one.verdict
        goal = None if found.state == "blocked" else found.goal
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
        "better": "Roll it out." if _all_held(found) else "Wait for the guardrails.",
        "worse": "Stop it.",
        "mixed": "Decide which goal counts more.",
        "blocked": "Find out who is missing from an arm, and begin again.",
        "no_verdict": "Emit exposures and outcomes as events (docs/instrumentation.md).",
        "not_randomised": "Compare with a forecast frozen at the change, or split at random.",
    }.get(found.state, "")


def _all_held(found: Verdict) -> bool:
    """Whether every guardrail of the plan held; one that is not judged did not."""
    metrics = found.experiment.metrics.items()
    return all(found.guards.get(name) == "held" for name, metric in metrics if metric.role == "guardrail")
