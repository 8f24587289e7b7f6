"""What a stack can carry: the limits of its signals, and its queues with one server."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.spec import Duration, Spec

Level: TypeAlias = Literal["soft", "hard", "physical"]
Scaling: TypeAlias = Literal["minutes", "days", "weeks"]


class Limit(Spec):
    """Where a signal must not go, only where there is such a place, with its owner.

    Soft needs a plan, hard is an outage, physical is where the resource ends: a full disk, a saturated processor.
    """

    name: str = Field("", exclude=True, description="Filled in from the key")
    signal: str
    soft: float | None = Field(None, description="From here on a plan is needed")
    hard: float = Field(description="From here on there is an outage")
    physical: float | None = Field(None, description="The resource's own end, such as 1.0 for a share of a disk")
    direction: Literal["above", "below"] = "above"
    scaling: Scaling = Field(
        "days",
        description="How long more capacity takes: minutes (a setting, a clean-up), days (an order, a move, a change), "
        "weeks (a new machine, a migration, a budget)",
    )
    owner: str
    runbook: str
    where: dict[str, str] = Field({}, description="Only for series with these labels")

    @model_validator(mode="after")
    def _order(self) -> Limit:
        for (near, first), (far, second) in pairwise(self.values.items()):
            if (first >= second) == (self.direction == "above"):
                raise CatalogueError(f"{near} ({first:g}) must come before {far} ({second:g}) going {self.direction}")
        return self

    @property
    def values(self) -> dict[Level, float]:
        """The limits by level, the first to be met first."""
        each: dict[Level, float | None] = {"soft": self.soft, "hard": self.hard, "physical": self.physical}
        return {level: value for level, value in each.items() if value is not None}


class Queue(Spec):
    """Jobs that one server works off one after the other, and the signals that tell how busy it is."""

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str
    jobs: str = Field(description="The count of finished jobs, one series")
    busy: str = Field(description="The ratio of seconds of work to seconds, one series")
    times: str | None = Field(None, description="The count of jobs by le, the buckets of their duration")
    poll: Duration | None = Field(None, description="How long the server sleeps when nothing waits")
    batch: int = Field(1, ge=1, description="Jobs that are claimed at once and worked off in order")
    slice: Duration | None = Field(None, description="How much of a missed past is caught up at a time")

    @property
    def signals(self) -> dict[str, str]:
        """Names of signals by the key that has them."""
        each = {"jobs": self.jobs, "busy": self.busy, "times": self.times}
        return {key: name for key, name in each.items() if name is not None}
