"""Reads an archive: what `pull` kept of a Prometheus, long after the server has forgotten it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import promql_parser

from tutordex_analysis import catalogue_file, promql
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Part, Signal
from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.moment import Span, duration, duration_text, floor
from tutordex_analysis.source import manifest as manifests
from tutordex_analysis.source import reading, storage
from tutordex_analysis.source.manifest import Held, Manifest

_DAY = 86_400_000


class ArchiveSource:
    """A source that is a folder; it answers only what it holds, and never writes.

    Args:
        folder: The folder of one source (it has a `manifest.json`), or the one above it.
        catalogue: What signals are made of; the shipped one when left out.
        source_name: Which of several sources below `folder`.

    Raises:
        SourceError: There is no archive there, or several and no name.
    """

    def __init__(
        self, folder: Path | str, *, catalogue: Catalogue | None = None, source_name: str | None = None
    ) -> None:
        self.uri = str(folder)
        self.folder = _home(Path(folder), source_name)
        self.catalogue = catalogue if catalogue is not None else catalogue_file.load()
        self._loaded: tuple[tuple[int, ...], Manifest] | None = None

    def __repr__(self) -> str:
        return f"ArchiveSource({self.uri!r})"

    @property
    def manifest(self) -> Manifest:
        """What is held now; read again when a pull has changed it."""
        try:
            stat = (self.folder / manifests.NAME).stat()
        except OSError as error:
            raise SourceError(f"the archive {self.uri} is gone: {error.strerror}") from error
        version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._loaded is None or self._loaded[0] != version:
            loaded = manifests.load(self.folder)
            if loaded is None:
                raise SourceError(f"the archive {self.uri} is gone: {manifests.NAME} is no longer there")
            self._loaded = (version, loaded)
        return self._loaded[1]

    def query(self, promql: str, time_range: TimeRange, *, future: bool = False) -> pd.DataFrame:
        """The frame of a stored part's PromQL text; `future` is there for other sources, an archive has none.

        The text must be held at the step of the range, or at one that divides it: PromQL judges every instant by
        itself, so every n-th instant of a finer grid is the same answer.

        Raises:
            SourceError: The text is not held, or not at such a step, or a file is damaged.
        """
        same = self._with_text(Part(promql).at(time_range.step))
        fitting = [held for held in same if not time_range.step % held.step]
        if not fitting:
            raise NotHeld(self._refusal(promql, time_range.step, same))
        return self._frame(max(fitting, key=lambda held: (_covered(held, time_range), held.step)), time_range)

    def read(self, signal: str | Signal, time_range: TimeRange) -> pd.DataFrame:
        """A catalogued signal, made from its parts at the held step that covers the range best.

        Raises:
            CatalogueError: The catalogue has no such signal.
            NotHeld: It is not held, or only at steps that do not divide the one asked for.
            SourceError: A file is damaged.
        """
        spec = self.catalogue.signal(signal)
        held_at = self._steps_of(spec)
        fitting = [step for step in held_at if not time_range.step % step]
        if not fitting:
            raise NotHeld(
                f"{spec.name} is held every {_texts(held_at)}; ask for a multiple of that, "
                f"not for every {duration_text(time_range.step)}"
                if held_at
                else f"the archive {self.uri} does not hold {spec.name}; pull it with `tutordex-analysis pull "
                f"{spec.name}`, or see .signals() for what it holds"
            )
        base = max(fitting, key=lambda step: (self._coverage(spec.parts, step, time_range), -step))
        return reading.read(self.fetch, spec, time_range, base_step=base)

    def base_step(self, part: Part, time_range: TimeRange) -> pd.Timedelta:
        """The held step at which a part covers a range best; NotHeld where none divides that of the range."""
        fitting = [one for one in self.steps() if self._held(part, one) is not None and not time_range.step % one]
        if not fitting:
            raise NotHeld(self._refusal(part.query, None, []))
        return max(fitting, key=lambda one: (self._coverage((part,), one, time_range), -one))

    def fetch(self, part: Part, time_range: TimeRange) -> pd.DataFrame:
        """One part at the step of the range; what was never pulled is NaN.

        Raises:
            SourceError: The part is not held at this step, or a file is damaged.
        """
        held = self._held(part, time_range.step)
        if held is None:
            raise NotHeld(self._refusal(part.query, time_range.step, self._with_text(part.at(time_range.step))))
        return self._frame(held, time_range)

    def last(self, window: Span, *, step: Span = "1h") -> TimeRange:
        """The range of this length whose last instant is that of the newest sample held.

        Raises:
            SourceError: Nothing is held at a step that divides this one.
        """
        length = duration(step)
        ends = [held.newest for held in self.manifest.held.values() if held.newest and not length % held.step]
        if not ends:
            held_at = f"it is kept every {_texts(self.steps())}" if self.steps() else "nothing is in it yet"
            raise SourceError(
                f"the archive {self.uri} has no sample on a grid of {duration_text(step)}: {held_at}; "
                "ask for a multiple of that, or fill it with `tutordex-analysis pull`"
            )
        end = floor(max(ends), length) + length
        return TimeRange(end - duration(window), end, length)

    def signals(self) -> pd.DataFrame:
        """One row a signal that can be read: title, kind, unit, steps, series, and the instants it spans."""
        rows = []
        for spec in self.catalogue.signals.values():
            steps = self._steps_of(spec)
            held = [one for step in steps for part in spec.parts if (one := self._held(part, step)) is not None]
            if steps:
                rows.append(
                    {
                        "signal": spec.name,
                        "title": spec.title,
                        "kind": spec.kind,
                        "unit": spec.unit,
                        "steps": _texts(steps),
                        "series": max(one.series for one in held),
                        "from": min((one.first for one in held if one.first), default=pd.NaT),
                        "to": max((one.newest for one in held if one.newest), default=pd.NaT),
                    }
                )
        return pd.DataFrame(rows, columns=["signal", "title", "kind", "unit", "steps", "series", "from", "to"])

    def steps(self) -> tuple[pd.Timedelta, ...]:
        """The steps at which anything is held, shortest first."""
        return tuple(sorted({held.step for held in self.manifest.held.values()}))

    def metrics(self) -> list[str]:
        """Names of the metrics that the stored parts read."""
        return sorted(
            {name for held in self.manifest.held.values() if held.months for name in promql.metrics(held.promql)}
        )

    def label_values(self, name: str) -> list[str]:
        """Values of a label over every stored series; a damaged file is an error."""
        found = {
            labels.get(name, "")
            for held in self.manifest.held.values()
            for month in held.months
            for labels in storage.label_sets(self.folder / held.key / f"{month}.parquet")
        }
        return sorted(found - {""})

    def instant(self, promql: str) -> pd.DataFrame:
        """The newest samples of a stored part, one row a series.

        Raises:
            SourceError: The text is not held.
        """
        same = self._with_text(" ".join(promql.split()))
        if not same:
            raise NotHeld(self._refusal(promql, None, same))
        newest = {held.key: held.newest for held in same if held.newest is not None}
        if not newest:
            return frames.empty()
        held = max((one for one in same if one.key in newest), key=lambda one: (newest[one.key], -one.step))
        at = newest[held.key]
        return self._frame(held, TimeRange(at, at + held.step, held.step))

    def _frame(self, held: Held, time_range: TimeRange) -> pd.DataFrame:
        rows, values = self._values(held, TimeRange(time_range.start, time_range.end, held.step))
        for old in self._replaced(held):
            earlier, more = self._values(old, TimeRange(time_range.start, time_range.end, held.step))
            rows, values = _continued(rows, values, earlier, more)
        values = values[:, :: int(time_range.step / held.step)]
        kept = np.flatnonzero(~np.isnan(values).all(axis=1))
        if not len(kept):
            return frames.empty()
        texts = [rows[i] for i in kept]
        return frames.build(values if len(kept) == len(rows) else values[kept], storage.labels_of(texts), time_range)

    def _values(self, held: Held, time_range: TimeRange) -> tuple[list[str], Floats]:
        """Labels as JSON text, and values on the grid of the range at the held step."""
        start, end = storage.epoch(time_range.start), storage.epoch(time_range.end)
        first, last = start // _DAY, -(-end // _DAY)
        months = [m for m in sorted(held.months) if _overlap(storage.month_span(m), start, end)]
        read = [storage.read(self.folder / held.key / f"{month}.parquet", step=held.step) for month in months]
        rows, values = storage.laid(read, days=(first, last), step=held.step)
        flat = values.reshape(len(rows), (last - first) * storage.per_day(held.step))
        offset = (start - first * _DAY) // storage.milliseconds(held.step)
        return rows, flat[:, offset : offset + len(time_range)]

    def _held(self, part: Part, step: pd.Timedelta) -> Held | None:
        """The entry of a part; while the new text has not been pulled, that of the one it replaces."""
        entries = self.manifest.held
        found = entries.get(f"{part.digest(step)}/{duration_text(step)}")
        if found is None and part.replaces is not None:
            return _at_step(self.manifest, part.replaces, step)
        return found

    def _replaced(self, held: Held) -> Iterator[Held]:
        """The texts that this one took the place of, latest first."""
        seen = {held.key}
        now: Held | None = held
        while now is not None and now.replaces is not None:
            now = _at_step(self.manifest, now.replaces, held.step)
            if now is None or now.key in seen:
                return
            seen.add(now.key)
            yield now

    def _steps_of(self, spec: Signal) -> list[pd.Timedelta]:
        """The steps at which every part of a signal is held, shortest first; none for a signal made of events."""
        if not spec.needed:
            return []
        return [step for step in self.steps() if all(self._held(part, step) is not None for part in spec.needed)]

    def _coverage(self, parts: Sequence[Part], step: pd.Timedelta, time_range: TimeRange) -> int:
        """Milliseconds of the instants that reading needs, of all parts: those in (t - step of the range, t]."""
        early = time_range.step - step
        fine = TimeRange(time_range.start - early, time_range.end - early, step)
        entries = [self._held(part, step) for part in parts]
        return sum(
            _covered(one, fine) + sum(_covered(old, fine) for old in self._replaced(one))
            for one in entries
            if one is not None
        )

    def _with_text(self, text: str) -> list[Held]:
        wanted = _canonical(text)
        return [held for held in self.manifest.held.values() if _canonical(held.promql) == wanted]

    def _refusal(self, query: str, step: pd.Timedelta | None, same: list[Held]) -> str:
        reason = (
            f"is held every {_texts(sorted({one.step for one in same}))} there, not every {duration_text(step)}"
            if same and step is not None
            else "is not in it"
        )
        return (
            f"the archive {self.uri} answers only what it holds, and {promql.shorten(query)!r} {reason}; "
            "see .signals() and .manifest, or connect to the server for other PromQL"
        )


def _home(folder: Path, name: str | None) -> Path:
    if name is not None and (folder / name / manifests.NAME).is_file():
        return folder / name
    if name is None and (folder / manifests.NAME).is_file():
        return folder
    found = sorted(path.parent.name for path in folder.glob(f"*/{manifests.NAME}") if manifests.is_one(path))
    if name is None and len(found) == 1:
        return folder / found[0]
    asked = f"the source {name!r}" if name is not None else "one source"
    there = f"it has {', '.join(found)}; name one of them" if found else "nothing was pulled into it yet"
    raise SourceError(f"no archive of {asked} in {folder}: {there} (see `tutordex-analysis pull --help`)")


def _at_step(manifest: Manifest, digest: str, step: pd.Timedelta) -> Held | None:
    """The entry of a digest; when the digest is that of the text at another step, the same query at this one."""
    exact = manifest.held.get(f"{digest}/{duration_text(step)}")
    queries = {held.query for held in manifest.held.values() if held.digest == digest}
    others = (held for held in manifest.held.values() if held.query in queries and held.step == step)
    return exact or next(others, None)


def _continued(rows: list[str], values: Floats, earlier: list[str], more: Floats) -> tuple[list[str], Floats]:
    """Series filled up, at instants where they have no sample at all, with those of the text before."""
    labels = sorted({*rows, *earlier})
    at = {text: i for i, text in enumerate(labels)}
    joined = np.full((len(labels), more.shape[1]), np.nan)
    joined[[at[text] for text in earlier]] = more
    joined[:, ~np.isnan(values).all(axis=0)] = np.nan
    mine = np.full_like(joined, np.nan)
    mine[[at[text] for text in rows]] = values
    return labels, np.where(np.isnan(mine), joined, mine)


def _covered(held: Held, time_range: TimeRange) -> int:
    asked = ((storage.epoch(time_range.start), storage.epoch(time_range.end)),)
    return manifests.length(asked) - manifests.length(manifests.subtract(asked, held.covered))


def _overlap(stretch: manifests.Stretch, start: int, end: int) -> bool:
    return stretch[0] < end and start < stretch[1]


def _canonical(query: str) -> str:
    try:
        return str(promql_parser.parse(query).prettify())
    except ValueError:
        return promql.normal(query)


def _texts(steps: tuple[pd.Timedelta, ...] | list[pd.Timedelta]) -> str:
    return ", ".join(duration_text(step) for step in steps)
