"""The rows of a ledger: every forecast that was issued, and every score of one; as frames and as Parquet bytes.

An *issue* is what one run said at one moment. Its rows have one line a series and instant, with the quantiles that were
said and, beside them, those of the seasonal naive forecast from the same data.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tutordex_analysis.errors import SourceError
from tutordex_analysis.moment import Instant, duration_text, instant

SCHEMA = "1"
LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
SAID = tuple(f"q{p:g}" for p in LEVELS)
NAIVE = tuple(f"naive_q{p:g}" for p in LEVELS)
FRESH = pd.Timedelta(days=2)  # daily sums end at a midnight; what is older was not said of the present
KEY = ("issued", "via", "signal", "step", "digest")  # one issue of one signal
SCORE_KEY = ("signal", "step", "unique_id", "model", "via", "hindsight", "within", "day")

_TEXTS = ("signal", "unique_id", "model")
_ROWS: Mapping[str, pa.DataType] = MappingProxyType(
    {
        **{"issued": pa.timestamp("ms", "UTC"), "via": pa.string(), "hindsight": pa.bool_()},
        **{"signal": pa.string(), "unique_id": pa.string(), "step": pa.string()},
        **{"cutoff": pa.timestamp("ms", "UTC"), "ds": pa.timestamp("ms", "UTC")},
        **{"model": pa.string(), "parameters": pa.string(), "digest": pa.string(), "scale": pa.float64()},
        **{name: pa.float32() for name in (*SAID, *NAIVE)},
    }
)
_NUMBERS = (
    *("said", "said_lower", "said_upper", "happened", "miss", "naive_miss", "mase", "smape", "bias"),
    *("coverage_80", "coverage_95", "pinball", "naive_pinball", "skill"),
)
_SCORES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        **{"signal": pa.string(), "step": pa.string(), "unique_id": pa.string(), "model": pa.string()},
        **{"via": pa.string(), "hindsight": pa.bool_(), "within": pa.string()},
        **{name: pa.timestamp("ms", "UTC") for name in ("day", "issued", "cutoff", "until")},
        **{"steps": pa.int64()},
        **{name: pa.float64() for name in _NUMBERS},
    }
)
ROW_COLUMNS, SCORE_COLUMNS = tuple(_ROWS), tuple(_SCORES)


def no_rows() -> pd.DataFrame:
    """The rows of an empty ledger."""
    return _empty(_ROWS)


def no_scores() -> pd.DataFrame:
    """The scores of an empty ledger."""
    return _empty(_SCORES)


def stamped(rows: pd.DataFrame, *, issued: Instant, via: str, hindsight: bool) -> pd.DataFrame:
    """The rows of one issue, with the moment at which it was made.

    What was made of data older than two days, or newer than the moment, said nothing about the present: it is left
    out, unless it is hindsight.

    Args:
        rows: Columns of `ROW_COLUMNS` but the three that are filled in here.
        issued: The clock; for hindsight the past moment that is played.
        via: "report", "publish" or "replay".
        hindsight: Whether it was made afterwards from what was known then.
    """
    at = instant(issued)
    whole = rows.assign(issued=at, via=via, hindsight=hindsight)[list(ROW_COLUMNS)]
    age = at - whole["cutoff"]
    fresh = whole if hindsight else whole[(age <= FRESH) & (age >= -pd.Timedelta(minutes=1))]
    return fresh.reset_index(drop=True)


def joined(held: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both, sorted; of an issue that is held already nothing is taken a second time."""
    if new.empty:
        return held
    fresh = new[~among(new, held, KEY)] if len(held) else new
    if fresh.empty:
        return held
    both = pd.concat([held, fresh], ignore_index=True) if len(held) else fresh
    return both.sort_values(["issued", "via", "signal", "step", "unique_id", "ds"], kind="stable", ignore_index=True)


def among(table: pd.DataFrame, others: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which rows of a table have the values of these columns in another table too, shape (len(table),)."""
    known = others[list(columns)].drop_duplicates()
    found = table[list(columns)].merge(known, on=list(columns), how="left", indicator=True)
    return np.asarray(found["_merge"] == "both")


def latest_scores(held: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both, sorted; where both score the same, the new one counts, since its history may be more complete."""
    tables = [one for one in (held, new) if len(one)]
    if not tables:
        return no_scores()
    both = pd.concat(tables, ignore_index=True).drop_duplicates(list(SCORE_KEY), keep="last")
    return both.sort_values(["until", *SCORE_KEY], kind="stable", ignore_index=True)


def row_bytes(rows: pd.DataFrame) -> bytes:
    """Rows as a Parquet file; the same rows give the same bytes."""
    return _write(rows, _ROWS, kind="rows")


def score_bytes(scores: pd.DataFrame) -> bytes:
    """Scores as a Parquet file."""
    return _write(scores, _SCORES, kind="scores")


def rows_of(data: bytes, *, name: str) -> pd.DataFrame:
    """The rows of a Parquet file.

    Args:
        data: The file.
        name: What it is called in an error.

    Raises:
        SourceError: It is damaged, or no file of a ledger.
    """
    return _read(data, _ROWS, kind="rows", name=name)


def scores_of(data: bytes, *, name: str) -> pd.DataFrame:
    """The scores of a Parquet file; arguments and errors as of `rows_of`."""
    return _read(data, _SCORES, kind="scores", name=name)


def step_text(step: pd.Timedelta) -> str:
    """How a step stands in the column `step`."""
    return duration_text(step)


def _empty(schema: Mapping[str, pa.DataType]) -> pd.DataFrame:
    return _frame(pa.schema(list(schema.items())).empty_table())


def _write(table: pd.DataFrame, schema: Mapping[str, pa.DataType], *, kind: str) -> bytes:
    facts = {"tutordex_ledger": kind, "tutordex_ledger_schema": SCHEMA}
    small = [name for name, type_ in schema.items() if type_ == pa.float32()]
    plain = table[list(schema)].astype(dict.fromkeys(_TEXTS, object))
    plain = plain.assign(**{name: _short(plain[name].to_numpy()) for name in small})
    arrow = pa.Table.from_pandas(plain, schema=pa.schema(list(schema.items())), preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(
        arrow.replace_schema_metadata(facts),
        buffer,
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name in schema if name not in small],
        use_byte_stream_split=small,
        write_page_checksum=True,
        write_statistics=False,
    )
    return buffer.getvalue()


def _short(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Numbers rounded to 17 bits, five digits: a file is a third smaller, and no forecast is that exact."""
    bits = values.astype(np.float32).view(np.int32)
    rounded = np.where(np.isfinite(values), (bits + 0x40) & ~np.int32(0x7F), bits)
    return rounded.astype(np.int32).view(np.float32)


def _read(data: bytes, schema: Mapping[str, pa.DataType], *, kind: str, name: str) -> pd.DataFrame:
    try:
        with pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True) as file:
            facts = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
            if facts.get("tutordex_ledger") != kind:
                raise SourceError(f"{name} is no file of a ledger; move it away")
            if facts.get("tutordex_ledger_schema") != SCHEMA:
                raise SourceError(f"{name} is of another version of tutordex-analysis; use that one, or move it away")
            return _frame(file.read().select(list(schema)).cast(pa.schema(list(schema.items()))))
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise SourceError(f"{name} is damaged and is left out; move it away") from error


def _frame(arrow: pa.Table) -> pd.DataFrame:
    table: pd.DataFrame = arrow.to_pandas()
    numbers = {name: np.float64 for name in (*SAID, *NAIVE) if name in table.columns}
    return table.astype(numbers)
