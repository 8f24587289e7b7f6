"""Silences as tables: what a plan does, and the audit of all that an Alertmanager knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pandas as pd

from tutordex_analysis import labelled
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.labelled import LOUD, WATCHDOG, Labelled
from tutordex_analysis.maintenance import Bounded
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.silence import LONGEST, text_of
from tutordex_analysis.sink.silence_plan import Past, Plan, Seen, fingerprint_of, is_live, titles_of
from tutordex_analysis.source.silences import NO_COMMENT, Silence

_LINK = re.compile(r"https?://[^\s|]+")
PLAN = ("what", "window", "start", "end", "lasts", "silences", "alerts", "by", "why")
AUDIT = ("state", "window", "by", "reason", "link", "start", "end", "lasts", "silences", "matched", "remarks", "key")


def plan_table(plan: Plan, alerts: Iterable[Labelled]) -> pd.DataFrame:
    """One row a silence: what is done with it, and which alerts it reaches; columns `PLAN`."""
    known = tuple(alerts)
    rows = [_row("make", one, known, "") for one in plan.makes]
    rows += [
        {
            "what": "end",
            "window": " and ".join(titles_of(one.held)),
            "start": one.held.start,
            "end": one.held.end,
            "lasts": _length(one.held.start, one.held.end),
            "silences": text_of(one.held.matchers),
            "alerts": labelled.names_of(labelled.reached(one.held.matchers, known)),
            "by": one.held.by,
            "why": one.why,
        }
        for one in plan.ends
    ]
    rows += [_row("keep", one, known, "it is there already") for one, _ in plan.keeps]
    rows += [
        _row("leave", one, known, f"it was ended at {held.end:%Y-%m-%d %H:%M} UTC, before its time")
        for one, held in plan.leaves
    ]
    return pd.DataFrame(rows, columns=[*PLAN])


def audit(seen: Seen, alerts: Iterable[Labelled], *, past: Past | None = None, ended: bool = True) -> pd.DataFrame:
    """One row a silence, the latest first: who, why, for how long, what it matched; columns `AUDIT`.

    Args:
        seen: What the Alertmanager has.
        alerts: Every alert that is known.
        past: What a journal knows: it remembers what a silence held before.
        ended: Whether those that have ended are there too.
    """
    known, before = tuple(alerts), past or Past()
    rows = [
        {
            "state": one.state,
            "window": " and ".join(titles_of(one)),
            "by": one.by,
            "reason": "" if one.comment == NO_COMMENT else one.comment.partition(" | ")[0],
            "link": " ".join(_LINK.findall(one.comment)),
            "start": one.start,
            "end": one.end,
            "lasts": _length(one.start, one.end),
            "silences": text_of(one.matchers),
            "matched": ", ".join(sorted(seen.matched_by(one) | before.matched.get(fingerprint_of(one), frozenset()))),
            "remarks": "; ".join(_remarks(one, known)),
            "key": one.key,
        }
        for one in sorted(seen.silences, key=lambda one: (one.start, one.key), reverse=True)
        if ended or is_live(one)
    ]
    return pd.DataFrame(rows, columns=[*AUDIT])


def templates(catalogue: Catalogue) -> pd.DataFrame:
    """One row a silence of a template: its matchers, its longest length, the alerts that it reaches."""
    known = labelled.alerts_of(catalogue)
    rows = []
    for template in catalogue.silences.values():
        values = {name: f"${name}" for name in template.variables}
        for matchers in template.silences(values):
            found = labelled.reached(matchers, known)
            rows.append(
                {
                    "template": template.name,
                    "title": template.title,
                    "longest": template.longest,
                    "silences": text_of(matchers),
                    "alerts": ", ".join(sorted(one.name for one in found)) or "what you name",
                    "critical": ", ".join(sorted(one.name for one in found if one.fixed.get("severity") == LOUD)),
                }
            )
    return pd.DataFrame(rows, columns=["template", "title", "longest", "silences", "alerts", "critical"])


def _row(what: str, one: Bounded, known: tuple[Labelled, ...], why: str) -> dict[str, object]:
    return {
        "what": what,
        "window": one.title,
        "start": one.start,
        "end": one.end,
        "lasts": _length(one.start, one.end),
        "silences": text_of(one.matchers),
        "alerts": labelled.names_of(labelled.reached(one.matchers, known)),
        "by": one.by,
        "why": why or one.reason,
    }


def _remarks(one: Silence, known: tuple[Labelled, ...]) -> Iterator[str]:
    """What an auditor would ask about."""
    if one.comment == NO_COMMENT:
        yield "no reason"
    if not one.by:
        yield "no author"
    if not _LINK.search(one.comment):
        yield "no link"
    if one.end - one.start > duration(LONGEST) and "| approved by " not in one.comment:
        yield f"longer than {LONGEST}, not approved"
    found = labelled.reached(one.matchers, known)
    if any(alert.name == WATCHDOG for alert in found):
        yield f"silences {WATCHDOG}"
    if loud := [alert for alert in found if alert.fixed.get("severity") == LOUD]:
        yield f"silences critical {labelled.names_of(loud)}"
    if not found:
        yield "fits no alert that is known"


def _length(start: pd.Timestamp, end: pd.Timestamp) -> str:
    length = (end - start).floor("s")
    return duration_text(length) if length > pd.Timedelta(0) else "0s"
