"""The gate between shadow and service: which alerts are in shadow, and whether each is ready to call somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tutordex_analysis import promql, rule_definition, rule_trial
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import AnalysisError, RulesRefused
from tutordex_analysis.question import backtest_rules, readiness
from tutordex_analysis.question.readiness import TERMS, Readiness, Terms, Watched
from tutordex_analysis.rule_groups import Group
from tutordex_analysis.rule_inline import inlined, recordings
from tutordex_analysis.source.connect import Source, settled
from tutordex_analysis.source.in_shadow import STEP, in_shadow
from tutordex_analysis.source.known_incidents import known_incidents
from tutordex_analysis.source.ledger import folders
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource

WINDOW = "28d"  # how far back shadow is looked for; a server may keep less
_COMMAND = "tutordex-analysis rules backtest RULES --url http://… --save SOURCE"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What was found.

    Attributes:
        found: How each alert stands, in the order of the catalogue.
        strange: Alerts that the server has in shadow and the catalogue has not, or does not know.
    """

    found: tuple[Readiness, ...]
    strange: tuple[str, ...] = ()


def waiting(catalogue: Catalogue) -> tuple[str, ...]:
    """The alerts that are in shadow, in the order of the catalogue."""
    return tuple(name for name, rule in catalogue.rules.items() if rule.shadow)


def look(source: Source, kept_by: Source, alerts: Iterable[str] = (), *, terms: Terms = TERMS) -> Gate:
    """How alerts in shadow stand.

    Args:
        source: The Prometheus that has the rules loaded.
        kept_by: The source beside whose ledger the backtest is kept.
        alerts: Their names; every one in shadow when left out.
        terms: What they must have shown.

    Raises:
        RulesRefused: The source is no server, or there is no such alert.
        SourceError: The server does not answer, or the kept backtest is damaged.
    """
    server = _server(source)
    rules, wanted = source.catalogue.rules, tuple(alerts) or waiting(source.catalogue)
    if unknown := [name for name in wanted if name not in rules]:
        raise RulesRefused(f"there is no alert {unknown[0]!r}; `rules ready` without a name lists those in shadow")
    span = settled(server, WINDOW, step=STEP)
    memory = in_shadow(server, span)
    groups = rule_trial.ours(source.catalogue)
    watched = Watched(
        remembered=memory,
        incidents=known_incidents(source, span),
        concerns=backtest_rules.by_signals(source.catalogue),
        metrics=_metrics(groups),
    )
    defined = rule_definition.definitions(groups)
    kept = next((one for each in folders(kept_by) if (one := rule_trial.kept(each / rule_trial.NAME))), None)
    found = []
    for name in wanted:
        limit = rules[name].threshold
        learns = limit is not None and limit.learn is not None
        proof = readiness.by_backtest(kept, name, defined[name], learns=learns, terms=terms, how=_COMMAND)
        found.append(
            readiness.readiness(name, defined[name], learns=learns, backtest=proof, watched=watched, terms=terms)
        )
    late = memory.loaded[memory.loaded["end"] >= span.end - 2 * span.step]
    there = {str(name) for name in late["alert"]}
    return Gate(found=tuple(found), strange=tuple(sorted(there - {*waiting(source.catalogue)})))


def _server(source: Source) -> PrometheusSource:
    server = source.server if isinstance(source, ThroughSource) else source
    if not isinstance(server, PrometheusSource):
        raise RulesRefused(f"{source.uri} is an archive, which does not know what is in shadow; name the Prometheus")
    return server


def _metrics(groups: Iterable[Group]) -> dict[str, frozenset[str]]:
    """By alert, the names behind it; without those of an expression that cannot be followed."""
    every = tuple(groups)
    known, found = recordings(every), {}
    for rule in (rule for group in every for rule in group.rules if rule.kind == "alert"):
        try:
            found[rule.name] = frozenset(promql.metrics(inlined(rule.expr, known)))
        except AnalysisError:
            found[rule.name] = frozenset(promql.metrics(rule.expr))
    return found
