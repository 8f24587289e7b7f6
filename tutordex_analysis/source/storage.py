"""How an archive lies on disk: one Parquet file a part, step and UTC month, written whole or not at all.

A row is one series on one UTC day: its labels as JSON text, the day, and the values of the day's grid (NaN where there
is no sample); days without any sample have no row. Values are `list<double>`, byte-stream split and zstd, with a
checksum on every page. A step longer than a day, or one that does not divide a day, is not supported.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats, TimeRange

Flags: TypeAlias = npt.NDArray[np.bool_]

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


class NotWritten(SourceError):
    """The disk is full, or the folder may not be written; what was held is as it was."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Series on whole UTC days.

    Attributes:
        labels: JSON text of each series' labels, sorted.
        day: The first day, counted from 1970-01-01.
        values: Shape (n_series, n_days, instants a day), NaN where there is no sample.
    """

    labels: Sequence[str]
    day: int
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
        raise SourceError(
            f"an archive keeps steps that divide a day, such as 5m, 1h or 1d, not {frames.duration_text(step)}"
        )
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
    held = read(path, step=piece.step) if path.exists() else _nothing(per_day(piece.step))
    month = _month(held, names, path.stem)
    flat = _flat(month)
    before = np.count_nonzero(~np.isnan(flat))
    start = (epoch(piece.start) - month.day * _DAY) // milliseconds(piece.step)
    span = slice(start, start + len(piece))
    merged = _merged(flat[:, span], _rows(month.labels, names), answer, refill=refill)
    changed = not _same(flat[:, span], merged)
    flat[:, span] = merged
    there: Flags = ~np.isnan(flat)
    kept: list[int] = np.flatnonzero(there.any(axis=1)).tolist()
    if not kept:
        path.unlink(missing_ok=True)
    elif changed:
        labels = [month.labels[i] for i in kept]
        values = month.values if len(kept) == len(flat) else month.values[kept]
        write(path, Block(labels=labels, day=month.day, values=values), step=piece.step, query=query)
    samples = int(np.count_nonzero(there))
    return Written(
        series=len(kept),
        samples=samples,
        new=samples - int(before),
        bytes=path.stat().st_size if samples else 0,
        present=np.asarray(there[:, span].any(axis=0)),
    )


def write(path: Path, block: Block, *, step: pd.Timedelta, query: str) -> None:
    """A month's file from whole days."""
    rows, days = np.nonzero(~np.isnan(block.values).all(axis=2))
    flat = block.values[rows, days].reshape(-1)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * block.values.shape[2]
    table = pa.Table.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(rows, pa.int32()), pa.array(block.labels, pa.string())).cast(
                pa.string()
            ),
            pa.array((days + block.day).astype("datetime64[D]"), pa.date32()),
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), type=_COLUMNS.field("values").type),
        ],
        schema=_COLUMNS.with_metadata(
            {
                "tutordex_schema": SCHEMA,
                "tutordex_query": query,
                "tutordex_step": frames.duration_text(step),
            }
        ),
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
    put(path, buffer.getvalue())


def read(path: Path, *, step: pd.Timedelta, days: tuple[int, int] | None = None) -> Block:
    """The days of a month's file, or those of `days` (from, to; counted from 1970) that it has.

    Raises:
        DamagedFile: The file is missing or cannot be read.
        SourceError: A newer version of this package wrote it.
    """
    count = per_day(step)
    try:
        # ponytail: reads the whole month, also for one day of it; row groups by week if months ever get large
        with pq.ParquetFile(path, read_dictionary=["labels"], page_checksum_verification=True) as file:
            schema = (file.metadata.metadata or {}).get(b"tutordex_schema", b"").decode()
            table = file.read(columns=["labels", "day", "values"]).combine_chunks()
        if schema == SCHEMA:
            return _block(table, count, days)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
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
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> DamagedFile:
    """The sentence about a file that is missing, or cannot be read."""
    start, end = (f"{pd.Timestamp(one, unit='ms'):%Y-%m-%dT00:00:00Z}" for one in month_span(path.stem))
    return DamagedFile(
        f"{path} is damaged or missing and cannot be read; pull that month again with "
        f"`tutordex-analysis pull --refill {start} {end}`, or put the file back from a copy"
    )


def put(path: Path, data: bytes | pa.Buffer) -> None:
    """Writes a file whole or not at all: beside its place, to the disk, then renamed over it.

    Raises:
        NotWritten: The disk is full, or the folder cannot be written; the file is then as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise NotWritten(
            f"could not write {path}: {error.strerror}; what was held is as it was, "
            "make room (or the folder writable) and pull again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _month(held: Block, names: Sequence[str], month: str) -> Block:
    """A whole month for the held series and these; NaN where nothing is held."""
    first, last = (moment // _DAY for moment in month_span(month))
    labels = sorted({*held.labels, *names})
    values = np.full((len(labels), last - first, held.values.shape[2]), np.nan)
    at = held.day - first if held.labels else 0
    values[_rows(labels, held.labels), at : at + held.values.shape[1]] = held.values
    return Block(labels=labels, day=first, values=values)


def _flat(block: Block) -> Floats:
    series, days, count = block.values.shape
    return block.values.reshape(series, days * count)


def _rows(labels: Sequence[str], names: Sequence[str]) -> list[int]:
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


def _nothing(count: int) -> Block:
    return Block(labels=[], day=0, values=np.empty((0, 0, count)))


def _block(table: pa.Table, count: int, days: tuple[int, int] | None) -> Block:
    day = table["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    column = table["values"].chunk(0) if table.num_rows else pa.array([], _COLUMNS.field("values").type)
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, count)
    if len(values) != len(day):
        raise ValueError("a row does not have the values of one day")
    labels = table["labels"].chunk(0) if table.num_rows else pa.array([], pa.string()).dictionary_encode()
    names, row = labels.dictionary.to_pylist(), labels.indices.to_numpy()
    if days is not None:
        inside = (day >= days[0]) & (day < days[1])
        day, row, values = day[inside], row[inside], values[inside]
    if not len(day):
        return _nothing(count)
    used, row = np.unique(row, return_inverse=True)
    first, last = int(day.min()), int(day.max())
    block = np.full((len(used), last - first + 1, count), np.nan)
    block[row, day - first] = values
    return Block(labels=[names[i] for i in used], day=first, values=block)


def _same(one: Floats, other: Floats) -> bool:
    return bool((one.view(np.int64) == np.ascontiguousarray(other).view(np.int64)).all())
