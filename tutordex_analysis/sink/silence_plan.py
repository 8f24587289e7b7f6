"""What an Alertmanager lacks of the silences of maintenance windows, and what it has too many of.

Each silence has a fingerprint at the end of its comment, by which it is known again: a second run, or one after a kill,
plans only what is missing. The Alertmanager is the truth; the journal beside it only tells why something ended.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import pandas as pd

from tutordex_analysis.errors import SilencesRefused
from tutordex_analysis.labelled import WATCHDOG
from tutordex_analysis.maintenance import AT_ONCE, Bounded, Maintenance, Planned, bounded, windows
from tutordex_analysis.moment import Span, duration, duration_text
from tutordex_analysis.promql import Matcher
from tutordex_analysis.silence import fit, text_of
from tutordex_analysis.sink.silence_server import Firing
from tutordex_analysis.source.silences import Silence

HORIZON = "1d"  # how far ahead silences are made
_MARK = re.compile(r"\btutordex:([0-9a-f]{16})-(\d+)-([0-9a-f]{8})$")
_WINDOW = re.compile(r" \| maintenance (.+?)(?: \| approved by .*)? \| tutordex:")
_MINUTE = pd.Timedelta("1min")
_SLACK = pd.Timedelta("5min")  # for scrapes, evaluations and grouping, beside the `for` of an alert


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an Alertmanager has at a moment.

    Attributes:
        at: The moment, UTC.
        silences: All that it knows.
        firing: Its alerts, silenced or not.
    """

    at: pd.Timestamp
    silences: tuple[Silence, ...]
    firing: tuple[Firing, ...] = ()

    def matched_by(self, silence: Silence) -> frozenset[str]:
        """Names of the alerts that a silence holds."""
        return frozenset(one.name for one in self.firing if silence.key in one.silenced_by)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What is known of our silences from before.

    Attributes:
        withdrawn: Fingerprints of those that ended since their window was gone; they are made again with it.
        matched: Fingerprint → names of alerts that it held.
    """

    withdrawn: frozenset[str] = frozenset()
    matched: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A silence of ours that is to end.

    Attributes:
        held: As the Alertmanager has it.
        why: In words.
        withdraws: Whether it ends since its window is gone.
    """

    held: Silence
    why: str
    withdraws: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done with an Alertmanager's silences, in this order.

    Attributes:
        makes: Silences that are missing.
        ends: Those that are too many.
        keeps: Those that are there already, with what the Alertmanager has.
        leaves: Those that ended before their time and are not made again, with what the Alertmanager has.
    """

    makes: tuple[Bounded, ...] = ()
    ends: tuple[Ending, ...] = ()
    keeps: tuple[tuple[Bounded, Silence], ...] = ()
    leaves: tuple[tuple[Bounded, Silence], ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether anything changes."""
        return bool(self.makes or self.ends)


def plan(
    calendar: Maintenance, seen: Seen, *, horizon: Span = HORIZON, past: Past | None = None, tidy: bool = True
) -> Plan:
    """What must be done so that an Alertmanager has the silences of the windows.

    Args:
        calendar: The maintenance windows.
        seen: What the Alertmanager has.
        horizon: Windows that begin within it are made now.
        past: What a journal knows.
        tidy: Whether ours that are no longer in the file, or silence nothing, end.

    Raises:
        CatalogueError: Windows that overlap are together too long.
        SilencesRefused: A silence would hold the Watchdog.
    """
    known = past or Past()
    ours = [one for one in seen.silences if fingerprint_of(one)]
    until = seen.at + duration(horizon)
    furthest = max([until, *(one.end for one in ours if is_live(one))])
    there = {one.fingerprint: one for one in windows(calendar, seen.at, furthest)}
    makes, keeps, leaves = [], [], []
    for one in there.values():
        mine = [silence for silence in ours if fingerprint_of(silence) == one.fingerprint]
        live = [silence for silence in mine if is_live(silence)]
        if live:
            keeps.append((one, live[0]))
        elif mine and one.fingerprint not in known.withdrawn:
            leaves.append((one, max(mine, key=lambda silence: silence.end)))
        elif one.start < until:
            _spare_watchdog(one, seen)
            makes.append(one)
    ends = _surplus(ours, there, known, seen) if tidy else ()
    return Plan(makes=tuple(makes), ends=tuple(ends), keeps=tuple(keeps), leaves=tuple(leaves))


def at_once(planned: Planned, seen: Seen) -> Plan:
    """The silences of a window that begins at this moment; what is still there is kept, or replaced by a longer one.

    Raises:
        SilencesRefused: With the one that is there it would be too long, or it would hold the Watchdog.
    """
    makes, ends, keeps = [], [], []
    for one in bounded(planned, seen.at.floor("min")):
        _spare_watchdog(one, seen)
        there = [held for held in seen.silences if _is_at_once(held) and {*held.matchers} == {*one.matchers}]
        if any(held.end >= one.end - _MINUTE for held in there):
            keeps.append((one, max(there, key=lambda held: held.end)))
            continue
        first = min([one.start, *(held.start for held in there)])
        if one.end - first > planned.longest:
            raise SilencesRefused(
                f"{text_of(one.matchers)} is silenced since {first:%H:%M} UTC; until {one.end:%H:%M} UTC that is "
                f"longer than the {duration_text(planned.longest)} that are allowed. Nothing was changed"
            )
        makes.append(one)
        ends += [Ending(held=held, why="a longer one is there") for held in there]
    return Plan(makes=tuple(makes), ends=tuple(ends), keeps=tuple(keeps))


def ending(seen: Seen, asked: Iterable[str]) -> Plan:
    """The end of silences of ours, by their window, fingerprint or key.

    Raises:
        SilencesRefused: There is none of that name, or it is not ours.
    """
    live = [one for one in seen.silences if is_live(one)]
    ends: dict[str, Ending] = {}
    for name in asked:
        found = [one for one in live if name in (one.key, fingerprint_of(one), *titles_of(one))]
        if not found:
            raise SilencesRefused(
                f"no silence that is live or to come is called {name!r}; nothing was ended. See: tutordex-analysis "
                "silence list"
            )
        if any(not fingerprint_of(one) for one in found):
            raise SilencesRefused(
                f"{name} is not of a maintenance window, so nothing was ended; whoever made it can end it: "
                "amtool silence expire"
            )
        ends |= {one.key: Ending(held=one, why="by hand") for one in found}
    return Plan(ends=tuple(ends.values()))


def comment_of(one: Bounded) -> str:
    """What stands on a silence: why, the link, the window, and at its end the mark by which it is known again."""
    approved = f" | approved by {one.approved_by}" if one.approved_by else ""
    until = round(one.end.timestamp())
    mark = f"tutordex:{one.fingerprint}-{until}-{_seal(one.fingerprint, until, one.by, one.matchers)}"
    return f"{one.reason} | {one.link} | maintenance {one.title}{approved} | {mark}"


def fingerprint_of(silence: Silence) -> str:
    """The fingerprint that a silence has from us; "" for one that we did not make.

    Whoever extends or copies one of ours in Alertmanager's form takes its comment along. So the mark counts only with
    the author, the matchers and the end that it was made for; a silence that was ended early keeps it.
    """
    found = _MARK.search(silence.comment)
    if not found:
        return ""
    until, end = int(found[2]), silence.end.timestamp()
    kept = abs(end - until) < 1 or (end < until and not is_live(silence))
    same = _seal(found[1], until, silence.by, silence.matchers) == found[3]
    return found[1] if kept and same else ""


def _seal(fingerprint: str, until: int, by: str, matchers: Iterable[Matcher]) -> str:
    """Eight hexadecimal digits of what a silence is, in whatever order its matchers come."""
    asked = sorted(json.dumps(asdict(one), sort_keys=True) for one in matchers)
    facts = [fingerprint, until, " ".join(by.split()), asked]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]


def titles_of(silence: Silence) -> tuple[str, ...]:
    """The windows that one of our silences comes from; none for another."""
    found = _WINDOW.search(silence.comment) if fingerprint_of(silence) else None
    return tuple(found[1].split(" and ")) if found else ()


def is_live(silence: Silence) -> bool:
    """Whether it silences now or will."""
    return silence.state in ("active", "pending")


def _is_at_once(silence: Silence) -> bool:
    return is_live(silence) and titles_of(silence) == (AT_ONCE,)


def _surplus(ours: Iterable[Silence], there: Mapping[str, Bounded], past: Past, seen: Seen) -> list[Ending]:
    """Those that end: twice there, no longer in the file, or of a window that silences nothing."""
    live = [one for one in ours if is_live(one) and one.end > seen.at and not _is_at_once(one)]
    busy = {
        _window(there[fingerprint])
        for one in live
        if (fingerprint := fingerprint_of(one)) in there and (seen.matched_by(one) or past.matched.get(fingerprint))
    }
    ends: list[Ending] = []
    met: set[str] = set()
    for one in live:
        fingerprint = fingerprint_of(one)
        if fingerprint in met:
            ends.append(Ending(held=one, why="it is there twice"))
        elif fingerprint not in there:
            ends.append(Ending(held=one, why="its window is no longer in the file", withdraws=True))
        elif _window(there[fingerprint]) not in busy and (why := _idle(one, there[fingerprint], seen.at)):
            ends.append(Ending(held=one, why=why))
        met.add(fingerprint)
    return ends


def _window(one: Bounded) -> tuple[tuple[str, ...], pd.Timestamp]:
    """What the silences of one window have in common: as long as one of them holds something, all stay."""
    return one.names, one.start


def _idle(held: Silence, wanted: Bounded, at: pd.Timestamp) -> str:
    """Why a silence that held nothing ends early; "" where it does not.

    That nothing matched says something after half of its length, and when its quickest alert would have fired.
    """
    patience = max((held.end - held.start) / 2, wanted.patience + _SLACK)
    since = at - held.start
    if wanted.keep or held.state != "active" or since < patience:
        return ""
    return f"nothing matched it in {duration_text(since.floor('min'))}"


def _spare_watchdog(one: Bounded, seen: Seen) -> None:
    """Refuses a silence that fits the Watchdog as it is really labelled there."""
    if any(alert.name == WATCHDOG and fit(one.matchers, alert.labels) for alert in seen.firing):
        raise SilencesRefused(
            f"{one.title} would silence {WATCHDOG} as it arrives there ({text_of(one.matchers)}), which tells that "
            "alerts arrive at all; narrow it down. Nothing was changed"
        )
