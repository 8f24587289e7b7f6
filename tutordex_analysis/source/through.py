"""A server seen through its own archive: what was kept comes from disk, the newest hours from the server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Part, Signal
from tutordex_analysis.errors import NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import Span
from tutordex_analysis.source import reading
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.prometheus import PrometheusSource


class ThroughSource:
    """Reads catalogued signals from the archive where it holds them and from the server before and after that.

    Everything else (any PromQL, metadata, the clock) is the server's.

    Args:
        server: Answers queries.
        archive: Its archive; it must have been pulled from this server.
    """

    def __init__(self, server: PrometheusSource, archive: ArchiveSource) -> None:
        self.server, self.archive = server, archive
        self.uri = server.uri

    def __repr__(self) -> str:
        return f"ThroughSource({self.uri!r}, {self.archive.uri!r})"

    @property
    def catalogue(self) -> Catalogue:
        """What signals are made of; where nobody said, the server is recognised by its metrics."""
        return self.server.catalogue

    def query(self, promql: str, time_range: TimeRange, *, future: bool = False) -> pd.DataFrame:
        """The server's answer."""
        return self.server.query(promql, time_range, future=future)

    def read(self, signal: str | Signal, time_range: TimeRange) -> pd.DataFrame:
        """A catalogued signal: what is kept from the archive, the rest from the server."""
        spec = self.catalogue.signal(signal)
        return reading.read(self.fetch, spec, time_range, base_step=reading.base_step(time_range.step))

    def fetch(self, part: Part, time_range: TimeRange) -> pd.DataFrame:
        """One part: from the archive between its first and its last sample, from the server outside."""
        try:
            kept = self.archive.fetch(part, time_range)
        except NotHeld:
            kept = frames.empty()
        text, step = part.at(time_range.step), time_range.step
        seen = kept.loc[kept["y"].notna(), "ds"]
        outside = [(time_range.start, seen.min()), (seen.max() + step, time_range.end)]
        if kept.empty:
            outside = [(time_range.start, time_range.end)]
        asked = [TimeRange(start, end, step) for start, end in outside if start < end]
        answers = [one for one in (kept, *(self.server.query(text, one) for one in asked)) if not one.empty]
        return joined(answers, time_range) if answers else frames.empty()

    def last(self, window: Span, *, step: Span = "1h") -> TimeRange:
        """The latest window that is settled on the server."""
        return self.server.last(window, step=step)

    def now(self) -> pd.Timestamp:
        """The server's clock."""
        return self.server.now()

    def signals(self) -> pd.DataFrame:
        """One row a catalogued signal."""
        return self.server.signals()

    def metrics(self) -> list[str]:
        """Names of the server's metrics."""
        return self.server.metrics()

    def label_values(self, name: str) -> list[str]:
        """Values of a label on the server."""
        return self.server.label_values(name)

    def instant(self, promql: str) -> pd.DataFrame:
        """The server's answer at its now."""
        return self.server.instant(promql)


def joined(answers: Iterable[pd.DataFrame], time_range: TimeRange) -> pd.DataFrame:
    """Frames on one grid; where a later one has a sample, it counts."""
    rows: dict[str, np.ndarray] = {}
    sets: dict[str, dict[str, str]] = {}
    for frame in answers:
        if frame.empty:
            continue
        ids, grid, values = frames.matrix(frame)
        first = round((grid[0] - time_range.start) / time_range.step)
        table = frames.labels(frame).to_dict(orient="index")
        for series, row in zip(ids, values, strict=True):
            into = rows.setdefault(series, np.full(len(time_range), np.nan))
            part = into[first : first + len(row)]
            part[~np.isnan(row)] = row[~np.isnan(row)]
            sets[series] = {str(k): str(v) for k, v in table[series].items() if v}
    return frames.build(np.stack(list(rows.values())), list(sets.values()), time_range)


def reads_through(archive: Path, name: str, url: str) -> bool:
    """Whether the archive's manifest of this name says that it was pulled from this URL."""
    from tutordex_analysis.source import manifest

    found = manifest.load(archive / name) if (archive / name).is_dir() else None
    return found is not None and found.url.rstrip("/") == url.rstrip("/")
