"""Event tables exported to a folder: `users.parquet`, or `users/` with several Parquet files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.source import tables
from tutordex_analysis.source.tables import Asked, Moments


class ParquetTables:
    """A folder of exported tables; only the columns that are named are read.

    Raises:
        SourceError: The folder is not there.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder, self.uri = Path(folder), str(folder)
        if not self.folder.is_dir():
            raise SourceError(f"there is no folder of event tables at {self.uri}; export users.parquet into one")

    def read(self, asked: Asked) -> pd.DataFrame:
        """The rows of a table."""
        path, data = self._opened(asked.table)
        for column in asked.needed:
            if column.split(".")[0] not in data.schema.names:
                raise SourceError(f"the table {path} has no column {column}; export it with that column")
        stored = tuple(dict.fromkeys(one.split(".")[0] for one in asked.needed))
        found = self._table(path, data, stored, _filter(data.schema, asked))
        answer = {name: _column(found, column, path) for name, column in asked.columns.items()}
        chosen = np.ones(found.num_rows, dtype=bool)
        if asked.time:
            moments = _column(found, asked.time, path)
            tables.check_times(moments, f"{asked.time} of {path}")
            outside = (moments < asked.start) if asked.start is not None else pd.Series(data=False, index=moments.index)
            outside |= (moments > asked.end) if asked.end is not None else False
            chosen &= ~outside.to_numpy(bool)
        for column, values in asked.equals.items():
            chosen &= tables.texts(_column(found, column, path)).isin(values).to_numpy(bool)
        frame = pd.DataFrame(answer)
        return frame if chosen.all() else frame[chosen].reset_index(drop=True)

    def moments(self, table: str, column: str, start: pd.Timestamp, end: pd.Timestamp) -> Moments:
        """The times of a column in (start, end], and the first and the last of all."""
        path, data = self._opened(table)
        if column not in data.schema.names:
            raise SourceError(f"the table {path} has no column {column}; export it with that column")
        found = _column(self._table(path, data, (column,), None), column, path)
        tables.check_times(found, f"{column} of {path}")
        known = found.dropna().dt.tz_convert("UTC").sort_values()
        chosen = known[(known > start) & (known <= end)]
        inside = chosen.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        return Moments(inside=inside, first=known.min(), last=known.max())

    def _opened(self, table: str) -> tuple[Path, ds.Dataset]:
        paths = [path for path in (self.folder / f"{table}.parquet", self.folder / table) if path.exists()]
        if not paths:
            raise NotHeld(f"there is no table {table} in {self.uri}; export it as {table}.parquet")
        try:
            return paths[0], ds.dataset(paths[0], format="parquet")
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{paths[0]} cannot be read as Parquet; export it again ({_first(error)})") from error

    def _table(self, path: Path, data: ds.Dataset, columns: tuple[str, ...], rows: pc.Expression | None) -> pa.Table:
        try:
            return data.to_table(columns=list(columns), filter=rows)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{path} cannot be read as Parquet; export it again ({_first(error)})") from error


def _filter(schema: pa.Schema, asked: Asked) -> pc.Expression | None:
    """What can be left unread: rows outside the time, and other texts; the rest is chosen afterwards."""
    found: pc.Expression | None = None
    kind = schema.field(asked.time).type if asked.time else None
    if kind is not None and pa.types.is_timestamp(kind) and kind.tz is not None:
        for moment, late in ((asked.start, False), (asked.end, True)):
            if moment is not None:
                bound = pa.scalar(moment.to_pydatetime(warn=False), pa.timestamp("us", "UTC"))
                field = pc.field(asked.time)
                within = field.is_null() | ((field <= bound) if late else (field >= bound))
                found = within if found is None else found & within
    for column, values in asked.equals.items():
        if "." not in column and pa.types.is_string(schema.field(column).type):
            one = pc.field(column).isin(list(values))
            found = one if found is None else found & one
    return found


def _column(found: pa.Table, column: str, path: Path) -> pd.Series:
    """One column; one with dots from inside JSON text, a struct or a map."""
    base, *inner = column.split(".")
    values = found.column(base)
    if not inner:
        plain: pd.Series = values.to_pandas(integer_object_nulls=True)
        return plain
    coded = values.combine_chunks() if pa.types.is_nested(values.type) else values.dictionary_encode().combine_chunks()
    if pa.types.is_nested(values.type):
        return pd.Series([tables.inside(_plain(one), inner) for one in coded.to_pylist()], dtype=object)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise SourceError(f"{base} of {path} holds no JSON, so there is no {column}; it is {values.type}")
    distinct = coded.dictionary.to_pylist()
    try:
        parsed = [tables.inside(json.loads(one, parse_float=str, parse_int=str), inner) for one in distinct]
    except ValueError:
        raise SourceError(f"{base} of {path} holds text that is no JSON, so {column} cannot be read") from None
    codes = coded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return pd.Series(np.array([*parsed, None], dtype=object)[codes], dtype=object)


def _plain(value: object) -> object:
    """A map of Parquet comes as pairs."""
    return dict(value) if isinstance(value, list) else value


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
