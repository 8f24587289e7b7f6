"""What signals are made of: PromQL texts that are pulled and kept, and the units in which they come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import Span, duration, duration_text
from tutordex_analysis.spec import Spec

COUNTED = (  # nouns of things that are counted
    *("posts", "assignments", "jobs", "requests", "messages", "operations", "attempts", "failures", "errors", "events"),
    *("users", "fields", "findings", "series", "samples", "processes", "targets", "connections", "files", "restarts"),
    *("tokens", "tutors"),
)
MEASURED = ("ratio", "seconds", "unix_seconds", "bytes", "bytes_per_second", "per_second", "cores", "celsius", "bool")
UNITS = (*COUNTED, *MEASURED)  # ratio is a share of one: 0.8 is 80 %
_RATE_WINDOW = pd.Timedelta("5m")  # holds several scrapes at any usual interval


@dataclass(frozen=True)
class Part:
    """What is pulled and stored for a signal: one PromQL text.

    Attributes:
        query: PromQL; `$step` stands for the step, `$window` for the step but at least five minutes.
        replaces: Digest of the text that this one took the place of, so that stored history goes on.
    """

    query: str
    replaces: str | None = None

    def at(self, step: Span) -> str:
        """The PromQL text for one step; its value at t covers (t - step, t]."""
        window = duration_text(max(duration(step), _RATE_WINDOW))
        return promql.normal(self.query.replace("$step", duration_text(step)).replace("$window", window))

    def digest(self, step: Span) -> str:
        """Twelve hex digits that name the text at one step."""
        return hashlib.sha256(self.at(step).encode()).hexdigest()[:12]


def _query(text: str) -> str:
    promql.check(Part(text).at("5m"))
    return text


def _selector(text: str) -> str:
    if not promql.is_selector(_query(text)):
        raise CatalogueError(f"{text!r} must be one plain selector; write anything else under promql:")
    return text


def _unit(text: str) -> str:
    if text not in UNITS:
        raise CatalogueError(f"{text!r} is not a known unit; use one of {', '.join(sorted(UNITS))}")
    return text


Promql = Annotated[str, AfterValidator(_query)]
Selector = Annotated[str, AfterValidator(_selector)]
Unit = Annotated[str, AfterValidator(_unit), Field(json_schema_extra={"enum": sorted(UNITS)})]


class Term(Spec):
    """One quantity: raw counters (added up), or a gauge."""

    counter: Selector | tuple[Selector, ...] | None = Field(None, description="Raw counters; several are added up")
    promql: Promql | None = Field(None, description="Any PromQL; $step and $window are filled in")

    @model_validator(mode="after")
    def _one(self) -> Term:
        if (self.counter is None) == (self.promql is None):
            raise CatalogueError("name exactly one of counter: and promql:")
        return self

    @property
    def counters(self) -> tuple[str, ...]:
        """The counter selectors, none for a gauge."""
        return (self.counter,) if isinstance(self.counter, str) else self.counter or ()
