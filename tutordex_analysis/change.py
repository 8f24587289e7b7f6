"""What was changed on purpose in a stack, or began again: releases and restarts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from tutordex_analysis.moment import instant

_NEAR = pd.Timedelta("1h")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One release or restart.

    Attributes:
        kind: Which of them.
        component: What was changed, the area of its signals: "worker".
        name: In words: "worker released as 2026-10-12_v2", "worker restarted 12 times".
        start: The earliest moment at which it can have been, UTC.
        end: The moment from which it is known; the same as `start` where the moment itself is known.
    """

    kind: Literal["deploy", "restart"]
    component: str
    name: str
    start: pd.Timestamp
    end: pd.Timestamp

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", instant(self.start))
        object.__setattr__(self, "end", instant(self.end))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Every change that was found, and what could not be.

    Attributes:
        changes: In order of time.
        notes: One sentence each for what cannot be told, or only roughly.
    """

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


NO_CHANGES = Changes()


def merged(told: Changes, by_hand: Changes) -> Changes:
    """Both, a release that both tell of once: under the name that people gave it, at the moment that a version tells.

    They are the same where they lie within an hour and the one told by hand names the component or none.
    """
    found: list[Change] = []
    for one in told.changes:
        same = [other for other in by_hand.changes if _same(one, other)]
        found.append(replace(one, name=f"{same[0].name} ({one.name})") if same else one)
    lone = [other for other in by_hand.changes if not any(_same(one, other) for one in told.changes)]
    every = sorted([*found, *lone], key=lambda one: (one.start, one.kind, one.component, one.name))
    return Changes(changes=tuple(every), notes=(*told.notes, *by_hand.notes))


def _same(told: Change, by_hand: Change) -> bool:
    near = by_hand.start - _NEAR <= told.end and told.start <= by_hand.end + _NEAR
    return near and told.kind == "deploy" and by_hand.component in ("", told.component)
