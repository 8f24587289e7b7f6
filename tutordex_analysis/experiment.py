"""Experiments of a catalogue: what was randomised into which arms, where their numbers stand, and what decides."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.spec import Duration, Moment, Spec

Role: TypeAlias = Literal["goal", "guardrail", "behaviour"]
Form: TypeAlias = Literal["pairs", "events", "counters", "totals"]
Side: TypeAlias = Literal["control", "treatment"]
CONTROL: Side = "control"
TREATMENT: Side = "treatment"
SIDES = (CONTROL, TREATMENT)
RESERVED = ("unit", "arm", "ds", "y")  # columns that every table of units has
_KEYS: dict[Form, frozenset[str]] = {
    "pairs": frozenset({"column", "equals", "waiting"}),
    "events": frozenset({"event", "take", "within", "before", "per", "quantile"}),
    "counters": frozenset({"counter", "trials"}),
    "totals": frozenset({"totals"}),
}
_NEEDS: dict[Form, str] = {"pairs": "column", "events": "event", "counters": "counter", "totals": "totals"}


def _selector(text: str) -> str:
    if not promql.is_selector(text):
        raise CatalogueError(f"{text!r} must be one plain selector of a counter")
    return text


def _cell(name: str) -> str:
    if not name.replace("_", "").isalnum():
        raise CatalogueError(f"{name!r} is no name of a table or column; use letters, digits and _")
    return name


def _column(name: str) -> str:
    if not all(part.replace("_", "").isalnum() for part in name.split(".")):
        raise CatalogueError(
            f"{name!r} is no name of a column; use letters, digits and _, and dots for what is inside JSON, "
            "such as meta.experiment.variant"
        )
    return name


Counter = Annotated[str, AfterValidator(_selector)]
Cell = Annotated[str, AfterValidator(_cell)]
Column = Annotated[str, AfterValidator(_column)]


class Metric(Spec):
    """One thing that an experiment may change, and what it is taken from; which keys fit depends on the form."""

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str
    role: Role = Field("behaviour", description="goal decides; guardrail must not become worse by `margin`")
    higher_is_better: bool = True
    margin: float | None = Field(None, gt=0, lt=1, description="Of a guardrail: the loss, as a share of the control")
    worth: float | None = Field(
        None,
        gt=0,
        lt=10,
        description="The smallest effect worth having, as a share of the control; says what is needed",
    )
    column: Column | None = Field(None, description="pairs: column of the outcome")
    equals: tuple[str, ...] = Field((), description="pairs: the values of `column` that count as yes; none: a number")
    waiting: tuple[str, ...] = Field((), description="pairs: values of `column` that are no outcome yet, as pending")
    event: str | None = Field(None, description="events: what the unit did, such as assignment_apply_click")
    take: Literal["converted", "events", "value"] = Field(
        "converted", description="events: whether it did it, how often, or the sum of its values"
    )
    within: Duration | None = Field(None, description="events: only so long after the exposure; units younger wait")
    before: Duration | None = Field(None, description="events: the same from so long before the exposure as covariate")
    per: str | None = Field(None, description="events: the event below, of a ratio such as applies per view")
    quantile: float | None = Field(None, gt=0, lt=1, description="events: of the values, such as 0.95")
    counter: Counter | None = Field(None, description="counters: what is counted, with one label for the arm")
    trials: Counter | None = Field(None, description="counters: what it is a share of")
    totals: dict[str, dict[str, float]] = Field({}, description="totals: by arm, such as {successes: 200, n: 4000}")

    @model_validator(mode="after")
    def _fits(self) -> Metric:
        if (self.margin is not None) != (self.role == "guardrail"):
            raise CatalogueError("a guardrail has a margin, the loss that would be too much; other roles have none")
        if self.per is not None and self.take == "converted":
            raise CatalogueError("a ratio counts events or values: say take: events")
        if self.quantile is not None and (self.take != "value" or self.per is not None):
            raise CatalogueError("a quantile is one of values: say take: value, without per:")
        if self.waiting and ({*self.waiting} & {*self.equals} or not self.equals):
            raise CatalogueError("waiting names other values than equals, which it needs")
        return self

    @property
    def keys(self) -> frozenset[str]:
        """Those that were given and belong to one form."""
        return frozenset[str]().union(*_KEYS.values()) & self.model_fields_set


class Pairs(Spec):
    """A table with one row for each unit and arm: two pipelines over the same raw messages."""

    table: Cell = "telegram_extractions"
    unit: Column = "raw_id"
    arm: Column = "pipeline_version"
    time: Cell | None = Field("updated_at", description="When the row was made; null: it has none")
    segments: tuple[Column, ...] = ()


class Events(Spec):
    """Two tables: who was shown which arm when, and who did what when. They may be one and the same.

    A column with dots lies inside a column of JSON: `meta.experiment.variant`.
    """

    exposures: Cell = "exposures"
    outcomes: Cell = "events"
    unit: Column = "user_id"
    arm: Column = "variant"
    time: Cell = "event_time"
    event: Column = "event_type"
    value: Column = "value"
    experiment: Column | None = Field(
        "experiment", description="Column of exposures with the experiment's name, or null"
    )
    id: Column | None = Field(
        None, description="Column of outcomes that tells rows apart; null: rows that are equal are one row"
    )
    segments: tuple[Column, ...] = Field((), description="Columns of exposures to look into")


class Counters(Spec):
    """Counters with a label for the arm."""

    label: Cell = "variant"
    step: Duration = "1h"


class Experiment(Spec):
    """One experiment: arms, plan and metrics. It has exactly one of pairs, events, counters, or metrics with totals."""

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str
    description: str = ""
    unit: str = Field(description="What was randomised, as a word: user, message, request")
    arms: dict[Side, str] = Field(description="What each arm is called in the data")
    split: tuple[float, float] = Field((1.0, 1.0), description="What control and treatment were meant to get")
    assignment: Literal["sticky", "request", "none"] = Field(
        "sticky", description="A unit keeps its arm; each request gets one of its own; nothing was randomised"
    )
    start: Moment
    end: Moment | None = None
    planned: int | None = Field(None, ge=2, description="Units an arm at which it is to end")
    looks: Literal["once", "any"] = Field(
        "any", description="once: at the planned end; any: whenever one likes, which counters do not allow"
    )
    alpha: float = Field(0.05, gt=0, lt=0.5)
    correction: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    pairs: Pairs | None = None
    events: Events | None = None
    counters: Counters | None = None
    metrics: dict[str, Metric] = Field(description="By name; goals decide, so there is one at least")

    @model_validator(mode="after")
    def _whole(self) -> Experiment:
        if {*self.arms} != {*SIDES} or self.arms[CONTROL] == self.arms[TREATMENT]:
            raise CatalogueError("arms names control: and treatment:, two different names")
        if not min(self.split) > 0:
            raise CatalogueError(f"split gives both arms a share above 0, got {self.split[0]:g} to {self.split[1]:g}")
        if self.end is not None and self.end <= self.start:
            raise CatalogueError("an experiment ends after it starts")
        self._ends()
        given = [one for one in ("pairs", "events", "counters") if getattr(self, one) is not None]
        if len(given) > 1:
            raise CatalogueError(f"the numbers come from one place; this experiment has {' and '.join(given)}")
        if not self.metrics:
            raise CatalogueError("an experiment has metrics")
        for name, metric in self.metrics.items():
            wanted, allowed = _NEEDS[self.form], _KEYS[self.form]
            if wanted not in metric.keys:
                raise CatalogueError(f"the metric {name} needs {wanted}:, its numbers come from {self.form}")
            if strange := sorted(metric.keys - allowed):
                raise CatalogueError(f"the metric {name} has {strange[0]}:, which does not fit {self.form}")
            if self.form == "totals" and {*metric.totals} != {*SIDES}:
                raise CatalogueError(f"the totals of {name} name control: and treatment:")
        goals = [name for name, metric in self.metrics.items() if metric.role == "goal"]
        if not goals:
            raise CatalogueError("one metric is the goal, say role: goal; without one nothing is decided")
        self._told_apart()
        return self

    def _ends(self) -> None:
        """Refuses one look without a moment for it, and many looks at outcomes that go on changing."""
        if self.looks == "once" and self.end is None and (self.planned is None or self.form == "counters"):
            wanted = "end:, counters do not count units" if self.form == "counters" else "end: or planned:"
            raise CatalogueError(f"looks: once is at the planned end: say {wanted}")
        if self.looks == "once" and self.pairs is not None and self.pairs.time is None:
            raise CatalogueError(
                "looks: once needs the time of each row to know which were there then: say pairs: time:"
            )
        if self.looks == "any" and self.form == "events":
            for name, metric in self.metrics.items():
                if metric.event is not None and metric.within is None:
                    raise CatalogueError(
                        f"the metric {name} needs within:, how long each unit is watched, such as 7d; without it the "
                        "numbers of old units go on growing, and no interval holds at every look (or say looks: once)"
                    )

    def _told_apart(self) -> None:
        """Refuses names that would be one column."""
        place = self.events or self.pairs
        segments = [*place.segments] if place is not None else []
        for name in (*self.metrics, *segments):
            if name in RESERVED or ":" in name:
                raise CatalogueError(
                    f"{name!r} cannot be the name of a metric or a segment; it has a meaning of its own"
                )
        if both := sorted({*self.metrics} & {*segments}):
            raise CatalogueError(f"{both[0]!r} is the name of a metric and of a segment; call the metric otherwise")

    @property
    def form(self) -> Form:
        """Where the numbers come from."""
        forms: tuple[Form, ...] = ("pairs", "events", "counters")
        return next((one for one in forms if getattr(self, one) is not None), "totals")

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that are read, each once."""
        if self.pairs is not None:
            return (self.pairs.table,)
        if self.events is not None:
            return tuple(dict.fromkeys((self.events.exposures, self.events.outcomes)))
        return ()

    @property
    def counted(self) -> tuple[str, ...]:
        """The selectors of the counters that are read, each once."""
        texts = [one for metric in self.metrics.values() for one in (metric.counter, metric.trials) if one]
        return tuple(dict.fromkeys(texts))

    @property
    def named(self) -> dict[str, Side]:
        """The arms by what they are called in the data."""
        return {self.arms[side]: side for side in SIDES}
