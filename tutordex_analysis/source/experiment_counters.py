"""Counters with a label for the arm, as events in buckets of time: whole ones, restarts and births included."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.errors import NotHeld
from tutordex_analysis.experiment import SIDES, Counters, Experiment, Metric
from tutordex_analysis.experiment_data import ExperimentTables
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.moment import duration, floor
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource

Arms = dict[str, Floats]


def read(
    experiment: Experiment, *, source: PrometheusSource | ArchiveSource | ThroughSource | None, now: pd.Timestamp
) -> ExperimentTables:
    """Events of both arms by bucket; a metric of which an arm has no series is left out with a note.

    Where trials are counted, a bucket with trials and no series of events had none; a bucket without trials is unknown.

    Args:
        experiment: Its plan, with counters.
        source: A server or an archive.
        now: Samples after it do not count; UTC.

    Raises:
        SourceError: The server did not answer, or a file of the archive is damaged.
    """
    plan = experiment.counters or Counters()
    empty = ExperimentTables(experiment=experiment, now=now)
    if source is None:
        return _lacking(empty, "its counters are in Prometheus; name a server or an archive")
    step = duration(plan.step)
    first = floor(experiment.start + step - pd.Timedelta("1ms"), step)
    if first + step > empty.until:
        return _lacking(empty, f"it has not run for a whole bucket of {plan.step} yet")
    grid = TimeRange(first + step, floor(empty.until, step) + step, step)
    series: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    notes: list[str] = []
    try:
        found = {text: _by_arm(source, experiment.name, text, plan.label, grid) for text in experiment.counted}
    except NotHeld as error:
        return _lacking(empty, str(error))
    for name, metric in experiment.metrics.items():
        made = _metric(found, metric, tuple(experiment.arms[side] for side in SIDES), grid)
        if isinstance(made, str):
            notes.append(f"{name}: {made.format(label=plan.label)}")
        else:
            series[name] = made
    if not series:
        return _lacking(empty, "; ".join(notes))
    return ExperimentTables(experiment=experiment, now=now, series=_ended(series), notes=tuple(notes))


def _lacking(tables: ExperimentTables, why: str) -> ExperimentTables:
    return ExperimentTables(experiment=tables.experiment, now=tables.now, lacks=why)


def _by_arm(
    source: PrometheusSource | ArchiveSource | ThroughSource, name: str, selector: str, label: str, grid: TimeRange
) -> Arms:
    """Events a bucket by the arm's name; a series without the label is no arm."""
    spec = Signal(
        name=name, title="Events of arms", area="experiment", kind="count", unit="events", counter=selector,
        by=(label,),
    )  # fmt: skip
    frame = source.read(spec, grid)
    if frame.empty:
        return {}
    _, moments, values = frames.matrix(frame)
    offset = round((moments[0] - grid.start) / grid.step)
    names = frames.labels(frame)[label].astype(str)
    found: Arms = {}
    for arm, row in zip(names, values, strict=True):
        found[arm] = np.full(len(grid), np.nan)
        found[arm][offset : offset + len(row)] = row  # a server cuts the range at its now
    return {arm: row for arm, row in found.items() if arm}


def _metric(
    found: dict[str, Arms], metric: Metric, arms: tuple[str, ...], grid: TimeRange
) -> tuple[pd.DataFrame, pd.DataFrame] | str:
    """Both tables of a metric, or why there are none."""
    below = str(metric.trials or metric.counter)
    absent = [arm for arm in arms if arm not in found[below]]
    if absent:
        there = ", ".join(sorted(found[below])) or "none"
        return f"no sample of {below} has {{label}} {absent[0]!r} in its time; there is {there}"
    none = np.full(len(grid), np.nan)
    starts = grid.grid - grid.step
    made = []
    for arm in arms:
        events = found[str(metric.counter)].get(arm, none)
        table = pd.DataFrame({"ds": starts, "y": events})
        if metric.trials is not None:
            trials = found[below][arm]
            table["y"] = np.where(np.isnan(trials), np.nan, np.where(np.isnan(events), 0.0, events))
            table["trials"] = trials
        made.append(table)
    return made[0], made[1]


def _ended(series: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Without the buckets after the newest sample of any."""
    seen = [np.flatnonzero(table["y"].notna()) for pair in series.values() for table in pair]
    end = max((int(one[-1]) + 1 for one in seen if len(one)), default=0)
    return {name: (one.iloc[:end], two.iloc[:end]) for name, (one, two) in series.items()}
