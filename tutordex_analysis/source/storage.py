"""How an archive lies on disk: one Parquet file a part, step and UTC month, written whole or not at all.

A row is one series on one UTC day: its labels as JSON text, the day, and the values of the day's grid (NaN where there
is no sample); days without any sample have no row. Values are `list<double>`, byte-stream split and zstd, with a
checksum on every page. A step longer than a day, or one that does not divide a day, is not supported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tutordex_analysis import disk
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.moment import duration_text

Flags: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.int64]

SCHEMA = "1"
LEVEL = 9  # of zstd: counters are a fifth smaller than at the default, writing and reading as fast
_DAY = 86_400_000
_COLUMNS = pa.schema(
    [
        pa.field("labels", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("values", pa.list_(pa.field("element", pa.float64(), nullable=False)), nullable=False),
    ]
)


class DamagedFile(SourceError):
    """A month's file is missing, or cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What is in a month's file: a row a series and UTC day.

    Attributes:
        labels: JSON text of each series' labels.
        series: Index into `labels`, shape (n_rows,).
        day: Days since 1970-01-01, shape (n_rows,).
        values: Shape (n_rows, instants a day), NaN where there is no sample.
    """

    labels: Sequence[str]
    series: Indices
    day: Indices
    values: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Written:
    """What one piece brought to a month's file.

    Attributes:
        series: Series in the month's file.
        samples: Samples in the month's file.
        new: Samples that were not held before.
        bytes: Size of the file; 0 when the month has no sample and so no file.
        present: Whether any series has a sample, for each instant of the piece.
    """

    series: int
    samples: int
    new: int
    bytes: int
    present: Flags


def per_day(step: pd.Timedelta) -> int:
    """Instants of one day.

    Raises:
        SourceError: The step does not divide a day.
    """
    count, rest = divmod(_DAY, milliseconds(step))
    if rest:
        raise SourceError(f"an archive keeps steps that divide a day, such as 5m, 1h or 1d, not {duration_text(step)}")
    return count


def milliseconds(span: pd.Timedelta) -> int:
    """A span in whole milliseconds."""
    return round(span / pd.Timedelta(milliseconds=1))


def epoch(moment: pd.Timestamp) -> int:
    """Milliseconds since 1970."""
    return moment.value // 1_000_000


def month_of(moment: int) -> str:
    """The UTC month that an instant in milliseconds lies in, such as "2026-03"."""
    return str(np.datetime64(moment, "ms").astype("datetime64[M]"))


def month_span(month: str) -> tuple[int, int]:
    """First instant of a month and of the next one, in milliseconds."""
    first = np.datetime64(month, "M")
    start, end = (int(one.astype("datetime64[ms]").astype(np.int64)) for one in (first, first + 1))
    return start, end


def merge(path: Path, frame: pd.DataFrame, piece: TimeRange, *, query: str, refill: bool = False) -> Written:
    """Puts an answer into its month's file; the new answer wins, but what is missing in it erases nothing.

    Args:
        path: The month's file, there or not.
        frame: The answer: every series on the grid of `piece`, or empty.
        piece: What was asked; it lies in one month.
        query: The PromQL text, kept in the file.
        refill: A sample that the answer lacks is erased too, between the first and the last instant for which the
            answer has anything at all; outside of these the server may only have lost its history.

    Raises:
        SourceError: The answer is not on the grid that was asked for.
        DamagedFile: The file cannot be read.
        NotWritten: The file cannot be written; it is as it was.
    """
    names, answer = _answer(frame, piece)
    held = [read(path, step=piece.step)] if path.exists() else []
    first, last = (moment // _DAY for moment in month_span(path.stem))
    labels, month = laid(held, days=(first, last), step=piece.step, names=names)
    flat = month.reshape(len(labels), (last - first) * per_day(piece.step))
    before = np.count_nonzero(~np.isnan(flat))
    start = (epoch(piece.start) - first * _DAY) // milliseconds(piece.step)
    span = slice(start, start + len(piece))
    merged = _merged(flat[:, span], _positions(labels, names), answer, refill=refill)
    changed = not _same(flat[:, span], merged)
    flat[:, span] = merged
    there: Flags = ~np.isnan(flat)
    kept: list[int] = np.flatnonzero(there.any(axis=1)).tolist()
    if not kept:
        path.unlink(missing_ok=True)
    elif changed:
        rows = _taken_apart([labels[i] for i in kept], month if len(kept) == len(labels) else month[kept], first)
        write(path, rows, step=piece.step, query=query)
    samples = int(np.count_nonzero(there))
    return Written(
        series=len(kept),
        samples=samples,
        new=samples - int(before),
        bytes=path.stat().st_size if samples else 0,
        present=np.asarray(there[:, span].any(axis=0)),
    )


def laid(
    months: Sequence[Rows], *, days: tuple[int, int], step: pd.Timedelta, names: Sequence[str] = ()
) -> tuple[list[str], Floats]:
    """The rows of some months as one array.

    Args:
        months: What was read.
        days: First day and the one after the last, counted from 1970; rows outside are left out.
        step: The grid.
        names: Labels of series that are wanted even if no row has them.

    Returns:
        Labels, sorted, and values of shape (n_series, n_days, instants a day), NaN where nothing is held.
    """
    labels = sorted({*names, *(text for rows in months for text in rows.labels)})
    shape = len(labels), days[1] - days[0], per_day(step)
    inside = [(rows.day >= days[0]) & (rows.day < days[1]) for rows in months]
    full = sum(int(one.sum()) for one in inside) == shape[0] * shape[1]  # a series has one row a day
    values = np.empty(shape) if full else np.full(shape, np.nan)
    for rows, use in zip(months, inside, strict=True):
        series = np.array(_positions(labels, rows.labels), dtype=np.int64)[rows.series]
        if use.all():
            values[series, rows.day - days[0]] = rows.values
        else:
            values[series[use], rows.day[use] - days[0]] = rows.values[use]
    return labels, values


def write(path: Path, rows: Rows, *, step: pd.Timedelta, query: str) -> None:
    """A month's file from its rows, which are sorted by series and day."""
    offsets = np.arange(len(rows.day) + 1, dtype=np.int32) * rows.values.shape[1]
    series = pa.DictionaryArray.from_arrays(pa.array(rows.series, pa.int32()), pa.array(rows.labels, pa.string()))
    values = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(rows.values.reshape(-1)), type=_COLUMNS.field("values").type
    )
    facts = {"tutordex_schema": SCHEMA, "tutordex_query": query, "tutordex_step": duration_text(step)}
    table = pa.Table.from_arrays(
        [series.cast(pa.string()), pa.array(rows.day.astype("datetime64[D]"), pa.date32()), values],
        schema=_COLUMNS.with_metadata(facts),
    )
    buffer = pa.BufferOutputStream()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=["labels"],
        column_encoding={"values.list.element": "BYTE_STREAM_SPLIT", "day": "DELTA_BINARY_PACKED"},
        write_statistics=["labels", "day"],
        write_page_checksum=True,
    )
    disk.put(path, memoryview(buffer.getvalue()))


def read(path: Path, *, step: pd.Timedelta) -> Rows:
    """A month's file.

    Raises:
        DamagedFile: The file is missing or cannot be read.
        SourceError: A newer version of this package wrote it.
    """
    count = per_day(step)
    try:
        with pq.ParquetFile(path, read_dictionary=["labels"], page_checksum_verification=True) as file:
            schema = (file.metadata.metadata or {}).get(b"tutordex_schema", b"").decode()
            table = file.read(columns=["labels", "day", "values"]).combine_chunks()
        if schema == SCHEMA:
            return _rows(table, count)
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise damaged(path) from error
    if schema > SCHEMA:
        raise SourceError(f"{path} was written by a newer version of tutordex-analysis; update this one to read it")
    raise damaged(path)


def labels_of(texts: Sequence[str]) -> list[dict[str, str]]:
    """Label sets from their JSON texts."""
    return [json.loads(text) for text in texts]


def label_sets(path: Path) -> list[dict[str, str]]:
    """The series of a month's file, read without their values.

    Raises:
        DamagedFile: The file is missing or cannot be read.
    """
    try:
        column = pq.read_table(pa.BufferReader(path.read_bytes()), columns=["labels"])["labels"]
        return labels_of(column.unique().to_pylist())
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> DamagedFile:
    """The sentence about a file that is missing, or cannot be read."""
    start, end = (f"{pd.Timestamp(one, unit='ms'):%Y-%m-%dT00:00:00Z}" for one in month_span(path.stem))
    return DamagedFile(
        f"{path} is damaged or missing and cannot be read; pull that month again with "
        f"`tutordex-analysis pull --refill {start} {end}`, or put the file back from a copy"
    )


def _answer(frame: pd.DataFrame, piece: TimeRange) -> tuple[list[str], Floats]:
    """JSON labels and values, shape (n_series, len(piece))."""
    if frame.empty:
        return [], np.empty((0, len(piece)))
    _, grid, values = frames.matrix(frame)
    if len(grid) != len(piece) or grid[0] != piece.start or grid[-1] != piece.end - piece.step:
        raise SourceError(f"asked for {piece}, but the answer goes from {grid[0]} to {grid[-1]}; nothing was stored")
    label_names = frames.label_names(frame)
    first = frame.iloc[:: len(piece)][label_names].astype(str).to_numpy().tolist()
    return [_text(dict(zip(label_names, row, strict=True))) for row in first], values


def _text(labels: dict[str, str]) -> str:
    present = {name: value for name, value in labels.items() if value}
    return json.dumps(present, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _positions(labels: Sequence[str], names: Sequence[str]) -> list[int]:
    position = {name: i for i, name in enumerate(labels)}
    return [position[name] for name in names]


def _merged(held: Floats, rows: list[int], answer: Floats, *, refill: bool) -> Floats:
    new = np.full_like(held, np.nan)
    new[rows] = answer
    keep = np.isnan(new)
    if refill and not keep.all():
        reach = np.flatnonzero(~keep.all(axis=0))
        keep[:, reach[0] : reach[-1] + 1] = False
    return np.where(keep, held, new)


def _taken_apart(labels: Sequence[str], values: Floats, first: int) -> Rows:
    """Rows of the days that have a sample."""
    series, day = np.nonzero(~np.isnan(values).all(axis=2))
    return Rows(labels=labels, series=series, day=day + first, values=values[series, day])


def _rows(table: pa.Table, count: int) -> Rows:
    labels, column = table["labels"].chunk(0), table["values"].chunk(0)
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, count)
    if len(values) != table.num_rows:
        raise ValueError("a row does not have the values of one day")
    return Rows(
        labels=labels.dictionary.to_pylist(),
        series=labels.indices.to_numpy().astype(np.int64),
        day=table["day"].to_numpy().astype("datetime64[D]").astype(np.int64),
        values=values,
    )


def _same(one: Floats, other: Floats) -> bool:
    return bool((one.view(np.int64) == np.ascontiguousarray(other).view(np.int64)).all())
