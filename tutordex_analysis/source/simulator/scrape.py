"""Prometheus's part of the simulation: when each target is scraped, what is added to it, and the text of one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.lives import Lives
from tutordex_analysis.source.simulator.openmetrics import (
    EOF,
    Kind,
    header,
    sample_lines,
    series_text,
    time_texts,
    value_texts,
)
from tutordex_analysis.source.simulator.series import Series, Target
from tutordex_analysis.source.simulator.world import World, wobble


@dataclass(frozen=True, eq=False)
class _Scrapes:
    """The scrapes of one target in one piece.

    Attributes:
        target: What is scraped.
        moments: Unix seconds, ascending.
        texts: The moments as they stand in the file.
        counts: Samples that each scrape has given so far.
    """

    target: Target
    moments: Floats
    texts: list[str]
    counts: npt.NDArray[np.int64]
    _known: dict[int, tuple[npt.NDArray[np.intp], Floats, Floats, list[str]]] = field(default_factory=dict)

    def alive(self, lives: Lives) -> tuple[npt.NDArray[np.intp], Floats, Floats, list[str]]:
        """The scrapes that fall into the lives: their numbers, moments, starts of the life, and texts."""
        if id(lives) not in self._known:
            life = lives.index(self.moments)
            rows = np.flatnonzero(life >= 0)
            self._known[id(lives)] = rows, self.moments[rows], lives.starts[life[rows]], _pick(self.texts, rows)
        return self._known[id(lives)]


def write_piece(
    file: BinaryIO,
    world: World,
    targets: Sequence[Target],
    watched: Lives,
    low: float,
    high: float,
) -> tuple[int, set[str]]:
    """Write all samples with low <= time < high.

    Args:
        file: Opened for writing bytes.
        world: Its step and start are the grid of the scrapes.
        targets: What is scraped.
        watched: When Prometheus itself is up.
        low: Unix seconds.
        high: Unix seconds.

    Returns:
        How many samples were written, and of which series.
    """
    scrapes = [_scrapes(world, target, watched, low, high) for target in targets]
    families: dict[str, tuple[Kind, list[tuple[_Scrapes, Series]]]] = {}
    for one in scrapes:
        for family in one.target.families:
            families.setdefault(family.name, (family.kind, []))[1].extend((one, series) for series in family.series)
    names: set[str] = set()
    for name in sorted(families):
        kind, members = families[name]
        started = False
        for one, series in members:
            rows, moments, since, texts = one.alive(series.lives)
            if not len(rows):
                continue
            values = series.at(moments, since)
            absent = np.isnan(values)
            if absent.any():
                present = np.flatnonzero(~absent)
                rows, values, texts = rows[present], values[present], _pick(texts, present)
            if not len(rows):
                continue
            if not started:
                file.write(header(name, kind).encode())
                started = True
            text = series_text(series.name, {**series.labels, **one.target.labels})
            file.write(sample_lines(text, value_texts(values, series.decimals), texts).encode())
            one.counts[rows] += 1
            names.add(text)
    names |= _write_synthetic(file, world, scrapes)
    file.write(EOF.encode())
    return sum(int(one.counts.sum()) + len(_synthetic(world)) * len(one.moments) for one in scrapes), names


def _scrapes(world: World, target: Target, watched: Lives, low: float, high: float) -> _Scrapes:
    step = world.range.step.total_seconds()
    first = world.first + target.offset
    numbers = np.arange(max(0, np.ceil((low - first) / step)), np.ceil((min(high, world.last) - first) / step))
    moments = first + step * numbers
    moments = moments[watched.index(moments) >= 0]
    return _Scrapes(target, moments, time_texts(moments), np.zeros(len(moments), dtype=np.int64))


def _write_synthetic(file: BinaryIO, world: World, scrapes: Sequence[_Scrapes]) -> set[str]:
    """What Prometheus itself adds to every target: up and, in a detailed world, how long and how much was scraped."""
    names = set()
    for name in _synthetic(world):
        file.write(header(name, "gauge").encode())
        for one in scrapes:
            if not len(one.moments):
                continue
            up = one.target.lives.index(one.moments) >= 0
            if name == "up":
                values, decimals = up.astype(float), 0
            elif name == "scrape_samples_scraped":
                values, decimals = one.counts.astype(float), 0
            else:
                noise = wobble(world, f"scrape {one.target.labels['instance']}", one.moments, 60.0)
                values, decimals = np.where(up, one.target.seconds, 0.001) * np.exp(0.3 * noise), 5
            text = series_text(name, one.target.labels)
            file.write(sample_lines(text, value_texts(values, decimals), one.texts).encode())
            names.add(text)
    return names


def _synthetic(world: World) -> tuple[str, ...]:
    return ("up", "scrape_duration_seconds", "scrape_samples_scraped") if world.detailed else ("up",)


def _pick(texts: list[str], rows: npt.NDArray[np.intp]) -> list[str]:
    """Some of the texts, by number, in order."""
    if len(rows) == len(texts):
        return texts
    if not len(rows):
        return []
    if rows[-1] - rows[0] + 1 == len(rows):
        return texts[int(rows[0]) : int(rows[-1]) + 1]
    picked = itemgetter(*rows.tolist())(texts)
    return list(picked) if len(rows) > 1 else [picked]
