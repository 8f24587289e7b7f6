"""Alert rules of a catalogue: what each compares with which limit, and the rails between which history may move it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.spec import Duration, Spec

Learn: TypeAlias = Literal["season", "capacity", "gaps", "drop", "cost"]


def _parsed(text: str) -> str:
    promql.check(text)
    return text


Expression = Annotated[str, AfterValidator(_parsed)]


class Threshold(Spec):
    """The limit of an alert: a human value, and how far history may move it.

    `season`: a high (or low) quantile of the hour of the week; `capacity`: the value from which a breach within the
    horizon is likely; `gaps`: the longest usual gap between events of that hour, one a series; `drop`: the fewest
    events that chance explains; `cost`: the share of a budget that is spent by now.
    """

    human: float = Field(description="In force where nothing is learnt, and whenever what was learnt is not fresh")
    floor: float = Field(description="The least that a learnt value may be")
    ceiling: float = Field(description="The most that a learnt value may be")
    largest_move: float = Field(0.25, gt=0, description="Share of its last value by which one day may move it")
    learn: Learn | None = Field(None, description="How it follows from history; left out: the human value is the limit")
    signal: str | None = Field(None, description="The catalogue's signal that it is learnt from")
    chance: float = Field(0.001, gt=0, lt=0.5, description="How often a usual value may pass it")
    window: Duration = Field("1h", description="Of the alert's value, where events are counted: season and drop")
    by: tuple[str, ...] = Field((), description="Labels, for each value of which there is a threshold of its own")

    @model_validator(mode="after")
    def _rails(self) -> Threshold:
        if not self.floor <= self.human <= self.ceiling:
            raise CatalogueError(
                f"floor ({self.floor:g}), human ({self.human:g}) and ceiling ({self.ceiling:g}) must rise in that order"
            )
        if (self.learn is None) != (self.signal is None):
            raise CatalogueError("a threshold that is learnt names learn: and signal:, another neither")
        return self


class Rule(Spec):
    """One alert."""

    name: str = Field("", exclude=True, description="Filled in from the key, the alert's name")
    value: Expression = Field(description="What is compared with the limit; without one, what fires when it is there")
    direction: Literal["above", "below"] = "above"
    threshold: Threshold | None = None
    guard: Expression | None = Field(None, description="Fires only where this is there too: least traffic, a target up")
    hold: Duration = Field("0s", description="for: how long it must be so")
    keep_firing: Duration | None = Field(None, description="keep_firing_for: how long it stays after it ended")
    severity: Literal["critical", "warning"] = "warning"
    component: str
    summary: str
    causes: str = Field("", description="Likely causes, in a few words")
    unit: str = Field("", description="Of the value, for the description")
    dashboard: str | None = Field(None, description="Its uid")
    shadow: bool = Field(False, description="It reaches nobody yet")
