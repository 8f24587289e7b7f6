"""What was changed on purpose in a stack, or began again: releases and restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tutordex_analysis.moment import instant


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
