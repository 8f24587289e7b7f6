"""Event tables in PostgreSQL: the named columns of the rows in time, read-only, piece by piece, with limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import numpy as np
import pandas as pd

from tutordex_analysis.errors import NotHeld, SourceError
from tutordex_analysis.source.tables import Asked, Moments

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, Table

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
LIMIT_SECONDS = 120  # of one statement; the database of a running service is not ours to keep busy
MOST_ROWS = 5_000_000  # of one table; about a gigabyte as a frame
_ROWS = 50_000  # that are fetched at once; no more of them are held as the driver makes them


class PostgresTables:
    """Tables of one database; makes no connection before it is asked.

    Args:
        url: `postgresql://user:password@host:port/database`; the password is in no message.
        limit_seconds: The longest that a statement may take.
        most_rows: The most rows that one question may have; more are refused before they are held.

    Raises:
        SourceError: It is no such URL, or the extra `events` is not installed.
    """

    def __init__(self, url: str, *, limit_seconds: float = LIMIT_SECONDS, most_rows: int = MOST_ROWS) -> None:
        try:
            import psycopg  # noqa: F401 - SQLAlchemy loads it by name, too late for a sentence of ours
            from sqlalchemy.engine import make_url
        except ImportError:
            raise SourceError(
                "a database is read with SQLAlchemy and psycopg; pip install 'tutordex-analysis[events]'"
            ) from None
        try:
            found = make_url(url)
        except Exception:  # whatever it is, its text may hold the password
            raise SourceError("events_url is no URL of a database; postgresql://user:password@host/database") from None
        if found.drivername not in SCHEMES:
            raise SourceError(f"events are read from a folder or from postgresql://, not from {found.drivername}://")
        if isinstance(late := found.query.get("password"), str):  # SQLAlchemy prints what stands there
            found = found.set(password=late).difference_update_query(["password"])
        self._url = found.set(drivername="postgresql+psycopg")
        self.limit_seconds, self.most_rows = limit_seconds, most_rows
        port = f":{found.port}" if found.port else ""
        self.uri = f"postgresql://{found.host or 'localhost'}{port}/{found.database or ''}"

    def __repr__(self) -> str:
        return f"PostgresTables({self.uri!r})"

    def read(self, asked: Asked) -> pd.DataFrame:
        """The rows of a table."""
        from sqlalchemy import Text, cast, or_, select

        with self._connection() as connection:
            table = self._table(connection, asked.table)
            columns = {name: self._column(table, column) for name, column in asked.columns.items()}
            query = select(*(column.label(name) for name, column in columns.items()))
            if asked.time:
                moment = self._moment(table, asked.time)
                bounds = [moment >= asked.start] if asked.start is not None else []
                bounds += [moment <= asked.end] if asked.end is not None else []
                for bound in bounds:
                    query = query.where(or_(moment.is_(None), bound))
            for column, values in asked.equals.items():
                query = query.where(cast(self._column(table, column), Text).in_(values))
            times = {name for name, column in asked.columns.items() if column == asked.time}
            pieces = [
                _frame(pd.DataFrame(part, columns=[*columns], dtype=object), times)
                for part in self._pieces(connection, query, asked.table)
            ]
        rows = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=[*columns], dtype=object)
        return _frame(rows, times)

    def moments(self, table: str, column: str, start: pd.Timestamp, end: pd.Timestamp) -> Moments:
        """The times of a column in (start, end], and the first and the last of all."""
        from sqlalchemy import func, select

        with self._connection() as connection:
            moment = self._moment(self._table(connection, table), column)
            first, last = connection.execute(select(func.min(moment), func.max(moment))).one()
            query = select(moment).where(moment > start, moment <= end)
            parts = self._pieces(connection, query, table)
            found = [_nanoseconds([row[0] for row in part]) for part in parts]
        inside = np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
        return Moments(inside=inside, first=pd.Timestamp(first), last=pd.Timestamp(last))

    def _pieces(self, connection: Connection, query: Select[Any], table: str) -> Iterator[Sequence[Row[Any]]]:
        """The rows of a query as the server hands them over, from a cursor of its own; refuses too many."""
        n = 0
        asked = query.limit(self.most_rows + 1).execution_options(yield_per=min(_ROWS, self.most_rows + 1))
        with connection.execute(asked) as answer:
            for part in answer.partitions():
                n += len(part)
                if n > self.most_rows:
                    raise SourceError(
                        f"the table {table} in {self.uri} has more than {self.most_rows:,} rows for this question; ask "
                        "for less time (start: and end: of the experiment), or export it to a folder of Parquet files"
                    )
                yield part

    @cached_property
    def _engine(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        options = {} if "connect_timeout" in self._url.query else {"connect_timeout": 10}
        return create_engine(self._url, poolclass=NullPool, connect_args=options, hide_parameters=True)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as opened:
                connection = opened.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                connection.execute(text(f"SET LOCAL statement_timeout = {round(self.limit_seconds * 1000)}"))
                yield connection
        except SQLAlchemyError as error:
            raise SourceError(f"{self.uri} did not answer: {self._plain(error)}") from None

    def _plain(self, error: Exception) -> str:
        """The database's own words on one line, without the password."""
        words = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        secret = self._url.password or ""
        for written in dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret))):
            words = words.replace(written, "***") if written else words
        return words

    def _table(self, connection: Connection, name: str) -> Table:
        from sqlalchemy import MetaData, Table
        from sqlalchemy.exc import NoSuchTableError

        try:
            return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
        except NoSuchTableError:
            raise NotHeld(f"there is no table {name} in {self.uri}") from None

    def _column(self, table: Table, column: str) -> ColumnElement[Any]:
        """A column; one with dots from inside JSON, as text."""
        from sqlalchemy import JSON

        base, *inner = column.split(".")
        if base not in table.columns:
            raise SourceError(f"the table {table.name} in {self.uri} has no column {column}")
        found: ColumnElement[Any] = table.columns[base]
        if not inner:
            return found
        if not isinstance(found.type, JSON):
            raise SourceError(f"{base} of the table {table.name} in {self.uri} holds no JSON, so there is no {column}")
        inside: ColumnElement[Any] = found[tuple(inner)].as_string()
        return inside

    def _moment(self, table: Table, column: str) -> ColumnElement[Any]:
        from sqlalchemy import DateTime

        found = self._column(table, column)
        if not isinstance(found.type, DateTime) or not found.type.timezone:
            raise SourceError(
                f"{column} of the table {table.name} in {self.uri} must be times with a zone, it is {found.type}; "
                "make it timestamptz"
            )
        return found


def _frame(rows: pd.DataFrame, times: set[str]) -> pd.DataFrame:
    """Rows with the types that exported ones have; what is in several pieces is done again once they are together."""
    return pd.DataFrame({str(name): _typed(rows[name], time=name in times) for name in rows.columns})


def _nanoseconds(moments: Sequence[object]) -> np.ndarray:
    """Times as nanoseconds since 1970."""
    found = _typed(pd.Series(moments, dtype=object), time=True).dt.tz_convert(None)
    return np.asarray(found.to_numpy().astype("datetime64[ns]"), dtype=np.int64)


def _typed(column: pd.Series, *, time: bool) -> pd.Series:
    """A fetched column with the type that an exported one has."""
    if time:
        return pd.to_datetime(column, utc=True).dt.as_unit("us")
    known = column.dropna()
    if len(known) == len(column):
        return column.infer_objects()
    return column.astype(np.float64) if len(known) and all(type(one) is float for one in known) else column
