"""What an archive holds: its manifest, and stretches of time as half-open pairs of milliseconds since 1970.

`manifest.json` lies beside the data and says for every part which instants were asked and answered, so that "asked and
empty" differs from "never asked". It is written after the data it speaks of: a kill in between loses no sample.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis import disk
from tutordex_analysis.errors import SourceError
from tutordex_analysis.moment import duration, duration_text, instant
from tutordex_analysis.source import storage

NAME = "manifest.json"
SCHEMA = 1
Stretch: TypeAlias = tuple[int, int]
Stretches: TypeAlias = tuple[Stretch, ...]


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month's file.

    Attributes:
        series: Series with a sample.
        samples: Samples.
        bytes: Size on disk.
    """

    series: int
    samples: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is held of one part at one step.

    Attributes:
        query: The part's text, `$step` in it.
        promql: The text as it was asked.
        digest: Twelve hex digits that name the text.
        step: The grid of the samples.
        signals: Signals that are made of this part.
        replaces: Digest of the text that this one took the place of.
        covered: Stretches that were asked and answered.
        empty: The stretches of `covered` that hold no sample of any series.
        months: Files by UTC month.
    """

    query: str
    promql: str
    digest: str
    step: pd.Timedelta
    signals: tuple[str, ...] = ()
    replaces: str | None = None
    covered: Stretches = ()
    empty: Stretches = ()
    months: Mapping[str, Month] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Folder of the files, below the manifest's."""
        return f"{self.digest}/{duration_text(self.step)}"

    @property
    def samples(self) -> Stretches:
        """Stretches in which some series has a sample at every instant."""
        return subtract(self.covered, self.empty)

    @property
    def first(self) -> pd.Timestamp | None:
        """Instant of the oldest sample; None without any."""
        return moment(self.samples[0][0]) if self.samples else None

    @property
    def newest(self) -> pd.Timestamp | None:
        """Instant of the newest sample; None without any."""
        return moment(self.samples[-1][1]) - self.step if self.samples else None

    @property
    def gaps(self) -> Stretches:
        """Stretches without any sample between the oldest and the newest, asked or not."""
        return subtract(((self.samples[0][0], self.samples[-1][1]),), self.samples) if self.samples else ()

    @property
    def series(self) -> int:
        """Most series in one month."""
        return max((month.series for month in self.months.values()), default=0)

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return sum(month.bytes for month in self.months.values())


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that one archive holds.

    Attributes:
        source: Name of the source.
        url: Where it was pulled from, without secrets.
        held: By folder, `digest/step`.
        note: How the archive was made, for people.
    """

    source: str
    url: str
    held: Mapping[str, Held] = field(default_factory=dict)
    note: str = ""

    def with_held(self, one: Held) -> Manifest:
        """The manifest with one part's entry put in."""
        return dataclasses.replace(self, held={**self.held, one.key: one})


def is_one(path: Path) -> bool:
    """Whether a file is an archive's manifest, and not that of a folder of reports; a damaged one counts as one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return isinstance(document, dict) and "pages" not in document


def load(folder: Path) -> Manifest | None:
    """The manifest of an archive's folder; None where there is none.

    Raises:
        SourceError: It is damaged, or a newer version of this package wrote it.
    """
    path = folder / NAME
    try:
        return _manifest(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path} is damaged and cannot be read; put it back from a copy, or move {folder} away and pull again"
        ) from error


def save(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, whole or not at all; the same manifest is the same bytes."""
    document = {
        "schema": SCHEMA,
        "source": manifest.source,
        "url": manifest.url,
        **({"note": manifest.note} if manifest.note else {}),
        "parts": {key: _document(manifest.held[key]) for key in sorted(manifest.held)},
    }
    disk.put(folder / NAME, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())


def union(stretches: Iterable[Stretch]) -> Stretches:
    """Sorted stretches that neither touch nor overlap.

    Example:
        >>> union([(5, 7), (0, 3), (3, 4)])
        ((0, 4), (5, 7))
    """
    merged: list[Stretch] = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def subtract(stretches: Sequence[Stretch], gone: Sequence[Stretch]) -> Stretches:
    """What of some stretches is not in others; both are sorted and do not overlap.

    Example:
        >>> subtract([(0, 9)], [(0, 2), (4, 5)])
        ((2, 4), (5, 9))
    """
    left: list[Stretch] = []
    others = iter(gone)
    other = next(others, None)
    for start, end in stretches:
        while other is not None and other[0] < end:
            if other[0] > start:
                left.append((start, other[0]))
            start = max(start, other[1])
            if other[1] >= end:
                break
            other = next(others, None)
        if start < end:
            left.append((start, end))
    return tuple(left)


def length(stretches: Iterable[Stretch]) -> int:
    """Milliseconds in some stretches."""
    return sum(end - start for start, end in stretches)


def runs(flags: npt.NDArray[np.bool_], *, start: int, step: int) -> Stretches:
    """The stretches of a grid where a flag is set.

    Example:
        >>> runs(np.array([True, True, False, True]), start=100, step=10)
        ((100, 120), (130, 140))
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return tuple((start + int(a) * step, start + int(b) * step) for a, b in edges.reshape(-1, 2))


def moment(milliseconds: int) -> pd.Timestamp:
    """A UTC timestamp."""
    return pd.Timestamp(milliseconds, unit="ms", tz="UTC").as_unit("ms")


def _iso(milliseconds: int) -> str:
    at = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{milliseconds % 1000:03d}Z" if milliseconds % 1000 else "Z")


def _document(one: Held) -> dict[str, Any]:
    return {
        "query": one.query,
        "promql": one.promql,
        "digest": one.digest,
        "step": duration_text(one.step),
        "signals": list(one.signals),
        "replaces": one.replaces,
        "newest": _iso(storage.epoch(one.newest)) if one.newest is not None else None,
        "covered": [[_iso(a), _iso(b)] for a, b in one.covered],
        "empty": [[_iso(a), _iso(b)] for a, b in one.empty],
        "months": {name: dataclasses.asdict(month) for name, month in sorted(one.months.items())},
    }


def _manifest(document: Mapping[str, Any]) -> Manifest:
    if document["schema"] > SCHEMA:
        raise SourceError("the archive was written by a newer version of tutordex-analysis; update this one to read it")
    held = [_held(one) for one in document["parts"].values()]
    return Manifest(
        source=document["source"],
        url=document["url"],
        note=document.get("note", ""),
        held={one.key: one for one in held},
    )


def _held(document: Mapping[str, Any]) -> Held:
    return Held(
        query=document["query"],
        promql=document["promql"],
        digest=document["digest"],
        step=duration(document["step"]),
        signals=tuple(document["signals"]),
        replaces=document["replaces"],
        covered=_stretches(document["covered"]),
        empty=_stretches(document["empty"]),
        months={name: Month(**month) for name, month in document["months"].items()},
    )


def _stretches(pairs: Iterable[tuple[str, str]]) -> Stretches:
    return tuple((storage.epoch(instant(a)), storage.epoch(instant(b))) for a, b in pairs)
