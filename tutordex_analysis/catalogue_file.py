"""A catalogue from YAML: overlay, file and line of what is wrong, the inventory, the JSON Schema for editors."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tutordex_analysis import catalogue_yaml, inventory, promql, releases_file, rulebook, slo_rules
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.catalogue_yaml import File, Files
from tutordex_analysis.civil import Calendar
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.limit import Limit, Queue
from tutordex_analysis.mask import Alert
from tutordex_analysis.rule import Record, Rule
from tutordex_analysis.silence import Template
from tutordex_analysis.slo import Slo
from tutordex_analysis.yaml_file import line_of

SHIPPED, INVENTORY = catalogue_yaml.SHIPPED, catalogue_yaml.INVENTORY


def load(folder: Path | None = None) -> Catalogue:
    """The shipped catalogue, overlaid name by name with the user's own folder.

    Raises:
        CatalogueError: The first thing that is wrong, with file and line.
    """
    own = catalogue_yaml.files(folder) if folder is not None else {}
    shipped = catalogue_yaml.files(SHIPPED) if all(file.shipped for file, _ in own.values()) else {}
    stack = inventory.names(SHIPPED / INVENTORY) if shipped else frozenset[str]()
    theirs = inventory.names(folder / INVENTORY) if folder is not None else frozenset[str]()
    made = _overlaid([(shipped, stack), (own, theirs)])
    released = [
        releases_file.read(one / releases_file.NAME) if one is not None else ()
        for one in (SHIPPED if shipped else None, folder)
    ]
    return replace(made, rules=releases_file.settled(made.rules, shipped=released[0], own=released[1]))


def _overlaid(layers: Sequence[tuple[Files, frozenset[str]]]) -> Catalogue:
    """Files in layers, later ones over earlier ones, each with the metric names that its signals may use."""
    signals: dict[str, Signal] = {}
    limits: dict[str, Limit] = {}
    queues: dict[str, Queue] = {}
    alerts: dict[str, Alert] = {}
    rules, records, experiments = dict[str, Rule](), dict[str, Record](), dict[str, Experiment]()
    slos, silences = dict[str, Slo](), dict[str, Template]()
    flow: tuple[tuple[str, ...], ...] = ()
    calendar = Calendar()
    for files, exposed in layers:
        catalogue_yaml.unique(files)
        for path, (file, root) in files.items():
            for name, signal in file.signals.items():
                if signal is not None:
                    _exposed(signal, exposed, path, line_of(root, ("signals", name)))
            _put(signals, file.signals)
            _put(limits, file.limits)
            _put(queues, file.queues)
            _put(alerts, file.alerts)
            _put(rules, file.rules)
            _put(records, file.records)
            _put(experiments, file.experiments)
            _put(slos, file.slos)
            _put(silences, file.silences)
            flow = file.flow if file.flow is not None else flow
            calendar = file.calendar or calendar
    for path, name, limit, root in _limits_of(layers[-1][0]):
        if limit.signal not in signals:
            line = line_of(root, ("limits", name, "signal"))
            raise CatalogueError(f"{path}:{line}: the limit {name} is for a signal {limit.signal!r} that is not there")
        strange = sorted(limit.where.keys() - {*signals[limit.signal].by})
        if strange:
            line = line_of(root, ("limits", name, "where", strange[0]))
            raise CatalogueError(
                f"{path}:{line}: the limit {name} is for series with the label {strange[0]}, which {limit.signal} "
                f"does not keep; it keeps {', '.join(signals[limit.signal].by) or 'none'} (see its by:)"
            )
    for path, (file, root) in layers[-1][0].items():
        for queue in file.queues.values():
            if queue is not None:
                _told(queue, signals, path, root)
    limits = {name: limit for name, limit in limits.items() if limit.signal in signals}
    queues = {name: queue for name, queue in queues.items() if signals.keys() >= {*queue.signals.values()}}
    own = {name for file, _ in layers[-1][0].values() for name in file.slos}
    slos = {name: slo for name, slo in slos.items() if signals.keys() >= {*slo.signals} or name in own}
    promised = _promised(layers, slos, signals, rules, records)
    _concerned(layers[-1][0], signals)
    _flowing(layers[-1][0], {signal.area for signal in signals.values()})
    made = Catalogue(
        signals=signals,
        limits=limits,
        queues=queues,
        alerts=alerts,
        rules=rules,
        records=records,
        experiments=experiments,
        slos=slos,
        silences=silences,
        flow=flow,
        calendar=calendar,
        inventory=frozenset[str]().union(*(exposed for _, exposed in layers)),
    )
    _ruled(layers, made, promised)
    return made


def _promised(
    layers: Sequence[tuple[Files, frozenset[str]]],
    slos: Mapping[str, Slo],
    signals: Mapping[str, Signal],
    rules: dict[str, Rule],
    records: dict[str, Record],
) -> dict[tuple[str, str], tuple[str, bool]]:
    """Adds what promises are made into; its (key, name) → place of the promise, and whether there is an inventory."""
    homes = {
        name: (f"{path}:{line_of(root, ('slos', name))}", bool(exposed))
        for files, exposed in layers
        for path, (file, root) in files.items()
        for name in file.slos
    }
    gone = {
        name for files, _ in layers for file, _ in files.values() for name, one in file.rules.items() if one is None
    }
    made: dict[tuple[str, str], tuple[str, bool]] = {}
    for name, slo in slos.items():
        try:
            names = slo_rules.add(slo, signals, rules=rules, records=records, gone=gone)
        except CatalogueError as error:
            raise CatalogueError(f"{homes[name][0]}: the promise {name}: {error}") from error
        made |= dict.fromkeys(names, homes[name])
    return made


def _ruled(
    layers: Sequence[tuple[Files, frozenset[str]]],
    made: Catalogue,
    promised: Mapping[tuple[str, str], tuple[str, bool]],
) -> None:
    """Refuses rules and records that ask for what is not there; without an inventory of its own a folder may ask."""
    homes = dict(promised) | {
        (key, name): (f"{path}:{line_of(root, (key, name))}", bool(exposed))
        for files, exposed in layers
        for path, (file, root) in files.items()
        for key in ("rules", "records")
        for name in getattr(file, key)
    }
    own = {name for file, _ in (layers[-1][0] or layers[0][0]).values() for name in file.rules}
    listed = {name for (_, name), (_, known) in homes.items() if known}
    for key, name, why in rulebook.complaints(made, learners=own, listed=listed):
        raise CatalogueError(f"{homes[key, name][0]}: {name}: {why}")


def _flowing(files: Files, known: Collection[str]) -> None:
    """Refuses a flow of these files through an area that is not there, or twice through the same."""
    seen: set[str] = set()
    for path, (file, root) in files.items():
        for i, areas in enumerate(file.flow or ()):
            for j, area in enumerate(areas):
                if area in seen or area not in known:
                    why = "is in flow twice" if area in seen else "is in flow, but no signal lies in it"
                    raise CatalogueError(
                        f"{path}:{line_of(root, ('flow', str(i), str(j)))}: the area {area!r} {why}; "
                        f"there are {', '.join(sorted(known))}"
                    )
                seen.add(area)


def _concerned(files: Files, signals: Mapping[str, Signal]) -> None:
    """Refuses an alert of these files that is said to concern what is not there."""
    areas = {signal.area for signal in signals.values()}
    for path, (file, root) in files.items():
        for name, alert in file.alerts.items():
            for key, known in (("signals", {*signals}), ("areas", areas)):
                strange = sorted({*getattr(alert, key, ())} - known)
                if strange:
                    line = line_of(root, ("alerts", name, key))
                    raise CatalogueError(
                        f"{path}:{line}: the alert {name} is about {key} {strange[0]!r}, which are not there"
                    )


def _told(queue: Queue, signals: Mapping[str, Signal], path: Path, root: yaml.Node) -> None:
    """Refuses a queue whose signals are not there, or are of a kind that cannot tell what they should."""
    wanted = {"jobs": ("count", ()), "busy": ("ratio", ()), "times": ("count", ("le",))}
    for key, name in queue.signals.items():
        line, (kind, by) = line_of(root, ("queues", queue.name, key)), wanted[key]
        if name not in signals:
            raise CatalogueError(f"{path}:{line}: the queue {queue.name} needs a signal {name!r} that is not there")
        if (signals[name].kind, signals[name].by) != (kind, by):
            labels = f"by {', '.join(by)}" if by else "without by:"
            raise CatalogueError(f"{path}:{line}: {key} of a queue is a {kind} {labels}, which {name} is not")


def _limits_of(files: Files) -> Iterator[tuple[Path, str, Limit, yaml.Node]]:
    for path, (file, root) in files.items():
        for name, limit in file.limits.items():
            if limit is not None:
                yield path, name, limit, root


def recognise(exposed: Collection[str]) -> Catalogue:
    """The catalogue that fits a server that nobody described: the stack's own, or what well-known exporters expose.

    Args:
        exposed: Names of the server's metrics.

    Raises:
        CatalogueError: Nothing there is known.
    """
    stack = load()
    own = {name for s in stack.signals.values() if s.area not in ("host", "monitoring") for name in _asked(s)} - {"up"}
    if own & set(exposed):
        return stack
    known = _overlaid([(catalogue_yaml.files(SHIPPED / "exporters"), frozenset())])
    signals = {name: signal for name, signal in known.signals.items() if _asked(signal) <= set(exposed)}
    if not signals:
        raise CatalogueError(
            f"none of the server's {len(exposed)} metrics are of node_exporter, cAdvisor, the blackbox exporter or "
            "Prometheus itself; describe your signals in a catalogue (see docs/catalogue.md)"
        )
    limits = {name: limit for name, limit in known.limits.items() if limit.signal in signals}
    return Catalogue(signals=signals, limits=limits)


def json_schema() -> str:
    """A JSON Schema of catalogue files, for editors; deterministic text."""
    schema = File.model_json_schema()
    schema["title"] = "tutordex-analysis catalogue"
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _put(known: dict[str, Any], entries: Mapping[str, object | None]) -> None:
    for name, entry in entries.items():
        if entry is None:
            known.pop(name, None)
        else:
            known[name] = entry


def _exposed(signal: Signal, exposed: frozenset[str], path: Path, line: int) -> None:
    if not exposed:
        return
    unknown = sorted(_asked(signal) - exposed)
    if unknown:
        raise CatalogueError(
            f"{path}:{line}: the signal {signal.name} asks for {unknown[0]}, which the stack does not expose "
            f"(see {INVENTORY})"
        )


def _asked(signal: Signal) -> set[str]:
    """The metrics that a signal is made of."""
    return {name for part in signal.needed for name in promql.metrics(part.at("5m"))}
