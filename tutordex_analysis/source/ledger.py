"""Reads a ledger: what was forecast in the past, and how it was scored.

A ledger is a folder: one Parquet file of rows a UTC month of issue, such as `2026-11.parquet`, and `scores.parquet`.
That of a server or archive lies in the folder of the settings; an archive may bring one of its own, as the sample does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from tutordex_analysis import issued
from tutordex_analysis.errors import SourceError
from tutordex_analysis.moment import Instant, instant
from tutordex_analysis.settings import Settings, load

SCORES = "scores.parquet"
_MONTH = re.compile(r"\d{4}-\d{2}\.parquet")
LOOKS_BACK = pd.Timedelta(days=70)  # eight weeks that a figure draws, and the one before the first of them
BROUGHT = "ledger"  # folder inside an archive


class Named(Protocol):
    """What a ledger needs to know of a source."""

    uri: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Ledger:
    """What is held.

    Attributes:
        rows: Every issued forecast (`issued.ROW_COLUMNS`), oldest first.
        scores: Every kept score (`issued.SCORE_COLUMNS`).
        complaints: One sentence for each file that could not be read; the rest is there all the same.
    """

    rows: pd.DataFrame
    scores: pd.DataFrame
    complaints: tuple[str, ...] = ()

    @property
    def issues(self) -> pd.DataFrame:
        """One row an issue: issued, via, hindsight, signals, series, rows, data_end, until; newest first."""
        grouped = self.rows.groupby(["issued", "via", "hindsight"], sort=True)
        table = grouped.agg(
            signals=("signal", "nunique"),
            series=("unique_id", "nunique"),
            rows=("ds", "size"),
            data_end=("cutoff", "max"),
            until=("ds", "max"),
        )
        return table.reset_index().iloc[::-1].reset_index(drop=True)


def ledger(source: Named, *, at: Instant = "", settings: Settings | None = None) -> Ledger:
    """The ledger of a source: what was recorded here, and what its archive brings; empty where there is none.

    Args:
        source: Whose forecasts.
        at: Only the months that a page of this moment looks at, from ten weeks before; "" for all.
        settings: Those in force when left out.
    """
    return read(folders(source, settings=settings), at=at)


def home(source: Named, *, settings: Settings | None = None) -> Path:
    """The folder into which forecasts of a source are recorded.

    Forecasts of one source are never mixed with those of another: that of the settings has its name, any other one a
    name made of its address.
    """
    known = settings or load()
    uri = source.uri.rstrip("/")
    own = known.prometheus_url.rstrip("/") if known.prometheus_url else None
    mine = "://" not in uri and Path(uri).resolve() in (
        known.archive.resolve(),
        (known.archive / known.source_name).resolve(),
    )
    if uri == own or mine:
        return known.ledger / known.source_name
    whole = uri if "://" in uri else str(Path(uri).resolve())
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", whole.partition("://")[2] or whole).strip("-.")
    return known.ledger / f"of-{plain}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def folders(source: Named, *, settings: Settings | None = None) -> tuple[Path, ...]:
    """Where the ledger of a source is read: the own folder first, then that inside the archive."""
    own = home(source, settings=settings)
    brought = Path(source.uri) / BROUGHT
    return (own, brought) if "://" not in source.uri and brought.is_dir() else (own,)


def read(places: Sequence[Path], *, at: Instant = "") -> Ledger:
    """What these folders hold; a file that is damaged or foreign is left out and complained of.

    All scores are read, and of the rows the months that a page of the moment `at` looks at; all for "".
    """
    first = f"{instant(at) - LOOKS_BACK:%Y-%m}.parquet" if at else ""
    rows, scores, complaints = issued.no_rows(), issued.no_scores(), []
    for folder in reversed(places):  # of two that hold the same score the own one counts
        months = []
        for path in sorted(folder.glob("*.parquet")) if folder.is_dir() else ():
            try:
                if path.name == SCORES:
                    scores = issued.latest_scores(scores, issued.scores_of(_bytes(path), name=str(path)))
                elif _MONTH.fullmatch(path.name) and path.name >= first:
                    months.append(issued.rows_of(_bytes(path), name=str(path)))
            except SourceError as error:
                complaints.append(str(error))
        if months:
            rows = issued.joined(rows, pd.concat(months, ignore_index=True))
    return Ledger(rows=rows, scores=scores, complaints=tuple(complaints))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; it is left out") from error
