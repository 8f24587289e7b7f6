"""Rows that Prometheus never sees, such as users: exported tables, read as counts over time and nothing more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange


class EventsSource:
    """A folder of exported tables: `users.parquet`, or `users/` with several Parquet files.

    Only the column of times is ever read, so names and addresses in the other columns stay where they are.

    Args:
        folder: Where the tables are.
        catalogue: Its signals with `events: table.column` can be read here.

    Raises:
        SourceError: The folder is not there.
    """

    def __init__(self, folder: Path | str, *, catalogue: Catalogue) -> None:
        self.folder = Path(folder)
        self.uri = str(folder)
        self.catalogue = catalogue
        if not self.folder.is_dir():
            raise SourceError(f"there is no folder of event tables at {self.uri}; export users.parquet into one")

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
        moments = self._times(table, column)
        if not len(moments):
            return frames.empty(["__name__"])
        grid = time_range.grid.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        edges = np.append(grid[0] - time_range.step.value, grid)
        counted = np.histogram(moments, bins=edges + 1)[0].astype(
            np.float64
        )  # + 1 ns: the later end belongs to the step
        known = (edges[1:] >= moments[0]) & (edges[:-1] < moments[-1])
        return frames.build(np.where(known, counted, np.nan)[None], [{"__name__": signal}], time_range)

    def _times(self, table: str, column: str) -> npt.NDArray[np.int64]:
        """The times of a table in nanoseconds since 1970, sorted; rows without one are left out."""
        paths = [path for path in (self.folder / f"{table}.parquet", self.folder / table) if path.exists()]
        if not paths:
            raise SourceError(f"there is no table {table} in {self.uri}; export it as {table}.parquet")
        try:
            read = pq.read_table(paths[0], columns=[column])
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{paths[0]} cannot be read as Parquet; export it again ({error})") from error
        if column not in read.column_names:
            raise SourceError(f"the table {paths[0]} has no column {column}; export it with that column")
        moments = read.column(column).to_pandas()
        if not isinstance(moments.dtype, pd.DatetimeTZDtype):
            raise SourceError(
                f"{column} of {paths[0]} must be times with a zone, it is {moments.dtype}; export timestamptz"
            )
        return np.sort(moments.dropna().dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64))
