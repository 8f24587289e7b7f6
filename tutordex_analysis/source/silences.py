"""Silences of an Alertmanager: somebody knew that the numbers would not be normal, and said why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tutordex_analysis import disk, promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import FrameError, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.moment import instant
from tutordex_analysis.promql import Matcher
from tutordex_analysis.source.session import Session

FILE = "silences.json"  # in the archive of a source, in the form of the API
NO_COMMENT = "no comment"
_ROUTING = frozenset({"severity", "component"})  # labels of every alert of a rule; the others tell alerts of one apart
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, FrameError)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """One silence.

    Attributes:
        key: The Alertmanager's own name of it.
        start: First moment, UTC.
        end: First moment that is no longer in it; for one that was ended early, that moment.
        matchers: What the labels of a silenced alert are.
        comment: Why.
        by: Who made it; "" where that is not kept.
        state: pending, active or expired at the time of the answer; "" for one that was kept.
    """

    key: str
    start: pd.Timestamp
    end: pd.Timestamp
    matchers: tuple[Matcher, ...]
    comment: str
    by: str = ""
    state: str = field(default="", compare=False)


def read(session: Session) -> tuple[Silence, ...]:
    """Every silence that the server still knows, in order of time; it forgets those that expired five days ago.

    Raises:
        SourceError: The server did not answer, or not as an Alertmanager does.
    """
    body = session.fetch("GET", f"{session.address}/api/v2/silences", {})
    try:
        return parsed(json.loads(body))
    except _UNREADABLE as error:
        raise SourceError(
            f"{session.address} did not answer as Alertmanager does; is the setting alertmanager_url right?"
        ) from error


def keep(folder: Path, found: Iterable[Silence]) -> int:
    """Adds silences to those kept in an archive's folder; one that is known already is as it is now.

    Returns:
        How many are kept.

    Raises:
        SourceError: The file is damaged.
        NotWritten: It cannot be written.
    """
    known = {one.key: one for one in [*kept(folder), *found]}
    entries = [_entry(one) for one in sorted(known.values(), key=lambda one: (one.start, one.end, one.key))]
    if entries:
        disk.put(folder / FILE, json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    return len(entries)


def kept(folder: Path) -> tuple[Silence, ...]:
    """The silences that were kept in an archive's folder, none where no pull kept any.

    Raises:
        SourceError: The file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        return parsed(json.loads(path.read_text(encoding="utf-8")))
    except _UNREADABLE as error:
        raise SourceError(f"{path} is damaged; put it back from a copy, or move it away and pull again") from error


def _entry(one: Silence) -> dict[str, object]:
    return {
        "id": one.key,
        "startsAt": one.start.isoformat(),
        "endsAt": one.end.isoformat(),
        "comment": one.comment,
        **({"createdBy": one.by} if one.by else {}),
        "matchers": [{"name": m.label, "value": m.value, "isRegex": m.regex, "isEqual": m.equal} for m in one.matchers],
    }


def parsed(entries: list[dict[str, Any]]) -> tuple[Silence, ...]:
    """Silences from the JSON of Alertmanager's API, version 2, in order of time.

    Raises:
        TypeError: It is no list; other entries than the API's raise KeyError, ValueError and the like.
    """
    if not isinstance(entries, list):
        raise TypeError("silences are a list")
    found = [
        Silence(
            key=str(one["id"]),
            start=instant(one["startsAt"]),
            end=instant(one["endsAt"]),
            matchers=tuple(
                Matcher(m["name"], m["value"], regex=bool(m["isRegex"]), equal=bool(m.get("isEqual", True)))
                for m in one["matchers"]
            ),
            comment=" ".join(str(one.get("comment", "")).split()) or NO_COMMENT,
            by=" ".join(str(one.get("createdBy", "")).split()),
            state=str((one.get("status") or {}).get("state", "")),
        )
        for one in entries
    ]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.key)))


def masks(silences: Iterable[Silence], catalogue: Catalogue, time_range: TimeRange) -> Iterator[Mask]:
    """A mask for each silence that lies in the range and concerns a signal."""
    for one in silences:
        start, end = max(one.start, time_range.start - time_range.step), min(one.end, time_range.end)
        signals = concerned(one, catalogue)
        if start < end and signals:
            yield Mask(start=start, end=end, reason=one.comment, origin="silence", signals=signals)


def concerned(silence: Silence, catalogue: Catalogue) -> tuple[str, ...]:
    """The signals whose alerts a silence names, or whose area it names as `component`."""
    found: set[str] = set()
    for alert in catalogue.alerts.values():
        if _names(silence, alert.alert):
            found |= {*catalogue.concerned(alert.signals, alert.areas)}
    labels = {one.label for one in silence.matchers}
    if "component" in labels <= _ROUTING:
        asked = [one for one in silence.matchers if one.label == "component" and one.equal]
        areas = {signal.area for signal in catalogue.signals.values()}
        found |= {*catalogue.concerned((), [area for area in areas if asked and all(m.fits(area) for m in asked)])}
    return tuple(sorted(found))


def _names(silence: Silence, alert: str) -> bool:
    """Whether a silence is about an alert: no matcher contradicts, and one names it.

    A matcher of a label that the catalogue says nothing of, such as one channel, silences only some alerts of a rule,
    so it is not about the whole.
    """
    known = {one.label: one.value for one in promql.matchers(alert) if one.equal and not one.regex}
    named = False
    for one in silence.matchers:
        if one.label in known:
            if not one.fits(known[one.label]):
                return False
            named = named or one.equal
        elif one.label not in _ROUTING:
            return False
    return named
