"""Releases and restarts of a stack, from the version that each process exposes and the moment at which it started.

The catalogue says which signals tell them (`tells: deploy`, `tells: restart`). Where they are not held, raw counters of
the same area tell almost the same: their label `pipeline_version`, and that they began again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis import changes_file
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Part, Signal
from tutordex_analysis.change import Change, Changes, merged
from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source import reading
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.masks import speaks_of
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource

Source: TypeAlias = PrometheusSource | ArchiveSource | ThroughSource
Window: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]

VERSION = "pipeline_version"  # the label of counters that says the same as a version of its own
_BESIDE = re.compile(r"(ab_|historical_full_).*|-?")  # trials and replays run beside the release, see stack.yaml
_NOTHING_TELLS = "Releases and restarts are not known: no signal of the catalogue tells them."
_LOOP = pd.Timedelta("30min")  # restarts so close after each other are one, with their number


def read_changes(source: Source, time_range: TimeRange, *, settings: Settings | None = None) -> Changes:
    """The releases and restarts in a stretch of time; a note where they cannot be told, or only roughly.

    Releases told by hand in the `changes.yaml` of the catalogue folder are among them, where the file speaks of this
    server; one that a version tells too is there once.

    Args:
        source: Where the history is read; its catalogue says what tells of changes.
        time_range: The stretch; a change is known as exactly as its step, a restart mostly to the second.
        settings: Those in force when left out; they name the catalogue folder.

    Raises:
        CatalogueError: The file of releases is wrong, with file and line.
    """
    known = settings or load()
    path = changes_file.path_of(known)
    told = _exposed(source, time_range)
    if path is None or not speaks_of(known, source):
        return told
    by_hand = changes_file.read(path, source.catalogue).changes
    inside = tuple(one for one in by_hand if one.end >= time_range.start and one.start < time_range.end)
    if inside and not told.changes:
        told = Changes(notes=tuple(note for note in told.notes if note != _NOTHING_TELLS))
    return merged(told, Changes(changes=inside))


def _exposed(source: Source, time_range: TimeRange) -> Changes:
    """What the processes themselves expose."""
    known = source.catalogue
    telling = [signal for signal in known.signals.values() if signal.tells is not None]
    if not telling:
        return Changes(notes=(_NOTHING_TELLS,))
    found: list[Change] = []
    gaps: dict[str, list[str]] = {}
    for signal in telling:
        what = "Releases" if signal.tells == "deploy" else "Restarts"
        try:
            changes, gap = _told(source, signal, known, time_range)
        except SourceError as error:
            changes, gap = [], f"{what} of {{areas}} are not known: {error}."
        if gap:
            gaps.setdefault(gap.replace("{what}", what), []).append(signal.area)
        found += changes
    deploys = [one for one in found if one.kind == "deploy"]
    restarts = [one for one in found if one.kind == "restart" and not any(_same(one, other) for other in deploys)]
    return Changes(
        changes=tuple(sorted([*deploys, *_loops(restarts)], key=lambda one: (one.start, one.kind, one.component))),
        notes=tuple(gap.replace("{areas}", ", ".join(areas)) for gap, areas in sorted(gaps.items())),
    )


_ROUGH = "{what} of {areas} are told by counters, to the step and not all of them: "
_UNKNOWN = "{what} of {areas} are not known: "
_NOT_PULLED = "what tells them was not pulled, the next `tutordex-analysis pull` keeps it."
_NOT_EXPOSED = "the server has no sample of what tells them in this stretch of time."


def _told(source: Source, signal: Signal, known: Catalogue, time_range: TimeRange) -> tuple[list[Change], str]:
    """The changes that a signal tells, or counters of its area in its stead, and what is to be said of that."""
    answer = _fetched(source, signal.parts[0], time_range)
    if answer is not None:
        if signal.tells == "deploy":
            return list(_releases(answer, signal.by[0], signal.area)), ""
        return list(_starts(answer, signal.area, time_range)), ""
    why = _NOT_PULLED if isinstance(source, ArchiveSource) else _NOT_EXPOSED
    for counter in _counters(known, signal.area):
        answer = _fetched(source, counter, time_range)
        if answer is not None and signal.tells == "restart":
            return list(_resets(answer, signal.area)), _ROUGH + why
        if answer is not None and VERSION in answer.columns:
            return list(_releases(answer, VERSION, signal.area)), _ROUGH + why
    return [], _UNKNOWN + why


def _fetched(source: Source, part: Part, time_range: TimeRange) -> pd.DataFrame | None:
    """A part on the finest grid on which it is held; None where it is not, or has no sample."""
    try:
        if isinstance(source, ArchiveSource):
            step = source.base_step(part, time_range)
        else:
            step = reading.base_step(time_range.step)
        early = time_range.step - step
        answer = source.fetch(part, TimeRange(time_range.start - early, time_range.end - early, step))
    except NotHeld:
        return None
    return None if answer.empty or not answer["y"].notna().any() else answer


def _counters(known: Catalogue, area: str) -> Iterator[Part]:
    """Raw counters of an area that are there while its process lives."""
    for signal in known.signals.values():
        if signal.area == area and signal.kind == "count" and signal.up and isinstance(signal.counter, str):
            yield signal.part(signal.counter)


def _releases(answer: pd.DataFrame, label: str, area: str) -> Iterator[Change]:
    """A release for each version that was not there at the instant before at which any was."""
    there = answer[answer["y"].notna()]
    versions = there[label].astype(str)
    there = there.assign(version=versions)[~versions.map(lambda text: bool(_BESIDE.fullmatch(text)))]
    shown = pd.crosstab(there["ds"], there["version"]) > 0
    new = shown & ~shown.shift(fill_value=False)
    moments = pd.DatetimeIndex(shown.index)
    for row in range(1, len(shown)):
        for version in new.columns[new.iloc[row]]:
            name = f"{area} released as {version}"
            yield Change(kind="deploy", component=area, name=name, start=moments[row - 1], end=moments[row])


def _starts(answer: pd.DataFrame, area: str, time_range: TimeRange) -> Iterator[Change]:
    """A restart for each start of a process that lies in the range."""
    seconds = sorted({round(value, 3) for value in answer["y"].dropna()})
    for second in seconds:
        moment = pd.Timestamp(second, unit="s", tz="UTC")
        if time_range.start <= moment < time_range.end:
            yield Change(kind="restart", component=area, name=f"{area} restarted", start=moment, end=moment)


def _resets(answer: pd.DataFrame, area: str) -> Iterator[Change]:
    """A restart for each moment that the counters which began again have in common."""
    ids, grid, values = frames.matrix(answer)
    windows: list[Window] = []
    for row in range(len(ids)):
        seen = np.flatnonzero(~np.isnan(values[row]))
        again = np.flatnonzero(np.diff(values[row][seen]) < 0)
        windows += [(pd.Timestamp(grid[seen[i]]), pd.Timestamp(grid[seen[i + 1]])) for i in again]
    for start, end in _in_common(windows):
        yield Change(kind="restart", component=area, name=f"{area} restarted", start=start, end=end)


def _in_common(windows: Iterable[Window]) -> list[Window]:
    """As few moments as explain all windows, each as the stretch that its windows share."""
    found: list[Window] = []
    for start, end in sorted(windows, key=lambda one: (one[1], one[0])):
        if found and start < found[-1][1]:
            found[-1] = max(start, found[-1][0]), found[-1][1]
        else:
            found.append((start, end))
    return found


def _same(restart: Change, deploy: Change) -> bool:
    """Whether a restart is that of a release: a new version needs one."""
    early = deploy.start - pd.Timedelta("1min")
    return restart.component == deploy.component and early <= restart.end and restart.start <= deploy.end


def _loops(restarts: Sequence[Change]) -> Iterator[Change]:
    """Restarts of one component that follow each other closely as one change."""
    by_component: dict[str, list[Change]] = {}
    for one in sorted(restarts, key=lambda one: one.start):
        by_component.setdefault(one.component, []).append(one)
    for component, own in by_component.items():
        begins = [i for i, one in enumerate(own) if i == 0 or one.start - own[i - 1].end > _LOOP]
        for first, after in pairwise([*begins, len(own)]):
            times = "" if after - first == 1 else f" {after - first} times"
            name = f"{component} restarted{times}"
            yield Change(kind="restart", component=component, name=name, start=own[first].start, end=own[after - 1].end)
