"""Rows that Prometheus never sees, such as users: exported tables or a database, read as counts and for experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.parquet_tables import ParquetTables
from tutordex_analysis.source.tables import Tables


class EventsSource:
    """Event tables: those of a folder, `users.parquet` or `users/` with several Parquet files, or of a database.

    Only the columns that are named are ever read, so names and addresses in the other columns stay where they are.

    Args:
        tables: The folder where they are, or what reads them.
        catalogue: Its signals with `events: table.column` can be read here.

    Raises:
        SourceError: The folder is not there.
    """

    def __init__(self, tables: Path | str | Tables, *, catalogue: Catalogue) -> None:
        self.tables = ParquetTables(tables) if isinstance(tables, Path | str) else tables
        self.uri = self.tables.uri
        self.catalogue = catalogue

    def read(self, signal: str, time_range: TimeRange) -> pd.DataFrame:
        """Rows in (t - step, t] for each instant; zeros between the first and the last row of the table, NaN outside.

        Raises:
            CatalogueError: There is no such signal.
            SourceError: The signal is not made of events, or its table or column is not there.
        """
        spec = self.catalogue.signal(signal)
        if spec.events is None:
            raise SourceError(
                f"{signal} comes from Prometheus and not from events; read it from a server or an archive"
            )
        table, column = spec.events.split(".")
        first = time_range.start - time_range.step
        moments = self.tables.moments(table, column, first, time_range.grid[-1])
        if pd.isna(moments.first):
            return frames.empty(["__name__"])
        grid = time_range.grid.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        edges = np.append(grid[0] - time_range.step.value, grid)
        counted = np.histogram(moments.inside, bins=edges + 1)[0].astype(
            np.float64
        )  # + 1 ns: the later end belongs to the step
        known = (edges[1:] >= moments.first.value) & (edges[:-1] < moments.last.value)
        return frames.build(np.where(known, counted, np.nan)[None], [{"__name__": signal}], time_range)
