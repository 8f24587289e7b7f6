"""Every experiment of a catalogue with its data; one that cannot be read says why and takes no other along."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.experiment_data import ExperimentData
from tutordex_analysis.question.experiment_units import gather
from tutordex_analysis.source.connect import Source, connect_events, events_beside
from tutordex_analysis.source.events import EventsSource
from tutordex_analysis.source.experiments import read_tables


def read_experiments(source: Source, events: str | Path = "", *, now: pd.Timestamp) -> tuple[ExperimentData, ...]:
    """What can be read of every experiment, in the order of the catalogue.

    Args:
        source: A server or an archive, for counters; its catalogue names the experiments.
        events: A folder of event tables; "" for that of the settings, or what lies beside the sample.
        now: What came later does not count; UTC.
    """
    plans = source.catalogue.experiments.values()
    refused = ""
    tables: EventsSource | None = None
    if any(plan.tables for plan in plans):
        try:
            tables = connect_events(events, catalogue=source.catalogue) if events else events_beside(source)
        except AnalysisError as error:
            refused = str(error)
    return tuple(_read(plan, source, tables, refused if plan.tables else "", now=now) for plan in plans)


def _read(
    plan: Experiment, source: Source, events: EventsSource | None, refused: str, *, now: pd.Timestamp
) -> ExperimentData:
    if refused:
        return ExperimentData(experiment=plan, end=now, lacks=refused)
    try:
        return gather(read_tables(plan, events=events, source=source, now=now))
    except AnalysisError as error:
        return ExperimentData(experiment=plan, end=now, lacks=str(error))
