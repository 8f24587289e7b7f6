"""Are promises kept, and for how long? Every SLO of the catalogue: budget, burn, what spent it, when it is gone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.measure import day_text
from tutordex_analysis.model import slo as model
from tutordex_analysis.model.slo import Budget
from tutordex_analysis.model.slo_ahead import Ahead, ahead
from tutordex_analysis.moment import duration
from tutordex_analysis.question import slo_words as words
from tutordex_analysis.question.finding import Finding, table
from tutordex_analysis.question.slo_history import Kept
from tutordex_analysis.slo import Slo

State: TypeAlias = Literal["kept", "at_risk", "broken", "off", "unknown"]
QUESTION = "50_slo"
WINDOWS = ("1h", "6h", "1d", "3d", "7d")
SHORT: dict[State, str] = {
    "kept": "kept",
    "at_risk": "at risk",
    "broken": "broken",
    "off": "nothing to promise",
    "unknown": "cannot be told",
}
_OVERVIEW = (
    *("title", "objective", "kept", "remaining", "state", "survives", "earliest", "likely", "latest", "noun"),
    *("bad", "total"),
)
_PRIORITY: dict[State, float] = {"broken": 85.0, "at_risk": 72.0, "kept": 20.0, "off": 12.0, "unknown": 15.0}
_SILENT = pd.Timedelta("3D")  # without an event for so long it is switched off
_LIKELY = 0.5  # a budget that survives with a smaller chance is at risk
_WORTH = 0.01  # incidents that took less of the budget are not told
_TOLD = 5  # incidents in a table
_BESIDE = 3  # what else was at that time, at most
_AFTER = pd.Timedelta("1h")  # an alert that fires so late is still of it
_WHOLE = 0.95  # a period of which less is known is said to be


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """One promise with everything that its section of the page shows.

    Attributes:
        slo: Its spec.
        state: Whether it is kept.
        sentence: That in plain words.
        budget: At the newest step; None where nothing is known.
        ahead: When the budget is gone; None where nothing is known.
        burn: Burn rates by window, as `model.slo.burn_rates`.
        over_time: As `model.slo.over_time`, over the period.
        incidents: As `model.slo.incidents`, those of the period, the most expensive first,
            with `name` and `beside`, what else was told of that time.
    """

    slo: Slo
    state: State
    sentence: str
    budget: Budget | None
    ahead: Ahead | None
    burn: dict[str, float]
    over_time: pd.DataFrame
    incidents: pd.DataFrame

    @property
    def name(self) -> str:
        """Of the promise."""
        return self.slo.name

    @property
    def title(self) -> str:
        """Of the promise."""
        return self.slo.title


@dataclass(frozen=True, kw_only=True, eq=False)
class Promises:
    """Every promise.

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
        """One row a promise."""
        return pd.DataFrame([_row(one) for one in self.told], columns=[*_OVERVIEW])


def promises(
    kept: Iterable[Kept], *, tz: str, masks: Masks = NO_MASKS, fired: pd.DataFrame | None = None, seed: int = 0
) -> Promises:
    """Tells all promises.

    Args:
        kept: What was read of each.
        tz: Zone in which moments are told.
        masks: Named incidents, alerts and silences, which give names to what spent the budget.
        fired: `ALERTS`, 1 where one fired in the step before, for a promise's own alerts; None where that is not known.
        seed: Of the simulated futures.
    """
    told = tuple(tell(one, tz=tz, masks=masks, fired=fired, seed=seed) for one in kept)
    return Promises(told=told, findings=table(_findings(told)), headline=headline(told))


def tell(kept: Kept, *, tz: str, masks: Masks = NO_MASKS, fired: pd.DataFrame | None = None, seed: int = 0) -> Told:
    """One promise."""
    slo, events, zone = kept.slo, kept.events, ZoneInfo(tz)
    if kept.lacks:
        return _untold(slo, "unknown", f"{slo.title}: cannot be told: {kept.lacks}.")
    budget = model.budget(events, objective=slo.objective, period=slo.period)
    if silent := _silent_since(events):
        since = f"{slo.title}: no {slo.noun} since {day_text(silent, zone)}"
        if events["total"].tail(1).notna().all():
            return _untold(slo, "off", f"{since}, so there is nothing to keep or to break.", budget)
        return _untold(slo, "unknown", f"{since} are known of: it is switched off, or nobody counts.", budget)
    if budget.total < slo.least:
        said = f"{budget.total:,.0f} {slo.noun} in {words.spoken(budget)} are too few to say; it takes {slo.least}"
        return _untold(slo, "unknown", f"{slo.title}: cannot be told: {said}.", budget)
    found = model.incidents(events, objective=slo.objective, period=slo.period)
    found = _named(found, slo, masks, own=_own_alerts(slo, fired))
    to_come = ahead(events, objective=slo.objective, period=slo.period, seed=seed)
    state: State = "broken" if budget.remaining <= 0 else "at_risk" if to_come.survives < _LIKELY else "kept"
    inside = found[(found["spent"] >= _WORTH) & (found["end"] > budget.since)]
    worst = inside.sort_values("spent", ascending=False, kind="stable").head(_TOLD).reset_index(drop=True)
    lately = model.over_time(events, objective=slo.objective, period=slo.period)
    return Told(
        slo=slo,
        state=state,
        sentence=" ".join(words.sentences(slo, budget, to_come, worst, kept, zone)),
        budget=budget,
        ahead=to_come,
        burn=model.burn_rates(events, objective=slo.objective, windows=WINDOWS),
        over_time=lately[lately["ds"] > budget.at - duration(slo.period)].reset_index(drop=True),
        incidents=worst,
    )


def headline(told: Sequence[Told]) -> str:
    """The answer over all promises, in one sentence."""
    if not told:
        return "Nothing is promised; write it under slos: in the catalogue."
    parts = []
    for state in ("broken", "at_risk", "kept"):
        named = [
            f"{one.title} ({words.left(one.budget)})" for one in told if one.state == state and one.budget is not None
        ]
        if named:
            parts.append(f"{SHORT[state]}: {', '.join(named)}")
    silent = sum(one.state in ("off", "unknown") for one in told)
    if silent:
        parts.append(f"{silent} cannot be told")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def scorecard(told: Sequence[Told]) -> tuple[str, ...]:
    """How good the numbers are, in sentences."""
    whole = [one for one in told if one.budget is not None and one.budget.known >= _WHOLE]
    return (
        f"{len(whole)} of {len(told)} promises are counted over their whole period.",
        "Dates hold if things go on as they do now; on simulated streams eight of ten intervals held what came "
        "(./run bench slo).",
    )


def digest(told: Sequence[Told]) -> str:
    """Twelve hex digits of every number that the page shows."""
    text = "".join(f"{one.name}{one.sentence}{one.over_time.to_csv()}{one.incidents.to_csv()}" for one in told)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _untold(slo: Slo, state: State, sentence: str, budget: Budget | None = None) -> Told:
    return Told(
        slo=slo, state=state, sentence=sentence, budget=budget, ahead=None, burn={},
        over_time=pd.DataFrame(columns=["ds", "remaining", "whole"]),
        incidents=pd.DataFrame(columns=[*model.INCIDENTS, "name", "beside"]),
    )  # fmt: skip


def _silent_since(events: pd.DataFrame) -> pd.Timestamp | None:
    """The last step with an event, where that is days ago; None where events come."""
    some = events.loc[events["total"] > 0, "ds"]
    last = some.iloc[-1] if len(some) else events["ds"].iloc[0]
    return pd.Timestamp(last) if events["ds"].iloc[-1] - last >= _SILENT else None


def _own_alerts(slo: Slo, fired: pd.DataFrame | None) -> list[tuple[pd.Timestamp, str]]:
    """Moments at which the promise's own alerts fired."""
    if fired is None or slo.alerts is None:
        return []
    rows = fired[fired["alertname"].isin([slo.alerts.page, slo.alerts.ticket]) & (fired["y"] > 0)]
    return [*zip(rows["ds"], rows["alertname"].astype(str), strict=True)]


def _named(found: pd.DataFrame, slo: Slo, masks: Masks, *, own: Sequence[tuple[pd.Timestamp, str]]) -> pd.DataFrame:
    """Incidents with what a person, else an alert, else a silence says of that time; "" where nobody does."""
    order = {"incident": 0, "alert": 1, "silence": 2}
    known = sorted(masks.masks, key=lambda one: (order[one.origin], one.start))
    names = []
    for start, end in zip(found["start"], found["end"], strict=True):
        mine = [
            (order[one.origin], one.reason)
            for one in known
            if one.start < end and one.end > start and (not slo.signals or any(map(one.concerns, slo.signals)))
        ]
        mine += [(order["alert"], f"{name} fired") for at, name in own if start < at <= end + _AFTER]
        names.append([*dict.fromkeys(text for _, text in sorted(mine, key=lambda one: one[0]))])
    first = [one[0] if one else "" for one in names]
    return found.assign(name=first, beside=["; ".join(one[:_BESIDE]) for one in names])


def _findings(told: Sequence[Told]) -> Iterator[Finding]:
    for one in told:
        known = one.budget is not None and one.state not in ("off", "unknown")
        yield Finding(
            question=QUESTION,
            signal=one.name,
            kind="promise",
            sentence=one.sentence,
            effect=one.budget.remaining if known and one.budget is not None else math.nan,
            unit="ratio" if known else "",
            certainty=one.ahead.survives if one.ahead is not None else math.nan,
            action=_action(one),
            priority=_PRIORITY[one.state],
        )


def _action(one: Told) -> str:
    if one.state == "broken":
        return "Put reliability before features until the budget is back."
    if one.state == "at_risk":
        return "Find out what burns the budget before it is gone."
    return ""


def _row(one: Told) -> dict[str, object]:
    known = one.budget if one.state not in ("off", "unknown") else None
    dates = one.ahead.dates if one.ahead is not None else dict.fromkeys((0.1, 0.5, 0.9))
    return {
        "title": one.title,
        "objective": one.slo.objective,
        "kept": known.kept if known is not None else math.nan,
        "remaining": known.remaining if known is not None else math.nan,
        "state": SHORT[one.state],
        "survives": one.ahead.survives if one.ahead is not None else math.nan,
        "earliest": dates[0.1],
        "likely": dates[0.5],
        "latest": dates[0.9],
        "noun": one.slo.noun,
        "bad": known.bad if known is not None else math.nan,
        "total": known.total if known is not None else math.nan,
    }
