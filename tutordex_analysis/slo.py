"""Service level objectives of a catalogue: what is promised, what counts as an event, what its alerts are called."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import duration
from tutordex_analysis.rule import Expression, Selector
from tutordex_analysis.spec import Duration, Spec

_ALERT = re.compile(r"[A-Z][A-Za-z0-9]*")
WINDOW = "$window"  # in a query: the window over which events are counted


def _alert(text: str) -> str:
    if not _ALERT.fullmatch(text):
        raise CatalogueError(f"{text!r} is no alert's name; write it like QueueStuck")
    return text


def _query(text: str) -> str:
    if WINDOW not in text:
        raise CatalogueError(f"{text!r} counts events in a window: write sum(rate(requests_total[{WINDOW}]))")
    promql.check(text.replace(WINDOW, "5m"))
    return text


def _events(data: object) -> object:
    return {"signal": data} if isinstance(data, str) else data


AlertName = Annotated[str, AfterValidator(_alert)]
RateQuery = Annotated[str, AfterValidator(_query)]


class Counted(Spec):
    """Events: a signal that counts them, or those of its series that have these labels."""

    signal: str
    labels: dict[str, str] = Field({}, description='Only series with these labels, such as {le: "300.0"}')


Events = Annotated[Counted, BeforeValidator(_events, json_schema_input_type=Counted | str)]


class Wait(Spec):
    """A gauge that says that events are bad while it is too high, whatever their own numbers say."""

    signal: str
    above: float


class BurnAlerts(Spec):
    """What its burn-rate alerts are called and say."""

    page: AlertName | None = Field(None, description="The alert that pages: the budget is gone within days")
    ticket: AlertName | None = Field(None, description="The alert for the next working day")
    component: str
    causes: str = Field("", description="Likely causes, in a few words")
    checks: dict[str, Expression] = Field({}, description="For the runbook: what to look at first → its PromQL")
    dashboard: str | None = None
    muted_by: tuple[Selector, ...] = Field((), description="Alerts that explain these: while they fire, these are mute")

    @property
    def names(self) -> tuple[str, ...]:
        """Of its alerts."""
        return tuple(one for one in (self.page, self.ticket) if one is not None)


class Slo(Spec):
    """One promise: the share of events that are good over a period.

    Events come from two of `good`, `bad` and `total` (signals, so that a long period is read from the archive), or from
    `bad_query` and `total_query` (any PromQL of rates over `$window`).
    """

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str
    description: str = ""
    objective: float = Field(description="The promised share of good events, between 0 and 1, such as 0.99")
    period: Duration = Field("30d", description="Over which it is promised, rolling")
    noun: str = Field("events", description="What is counted, in words: jobs, requests")
    good: Events | None = None
    bad: Events | None = None
    total: Events | None = None
    bad_query: RateQuery | None = None
    total_query: RateQuery | None = None
    late_while: Wait | None = Field(None, description="All events of a step count as bad while this gauge is too high")
    least: int = Field(20, ge=1, description="Events in the long window under which no alert of it fires")
    least_bad: int = Field(5, ge=1, description="Bad events in the long window under which no alert of it fires")
    owner: str = ""
    alerts: BurnAlerts | None = None

    @model_validator(mode="after")
    def _whole(self) -> Slo:
        if not 0 < self.objective < 1:
            told = "an objective of 1 leaves no budget" if self.objective == 1 else "it is a share between 0 and 1"
            raise CatalogueError(f"objective {self.objective:g}: {told}; write 0.99 for 99 %")
        signals = [one for one in ("good", "bad", "total") if getattr(self, one) is not None]
        queries = [one for one in ("bad_query", "total_query") if getattr(self, one) is not None]
        if not (len(signals) == 2 and not queries) and not (len(queries) == 2 and not signals):
            given = ", ".join([*signals, *queries]) or "none of them"
            raise CatalogueError(
                f"events come from two of good, bad, total, or bad_query with total_query; got {given}"
            )
        if queries and self.late_while is not None:
            raise CatalogueError("late_while goes with signals; put it into bad_query")
        if duration(self.period) < duration("1d"):
            raise CatalogueError(f"a period of {self.period} is too short for a budget; it is a day or more")
        return self

    @property
    def error_budget(self) -> float:
        """The share of events that may be bad.

        Example:
            >>> round(Slo(title="API", objective=0.999, bad="errors", total="requests").error_budget, 6)
            0.001
        """
        return 1 - self.objective

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals it reads, each once."""
        parts = (self.good, self.bad, self.total, self.late_while)
        return tuple(dict.fromkeys(one.signal for one in parts if one is not None))
