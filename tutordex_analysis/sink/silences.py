"""Silences of maintenance windows brought to an Alertmanager: what is missing is made, then what is too many ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tutordex_analysis.errors import AnalysisError, SilencesRefused, SourceError
from tutordex_analysis.moment import Instant, instant
from tutordex_analysis.sink.silence_journal import Journal
from tutordex_analysis.sink.silence_plan import Ending, Past, Plan, Seen, comment_of, fingerprint_of, is_live, titles_of
from tutordex_analysis.sink.silence_server import SilenceServer
from tutordex_analysis.source.answer import Refused

NOTHING = "every window within the horizon has its silences; there is nothing to do"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was done.

    Attributes:
        made: Fingerprint → the Alertmanager's key of each silence that was made.
        ended: Keys of those that were ended.
        kept: How many were there already.
    """

    made: Mapping[str, str]
    ended: tuple[str, ...]
    kept: int

    @property
    def sentence(self) -> str:
        """In words."""
        return f"{_count(len(self.made))} made, {len(self.ended)} ended, {self.kept} there already"


def look(client: SilenceServer, at: Instant | None = None) -> Seen:
    """What an Alertmanager has now.

    Args:
        client: The Alertmanager.
        at: The moment that counts as now; the clock's when left out.

    Raises:
        SourceError: It does not answer as Alertmanager does.
    """
    now = pd.Timestamp.now("UTC") if at is None else at
    return Seen(at=instant(now), silences=client.silences(), firing=client.alerts())


def apply(plan: Plan, client: SilenceServer, journal: Journal | None = None) -> Applied:
    """Carries a plan out; what is missing is made before anything ends.

    Args:
        plan: Of this moment.
        client: The Alertmanager.
        journal: Where it is written down; its folder is locked.

    Raises:
        SilencesRefused: It could not be carried out to its end; the sentence says how far it came.
    """
    made: dict[str, str] = {}
    ended: list[str] = []
    try:
        for one in plan.makes:
            made[one.fingerprint] = key = client.make(one, comment_of(one))
            if journal is not None:
                journal.add("made", fingerprint=one.fingerprint, key=key, title=one.title)
        for end in plan.ends:
            if journal is not None:  # first, so that a kill in between does not make it look ended by hand
                _write_down(end, journal)
            client.end(end.held.key)
            ended.append(end.held.key)
    except AnalysisError as error:
        raise SilencesRefused(_so_far(plan, made, ended, error)) from error
    _verify(made, client)
    return Applied(made=made, ended=tuple(ended), kept=len(plan.keeps))


def note(seen: Seen, journal: Journal) -> None:
    """Writes down which alerts our silences hold, and those that a killed run made without saying so.

    Raises:
        NotWritten: The journal cannot be written.
    """
    known, matched = journal.known, journal.matched
    for one in seen.silences:
        fingerprint = fingerprint_of(one)
        if not fingerprint or not is_live(one):
            continue
        title = " and ".join(titles_of(one))
        if fingerprint not in known:
            journal.add("found", fingerprint=fingerprint, key=one.key, title=title)
        for name in sorted(seen.matched_by(one) - matched.get(fingerprint, frozenset())):
            journal.add("matched", fingerprint=fingerprint, key=one.key, title=title, told=name)


def past_of(journal: Journal) -> Past:
    """What a journal knows."""
    return Past(withdrawn=journal.withdrawn, matched=journal.matched)


def _write_down(one: Ending, journal: Journal) -> None:
    journal.add(
        "withdrawn" if one.withdraws else "ended",
        fingerprint=fingerprint_of(one.held),
        key=one.held.key,
        title=" and ".join(titles_of(one.held)),
        told=one.why,
    )


def _verify(made: Mapping[str, str], client: SilenceServer) -> None:
    """Asks whether the Alertmanager has what was made."""
    if not made:
        return
    there = {one.key for one in client.silences() if is_live(one)}
    if lost := [key for key in made.values() if key not in there]:
        raise SilencesRefused(
            f"{client.url} said that it made {_count(len(made))}, and does not have {lost[0]}; look at its log"
        )


def _so_far(plan: Plan, made: Mapping[str, str], ended: list[str], error: AnalysisError) -> str:
    unsure = isinstance(error, SourceError) and not isinstance(error, Refused)
    if not made and not ended and not unsure:
        return f"{error}; nothing was changed"
    doubt = "whether the one under way was made or ended is not known; " if unsure else ""
    return (
        f"{error}; {doubt}{len(made)} of {_count(len(plan.makes))} were made and {len(ended)} of {len(plan.ends)} "
        "ended. Run it again: what is there is not made twice"
    )


def _count(n: int) -> str:
    return f"{n} silence" if n == 1 else f"{n} silences"
