"""Alerts that fired, as masks of the signals whose numbers they make abnormal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue, Part
from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks, Window, union
from tutordex_analysis.moment import duration_text, floor
from tutordex_analysis.source import manifest as manifests
from tutordex_analysis.source import reading
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource

Source: TypeAlias = PrometheusSource | ArchiveSource | ThroughSource

NAME = "alerts"  # what `pull` calls the part below
FIRING = Part(
    'max_over_time(ALERTS{alertstate="firing"}[$step])'
)  # at t: whether it fired at any time in (t - step, t]

_MINUTE = pd.Timedelta("1min")
_LATE = pd.Timedelta("1D")  # an archive whose alerts begin so much after the history says so


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """Alerts on record.

    Attributes:
        frame: `ALERTS`, 1 where one fired in the step before, NaN elsewhere; None where nothing is known.
        step: Its step.
        note: Why nothing is known, a sentence; "" where something is.
    """

    frame: pd.DataFrame | None
    step: pd.Timedelta
    note: str = ""


def recorded(source: Source, time_range: TimeRange) -> Recorded:
    """The alerts that fired in a time range, at the finest step at which they are kept."""
    try:
        found, step = firing(source, time_range)
    except NotHeld:
        why = "the archive was pulled without alerts; the next `tutordex-analysis pull` keeps them"
    except SourceError as error:
        why = str(error)
    else:
        if len(found):
            return Recorded(frame=found, step=step)
        why = "not one alert is on record, not even a watchdog that always fires"
    return Recorded(frame=None, step=time_range.step, note=f"How often alerts fired cannot be told: {why}.")


def known(source: Source, time_range: TimeRange, *, past: bool = False) -> pd.DataFrame | None:
    """The alerts that fired in a time range and, on a server, in the minutes since; None where none is known.

    The newest complete step of a page may be an hour old, while an alert on what it tells fires.

    Args:
        source: Where they are read.
        time_range: The stretch of history.
        past: Whether it ends in the past, so that nothing since is asked for.

    Returns:
        ds, y (1 where one fired in the step before), alertname.
    """
    columns = ["ds", "y", "alertname"]
    before = recorded(source, time_range).frame
    kept = [] if before is None else [before[columns]]
    server = source.server if isinstance(source, ThroughSource) else source
    if isinstance(server, PrometheusSource) and not past:
        with contextlib.suppress(SourceError):  # told as far as it is known, as `recorded` does
            minutes = TimeRange(time_range.end - time_range.step, floor(server.now(), _MINUTE) + _MINUTE, _MINUTE)
            kept.append(server.fetch(FIRING, minutes).reindex(columns=columns))  # what fires needs not be settled
    return pd.concat(kept, ignore_index=True) if kept else None


def fired(source: Source, time_range: TimeRange) -> Masks:
    """A mask for each stretch in which an alert of the source's catalogue fired; a note where that cannot be told."""
    known = source.catalogue
    if not known.alerts:
        return Masks()
    try:
        found, step = firing(source, time_range)
    except NotHeld:
        why = f"the archive {source.uri} was pulled without them; the next `tutordex-analysis pull` keeps them"
    except SourceError as error:
        why = str(error)
    else:
        return Masks(masks=tuple(_masks(found, known)), notes=_too_young(source, step, time_range))
    return Masks(notes=(f"Nothing is left out because of alerts that fired: {why}.",))


def firing(source: Source, time_range: TimeRange) -> tuple[pd.DataFrame, pd.Timedelta]:
    """Alerts on the grid of the step at which they are kept, and that step; 1 where one fired, NaN elsewhere.

    Raises:
        NotHeld: An archive was pulled without them.
        SourceError: The source failed.
    """
    if isinstance(source, ArchiveSource):
        step = source.base_step(FIRING, time_range)
    else:
        step = reading.base_step(time_range.step)
    early = time_range.step - step
    return source.fetch(FIRING, TimeRange(time_range.start - early, time_range.end - early, step)), step


def _too_young(source: Source, step: pd.Timedelta, time_range: TimeRange) -> tuple[str, ...]:
    """A note where an archive was asked to keep other things for longer than it was asked to keep alerts."""
    archive = source.archive if isinstance(source, ThroughSource) else source
    if not isinstance(archive, ArchiveSource):
        return ()
    held = archive.manifest.held
    firsts = {key: manifests.moment(one.covered[0][0]) for key, one in held.items() if one.covered}
    since = firsts.get(f"{FIRING.digest(step)}/{duration_text(step)}")
    if since is None or since <= max(time_range.start, min(firsts.values())) + _LATE:
        return ()
    day = f"{since.tz_convert(source.catalogue.calendar.timezone):%Y-%m-%d}"
    return (f"Alerts that fired are known since {day} only; nothing before is left out because of them.",)


def _masks(firing: pd.DataFrame, catalogue: Catalogue) -> Iterator[Mask]:
    if firing.empty:
        return
    ids, grid, values = frames.matrix(firing)
    labels = frames.labels(firing)
    step = frames.step_of(firing) if len(grid) > 1 else reading.BASE_STEP
    for alert in catalogue.alerts.values():
        signals = catalogue.concerned(alert.signals, alert.areas)
        asked = promql.matchers(alert.alert)
        rows = [i for i, one in enumerate(ids) if all(m.fits(str(labels.loc[one].get(m.label, ""))) for m in asked)]
        for start, end in union(window for row in rows for window in _runs(values[row], grid, step)):
            if signals:
                yield Mask(start=start, end=end, reason=f"{alert.alert} fired", origin="alert", signals=signals)


def _runs(values: frames.Floats, grid: pd.DatetimeIndex, step: pd.Timedelta) -> Iterator[Window]:
    """The stretches of one series in which it has a value; a value at t speaks of (t - step, t]."""
    there = np.concatenate([[False], ~np.isnan(values), [False]])
    edges = np.flatnonzero(there[1:] != there[:-1]).reshape(-1, 2)
    for first, after in edges:
        yield pd.Timestamp(grid[first]) - step, pd.Timestamp(grid[after - 1])
