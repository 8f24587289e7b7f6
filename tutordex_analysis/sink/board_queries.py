"""PromQL of dashboards: what a signal is now, what was said of it, what is said of its future.

A published forecast is a gauge stamped when it is made, with its lead as a label. So `offset 7d` of the one with
`horizon="7d"` is what was said a week before of the moment that is drawn, also where that moment has not come yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tutordex_analysis.catalogue import Catalogue, Part, Signal, Term
from tutordex_analysis.frame import escape
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.rule import Record
from tutordex_analysis.rulebook import IN_FORCE
from tutordex_analysis.sink.exposition import HORIZONS

STEP = "1h"  # of what is forecast
LEAD = "7d"
NOW = "group(up)"  # there as long as Prometheus scrapes: not at moments that have not come


def forecast_signals(catalogue: Catalogue) -> tuple[Signal, ...]:
    """The signals whose forecast is published and whose value Prometheus has."""
    return tuple(
        signal
        for name, signal in catalogue.signals.items()
        if (signal.forecast or catalogue.limits_of(name)) and signal.events is None
    )


def own_labels(signals: Iterable[Signal]) -> tuple[str, ...]:
    """Labels that tell series of one signal apart, of all signals together."""
    return tuple(sorted({label for signal in signals for label in signal.by}))


class Queries:
    """Queries about one chosen series: `$signal`, and a variable for each label that signals have.

    Args:
        catalogue: Whose signals can be chosen.
        retention: How far back the server answers; longer leads than that cannot be looked up.
    """

    def __init__(self, catalogue: Catalogue, *, retention: Span = "15d") -> None:
        self.catalogue = catalogue
        self.signals = forecast_signals(catalogue)
        self.labels = own_labels(self.signals)
        self.leads = tuple(lead for lead in HORIZONS if duration(lead) < duration(retention))
        self.on = ", ".join(("signal", *self.labels))
        self.chosen = ",".join(f'{label}="${label}"' for label in ("signal", *self.labels))

    @property
    def actual(self) -> str:
        """The chosen series as it is, at moments that have come."""
        chosen = "vector(1)"
        for label in ("signal", *self.labels):
            chosen = f'label_replace({chosen}, "{label}", "${label}", "", "")'
        named = [
            f'label_replace({value(one, self.catalogue)}, "signal", "{escape(one.name)}", "", "")'
            for one in self.signals
        ]
        either = "\n  or ".join(named)
        return f"(\n  {either}\n)\nand on ({self.on}) {chosen}\nand on () {NOW}"

    def published(self, name: str, offset: str = "", **labels: str) -> str:
        """A published family of the chosen series, whoever published it."""
        more = "".join(f',{key}="{text}"' for key, text in labels.items())
        back = f" offset {offset}" if offset else ""
        return f"max by ({self.on}) ({name}{{{self.chosen}{more}}}{back})"

    def said(self, quantile: str) -> str:
        """What was forecast a week before, of moments that have come and of those that have not."""
        return self.published("tutordex_forecast", LEAD, horizon=LEAD, quantile=quantile)

    def ahead(self, quantile: str) -> str:
        """The newest forecast of each moment that has not come: the shortest lead that reaches it."""
        leads = "\n  or ".join(
            self.published("tutordex_forecast", lead, horizon=lead, quantile=quantile) for lead in self.leads
        )
        return f"(\n  {leads}\n)\nunless on () {NOW}"

    @property
    def limits(self) -> str:
        """The limits by name; those of a week ago where the moment has not come."""
        of = 'tutordex_capacity_limit{signal="$signal"}'
        return f"max by (limit) ({of})\nor max by (limit) ({of} offset {LEAD})"

    @property
    def missed(self) -> str:
        """By how much the forecast of a week before was missed, in the signal's unit; above 0: it lay too low."""
        return f"(\n{self.actual}\n)\n- on ({self.on}) {self.said('0.5')}"


def value(signal: Signal, catalogue: Catalogue) -> str:
    """PromQL of one signal over the last step, as it is forecast; a recorded name where there is one."""
    by = f" by ({', '.join(signal.by)})" if signal.by else ""
    if signal.gauge_query is not None:
        return Part(signal.gauge_query).at(STEP)
    if signal.counter is not None:
        counters = (signal.counter,) if isinstance(signal.counter, str) else signal.counter
        return " + ".join(_events(one, signal, catalogue) for one in counters)
    if signal.histogram is not None:
        grew = {suffix: f"increase({query}[{STEP}])" for suffix, query in signal.histogram_queries.items()}
        if signal.quantile is None:
            return f"sum{by} ({grew['sum']}) / sum{by} ({grew['count']})"
        kept = ", ".join((*signal.by, "le"))
        return f"histogram_quantile({signal.quantile:g}, sum by ({kept}) ({grew['bucket']}))"
    above, below = signal.numerator, signal.denominator
    assert above is not None  # noqa: S101 - a ratio has one, which the catalogue checks
    if not isinstance(below, Term):
        return f"{_term(above, by)} / {duration(STEP).total_seconds():g}"
    return f"{_term(above, by)} / ({_term(below, by)} >= {signal.least:g})"


def _events(counter: str, signal: Signal, catalogue: Catalogue) -> str:
    for name, record in catalogue.records.items():
        if (record.counter, record.window, record.by) == (counter, STEP, signal.by):
            return name
    return f"({Record(title='events', counter=counter, window=STEP, by=signal.by).expression})"


def _term(term: Term, by: str) -> str:
    if term.promql is not None:
        return f"({Part(term.promql).at(STEP)})"
    return "(" + " + ".join(f"sum{by} (increase({one}[{STEP}]))" for one in term.counters) + ")"


class Limits:
    """Queries about the limits of one chosen alert, `$alert`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.rules = {
            name: rule for name, rule in catalogue.rules.items() if rule.threshold is not None and rule.threshold.moves
        }
        by = {label for rule in self.rules.values() if rule.threshold is not None for label in rule.threshold.by}
        self.by = ", ".join(("alert", *sorted(by)))

    @property
    def in_force(self) -> str:
        """The limit that the alert compares with."""
        return f'{IN_FORCE}{{alert="$alert"}}'

    @property
    def value(self) -> str:
        """What it compares."""
        return self._chosen({name: f"({rule.value.strip()})" for name, rule in self.rules.items()})

    @property
    def floor(self) -> str:
        """The least that a learned limit may be."""
        return self._rail({name: rule.threshold.floor for name, rule in self.rules.items() if rule.threshold})

    @property
    def ceiling(self) -> str:
        """The most that it may be."""
        return self._rail({name: rule.threshold.ceiling for name, rule in self.rules.items() if rule.threshold})

    @property
    def human(self) -> str:
        """What holds where nothing is learned."""
        return self._rail({name: rule.threshold.human for name, rule in self.rules.items() if rule.threshold})

    def _rail(self, numbers: Mapping[str, float]) -> str:
        return self._chosen({name: f"vector({number:.15g})" for name, number in numbers.items()})

    def _chosen(self, each: Mapping[str, str]) -> str:
        either = "\n  or ".join(
            f'label_replace({one}, "alert", "{escape(name)}", "", "")' for name, one in each.items()
        )
        return f"(\n  {either}\n)\nand on (alert) {self.in_force}"
