"""The capacity page in words: one sentence a limit, a growth and a lack of history; the headline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.measure import chance_text, change_text, day_text, value_text
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.question import wording
from tutordex_analysis.question.capacity import QUESTION, Outlook
from tutordex_analysis.question.finding import Finding, table
from tutordex_analysis.question.growth import Volume
from tutordex_analysis.question.passage import Passage
from tutordex_analysis.question.urgency import SEVERITY

NAIVE = "seasonal_naive"
LIKELY = 0.1  # under this chance a limit counts as out of reach


def findings(outlook: Outlook, catalogue: Catalogue, *, more: Iterable[Finding] = ()) -> pd.DataFrame:
    """Every answer of an outlook, and what others found, the most urgent first; columns as `finding.Finding`."""
    tz = catalogue.calendar.timezone
    return table(
        [
            *(_limit(one, catalogue, tz) for one in _worth_saying(outlook.passages)),
            *(_growth(one) for one in outlook.volumes),
            *more,
            *_lacks(outlook, tz),
            *outlook.substitutes,
            *(Finding(question=QUESTION, signal="", kind="data", sentence=note) for note in outlook.mask_notes),
        ]
    )


def headline(outlook: Outlook, catalogue: Catalogue) -> str:
    """The answer in one sentence."""
    urgent = [one for one in outlook.passages if one.probability >= LIKELY]
    checked = len(outlook.passages)
    if not checked:
        return "No signal here has a limit to be checked against; the growth is below."
    if not urgent:
        horizon = wording.span(max(one.horizon for one in outlook.passages))
        return f"No limit is likely to be reached within {horizon} ({checked} checked)."
    first = min(urgent, key=lambda one: one.in_bursts)  # the most urgent; a burst only where there is nothing else
    rest = len({(one.signal, one.where) for one in urgent} - {(first.signal, first.where)})
    more = f" {rest} more {'resource comes' if rest == 1 else 'resources come'} near a limit." if rest else ""
    return sentence(first, catalogue) + more


def scorecard(outlook: Outlook) -> tuple[str, ...]:
    """How the models did against repeating last week, in sentences."""
    rivals = [score for one in outlook.answers for score in _rivals(one.forecast)]
    if not rivals:
        return ("No series has history enough yet to test a model against repeating last week.",)
    won = [ours / naive for ours, naive in rivals if ours < naive]
    median = f"; where it was used it missed by {100 * (1 - float(np.median(won))):.0f} % less" if won else ""
    return (
        f"On the past weeks of {len(rivals)} series a model beat repeating last week on {len(won)}{median}. "
        "Everywhere else the last day or week is repeated.",
    )


def _rivals(ahead: Forecast) -> Iterator[tuple[float, float]]:
    """Mean absolute errors of the model used and of the seasonal naive one, for each series with a tournament."""
    scores = ahead.scores
    for series, model in ahead.model.items():
        mine = scores[scores["unique_id"].astype(str) == str(series)].groupby("model", observed=True)["mase"].mean()
        if NAIVE in mine.index and model in mine.index:
            yield float(mine[model]), float(mine[NAIVE])


def sentence(one: Passage, catalogue: Catalogue) -> str:
    """When one limit is reached, in words and civil time."""
    tz = catalogue.calendar.timezone
    above = catalogue.limits[one.limit].direction == "above"
    name = f"{one.title} ({one.where})" if one.where else one.title
    value, ahead = value_text(one.value, one.unit), wording.span(one.horizon)
    if (one.now >= one.value) if above else (one.now <= one.value):
        return f"{name} is at or {'above' if above else 'below'} {value} now ({value_text(one.now, one.unit)})."
    if one.in_bursts:
        often = f"in {one.weeks_over} of {one.weeks} weeks"
        passed = "passed" if above else "fell below"
        chance = chance_text(one.probability)
        return f"{name} {passed} {value} {often}, in bursts; at that rate the chance within {ahead} is {chance}."
    first = _day(one.earliest, tz)
    if not pd.isna(one.latest):
        last = _day(one.latest, tz)
        days = f"between {first} and {last}" if first != last else f"on {first}"
        return f"{name} reaches {value} about {_day(one.likely, tz)} (in eight of ten simulated futures {days})."
    if not pd.isna(one.likely):
        chance = chance_text(one.probability)
        return f"{name} probably reaches {value} about {_day(one.likely, tz)} (chance within {ahead} {chance})."
    if one.probability >= LIKELY:
        chance = chance_text(one.probability)
        return f"{name} may reach {value}, {first} at the earliest (chance within {ahead} {chance})."
    side = "below" if above else "above"
    return f"{name} stays {side} {value} for {ahead} (chance of reaching it {chance_text(one.probability)})."


def _worth_saying(passages: Iterable[Passage]) -> Iterator[Passage]:
    """The nearest limit of each series, one further out where growth gets near, and bursts once."""
    near: dict[tuple[str, str, str], Passage] = {}
    for one in passages:
        key = (one.signal, one.where, one.limit)
        near[key] = min(near.get(key, one), one, key=lambda each: SEVERITY[each.level])
    bursts = set()
    for one in passages:
        key = (one.signal, one.where, one.limit)
        first = near[key]
        if one.in_bursts:
            if key not in bursts:
                bursts.add(key)
                yield one
        elif one is first or one.probability >= LIKELY or (first.probability >= LIKELY and not first.in_bursts):
            yield one


def _limit(one: Passage, catalogue: Catalogue, tz: str) -> Finding:
    limit = catalogue.limits[one.limit]
    reached = one.probability >= LIKELY
    return Finding(
        question=QUESTION,
        signal=one.signal,
        where=one.where,
        kind="will_happen",
        sentence=sentence(one, catalogue),
        effect=one.value,
        unit=one.unit,
        certainty=one.probability if reached else 1 - one.probability,
        action=f"{limit.owner}: see {limit.runbook}" if reached else "",
        priority=one.urgency,
    )


def _growth(one: Volume) -> Finding:
    now, ahead = value_text(one.now, one.signal.unit), wording.span(one.horizon)
    band = f"80 % band {change_text(one.lower)} to {change_text(one.upper)}"
    if one.is_clear:
        verb = "grow" if one.change > 0 else "shrink"
        then = value_text(one.then, one.signal.unit)
        text = f"{one.signal.title} {verb} from {now} to {then} a day in {ahead} ({band})."
    else:
        text = f"{one.signal.title}: {now} a day; we cannot tell whether that grows or shrinks in {ahead} ({band})."
    return Finding(
        question=QUESTION,
        signal=one.signal.name,
        kind="will_happen",
        sentence=text,
        effect=one.change,
        unit="ratio",
        lower=one.lower,
        upper=one.upper,
        certainty=0.8 if one.is_clear else float("nan"),
        priority=5.0 if one.is_clear else 2.0,
    )


def _lacks(outlook: Outlook, tz: str) -> Iterator[Finding]:
    """What cannot be said yet, one sentence for all signals with the same reason."""
    reasons: dict[str, list[str]] = {}
    for one in outlook.sufficiency:
        if one.refused:
            since = "" if pd.isna(one.first_from) else f"; from {_day(one.first_from, tz)} something can"
            reasons.setdefault(f"nothing can be said yet; {one.refused}{since}", []).append(one.signal.title)
        elif one.missing:
            lacks = [f"{what} (from {_day(since, tz)})" for what, since in one.missing_until.items()]
            lack = f"{wording.span(one.length)} of history do not allow {' or '.join(lacks)}, if pull keeps it"
            reasons.setdefault(lack, []).append(one.signal.title)
    for reason, titles in reasons.items():
        names = ", ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "")
        yield Finding(question=QUESTION, signal="", kind="data", sentence=f"{names}: {reason}.", priority=1.0)


def _day(moment: pd.Timestamp, tz: str) -> str:
    return "beyond" if pd.isna(moment) else day_text(moment, ZoneInfo(tz))
