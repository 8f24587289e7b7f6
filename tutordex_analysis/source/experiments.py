"""What an experiment of the catalogue reads: rows of pairs, exposures and outcomes, or counters by arm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.experiment import Events, Experiment, Metric, Pairs
from tutordex_analysis.experiment_data import ExperimentTables
from tutordex_analysis.measure import count_text
from tutordex_analysis.moment import duration
from tutordex_analysis.source import experiment_counters, tables
from tutordex_analysis.source.connect import Source
from tutordex_analysis.source.events import EventsSource
from tutordex_analysis.source.tables import Asked

GUIDE = "docs/instrumentation.md"


def read_tables(
    experiment: Experiment, *, events: EventsSource | None, source: Source | None, now: pd.Timestamp
) -> ExperimentTables:
    """The rows and counters of one experiment; a sentence in `lacks` where there are none yet.

    Args:
        experiment: Its plan.
        events: The event tables, for pairs and events.
        source: A server or an archive, for counters.
        now: Rows and samples after it do not count; UTC.

    Raises:
        SourceError: A table lacks a column, holds what it must not, or cannot be read.
    """
    empty = ExperimentTables(experiment=experiment, now=now)
    if experiment.form == "totals":
        return empty
    if now <= experiment.start:
        return _lacking(empty, f"it starts on {experiment.start:%Y-%m-%d %H:%M} UTC")
    if experiment.counters is not None:
        return experiment_counters.read(experiment, source=source, now=now)
    if events is None:
        names = " and ".join(experiment.tables)
        return _lacking(
            empty, f"it needs the table {names}; name its folder or database in the setting events_url ({GUIDE})"
        )
    try:
        return _pairs(experiment, events, now) if experiment.pairs is not None else _events(experiment, events, now)
    except NotHeld as error:
        return _lacking(empty, f"{error} ({GUIDE})")


def _lacking(tables: ExperimentTables, why: str) -> ExperimentTables:
    return ExperimentTables(experiment=tables.experiment, now=tables.now, notes=tables.notes, lacks=why)


def _pairs(experiment: Experiment, events: EventsSource, now: pd.Timestamp) -> ExperimentTables:
    plan = experiment.pairs or Pairs()
    until = ExperimentTables(experiment=experiment, now=now).until
    columns = {"unit": plan.unit, "arm": plan.arm} | ({"ds": plan.time} if plan.time else {})
    columns |= {f"metric {name}": str(metric.column) for name, metric in experiment.metrics.items()}
    columns |= {f"segment {name}": name for name in plan.segments}
    arms = tuple(experiment.named)
    found = events.tables.read(
        Asked(
            table=plan.table, columns=columns, time=plan.time or "", start=experiment.start, end=until,
            equals={plan.arm: arms},
        )
    )  # fmt: skip
    where = f"the table {plan.table} in {events.uri}"
    if not len(found):
        return ExperimentTables(
            experiment=experiment, now=now, lacks=f"{where} has no rows with {plan.arm} {' or '.join(arms)} in its time"
        )
    notes: list[str] = []
    rows = _known(found, {"unit": plan.unit, "ds": plan.time or ""}, plan.table, notes)
    made = {
        "unit": tables.units(rows["unit"]),
        "arm": tables.texts(rows["arm"]),
        "ds": rows["ds"] if plan.time else pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]"),
    }
    for name, metric in experiment.metrics.items():
        made[name] = _outcome(rows[f"metric {name}"], metric, f"{metric.column} of {where}")
        if n := int(made[name].isna().sum()):
            notes.append(f"{count_text(n, 'row')} of {plan.table} without {metric.column} yet, not counted for {name}")
    made |= {name: tables.texts(rows[f"segment {name}"]).fillna("unknown") for name in plan.segments}
    return ExperimentTables(experiment=experiment, now=now, rows=pd.DataFrame(made), notes=tuple(notes))


def _outcome(column: pd.Series, metric: Metric, where: str) -> pd.Series:
    """Yes and no as 1 and 0, or the number; NaN where the row has none."""
    if not metric.equals:
        found = tables.numbers(column, where)
        if np.isinf(found).any():
            raise SourceError(f"{where} must be numbers, and it holds an infinite one")
        return found
    text = tables.texts(column)
    yes = text.isin([*metric.equals]).astype(np.float64)
    return yes.where(text.notna() & ~text.isin([*metric.waiting]))


def _events(experiment: Experiment, events: EventsSource, now: pd.Timestamp) -> ExperimentTables:
    plan = experiment.events or Events()
    until = ExperimentTables(experiment=experiment, now=now).until
    shown = {"unit": plan.unit, "arm": plan.arm, "ds": plan.time} | {f"segment {one}": one for one in plan.segments}
    found = events.tables.read(
        Asked(
            table=plan.exposures, columns=shown, time=plan.time, start=experiment.start, end=until,
            equals={plan.experiment: (experiment.name,)} if plan.experiment else {},
        )
    )  # fmt: skip
    arms = tables.texts(found["arm"])
    found = found.assign(arm=arms)[arms.notna()]  # of a table with other events too, these are the exposures
    notes: list[str] = []
    rows = _known(found, {"unit": plan.unit, "ds": plan.time}, plan.exposures, notes)
    if not len(rows):
        why = f"the table {plan.exposures} in {events.uri} has no exposures of {experiment.name} yet"
        return ExperimentTables(experiment=experiment, now=now, notes=tuple(notes), lacks=why)
    did = _outcomes(experiment, plan, events, until, notes)
    units = tables.units(rows["unit"])
    if len(did) and pd.api.types.is_integer_dtype(units) != pd.api.types.is_integer_dtype(did["unit"]):
        raise SourceError(
            f"{plan.unit} is a number in one of {plan.exposures} and {plan.outcomes} of {events.uri} and text in the "
            "other, so no outcome belongs to a unit; export both alike"
        )
    made = {"unit": units, "arm": rows["arm"], "ds": rows["ds"]}
    made |= {one: tables.texts(rows[f"segment {one}"]).fillna("unknown") for one in plan.segments}
    return ExperimentTables(experiment=experiment, now=now, rows=pd.DataFrame(made), outcomes=did, notes=tuple(notes))


def _outcomes(
    experiment: Experiment, plan: Events, events: EventsSource, until: pd.Timestamp, notes: list[str]
) -> pd.DataFrame:
    """The named events from the longest `before` on."""
    wanted = {one for metric in experiment.metrics.values() for one in (metric.event, metric.per) if one}
    valued = {str(metric.event) for metric in experiment.metrics.values() if metric.take == "value"}
    earlier = [duration(metric.before) for metric in experiment.metrics.values() if metric.before]
    columns = {"unit": plan.unit, "ds": plan.time, "event": plan.event}
    columns |= ({"value": plan.value} if valued else {}) | ({"id": plan.id} if plan.id else {})
    found = events.tables.read(
        Asked(
            table=plan.outcomes, columns=columns, time=plan.time,
            start=experiment.start - max(earlier, default=pd.Timedelta(0)), end=until,
            equals={plan.event: tuple(sorted(wanted))},
        )
    )  # fmt: skip
    rows = _known(found, {"unit": plan.unit, "ds": plan.time}, plan.outcomes, notes)
    made = {"unit": tables.units(rows["unit"]), "ds": rows["ds"], "event": tables.texts(rows["event"])}
    if valued:
        where = f"{plan.value} of the table {plan.outcomes} in {events.uri}"
        made["value"] = tables.numbers(rows["value"], where)
        if n := int((made["event"].isin(valued) & ~np.isfinite(made["value"])).sum()):
            raise SourceError(
                f"{where} is empty or infinite in {count_text(n, 'row')} of {' and '.join(sorted(valued))}"
            )
        made["value"] = made["value"].where(made["event"].isin(valued), 1.0)
    if plan.id:
        made["id"] = rows["id"]
    return pd.DataFrame(made)


def _known(rows: pd.DataFrame, columns: dict[str, str], table: str, notes: list[str]) -> pd.DataFrame:
    """Rows with a unit; one without a time is an error, since nobody knows on which side of the exposure it lies."""
    if columns["ds"] and (n := int(rows["ds"].isna().sum())):
        raise SourceError(f"the table {table} has {count_text(n, 'row')} without {columns['ds']}; export it whole")
    absent = rows["unit"].isna()
    if n := int(absent.sum()):
        notes.append(f"{count_text(n, 'row')} of {table} without {columns['unit']}, left out")
        rows = rows[~absent]
    return rows.reset_index(drop=True)
