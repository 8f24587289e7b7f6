"""Alert rules of a catalogue: what each compares with which limit, and the rails between which history may move it."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.spec import Duration, Spec

Learn: TypeAlias = Literal["season", "capacity", "gaps", "drop", "cost"]
RECORD = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN = ("alertname", "alertstate", "severity", "component", "shadow")


def _parsed(text: str) -> str:
    promql.check(text)
    return text


def _selector(text: str) -> str:
    if not promql.is_selector(text):
        raise CatalogueError(f"{text!r} must be one plain selector")
    return text


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text) or text in _TAKEN:
        raise CatalogueError(f"{text!r} cannot be a label that tells alerts of one rule apart")
    return text


Expression = Annotated[str, AfterValidator(_parsed)]
Selector = Annotated[str, AfterValidator(_selector)]
Labels = tuple[Annotated[str, AfterValidator(_label)], ...]


class Threshold(Spec):
    """The limit of an alert: a human value, and how far history may move it.

    `season`: a high (or low) quantile of the hour of the week; `capacity`: the value from which a breach within the
    horizon is likely; `gaps`: the longest usual gap between events of that hour, one a series; `drop`: the fewest
    events that chance explains; `cost`: the share of a budget that is spent by now.
    """

    human: float = Field(description="In force where nothing is learnt, and whenever what was learnt is not fresh")
    floor: float = Field(
        default_factory=lambda data: float(data.get("human", 0.0)),
        description="The least that a learnt value may be; left out: the human value",
    )
    ceiling: float = Field(
        default_factory=lambda data: float(data.get("human", 0.0)),
        description="The most that a learnt value may be; left out: the human value",
    )
    largest_move: float = Field(0.25, gt=0, description="Share of its last value by which one day may move it")
    learn: Learn | None = Field(None, description="How it follows from history; left out: the human value is the limit")
    signal: str | None = Field(None, description="The catalogue's signal that it is learnt from")
    chance: float = Field(0.001, gt=0, lt=0.5, description="How often a usual value may pass it")
    window: Duration = Field("1h", description="Of the alert's value, where events are counted: season and drop")
    by: Labels = Field((), description="Labels, for each value of which there is a threshold of its own")

    @model_validator(mode="after")
    def _rails(self) -> Threshold:
        if not self.floor <= self.human <= self.ceiling:
            raise CatalogueError(
                f"floor ({self.floor:g}), human ({self.human:g}) and ceiling ({self.ceiling:g}) must rise in that order"
            )
        if (self.learn is None) != (self.signal is None):
            raise CatalogueError("a threshold that is learnt names learn: and signal:, another neither")
        if self.learn is not None and not self.moves:
            raise CatalogueError("a threshold that is learnt needs room: a floor below its ceiling")
        return self

    @property
    def moves(self) -> bool:
        """Whether history, or a pin, may move it."""
        return self.floor < self.ceiling


class Fired(Spec):
    """One alert that an example expects."""

    value: float = Field(description="Of the rule's `value`, at least four digits of it")
    labels: dict[str, str] = Field({}, description="Those of the rule's `by`")


class Example(Spec):
    """Series for which a rule fires, or does not: what its tests are made of."""

    when: str = Field(description="In words")
    series: dict[str, str] = Field(description="Series → values, as promtool writes them: 0+1x60")
    at: Duration = Field(description="When it is looked at; not on the edge of a window")
    every: Duration = Field("1m", description="From one value to the next, and from one evaluation to the next")
    fires: tuple[Fired, ...] = ()


class Record(Spec):
    """One recording rule: an expression, or the events of a counter in a window."""

    name: str = Field("", exclude=True, description="Filled in from the key, such as tutordex:worker:jobs_1h")
    title: str = Field(description="In words, with its unit")
    promql: Expression | None = None
    counter: Selector | None = Field(None, description="A raw counter; the first event of a new series counts")
    window: Duration | None = Field(None, description="Of a counter")
    by: Labels = Field((), description="Labels that a counter's series keep")
    interval: Duration = Field("30s", description="How often it is computed; under five minutes")

    @model_validator(mode="after")
    def _made_of(self) -> Record:
        if (self.promql is None) == (self.counter is None) or (self.counter is None) != (self.window is None):
            raise CatalogueError("a record is made of promql:, or of counter: and window:")
        if self.promql is not None and self.by:
            raise CatalogueError("by: is for a counter; an expression says itself which labels it keeps")
        return self

    @property
    def expression(self) -> str:
        """Its PromQL; that of a counter adds the first event of series born in the window, which increase() misses."""
        if self.promql is not None:
            return self.promql.strip()
        by = f" by ({', '.join(self.by)})" if self.by else ""
        x, w = self.counter, self.window
        return (
            f"sum{by} (increase({x}[{w}]))\n+ (\n  count{by} (last_over_time({x}[{w}]) unless {x} offset {w})\n"
            f"  or 0 * sum{by} (increase({x}[{w}]))\n)"
        )


class Rule(Spec):
    """One alert."""

    name: str = Field("", exclude=True, description="Filled in from the key, the alert's name")
    value: Expression = Field(description="What is compared with the limit; without one, what fires when it is there")
    direction: Literal["above", "below"] = "above"
    threshold: Threshold | None = None
    by: Labels = Field((), description="Labels that the value keeps: what tells alerts of this rule apart")
    guard: Expression | None = Field(None, description="Fires only where this is there too: least traffic, a target up")
    guard_by: Labels = Field((), description="Labels of the value that the guard has too; none: one guard for all")
    hold: Duration = Field("0s", description="for: how long it must be so")
    keep_firing: Duration | None = Field(None, description="keep_firing_for: how long it stays after it ended")
    severity: Literal["critical", "warning", "none"] = "warning"
    component: str
    summary: str = Field(description="Plain text; {channel} stands for a label of `by`")
    meaning: str = Field("", description="For the runbook: what it says, in a sentence or two")
    causes: str = Field("", description="Likely causes, in a few words")
    checks: dict[str, Expression] = Field({}, description="For the runbook: what to look at first → its PromQL")
    unit: str = Field("", description="Of the value, for the description")
    usual: str | None = Field(None, description="Signal whose expected band is in the value's unit and window")
    dashboard: str | None = Field(None, description="Its uid")
    muted_by: tuple[Selector, ...] = Field((), description="Alerts that explain this one: while they fire it is mute")
    shadow: bool = Field(
        False, description="It reaches nobody yet; a new learned alert starts so, whatever stands here"
    )
    examples: tuple[Example, ...] = Field((), description="Series for which it fires and does not: its tests")

    @model_validator(mode="after")
    def _labels(self) -> Rule:
        theirs = {*self.guard_by, *(self.threshold.by if self.threshold else ())}
        if strange := sorted(theirs - {*self.by}):
            raise CatalogueError(f"the label {strange[0]!r} of a guard or a threshold must be in by: too")
        if "alert" in self.by and self.threshold is not None and self.threshold.moves:
            raise CatalogueError("the label 'alert' names the alert of a published limit; by: cannot have it too")
        if self.guard_by and self.guard is None:
            raise CatalogueError("guard_by needs a guard")
        return self

    @property
    def labels(self) -> dict[str, str]:
        """What the rule adds to the labels of its value."""
        made = {"severity": self.severity, "component": self.component}
        return made | {"shadow": "true"} if self.shadow else made
