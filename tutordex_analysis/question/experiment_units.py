"""What was read for an experiment, made into what is compared: one row a unit, with all that was left out in words."""

from __future__ import annotations

import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.experiment import SIDES, Experiment, Metric
from tutordex_analysis.experiment_data import ExperimentData, ExperimentTables, covariate_of, denominator_of
from tutordex_analysis.measure import count_text
from tutordex_analysis.model.exposure import Exposed, first_exposures
from tutordex_analysis.model.tally import Deeds, deeds
from tutordex_analysis.moment import duration
from tutordex_analysis.question import experiment_close

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
        return ExperimentData(
            experiment=plan, end=tables.until, over=tables.over, notes=tables.notes, lacks=tables.lacks
        )
    return {"pairs": _of_pairs, "events": _of_events, "counters": _of_counters, "totals": _of_totals}[plan.form](tables)


def _of_totals(tables: ExperimentTables) -> ExperimentData:
    plan = tables.experiment
    totals = {name: (one.totals[SIDES[0]], one.totals[SIDES[1]]) for name, one in plan.metrics.items()}
    sizes = [
        {plan.arms[side]: int(pair[i]["n"]) for i, side in enumerate(SIDES)}
        for name, pair in totals.items()
        if all("n" in one for one in pair)
    ]
    seen = sizes[0] if sizes else {}
    return ExperimentData(experiment=plan, end=pd.Timestamp("NaT"), over=True, totals=totals, seen=seen)


def _of_counters(tables: ExperimentTables) -> ExperimentData:
    ends = [one["ds"].iloc[-1] for pair in tables.series.values() for one in pair if len(one)]
    step = duration(tables.experiment.counters.step) if tables.experiment.counters else pd.Timedelta(0)
    end = max(ends) + step if ends else tables.until
    return ExperimentData(
        experiment=tables.experiment, end=end, over=tables.over, series=tables.series, notes=tables.notes
    )


def _of_pairs(tables: ExperimentTables) -> ExperimentData:
    plan, notes = tables.experiment, [*tables.notes]
    closing = experiment_close.of_pairs(tables.rows, plan)
    rows = tables.rows if closing is None else tables.rows[tables.rows["ds"] <= closing]
    once = rows.drop_duplicates()
    if n := len(rows) - len(once):
        notes.append(f"{count_text(n, 'row')} came twice, counted once")
    if once.duplicated(["unit", "arm"]).any():
        timed = bool(once["ds"].notna().all())
        table = plan.tables[0]
        if not timed:
            n = int(once.duplicated(["unit", "arm"]).sum())
            raise ExperimentError(
                f"the table {table} has {count_text(n, 'unit')} twice in one arm with different outcomes, and no "
                "time that says which is newer"
            )
        newest = once.sort_values("ds", kind="stable").drop_duplicates(["unit", "arm"], keep="last")
        notes.append(f"{count_text(len(once) - len(newest), 'older row')} of a unit in the same arm, left out")
        once = newest
    units = once.assign(arm=once["arm"].map(plan.named)).sort_values(["unit", "arm"], kind="stable")
    seen = {name: int((units["arm"] == side).sum()) for name, side in plan.named.items()}
    newest_row = units["ds"].max()
    return ExperimentData(
        experiment=plan,
        end=tables.until if pd.isna(newest_row) else newest_row,
        over=tables.over or closing is not None,
        units=units.reset_index(drop=True),
        seen=seen,
        notes=tuple(notes),
    )


def _of_events(tables: ExperimentTables) -> ExperimentData:
    plan, rows, came = tables.experiment, tables.rows, tables.outcomes
    newest = max(one["ds"].max() for one in (rows, came) if len(one))
    end = min(tables.until, newest)
    closed = experiment_close.of_events(rows, plan, seen_until=end)
    if closed is not None:
        rows, came = rows[rows["ds"] <= closed.enrolled], came[came["ds"] <= closed.watched]
        end = closed.watched
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
    did = deeds(exposed, came)
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
    over = tables.over or closed is not None
    return ExperimentData(experiment=plan, end=end, over=over, units=units, values=values, seen=everyone, notes=notes)


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
    those = ", ".join(sorted(strange))
    counts = [
        (len(shown.crossed), "unit", "saw more than one arm, in none"),
        (sum(strange.values()), "unit", f"in arms that the experiment does not have, left out: {those}"),
        (shown.repeated, "exposure", "came twice, counted once"),
        (did.repeated, "outcome", "came twice, counted once"),
        (did.before, "outcome", "came before the exposure of their unit, not counted as outcomes"),
        (did.unexposed, "outcome", "of units never exposed, or in no arm, not counted"),
    ]
    return [f"{count_text(n, noun)} {words}" for n, noun, words in counts if n]
