"""Queues in words: one sentence each for the overview."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.measure import chance_text, number_text, value_text
from tutordex_analysis.question import wording
from tutordex_analysis.question.capacity import QUESTION
from tutordex_analysis.question.capacity_findings import LIKELY
from tutordex_analysis.question.finding import Finding
from tutordex_analysis.question.queue import Service, Services
from tutordex_analysis.question.urgency import urgency

_STANDING = 4.0  # priority of a queue with room: below the growth of the work, above what cannot be told


def findings(services: Services, catalogue: Catalogue) -> Iterator[Finding]:
    """How busy each queue's server is, and what cannot be said of the others."""
    for one in services.told:
        yield _finding(one, catalogue)
    for why in services.refused:
        yield Finding(question=QUESTION, signal="", kind="data", sentence=why, priority=1.0)


def sentence(one: Service) -> str:
    """How busy the server is, how long a job waits, and how much more there may be."""
    now = one.now
    busy = f"{one.queue.title} is busy {value_text(now.busy, 'ratio')} of the time"
    if now.busy >= 1:
        return f"{busy}: more comes than is done, and the queue never catches up."
    peak = f"{busy}, {value_text(now.busiest, 'ratio')} in its busiest hour"
    if now.hours_over:
        behind = value_text(now.behind_seconds, "seconds")
        return f"{peak}: in {now.hours_over} hours of the week it falls behind, by up to {behind}."
    room = number_text(float(f"{one.room:.2g}"))
    limit = f"{room} times today's work make its busiest hour 80 % busy"
    return f"{peak}; a job waits {number_text(float(f'{now.wait_seconds:.2g}'))} s on average, and {limit}{_when(one)}."


def _when(one: Service) -> str:
    if one.ahead is None:
        return ""
    if one.ahead.probability < LIKELY:
        return f", not expected within {wording.span(one.ahead.horizon)}"
    return f" (chance within {wording.span(one.ahead.horizon)} {chance_text(one.ahead.probability)})"


def _finding(one: Service, catalogue: Catalogue) -> Finding:
    chance = math.nan if one.ahead is None else one.ahead.probability
    limits = catalogue.limits_of(one.queue.busy)
    scaling = limits[0].scaling if limits else "days"
    urgent = 0.0 if one.ahead is None else urgency(chance, chance, level="soft", scaling=scaling, in_bursts=False)
    needed = one.now.busiest >= 1 or urgent > _STANDING
    return Finding(
        question=QUESTION,
        signal=one.queue.busy,
        kind="will_happen",
        sentence=sentence(one),
        effect=one.now.busiest,
        unit="ratio",
        action=f"{limits[0].owner}: see {limits[0].runbook}" if limits and needed else "",
        priority=max(_STANDING, urgent),
    )
