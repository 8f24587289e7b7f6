"""Is an alert in shadow ready to call somebody? Its backtest and its time in shadow both have to say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.measure import number_text
from tutordex_analysis.question.backtest_rules import Concerns, RuleBacktest, backtest
from tutordex_analysis.source.in_shadow import InShadow
from tutordex_analysis.source.replay_rules import Replay

Answer: TypeAlias = Literal["yes", "no", "cannot tell"]
COLUMNS = ("alert", "ready", "days", "fired", "false", "backtest", "shadow")
_DAY, _WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
_MOSTLY = 0.5
_SHADOW = "shadow"  # the set of rules that is judged
_LEARNT = ("learnt", "human")  # the sets of a kept backtest that are ours, the one that counts first


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an alert must have shown.

    Attributes:
        false_a_week: The most false alarms; a quarter of the two that all alerts together may have.
        found: The fewest incidents that it found in the backtest.
        backtest: The shortest backtest of which a rate a week says something.
        shadow: How long it must have been loaded in shadow, the gaps left out.
    """

    false_a_week: float = 0.5
    found: int = 1
    backtest: pd.Timedelta = 2 * _WEEK
    shadow: pd.Timedelta = _WEEK

    def allowed(self, weeks: float) -> int:
        """False alarms that so many weeks in shadow may have: one is not held against a short time."""
        return max(1, int(self.false_a_week * weeks + 1e-9))


TERMS = Terms()


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One of the two answers and why, a sentence."""

    answer: Answer
    why: str


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """How one alert stands.

    Attributes:
        alert: Its name.
        backtest: What the kept backtest says.
        shadow: What its time in shadow says.
        days: Loaded in shadow with this definition, the gaps left out; NaN where that cannot be told.
        fired: Times it fired in that time; NaN where that cannot be told.
        false: Of these, outside every known incident; NaN where that cannot be told.
    """

    alert: str
    backtest: Proof
    shadow: Proof
    days: float = float("nan")
    fired: float = float("nan")
    false: float = float("nan")

    @property
    def ready(self) -> Answer:
        """Yes where both say so; no where one does; else nobody can tell."""
        both = {self.backtest.answer, self.shadow.answer}
        return "no" if "no" in both else "cannot tell" if "cannot tell" in both else "yes"

    @property
    def sentence(self) -> str:
        """The answer with both reasons."""
        said = {"yes": "is ready", "no": "is not ready", "cannot tell": "may be ready or not"}[self.ready]
        return f"{self.alert} {said}. Backtest: {self.backtest.why}. Shadow: {self.shadow.why}."


def table(found: Iterable[Readiness]) -> pd.DataFrame:
    """One row an alert: `COLUMNS`; the last two are the reasons."""
    rows = [(one.alert, one.ready, one.days, one.fired, one.false, one.backtest.why, one.shadow.why) for one in found]
    numbers = dict.fromkeys(("days", "fired", "false"), np.float64)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers)


def by_backtest(
    kept: RuleBacktest | None, alert: str, definition: str, *, learns: bool, terms: Terms, how: str
) -> Proof:
    """What a kept backtest says of an alert.

    Args:
        kept: None where none is kept.
        alert: Its name.
        definition: Of the rule as it is now.
        learns: Whether its limit is learned; then only a replay with learned limits counts.
        terms: What it must have shown.
        how: The command that makes another one.
    """
    if kept is None:
        return Proof(answer="cannot tell", why=f"none is kept ({how})")
    rows = kept.alerts[(kept.alerts["alert"] == alert) & kept.alerts["rules"].isin(_LEARNT)]
    rows = rows.sort_values("rules", key=lambda names: names.map(_LEARNT.index))
    days = (kept.range.end - kept.range.start) / _DAY
    span = f"{kept.range.start:%Y-%m-%d} to {kept.range.end:%Y-%m-%d}"
    doubt = ""
    if rows.empty:
        doubt = f"the kept one ({span}) does not have this alert ({how})"
    elif kept.definitions.get(alert) != definition:
        doubt = f"the kept one ({span}) replayed another definition of it ({how})"
    elif learns and alert not in kept.learned:
        doubt = "it was replayed with its human limit mostly: too little history then"
    elif rows.iloc[0]["problem"]:
        doubt = f"it could not be replayed: {rows.iloc[0]['problem']}"
    elif days * _DAY < terms.backtest:
        doubt = f"{number_text(days)} days are too few, {terms.backtest / _DAY:g} are needed"
    elif not rows.iloc[0]["known"]:
        doubt = f"no incident is known from {span}, so nothing it said was right or wrong"
    if doubt:
        return Proof(answer="cannot tell", why=doubt)
    row = rows.iloc[0]
    false, found, known = float(row["false_a_week"]), int(row["found"]), int(row["known"])
    said = f"{span}: found {found} of {known} incidents (at least {terms.found}), "
    said += f"{number_text(false)} false alarms a week (at most {terms.false_a_week:g})"
    if np.isnan(false):
        return Proof(answer="cannot tell", why=f"{span}: incidents fill all of it, so false alarms cannot be told")
    return Proof(answer="yes" if found >= terms.found and false <= terms.false_a_week else "no", why=said)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What of a Prometheus's memory is judged.

    Attributes:
        remembered: What it remembers.
        incidents: What is known to have happened in that time.
        concerns: Whether an alert that reads these metrics can tell of an incident.
        metrics: By alert, the names of the metrics that it reads in the end.
    """

    remembered: InShadow
    incidents: Sequence[Mask]
    concerns: Concerns
    metrics: Mapping[str, Collection[str]]


def readiness(
    alert: str, definition: str, *, learns: bool, backtest: Proof, watched: Watched, terms: Terms
) -> Readiness:
    """How an alert stands.

    Args:
        alert: Its name.
        definition: Of the rule as it is now.
        learns: Whether its limit is learned; then time in shadow counts where that was mostly in force.
        backtest: What the backtest says.
        watched: What the time in shadow is judged by.
        terms: What it must have shown.
    """
    memory = watched.remembered
    mine = memory.loaded[memory.loaded["alert"] == alert]
    own = mine[mine["definition"] == definition]
    loaded = pd.Timedelta((own["end"] - own["start"]).sum())
    days = loaded / _DAY
    if own.empty:
        answer, why = _never(memory, alert, other=len(mine) > 0)
        return Readiness(alert=alert, backtest=backtest, shadow=Proof(answer=answer, why=why))
    row = _judged(watched, alert, own)
    fired, false = float(row["fired"]), float(row["false"])
    since, until = own["start"].min(), own["end"].max()
    said = f"{number_text(days)} days since {since:%Y-%m-%d %H:%M} UTC"
    said += f" until {until:%Y-%m-%d %H:%M}" if until < memory.range.end - pd.Timedelta(hours=1) else ""
    said += f", fired {fired:.0f} times"
    known = int(row["known"])
    if known:
        said += f", {false:.0f} of them outside the {known} known incidents, {int(row['found'])} of which it found"
    allowed = terms.allowed(loaded / _WEEK)
    answer, why = _lived(memory, alert, loaded, terms)
    share = _together(own, memory.learnt[memory.learnt["alert"] == alert]) / loaded
    if answer == "yes" and learns and share < _MOSTLY:
        answer, why = "no", f"its limit was learned {share:.1%} of that time, so mostly the human one was tried"
    if answer == "yes":
        if (false if known else fired) <= allowed:
            why = f"at most {allowed} false"
        elif known:
            answer, why = "no", f"at most {allowed} may be false"
        else:
            answer = "cannot tell"
            why = f"no incident is known in that time, so which were right cannot be told, and {allowed} may be false"
    return Readiness(
        alert=alert,
        backtest=backtest,
        shadow=Proof(answer=answer, why=f"{said}; {why}"),
        days=days,
        fired=fired,
        false=false,
    )


def _never(memory: InShadow, alert: str, *, other: bool) -> tuple[Answer, str]:
    """Where this definition has not one sample in shadow."""
    if other:
        return "no", "another definition of it is in shadow there; push the rules as they are now, and its week begins"
    if not memory.alerts_known:
        return "cannot tell", "this server has no series ALERTS at all, not even of a watchdog"
    if (memory.fired["alert"] == alert).any():
        since = memory.fired.loc[memory.fired["alert"] == alert, "start"].min()
        return "cannot tell", (
            f"it fired in shadow at {since:%Y-%m-%d %H:%M} UTC, but rules of that time do not tell since when they are "
            "loaded; build and push them again"
        )
    return "no", "it was never loaded in shadow there; build the rules and push them"


def _lived(memory: InShadow, alert: str, loaded: pd.Timedelta, terms: Terms) -> tuple[Answer, str]:
    """Whether its time in shadow can be judged yet."""
    if alert in memory.sick:
        return "no", f"the server cannot evaluate it: {memory.sick[alert]}"
    if not memory.alerts_known:
        return "cannot tell", "this server has no series ALERTS at all, not even of a watchdog"
    needed = f"{terms.shadow / _DAY:g} days are needed"
    if loaded >= terms.shadow:
        return "yes", ""
    if memory.kept is not None and memory.kept < terms.shadow:
        return "cannot tell", f"{needed}, and this Prometheus keeps {number_text(memory.kept / _DAY)}"
    return "no", needed


def _together(some: pd.DataFrame, others: pd.DataFrame) -> pd.Timedelta:
    """How long stretches of both go on at once; those of either do not overlap."""
    both = (
        min(end, last) - max(start, first)
        for start, end in zip(some["start"], some["end"], strict=True)
        for first, last in zip(others["start"], others["end"], strict=True)
    )
    return sum((one for one in both if one > pd.Timedelta(0)), pd.Timedelta(0))


def _judged(watched: Watched, alert: str, own: pd.DataFrame) -> pd.Series:
    """The row of a backtest of what really fired while this definition was loaded."""
    memory = watched.remembered
    fired = memory.fired[memory.fired["alert"] == alert]
    inside = [
        bool(((own["start"] <= start) & (start < own["end"])).any()) for start in pd.DatetimeIndex(fired["start"])
    ]
    fired = fired[np.array(inside, dtype=bool)]
    step, none = memory.range.step, pd.Timedelta(0)
    rules = {
        "rule": 0, "alert": alert, "group": "", "file": "", "severity": "", "hold": none, "keep": none, "problem": ""
    }  # fmt: skip
    real = Replay(
        range=TimeRange(own["start"].min(), own["end"].max() + step, step),
        rules=pd.DataFrame([{**rules, "metrics": tuple(sorted(watched.metrics.get(alert, ()))) or ("ALERTS",)}]),
        active=pd.DataFrame(
            {
                "rule": 0,
                "labels": fired["labels"],
                "first": fired["start"],
                "last": fired["end"] - step,  # the judge adds it
            }
        ),
    )
    judged = backtest({_SHADOW: real}, watched.incidents, concerns=watched.concerns).alerts
    return judged[judged["alert"] == alert].iloc[0]
