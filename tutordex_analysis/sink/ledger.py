"""Writes the ledger: forecasts as they were issued, and scores as they come due. Nothing in it is ever taken back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tutordex_analysis import disk, issued
from tutordex_analysis.errors import Locked

PATIENCE = 10.0  # seconds for which another writer is waited for
_SCORES = "scores.parquet"


def append(folder: Path, rows: pd.DataFrame, scores: pd.DataFrame | None = None, *, patience: float = PATIENCE) -> int:
    """Adds issues and scores; what is held already stays as it is, so that the same call twice is one.

    Each file is written whole or not at all, so a kill between two leaves some of the issues, and the same call
    again brings the rest.

    Args:
        folder: Of one source's ledger, made when missing.
        rows: Of `issued.stamped`.
        scores: Where a score of the same week is held, the new one counts.
        patience: Seconds for which another writer is waited for.

    Returns:
        Rows that were not held before.

    Raises:
        SourceError: A file that would be added to is damaged or foreign; it is left as it is.
        NotWritten: The folder cannot be written.
        Locked: Another process writes there, and goes on doing so.
    """
    if rows.empty and (scores is None or scores.empty):
        return 0
    new = 0
    with _held(folder, patience):
        for month, mine in rows.groupby(rows["issued"].dt.strftime("%Y-%m"), sort=True):
            path = folder / f"{month}.parquet"
            held = issued.rows_of(path.read_bytes(), name=str(path)) if path.exists() else issued.no_rows()
            both = issued.joined(held, mine)
            if len(both) > len(held):
                disk.put(path, issued.row_bytes(both))
                new += len(both) - len(held)
        if scores is not None and len(scores):
            _keep(folder / _SCORES, scores)
    return new


def _keep(path: Path, scores: pd.DataFrame) -> None:
    before = path.read_bytes() if path.exists() else b""
    held = issued.scores_of(before, name=str(path)) if before else issued.no_scores()
    after = issued.score_bytes(issued.latest_scores(held, scores))
    if after != before:
        disk.put(path, after)


@contextmanager
def _held(folder: Path, patience: float) -> Iterator[None]:
    """The folder for this process, as soon as another one has let go of it."""
    end = time.monotonic() + patience
    while True:
        try:
            with disk.locked(folder):
                yield
                return
        except Locked:
            if time.monotonic() >= end:
                raise
            time.sleep(0.1)
