"""What was read for an experiment, made into what is compared: one row a unit, with all that was left out in words."""

from __future__ import annotations

import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.experiment import (
    SIDES,
    Experiment,
    ExperimentData,
    ExperimentTables,
    Metric,
    covariate_of,
    denominator_of,
)
from tutordex_analysis.model.exposure import Exposed, first_exposures
from tutordex_analysis.model.tally import Deeds, deeds
from tutordex_analysis.moment import duration

FIXED = ("unit", "arm", "ds")


def gather(tables: ExperimentTables) -> ExperimentData:
    """The data of an experiment from the tables that were read for it.

    Args:
        tables: Of `source.experiments.read_tables`.

    Raises:
        ExperimentError: No row is of either arm, or a unit has two rows in one arm and nobody knows which is newer.
    """
    plan = tables.experiment
    if tables.lacks:
        return ExperimentData(experiment=plan, end=tables.until, notes=tables.notes, lacks=tables.lacks)
    return {"pairs": _of_pairs, "events": _of_events, "counters": _of_counters, "totals": _of_totals}[plan.form](tables)


def _of_totals(tables: ExperimentTables) -> ExperimentData:
    plan = tables.experiment
    totals = {name: (one.totals[SIDES[0]], one.totals[SIDES[1]]) for name, one in plan.metrics.items()}
    sizes = [
        {plan.arms[side]: int(pair[i]["n"]) for i, side in enumerate(SIDES)}
        for name, pair in totals.items()
        if all("n" in one for one in pair)
    ]
    return ExperimentData(experiment=plan, end=pd.Timestamp("NaT"), totals=totals, seen=sizes[0] if sizes else {})


def _of_counters(tables: ExperimentTables) -> ExperimentData:
    ends = [one["ds"].iloc[-1] for pair in tables.series.values() for one in pair if len(one)]
    step = duration(tables.experiment.counters.step) if tables.experiment.counters else pd.Timedelta(0)
    end = max(ends) + step if ends else tables.until
    return ExperimentData(experiment=tables.experiment, end=end, series=tables.series, notes=tables.notes)


def _of_pairs(tables: ExperimentTables) -> ExperimentData:
    plan, rows, notes = tables.experiment, tables.rows, [*tables.notes]
    once = rows.drop_duplicates()
    if n := len(rows) - len(once):
        notes.append(f"{n:,} rows came twice and count once")
    if once.duplicated(["unit", "arm"]).any():
        timed = bool(once["ds"].notna().all())
        table = plan.tables[0]
        if not timed:
            n = int(once.duplicated(["unit", "arm"]).sum())
            raise ExperimentError(
                f"the table {table} has {n:,} units twice in one arm with different outcomes, and no time that says "
                "which is newer"
            )
        newest = once.sort_values("ds", kind="stable").drop_duplicates(["unit", "arm"], keep="last")
        notes.append(f"{len(once) - len(newest):,} older rows of a unit in the same arm are left out")
        once = newest
    units = once.assign(arm=once["arm"].map(plan.named)).sort_values(["unit", "arm"], kind="stable")
    seen = {name: int((units["arm"] == side).sum()) for name, side in plan.named.items()}
    newest_row = units["ds"].max()
    end = tables.until if pd.isna(newest_row) else newest_row
    return ExperimentData(experiment=plan, end=end, units=units.reset_index(drop=True), seen=seen, notes=tuple(notes))


def _of_events(tables: ExperimentTables) -> ExperimentData:
    plan, rows = tables.experiment, tables.rows
    shown = first_exposures(rows)
    everyone = shown.units()
    exposed = shown.of([*plan.named])
    if not len(exposed.frame):
        there = ", ".join(sorted(everyone)) or "none but units in two"
        raise ExperimentError(
            f"the table {plan.tables[0]} has no unit in {' or '.join(plan.named)}; its arms are {there}"
        )
    side = exposed.frame["arm"].map(plan.named)
    exposed = Exposed(
        frame=exposed.frame.assign(arm=side), crossed=exposed.crossed, repeated=exposed.repeated, at=exposed.at
    )
    did = deeds(exposed, tables.outcomes)
    newest = max(one["ds"].max() for one in (rows, tables.outcomes) if len(one))
    end = min(tables.until, newest)
    units = exposed.frame.copy()
    for name, metric in plan.metrics.items():
        if metric.quantile is None:
            units = units.assign(**_columns(name, metric, did, end))
    for name in (str(one) for one in rows.columns if one not in FIXED):
        units[name] = rows[name].to_numpy(object)[exposed.at]
    values = {
        name: _watched_values(metric, did, end) for name, metric in plan.metrics.items() if metric.quantile is not None
    }
    notes = (*tables.notes, *_left_out(shown, did, everyone, plan))
    return ExperimentData(experiment=plan, end=end, units=units, values=values, seen=everyone, notes=notes)


def _columns(name: str, metric: Metric, did: Deeds, end: pd.Timestamp) -> dict[str, pd.Series]:
    """The columns of one metric: itself, what is below it, and both from before."""
    within = duration(metric.within) if metric.within else None
    before = duration(metric.before) if metric.before else None
    watched = did.watched(within, until=end)
    parts = [(name, str(metric.event), metric.take)]
    if metric.per is not None:
        parts.append((denominator_of(name), metric.per, "events"))
    found: dict[str, pd.Series] = {}
    for column, event, take in parts:
        found[column] = pd.Series(did.taken(event, take, within=within)).where(watched)
        if before is not None:
            found[covariate_of(column)] = pd.Series(did.taken(event, take, before=before))
    return found


def _watched_values(metric: Metric, did: Deeds, end: pd.Timestamp) -> pd.DataFrame:
    """Values of units that have been watched for long enough."""
    within = duration(metric.within) if metric.within else None
    values = did.values(str(metric.event), within=within)
    watched = did.watched(within, until=end)
    return (
        values
        if watched.all()
        else values[values["unit"].isin(did.exposed.frame["unit"][watched])].reset_index(drop=True)
    )


def _left_out(shown: Exposed, did: Deeds, everyone: dict[str, int], plan: Experiment) -> list[str]:
    """A sentence for each kind of row or unit that does not count."""
    strange = {name: n for name, n in everyone.items() if name not in plan.named}
    told = [
        (len(shown.crossed), "units saw more than one arm and are in none"),
        (sum(strange.values()), f"units are in arms that the experiment does not have: {', '.join(sorted(strange))}"),
        (shown.repeated, "exposures came twice and count once"),
        (did.repeated, "outcomes came twice and count once"),
        (did.before, "outcomes came before the exposure of their unit and do not count as outcomes"),
        (did.unexposed, "outcomes are of units that were never exposed, or are in no arm, and do not count"),
    ]
    return [f"{n:,} {words}" for n, words in told if n]
