"""The bounded silences that follow from maintenance windows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import Instant, duration, duration_text, instant
from tutordex_analysis.silence import LONGEST, LONGEST_APPROVED, Matchers, text_of
from tutordex_analysis.window import Window

AT_ONCE = "now"  # what a window is called that stands in no file
LONGEST_OWN = "4h"  # of a window without a template
_REACH = duration(LONGEST_APPROVED)  # no silence is longer, so none that reaches into a range begins earlier


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A window with what it means for this catalogue.

    Attributes:
        window: As it was written.
        silences: Matchers of each silence, critical alerts left out where the window does not name them.
        longest: The longest that a silence of it may be.
        patience: How long the quickest of its alerts takes to fire.
    """

    window: Window
    silences: tuple[Matchers, ...]
    longest: pd.Timedelta
    patience: pd.Timedelta


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """The maintenance windows of a file.

    Attributes:
        path: The file, for sentences.
        windows: In its order.
    """

    path: Path
    windows: tuple[Planned, ...]


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """One silence with a beginning and an end.

    Attributes:
        names: The windows it comes from; several where they overlap and silence the same.
        start: First moment, UTC.
        end: First moment that is no longer in it.
        matchers: What an alert's labels must be.
        reason: Why.
        by: Who answers for it.
        link: The ticket or the plan; several behind each other where windows were merged.
        approved_by: Who allowed that it is long; "" where nobody had to.
        patience: How long the quickest of its alerts takes to fire.
        keep: Whether it stays when nothing matches it.
    """

    names: tuple[str, ...]
    start: pd.Timestamp
    end: pd.Timestamp
    matchers: Matchers
    reason: str
    by: str
    link: str
    patience: pd.Timedelta
    approved_by: str = ""
    keep: bool = False

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell this silence from every other; the same whenever it is computed."""
        facts: dict[str, Any] = {
            **{name: getattr(self, name) for name in ("names", "reason", "by", "link", "approved_by")},
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "matchers": [asdict(one) for one in self.matchers],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """The windows it comes from, in a sentence."""
        return " and ".join(self.names)


_Allowed: TypeAlias = tuple[Bounded, pd.Timedelta]  # with the longest that it may be


def windows(calendar: Maintenance, start: Instant, end: Instant) -> tuple[Bounded, ...]:
    """The silences that touch a stretch of time, in order; the same ones whichever stretch is asked.

    Windows that silence the same and overlap, or follow each other without a gap, are one silence.

    Args:
        calendar: The maintenance windows.
        start: First moment that counts.
        end: First moment that no longer does.

    Raises:
        CatalogueError: Windows that overlap are together longer than a silence may be.
    """
    first, last = instant(start), instant(end)
    found: list[_Allowed] = []
    for planned in calendar.windows:
        # what an overlap makes longer than allowed is refused, so nothing further away is part of what is asked
        for begins in planned.window.starts(first - 2 * _REACH, last + _REACH):
            found += [(made, planned.longest) for made in bounded(planned, begins)]
    merged = [one for same in _same(found) for one in _merged(same)]
    inside = [(one, most) for one, most in merged if one.start < last and one.end > first]
    for one, most in inside:
        if one.end - one.start > most:
            raise CatalogueError(f"{calendar.path}: {_too_long(one, most)}")
    return tuple(sorted((one for one, _ in inside), key=lambda one: (one.start, one.end, one.fingerprint)))


def bounded(planned: Planned, begins: pd.Timestamp) -> Iterator[Bounded]:
    """The silences of a window that begins at this moment, one for each of its sets of matchers."""
    window = planned.window
    for matchers in planned.silences:
        yield Bounded(
            names=(window.name,),
            start=begins,
            end=begins + duration(window.lasts),
            matchers=matchers,
            reason=window.reason,
            by=window.by,
            link=window.link,
            patience=planned.patience,
            approved_by=window.approved_by or "",
            keep=window.keep,
        )


def _too_long(one: Bounded, most: pd.Timedelta) -> str:
    silence = "silences" if len(one.names) == 1 else "together silence"
    return (
        f"{one.title} {silence} {text_of(one.matchers)} from {one.start:%Y-%m-%d %H:%M} to "
        f"{one.end:%Y-%m-%d %H:%M} UTC without a gap, longer than the {duration_text(most)} that are allowed; "
        "move or shorten a window, or have it approved (approved_by)"
    )


def longest_of(window: Window, template_longest: str | None) -> pd.Timedelta:
    """The longest that silences of a window may be."""
    if window.approved_by:
        return duration(LONGEST_APPROVED)
    return min(duration(template_longest or LONGEST_OWN), duration(LONGEST))


def _same(found: Iterable[_Allowed]) -> Iterable[list[_Allowed]]:
    """Those with the same matchers together, each in order of time."""
    groups: dict[frozenset[object], list[_Allowed]] = {}
    for one in sorted(found, key=lambda pair: (pair[0].start, pair[0].end, pair[0].names)):
        groups.setdefault(frozenset(one[0].matchers), []).append(one)
    return groups.values()


def _merged(same: Iterable[_Allowed]) -> Iterator[_Allowed]:
    """Silences of the same that overlap or touch, made one."""
    held: _Allowed | None = None
    for one, most in same:
        if held is None or one.start > held[0].end:
            if held is not None:
                yield held
            held = (one, most)
            continue
        held = _joined(held[0], one), max(held[1], most)
    if held is not None:
        yield held


def _joined(one: Bounded, other: Bounded) -> Bounded:
    return replace(
        one,
        names=_once((*one.names, *other.names)),
        end=max(one.end, other.end),
        reason="; ".join(_once((one.reason, other.reason))),
        by="; ".join(_once((one.by, other.by))),
        link=" ".join(_once((*one.link.split(), *other.link.split()))),
        approved_by="; ".join(_once((one.approved_by, other.approved_by))),
        patience=min(one.patience, other.patience),
        keep=one.keep or other.keep,
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
