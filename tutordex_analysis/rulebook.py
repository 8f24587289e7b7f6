"""What the rules of a catalogue ask of the rest of it: signals, metrics, records before their readers, known labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.inventory import PUBLISHED
from tutordex_analysis.rule import Record, Rule

IN_FORCE, LEARNT = "tutordex:threshold:in_force", "tutordex:threshold:learnt"  # recorded beside the rules
RAIL = "tutordex:threshold:rail"  # floor and ceiling by bound, which an alert on the limits is judged by
IN_SHADOW = "tutordex:alert:in_shadow"  # there while an alert is loaded in shadow; a label tells which definition
ALWAYS = frozenset({"ALERTS", "ALERTS_FOR_STATE", "up", IN_FORCE, LEARNT, RAIL, IN_SHADOW})


def complaints(
    catalogue: Catalogue, *, learners: Collection[str], listed: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """(rules or records, name, why) for everything that is wrong with them.

    Args:
        catalogue: Whose rules and records.
        learners: Rules whose signals must be there; another whose signal was removed keeps its human value.
        listed: Rules and records whose metrics the inventory must have; another's may be of any server.
    """
    known = catalogue.inventory | ALWAYS | {*PUBLISHED} | {*catalogue.records}
    for name, record in catalogue.records.items():
        for why in _asked([record.expression], known, every=name in listed):
            yield "records", name, why
    if (circle := _circle(catalogue)) is not None:
        yield "records", circle, "it reads itself, directly or through others"
    for name, rule in catalogue.rules.items():
        asked = [rule.value, *([rule.guard] if rule.guard else []), *rule.checks.values()]
        told = _signals(rule, catalogue) if name in learners else ()
        for why in (*_asked(asked, known, every=name in listed), *told, *_muted(rule)):
            yield "rules", name, why


def in_order(catalogue: Catalogue) -> Iterator[Record]:
    """The recording rules, each after those that it reads; otherwise as the catalogue has them."""
    done: set[str] = set()
    reads = _reads(catalogue)

    def after(name: str) -> Iterator[Record]:
        if name in done:
            return
        done.add(name)
        for other in catalogue.records:
            if other in reads[name]:
                yield from after(other)
        yield catalogue.records[name]

    for name in catalogue.records:
        yield from after(name)


def _circle(catalogue: Catalogue) -> str | None:
    """A record that reads itself."""
    reads = _reads(catalogue)
    while free := [name for name, others in reads.items() if not others & reads.keys()]:
        for name in free:
            del reads[name]
    return next(iter(reads), None)


def _reads(catalogue: Catalogue) -> dict[str, set[str]]:
    """Record → the records that it reads."""
    return {name: promql.metrics(one.expression) & catalogue.records.keys() for name, one in catalogue.records.items()}


def _asked(texts: list[str], known: frozenset[str], *, every: bool) -> Iterator[str]:
    """Names that are not there: of every metric, or only of those that nothing but a record can be."""
    for text in texts:
        if unknown := sorted(name for name in promql.metrics(text) - known if every or ":" in name):
            yield f"it asks for {unknown[0]}, which nothing exposes or records (see stack.yaml)"


def _signals(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    limit = rule.threshold
    for name in [rule.usual, limit.signal if limit else None]:
        if name is not None and name not in catalogue.signals:
            yield f"there is no signal {name!r} to learn from or to compare with"
    if limit is not None and limit.signal is not None and limit.signal in catalogue.signals:
        kept = catalogue.signals[limit.signal].by
        if strange := sorted({*limit.by} - {*kept}):
            keeps = ", ".join(kept) or "no label"
            yield f"no threshold by {strange[0]} is learnt from {limit.signal}, which keeps {keeps}"


def _muted(rule: Rule) -> Iterator[str]:
    for selector in rule.muted_by:
        if all(one.fits(rule.name) for one in promql.matchers(selector) if one.label == "alertname"):
            yield f"muted_by: {selector} would mute the alert by itself"
