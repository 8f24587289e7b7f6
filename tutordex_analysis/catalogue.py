"""The catalogue: which signals there are, what they are made of, their limits, and the calendar they live in.

YAML in `signals/` is the shipped catalogue; a user's own folder overlays it, name by name. Everything is checked when
it is loaded, and what is wrong is refused with file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.civil import Calendar
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.limit import Limit, Queue
from tutordex_analysis.mask import Alert
from tutordex_analysis.moment import duration
from tutordex_analysis.part import COUNTED, MEASURED, UNITS, Part, Promql, Selector, Term, Unit
from tutordex_analysis.rule import Record, Rule
from tutordex_analysis.silence import Template
from tutordex_analysis.slo import Slo
from tutordex_analysis.spec import Duration, Spec
from tutordex_analysis.watch import Watch

__all__ = ["COUNTED", "MEASURED", "UNITS", "Catalogue", "Part", "Signal", "Term"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
Combine = Literal["sum", "mean", "max", "min"]


class Signal(Spec):
    """One thing worth forecasting, watching or comparing, and what it is made of.

    `count` needs `counter`; `gauge` needs `metric` with `combine`, or `promql`; `ratio` needs `numerator` and
    `denominator`; `duration` needs `histogram`.
    """

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str
    description: str = ""
    area: str = Field(
        description="collector, queue, worker, llm, database, broadcast, dm, backend, host, monitoring, …"
    )
    kind: Literal["count", "ratio", "gauge", "duration"]
    unit: Unit
    counter: Selector | tuple[Selector, ...] | None = None
    instead: Selector | None = Field(
        None, description="The real counter, where `counter` is a substitute: read from its first sample on"
    )
    each: float = Field(1.0, gt=0, description="With instead: what one event of `counter` stands for")
    events: str | None = Field(None, pattern=r"^\w+\.\w+$", description="table.column of an events source, for a count")
    metric: Selector | None = None
    combine: Combine | None = Field(None, description="How series that differ in other labels than `by` become one")
    promql: Promql | None = None
    numerator: Term | None = None
    denominator: Term | Literal["seconds"] | None = Field(None, description="seconds: the length of the step")
    least: float = Field(
        1.0, ge=0, description="A ratio with a smaller denominator, or a quantile of fewer, is unknown"
    )
    histogram: Selector | None = Field(None, description="Name without _bucket")
    quantile: float | None = Field(None, gt=0, lt=1, description="None: the mean")
    by: tuple[str, ...] = Field((), description="Labels that are kept; all others are volatile and combined away")
    up: Promql | None = Field(None, description="Where this is 1 an absent counter means zero events, not a gap")
    lower: float | None = None
    upper: float | None = None
    seasons: tuple[Duration, ...] = ("1d", "7d")
    bad: Literal["up", "down", "both", "none"] = "none"
    watch: Watch | None = Field(
        default_factory=Watch, description="Which unusual values are worth an alert; null: it is not watched"
    )
    tells: Literal["deploy", "restart"] | None = Field(
        None, description="A new value of its label is a deploy; its value, a start in unix_seconds, a restart"
    )
    follows_work: Literal["level", "growth"] | None = Field(
        None, description="Twice the work is twice its level (busy), or twice its growth a day (a disk)"
    )
    forecast: bool = Field(False, description="publish hands its forecast back as metrics; one with a limit always is")
    replaces: dict[str, str] = Field({}, description="Query text of today → digest of the one it took the place of")

    @model_validator(mode="before")
    @classmethod
    def _bad_side(cls, data: Any) -> Any:  # noqa: ANN401 - what a file may hold
        """Without a direction of its own a signal is watched on its bad side."""
        given = data.get("watch", {}) if isinstance(data, dict) else None
        if isinstance(given, dict) and "direction" not in given and data.get("bad") in ("up", "down"):
            return data | {"watch": given | {"direction": data["bad"]}}
        return data

    @model_validator(mode="after")
    def _made_of(self) -> Signal:
        needs = {
            "count": [{"counter"}, {"events"}],
            "gauge": [{"metric", "combine"}, {"promql"}],
            "ratio": [{"numerator", "denominator"}],
            "duration": [{"histogram"}],
        }[self.kind]
        sources = ("counter", "events", "metric", "combine", "promql", "numerator", "denominator", "histogram")
        given = {key for key in sources if getattr(self, key) is not None}
        if given not in needs:
            wanted = " or ".join(" and ".join(sorted(one)) for one in needs)
            raise CatalogueError(
                f"a {self.kind} is made of {wanted}; this one has {', '.join(sorted(given)) or 'nothing'}"
            )
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise CatalogueError(f"lower ({self.lower:g}) must be less than upper ({self.upper:g})")
        if self.kind == "ratio" and self.unit != "ratio":
            raise CatalogueError(f"the unit of a ratio is ratio, not {self.unit}")
        if (self.instead is not None and self.counter is None) or (self.each != 1 and self.instead is None):
            raise CatalogueError("instead names the real counter in place of counter:, and each: goes with it")
        if self.tells is not None and (self.kind != "gauge" or (self.tells == "deploy") != (len(self.by) == 1)):
            raise CatalogueError("tells is for a gauge: deploy with one label in by:, its version; restart without by:")
        self._asks_promql()
        return self

    def _asks_promql(self) -> None:
        """Refuses a histogram that is no plain name, and a replaced query that is none of this signal's."""
        name = (self.histogram or "").partition("{")[0]
        if self.histogram is not None and (not _NAME.fullmatch(name) or name.endswith(("_bucket", "_sum", "_count"))):
            raise CatalogueError(f"histogram is a name without _bucket, _sum or _count, not {self.histogram!r}")
        for query in self.histogram_queries.values():
            promql.check(query)
        texts = [part.query for part in self.parts]
        strange = [text for text in self.replaces if text not in texts]
        if strange:
            raise CatalogueError(f"replaces names {strange[0]!r}, which this signal does not ask; it asks {texts}")

    @property
    def season_lengths(self) -> tuple[pd.Timedelta, ...]:
        """The seasons as durations."""
        return tuple(duration(one) for one in self.seasons)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Everything that must be pulled for this signal, each once."""
        texts: list[str] = []
        for term in (self, self.numerator, self.denominator):
            if isinstance(term, Term):
                texts += [*term.counters] if term.counters else [str(term.promql)]
        if self.counter is not None:
            texts += [self.counter] if isinstance(self.counter, str) else [*self.counter]
        if self.instead is not None:
            texts.append(self.instead)
        if self.gauge_query is not None:
            texts.append(self.gauge_query)
        texts += self.histogram_queries.values()
        if self.up is not None:
            texts.append(self.up)
        return tuple(self.part(text) for text in dict.fromkeys(texts))

    @property
    def needed(self) -> tuple[Part, ...]:
        """The parts without which it cannot be read: all but a real counter that may not be there yet."""
        return tuple(part for part in self.parts if part.query != self.instead)

    def part(self, text: str) -> Part:
        """The part with this query."""
        return Part(text, self.replaces.get(text))

    @property
    def gauge_query(self) -> str | None:
        """PromQL of a gauge, its volatile labels combined away; None for other kinds."""
        if self.metric is None:
            return self.promql
        over = {"max": "max_over_time", "min": "min_over_time"}.get(str(self.combine), "avg_over_time")
        operator = {"mean": "avg"}.get(str(self.combine), str(self.combine))
        return f"{operator} by ({', '.join(self.by)}) ({over}({self.metric}[$step]))"

    @property
    def histogram_queries(self) -> dict[str, str]:
        """Selectors of the raw counters of a histogram: buckets for a quantile, sum and count for a mean."""
        if self.histogram is None:
            return {}
        name, brace, rest = self.histogram.partition("{")
        wanted = ["bucket"] if self.quantile is not None else ["sum", "count"]
        return {suffix: f"{name}_{suffix}{brace}{rest}" for suffix in wanted}


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything that is known of the monitored stack.

    Attributes:
        signals: By name.
        limits: By name.
        queues: By name.
        alerts: By name; while one fires, the numbers of its signals are not normal.
        rules: Alert rules that this project writes, by the alert's name.
        records: Recording rules that this project writes, by their name.
        experiments: By name.
        slos: By name.
        silences: Templates by name.
        flow: Areas in the order in which work passes them, the most upstream first; several may be at one height.
        calendar: Civil time of the stack.
        inventory: Metric names that the stack exposes; empty where nobody said.
    """

    signals: Mapping[str, Signal]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    slos: Mapping[str, Slo] = field(default_factory=dict)
    silences: Mapping[str, Template] = field(default_factory=dict)
    flow: tuple[tuple[str, ...], ...] = ()
    calendar: Calendar = field(default_factory=Calendar)
    inventory: frozenset[str] = frozenset()

    def signal(self, name: str | Signal) -> Signal:
        """A signal by name; one that is none of the catalogue's is itself.

        Raises:
            CatalogueError: There is none; the nearest names are in the sentence.
        """
        if isinstance(name, Signal):
            return name
        if name not in self.signals:
            raise CatalogueError(f"there is no signal {name!r}; {_nearest(name, self.signals)}")
        return self.signals[name]

    def limits_of(self, signal: str) -> tuple[Limit, ...]:
        """The limits of a signal."""
        return tuple(limit for limit in self.limits.values() if limit.signal == signal)

    def height(self, area: str) -> int:
        """How far downstream an area is: 0 the most upstream; one that `flow` does not name comes last."""
        return next((i for i, areas in enumerate(self.flow) if area in areas), len(self.flow))

    @property
    def heights(self) -> dict[str, int]:
        """`height` of every area that a signal lies in."""
        return {signal.area: self.height(signal.area) for signal in self.signals.values()}

    def concerned(self, signals: Iterable[str], areas: Iterable[str]) -> tuple[str, ...]:
        """Names of the signals that are named or lie in one of the areas, sorted."""
        inside = {signal.name for signal in self.signals.values() if signal.area in {*areas}}
        return tuple(sorted(inside | ({*signals} & self.signals.keys())))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part of every signal and experiment, each once."""
        return tuple({part.query: part for name in self.pulled for part in self.parts_of(name)}.values())

    @property
    def pulled(self) -> tuple[str, ...]:
        """Names of the signals and experiments that Prometheus has something of."""
        named = dict.fromkeys([*self.signals, *self.experiments])
        return tuple(name for name in named if self.parts_of(name))

    def parts_of(self, name: str) -> tuple[Part, ...]:
        """What is pulled for a signal, or for an experiment whose numbers are counters.

        Raises:
            CatalogueError: There is neither.
        """
        counted = self.experiments[name].counted if name in self.experiments else ()
        if name not in self.signals and name in self.experiments:
            return tuple(Part(text) for text in counted)
        own = self.signal(name).parts
        return (*own, *(Part(text) for text in counted if text not in {part.query for part in own}))

    def table(self) -> pd.DataFrame:
        """One row a signal: what it is, without its values."""
        rows = [
            {
                "signal": signal.name,
                "title": signal.title,
                "area": signal.area,
                "kind": signal.kind,
                "unit": signal.unit,
                "by": ", ".join(signal.by),
                "limits": ", ".join(f"{k} {v:g}" for one in self.limits_of(signal.name) for k, v in one.values.items()),
                "made of": "; ".join(part.query for part in signal.parts),
            }
            for signal in self.signals.values()
        ]
        return pd.DataFrame(rows)


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(close)}?" if close else "see: tutordex-analysis catalogue list"
