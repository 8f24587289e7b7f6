"""What is asked of event tables, wherever they are, and the types in which the answer comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from tutordex_analysis.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Rows of a table.

    Attributes:
        table: Its name.
        columns: Name in the answer → column; one with dots lies inside a column of JSON and comes as text.
        time: Column of times by which rows are chosen; "" takes all.
        start: The earliest time that counts; rows without a time come too, so that they can be counted.
        end: The latest one.
        equals: Column → the texts of which it must be one.
    """

    table: str
    columns: Mapping[str, str]
    time: str = ""
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    equals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that must be there, each once, dots and all."""
        named = [*self.columns.values(), *self.equals, *([self.time] if self.time else [])]
        return tuple(dict.fromkeys(named))


class Tables(Protocol):
    """A place with event tables."""

    @property
    def uri(self) -> str:
        """Where it is, without secrets."""

    def read(self, asked: Asked) -> pd.DataFrame:
        """The rows, in no particular order.

        Raises:
            NotHeld: There is no such table.
            SourceError: A column is not there or is no times, or the place does not answer.
        """

    def moments(self, table: str, column: str, start: pd.Timestamp, end: pd.Timestamp) -> Moments:
        """The times of a column in (start, end], and the first and the last of all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Times of rows.

    Attributes:
        inside: Those that were asked for, sorted, nanoseconds since 1970.
        first: The first of the table, NaT in an empty one.
        last: The last of the table.
    """

    inside: np.ndarray
    first: pd.Timestamp
    last: pd.Timestamp


def inside(value: object, path: Iterable[str]) -> str | None:
    """What lies at a path inside JSON, as text: text as it is, all else as JSON has it; None where there is nothing.

    Example:
        >>> inside({"experiment": {"variant": "b", "n": 3}}, ("experiment", "n"))
        '3'
    """
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def texts(column: pd.Series) -> pd.Series:
    """A column as text; None where it is empty."""
    codes, found = pd.factorize(column)
    names = np.array([*(str(one) for one in found), None], dtype=object)
    return pd.Series(names[codes], index=column.index, dtype=object)


def numbers(column: pd.Series, where: str) -> pd.Series:
    """A column as numbers; NaN where it is empty.

    Raises:
        SourceError: It holds something else.
    """
    try:
        return column.astype(np.float64) if column.dtype != object else _numbers(column)
    except (TypeError, ValueError):
        strange = next(str(one) for one in column.dropna() if not _is_number(one))
        raise SourceError(f"{where} must be numbers, and it holds {strange[:40]!r}") from None


def units(column: pd.Series) -> pd.Series:
    """A column of identities: whole numbers stay numbers, all else is text."""
    known = column.dropna()
    whole = pd.api.types.is_integer_dtype(known) or all(type(one) is int for one in known.head(1000))
    if pd.api.types.is_float_dtype(known):  # what pandas makes of whole numbers with gaps
        whole = bool((known == np.floor(known)).all())
    if pd.api.types.is_bool_dtype(known) or not whole:
        return texts(column)
    try:
        return column.astype(np.int64) if len(known) == len(column) else column.astype("Int64")
    except (TypeError, ValueError, OverflowError):
        return texts(column)


def check_times(column: pd.Series, where: str) -> None:
    """Refuses a column that is no times, or times without a zone."""
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise SourceError(f"{where} must be times with a zone, it is {column.dtype}; export timestamptz")


def _numbers(column: pd.Series) -> pd.Series:
    return column.map(lambda one: np.nan if one is None else float(one)).astype(np.float64)


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
