"""When a score becomes an alert: direction, least deviation, persistence, and how many alerts a week are wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tutordex_analysis.errors import FrameError

Direction: TypeAlias = Literal["both", "up", "down"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What of all that is unusual is worth an alert.

    Attributes:
        direction: Which side matters; the other never alerts. A gap is on the side of falls.
        least_above: Smallest deviation above what was expected, in the series' unit.
        least_below: Smallest deviation below it.
        share_above: Smallest deviation above, as a share of what was expected.
        share_below: Smallest deviation below, as a share of what was expected.
        lowest: A value below is out of range, and always an anomaly.
        highest: A value above is out of range, and always an anomaly.
        persistence: Steps in a row that must be unusual before the first alert.
        alerts_per_week: Alerts that are wanted in a week over all series together; None for no budget.
    """

    direction: Direction = "both"
    least_above: float = 0.0
    least_below: float = 0.0
    share_above: float = 0.0
    share_below: float = 0.0
    lowest: float = -math.inf
    highest: float = math.inf
    persistence: int = 1
    alerts_per_week: float | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("both", "up", "down"):
            raise FrameError(f"direction is both, up or down, got {self.direction!r}")
        for name in ("least_above", "least_below", "share_above", "share_below"):
            if not 0 <= getattr(self, name) < math.inf:
                raise FrameError(f"{name} is a number from 0, got {getattr(self, name)!r}")
        if not self.lowest < self.highest:
            raise FrameError(f"lowest ({self.lowest:g}) must be less than highest ({self.highest:g})")
        if self.persistence < 1:
            raise FrameError(f"persistence is a count of steps from 1, got {self.persistence!r}")
        if self.alerts_per_week is not None and not 0 < self.alerts_per_week < math.inf:
            raise FrameError(f"alerts_per_week is a number above 0, or None, got {self.alerts_per_week!r}")
