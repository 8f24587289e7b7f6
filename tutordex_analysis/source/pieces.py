"""The pieces of one range query, fetched a few at a time and placed straight into one array."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats, series_id
from tutordex_analysis.source import matrix
from tutordex_analysis.source.answer import TooHeavy
from tutordex_analysis.source.matrix import Grid
from tutordex_analysis.source.plan import SAMPLES_A_PIECE, Piece, Plan

Ask: TypeAlias = Callable[[Grid], bytes]
OnPiece: TypeAlias = Callable[[int, int], object]

MAX_SAMPLES = 250_000_000  # 2 GB of values, about 5 GB as a frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulled:
    """Every series of a range.

    Attributes:
        values: Shape (n_series, n), NaN where a series has no sample; series in the order of their ids.
        label_sets: Labels of each series.
        pieces: How many requests were answered with data.
        infos: Remarks of the server on the query, each once.
    """

    values: Floats
    label_sets: list[dict[str, str]]
    pieces: int
    infos: tuple[str, ...]


def pull(ask: Ask, grid: Grid, *, asked: str, workers: int = 4, on_piece: OnPiece | None = None) -> Pulled:
    """All series of a range query on one grid.

    Args:
        ask: The body of the answer for a part of the grid; called in threads. Raises TooHeavy where less may pass.
        grid: What to ask for.
        asked: Server and query for sentences.
        workers: How many requests are under way at once, at most; two while pieces are large.
        on_piece: Called in this thread after each piece with (instants done, instants in all).

    Raises:
        SourceError: A piece cannot be had. Nothing is handed back then: a frame is whole or not there.
    """
    plan, table = Plan(grid.n), _Table(grid.n, asked)
    running: dict[Future[bytes], Piece] = {}
    infos: dict[str, None] = {}
    done = pieces = 0
    threads = ThreadPoolExecutor(workers, thread_name_prefix="pull")

    def room() -> bool:
        """Two requests under way keep server and client busy; more pay while they are small."""
        if len(running) < (1 if plan.one_by_one else min(workers, 2)):
            return True
        samples = sum(piece.n for piece in running.values()) * max(len(table.label_sets), 1)
        return not plan.one_by_one and len(running) < workers and 2 * samples <= SAMPLES_A_PIECE

    def submit() -> None:
        while plan and room():
            piece = plan.next()
            part = Grid(grid.start + piece.first * grid.step, grid.step, piece.n)
            running[threads.submit(ask, part)] = piece

    try:
        while plan or running:
            submit()
            future = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
            piece = running.pop(future)
            try:
                body = future.result()
            except TooHeavy as error:
                if not plan.halve(piece):
                    raise SourceError(f"{error}; one instant is too much already: sum by fewer labels") from error
                continue
            if not plan.one_by_one:
                submit()  # the server works while this thread decodes
            infos |= dict.fromkeys(table.add(body, piece, grid))
            plan.learn(len(table.label_sets))
            del body, future
            done, pieces = done + piece.n, pieces + 1
            if on_piece is not None:
                on_piece(done, grid.n)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return Pulled(values=table.values, label_sets=list(table.label_sets), pieces=pieces, infos=tuple(infos))


class _Table:
    """Values of all series seen so far, rows in the order of their ids; grows when a series appears."""

    def __init__(self, n: int, asked: str) -> None:
        self.values: Floats = np.empty((0, n))
        self.asked = asked
        self._by_id: dict[str, dict[str, str]] = {}
        self._ids: dict[tuple[tuple[str, str], ...], str] = {}  # series_id costs more than this look-up
        self._rows: dict[str, int] = {}

    @property
    def label_sets(self) -> list[dict[str, str]]:
        """Labels of each row."""
        return [self._by_id[one] for one in self._rows]

    def add(self, body: bytes, piece: Piece, grid: Grid) -> tuple[str, ...]:
        """Places one answer; returns the server's remarks."""
        answered = matrix.read(body, asked=self.asked)
        keys = [tuple(labels.items()) for labels in answered.label_sets]
        new = {key: labels for key, labels in zip(keys, answered.label_sets, strict=True) if key not in self._ids}
        if new:
            self._grow(new)
        rows = [self._rows[self._ids[key]] for key in keys]
        if len(set(rows)) != len(rows):
            raise SourceError(f"{self.asked} answered with two series of the same labels; aggregate them in the query")
        part = Grid(grid.start + piece.first * grid.step, grid.step, piece.n)
        answered.place(self.values[:, piece.first : piece.first + piece.n], rows, part)
        return answered.infos

    def _grow(self, new: dict[tuple[tuple[str, str], ...], dict[str, str]]) -> None:
        for key, labels in new.items():
            self._ids[key] = series_id(labels)
            self._by_id.setdefault(self._ids[key], labels)
        ids, n = sorted(self._by_id), self.values.shape[1]
        if len(ids) * n > MAX_SAMPLES:
            raise SourceError(
                f"{self.asked} has {len(ids):,} series, that is {len(ids) * n:,} samples and more than the "
                f"{MAX_SAMPLES:,} that fit into memory; sum by fewer labels, or take a longer step"
            )
        rows = {one: row for row, one in enumerate(ids)}
        values = np.full((len(ids), n), np.nan)
        if self._rows:
            values[[rows[one] for one in self._rows]] = self.values
        self.values, self._rows = values, rows
