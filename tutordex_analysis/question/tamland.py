"""The four labels of GitLab's capacity planning, from the dates of a limit.

Their tool, Tamland, marks what is forecast within 90 days: `saturation` where the median line reaches 100 %,
`violation` where it reaches the alerting threshold, and the same with `-80%-confidence` where the upper end of the 80 %
interval does. Here 100 % is the physical limit and the threshold is the hard one. Theirs are crossings of lines, ours
first passages of simulated paths: at least half of the paths for the median, at least one in ten for the end of the
interval. A path may touch a limit that its line does not, so ours never come later.

References:
    GitLab handbook, Capacity Planning, "Saturation Labels",
    https://handbook.gitlab.com/handbook/engineering/infrastructure/capacity-planning
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pandas as pd

REACH = pd.Timedelta(days=90)
_NAMES = {"physical": "saturation", "hard": "violation"}
_EDGE = "-80%-confidence"
LABELS = tuple(f"{name}{edge}" for edge in ("", _EDGE) for name in _NAMES.values())


class Dated(Protocol):
    """When a level of a limit is reached; a `capacity.Passage` is such."""

    @property
    def level(self) -> str:
        """Soft, hard or physical."""

    @property
    def earliest(self) -> pd.Timestamp:
        """The moment by which one path in ten has reached it; NaT for never."""

    @property
    def likely(self) -> pd.Timestamp:
        """Half of the paths."""


def labels(passages: Iterable[Dated], *, at: pd.Timestamp) -> tuple[str, ...]:
    """The labels of one resource, in the order of `LABELS`.

    Args:
        passages: Of one limit of one series, in any order.
        at: The moment from which 90 days are counted.
    """
    found = set()
    for one in passages:
        name = _NAMES.get(one.level)
        for edge, date in (("", one.likely), (_EDGE, one.earliest)):
            if name is not None and not pd.isna(date) and date <= at + REACH:
                found.add(f"{name}{edge}")
    return tuple(one for one in LABELS if one in found)
