"""Brings an archive up to date from a source: asks for what is not held yet, and keeps each piece as it comes.

Safe to kill at any moment and to start twice: one lock a folder, data before manifest, every file whole or not at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import pandas as pd

from tutordex_analysis import disk
from tutordex_analysis.catalogue import Part
from tutordex_analysis.errors import AnalysisError, NotWritten, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import Instant, Span, duration, floor, instant
from tutordex_analysis.source import manifest as manifests
from tutordex_analysis.source import storage
from tutordex_analysis.source.manifest import Held, Manifest, Month, Stretches

SINCE = "15d"  # what Prometheus keeps by default
HOLD_BACK = pd.Timedelta("10m")  # longer than a lookback (5 m) and a late scrape: what is older no longer changes
PIECE_SAMPLES = 2_000_000  # of one request: about 60 MB as a frame
Progress: TypeAlias = Callable[[int, int, str], None]


class Queried(Protocol):
    """What `pull` needs of a source."""

    @property
    def uri(self) -> str:
        """Where it is, without secrets."""

    def query(self, promql: str, time_range: TimeRange) -> pd.DataFrame:
        """The frame of one PromQL text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PullResult:
    """What one pull brought.

    Attributes:
        table: One row a signal: `signal`, `series` (the most in one month of one part), `samples` (new ones), `gaps`
            (stretches without any sample between its oldest and its newest), `newest` (NaT without any), `error` (""
            when all went well).
        asked_from: The earliest instant that was asked for; None when nothing was.
        asked_to: The end of what was asked for, half-open.
    """

    table: pd.DataFrame
    asked_from: pd.Timestamp | None
    asked_to: pd.Timestamp | None

    @property
    def failed(self) -> bool:
        """Whether any signal has an error; the command then exits with 1."""
        return bool((self.table["error"] != "").any())


@dataclass(kw_only=True)
class _Done:
    """What has come of one part so far."""

    held: Held
    samples: int = 0
    error: str = ""
    asked: Stretches = ()


def pull(
    source: Queried,
    archive_folder: Path | str,
    parts: Mapping[str, Sequence[Part]],
    *,
    step: Span,
    since: Span = SINCE,
    refill: tuple[Instant, Instant] | None = None,
    now: Instant,
    on_progress: Progress | None = None,
    note: str = "",
) -> PullResult:
    """Appends to the archive what the source has and the archive lacks.

    A part is asked from its newest held sample less ten minutes, and wherever the last `since` was not asked yet; the
    ten minutes before `now` are held back, for they may still change. An empty answer is kept as an answer, and asked
    again only for `since`. A part that fails has its sentence in the table; the others go on.

    Args:
        source: Where from.
        archive_folder: The folder of this source; its name is the source's name.
        parts: Parts by signal; a part of several signals is asked once.
        step: The grid; it divides a day.
        since: How far back the first pull goes.
        refill: A stretch to ask again whatever is held, in place of the above; see `storage.merge`.
        now: The source's clock.
        on_progress: Called with parts done, parts in all, and the signal that comes next.
        note: How the archive is made, kept in its manifest.

    Returns:
        A table of what came.

    Raises:
        SourceError: Another pull runs, the folder belongs to another URL, the manifest is damaged, or it cannot be
            written (full disk).
        FrameError: A duration or a moment is not one.
    """
    folder, length = Path(archive_folder), duration(step)
    storage.per_day(length)
    end = floor(instant(now) - HOLD_BACK, length) + length
    with disk.locked(folder):
        archive = _Archive(folder, _opened(folder, source.uri, note))
        done: dict[str, _Done] = {}
        owners = _owners(parts)
        for i, (part, signals) in enumerate(owners.items()):
            if on_progress is not None:
                on_progress(i, len(owners), signals[0])
            held = archive.entry(part, length, signals)
            wanted = (
                _refilled(refill, length, end)
                if refill is not None
                else _wanted(held, end=storage.epoch(end), since=storage.milliseconds(duration(since)))
            )
            done[part.query] = archive.fill(source, held, wanted, refill=refill is not None)
        if on_progress is not None:
            on_progress(len(owners), len(owners), "")
    asked = manifests.union(stretch for one in done.values() for stretch in one.asked)
    return PullResult(
        table=_table(parts, done),
        asked_from=manifests.moment(asked[0][0]) if asked else None,
        asked_to=manifests.moment(asked[-1][1]) if asked else None,
    )


class _Archive:
    """An archive being filled: its folder, and the manifest as it is on disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest

    def entry(self, part: Part, step: pd.Timedelta, signals: Sequence[str]) -> Held:
        """What is held of a part, with its signals as they are called today."""
        digest = part.digest(step)
        new = Held(query=part.query, promql=part.at(step), digest=digest, step=step)
        held = self.manifest.held.get(new.key, new)
        names = tuple(sorted({*held.signals, *signals}))
        return dataclasses.replace(held, query=part.query, signals=names, replaces=part.replaces or held.replaces)

    def fill(self, source: Queried, held: Held, wanted: Stretches, *, refill: bool) -> _Done:
        """Asks for the wanted stretches piece by piece; each is on disk before the next is asked for."""
        done = _Done(held=held)
        try:
            for start, end in wanted:
                while start < end:
                    piece = _piece(done.held, start, end)
                    done.asked = manifests.union([*done.asked, (start, storage.epoch(piece.end))])
                    self._keep(done, source.query(held.promql, piece), piece, refill=refill)
                    start = storage.epoch(piece.end)
        except NotWritten:
            raise  # every other part would meet it too
        except AnalysisError as error:
            done.error = str(error)
        return done

    def _keep(self, done: _Done, answer: pd.DataFrame, piece: TimeRange, *, refill: bool) -> None:
        """Data first, then the manifest that speaks of them."""
        span = (storage.epoch(piece.start), storage.epoch(piece.end))
        month = storage.month_of(span[0])
        path = self.folder / done.held.key / f"{month}.parquet"
        if refill:
            self._put_aside(done, path)
        elif month in done.held.months and not path.exists():
            raise storage.damaged(path)
        written = storage.merge(path, answer, piece, query=done.held.query, refill=refill)
        gone = manifests.runs(~written.present, start=span[0], step=storage.milliseconds(piece.step))
        months = {name: one for name, one in done.held.months.items() if name != month}
        if written.samples:
            months[month] = Month(series=written.series, samples=written.samples, bytes=written.bytes)
        done.samples += written.new
        self._put(
            done,
            covered=manifests.union([*done.held.covered, span]),
            empty=manifests.union([*manifests.subtract(done.held.empty, [span]), *gone]),
            months=months,
        )

    def _put_aside(self, done: _Done, path: Path) -> None:
        """Renames a damaged file to `*.damaged` and forgets its month, which is then asked for anew."""
        month = [storage.month_span(path.stem)]
        try:
            if path.exists() or path.stem in done.held.months:
                storage.read(path, step=done.held.step)
        except storage.DamagedFile:
            self._put(
                done,
                covered=manifests.subtract(done.held.covered, month),
                empty=manifests.subtract(done.held.empty, month),
                months={name: one for name, one in done.held.months.items() if name != path.stem},
            )
            if path.exists():
                path.replace(path.with_name(f"{path.name}.damaged"))

    def _put(self, done: _Done, *, covered: Stretches, empty: Stretches, months: Mapping[str, Month]) -> None:
        done.held = dataclasses.replace(done.held, covered=covered, empty=empty, months=months)
        changed = self.manifest.with_held(done.held)
        if changed != self.manifest:
            manifests.save(self.folder, changed)
            self.manifest = changed


def _opened(folder: Path, url: str, note: str) -> Manifest:
    manifest = manifests.load(folder)
    if manifest is None:
        if any(folder.rglob("*.parquet")):
            raise SourceError(
                f"{folder} holds data but no {manifests.NAME}; put it back from a copy, or move the folder away"
            )
        manifest = Manifest(source=folder.resolve().name, url=url, note=note)
        manifests.save(folder, manifest)  # before any data, so that data without a manifest are known to be odd
        return manifest
    if manifest.url != url:
        raise SourceError(
            f"the archive {folder} was pulled from {manifest.url}, not from {url}; use another source name, or, if the "
            f'server has only moved, change "url" in {folder / manifests.NAME}'
        )
    return dataclasses.replace(manifest, note=note or manifest.note)


def _owners(parts: Mapping[str, Sequence[Part]]) -> dict[Part, list[str]]:
    owners: dict[Part, list[str]] = {}
    known: dict[str, Part] = {}
    for signal, own in parts.items():
        for part in own:
            first = known.setdefault(part.query, part)
            owners.setdefault(first, []).append(signal)
    return owners


def _wanted(held: Held, *, end: int, since: int) -> Stretches:
    """What to ask for: the window where it was never asked, and the tail that may have grown."""
    step = storage.milliseconds(held.step)
    window = ((_floor(end - since, step), end),)
    tail: Stretches = ()
    if held.covered:
        asked_to = held.covered[-1][1]
        newest = storage.epoch(held.newest) if held.newest is not None else asked_to
        start = max(newest, asked_to - since) - storage.milliseconds(HOLD_BACK)
        tail = ((max(_floor(start, step), held.covered[0][0]), end),)
    return manifests.union([*manifests.subtract(window, held.covered), *tail])


def _refilled(refill: tuple[Instant, Instant], step: pd.Timedelta, end: pd.Timestamp) -> Stretches:
    asked = TimeRange(*refill, step)
    if asked.start >= end:
        raise SourceError(f"nothing is settled yet from {asked.start:%Y-%m-%d %H:%M} UTC on; refill an earlier stretch")
    return ((storage.epoch(asked.start), storage.epoch(min(asked.end, end))),)


def _floor(moment: int, step: int) -> int:
    return moment // step * step


def _piece(held: Held, start: int, end: int) -> TimeRange:
    """The next request: inside one month, and no more samples than fit; a day while the series are unknown."""
    step = storage.milliseconds(held.step)
    n = max(1, PIECE_SAMPLES // held.series) if held.series else storage.per_day(held.step)
    stop = min(end, storage.month_span(storage.month_of(start))[1], start + n * step)
    return TimeRange(manifests.moment(start), manifests.moment(stop), held.step)


def _table(parts: Mapping[str, Sequence[Part]], done: Mapping[str, _Done]) -> pd.DataFrame:
    rows = []
    for signal, own in parts.items():
        each = [done[part.query] for part in own]
        rows.append(
            {
                "signal": signal,
                "series": max((one.held.series for one in each), default=0),
                "samples": sum(one.samples for one in each),
                "gaps": sum(len(one.held.gaps) for one in each),
                "newest": max((one.held.newest for one in each if one.held.newest), default=pd.NaT),
                "error": "; ".join(dict.fromkeys(one.error for one in each if one.error)),
            }
        )
    table = pd.DataFrame(rows, columns=["signal", "series", "samples", "gaps", "newest", "error"])
    return table.assign(newest=pd.to_datetime(table["newest"], utc=True))
