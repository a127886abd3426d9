"""Tables and queries of databases, read through SQLAlchemy in a transaction that cannot write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from rnnforecast.data.io.frame_source import FrameSource, cells_to_text, without_rare_types
from rnnforecast.errors import DataError, Problem, RnnForecastError
from rnnforecast.spec.locations import ExpandedUrl, expand_url, query_problem

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult, Engine, TableClause

T = TypeVar("T")
RETRY_DELAYS = (1.0, 5.0)
"""Seconds before the second and the third attempt to connect."""
_CHUNK_ROWS = 50_000
_CONNECT_SECONDS, _LOCK_SECONDS = 30, 60
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""The driver of the extra, where the URL names none."""
_SQLITE_PARAMETERS = ("uri", "mode", "cache", "immutable", "nolock", "timeout")
_FINAL_REASONS = (
    *("password", "authentication", "does not exist", "no pg_hba"),
    *("unable to open", "no such", "readonly", "syntax"),
)
"""Parts of messages about what does not pass by itself."""


@dataclass(frozen=True)
class Database:
    """An open database."""

    engine: Engine
    url: ExpandedUrl
    table: str | None
    """The parameter ``table`` of the URL: ``sales`` or ``schema.sales``."""


@contextmanager
def open_database(
    item: str, *, must_exist: bool = True, error: type[RnnForecastError] = DataError
) -> Iterator[Database]:
    """The database of a URL, closed after the block.

    ``postgresql+psycopg://${USER}:${PASSWORD}@host/sales?table=daily`` and SQLAlchemy's other URLs;
    the parameter ``table`` is ours. With `must_exist`, a missing file of SQLite is not made.

    Raises `error`, also for SQLAlchemy's errors in the block, without the values of variables.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, SQLAlchemyError
    except ImportError:
        found = "databases need the package sqlalchemy, which is not installed"
        raise error(Problem("", found, "pip install 'rnnforecast[sql]'")) from None
    url = expand_url(item, error)
    try:
        parsed = sqlalchemy.make_url(url.text)
        table = parsed.query.get("table")
        parsed = parsed.difference_update_query(["table"])
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        if parsed.drivername.startswith("sqlite"):
            _check_sqlite(parsed, url, error, must_exist=must_exist)
        engine = sqlalchemy.create_engine(
            parsed, poolclass=sqlalchemy.NullPool, connect_args=_connect_arguments(parsed)
        )
        engine.dialect.create_connect_args(parsed)  # fails for parameters with wrong values
    except ImportError as missing:
        package = missing.name or "the driver of this database"
        found = f"the URL needs the package {package}, which is not installed"
        raise error(Problem(url.name, found, f"pip install {package}")) from None
    except (ArgumentError, ValueError) as wrong:
        cure = "write it like postgresql+psycopg://user:${PASSWORD}@host/database"
        found = f"no URL of a database ({url.hide(wrong)})"
        raise error(Problem(url.name, found, cure)) from None
    try:
        yield Database(engine, url, table if isinstance(table, str) else None)
    except (SQLAlchemyError, UnicodeError) as failed:  # UnicodeError: no name of a host, no UTF-8
        raise error(_database_problem(url, failed)) from None
    finally:
        engine.dispose()


def read_database(item: str, query: str | None) -> FrameSource:
    """The rows of the URL's table, or else of `query`, with the types of the database.

    Exact decimals become floats, timestamps with a time zone UTC, NULL and NaN missing. The rows
    are fetched in parts, in a transaction that is read-only where the database has such. Raises
    DataError if the database cannot be reached or refuses the query, and for a result without rows
    or with several columns of one name.
    """
    with open_database(item) as database, with_retries(database.engine.connect) as connection:
        import sqlalchemy

        if database.table is not None:
            table = table_clause(database.table)
            select = sqlalchemy.select(sqlalchemy.text("*")).select_from(table)
            query = str(select.compile(database.engine))
        elif query is None:
            found, cure = (
                "neither a table nor a query",
                "set data.query, or end the URL in ?table=NAME",
            )
            raise DataError(Problem(database.url.name, found, cure))
        elif wrong := query_problem(query):
            raise DataError(Problem("data.query", wrong, "write one SELECT"))
        result = _execute_read_only(connection, query)
        names = _column_names(result, database.url)
        parts = [
            pa.Table.from_arrays([_to_arrow(cells) for cells in zip(*rows, strict=True)], names)
            for rows in result.partitions(_CHUNK_ROWS)
        ]
        connection.rollback()
    if not parts:
        found, cure = "the query returned no rows; expected at least one", "check the query"
        raise DataError(Problem(database.url.name, found, cure))
    return FrameSource(database.url.name, _concatenate(parts))


def table_clause(table: str) -> TableClause:
    """The table ``sales`` or ``schema.sales`` in a statement."""
    import sqlalchemy

    schema, _, name = table.rpartition(".")
    return sqlalchemy.table(name, schema=schema or None)


def with_retries(call: Callable[[], T]) -> T:
    """The result of `call`, tried again after `RETRY_DELAYS` if the database cannot be reached."""
    from sqlalchemy.exc import OperationalError

    for delay in RETRY_DELAYS:
        try:
            return call()
        except OperationalError as error:
            if any(reason in str(error.orig) for reason in _FINAL_REASONS):
                raise
            time.sleep(delay)
    return call()


def _check_sqlite(
    parsed: URL, url: ExpandedUrl, error: type[RnnForecastError], *, must_exist: bool
) -> None:
    """Raises `error` for unknown parameters, and if a file that `must_exist` is missing."""
    if unknown := [name for name in parsed.query if name not in _SQLITE_PARAMETERS]:
        cure = "name the table as in sqlite:///sales.db?table=daily"
        problems = (Problem(url.name, f"unknown parameter {name!r}", cure) for name in unknown)
        raise error(*problems)
    path = parsed.database
    if must_exist and path and not path.startswith((":", "file:")) and not Path(path).is_file():
        cure = "check the path; in a spec a relative one counts from the folder of the spec"
        raise error(Problem(url.name, "there is no such file", cure))


def _connect_arguments(parsed: URL) -> dict[str, Any]:
    """Time limits, unless the URL has its own."""
    driver = parsed.drivername
    limits: dict[str, Any] = {}
    if driver.startswith("postgresql"):
        limits = {"connect_timeout": _CONNECT_SECONDS, "application_name": "rnnforecast"}
    elif driver.startswith("sqlite"):
        limits = {"timeout": _LOCK_SECONDS}
    return {name: value for name, value in limits.items() if name not in parsed.query}


def _execute_read_only(connection: Connection, query: str) -> CursorResult[Any]:
    """The result of a query, fetched in parts from a server-side cursor where there is one."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif dialect in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.rollback()  # from the next transaction on
    elif dialect == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    # without parameters, colons and percent signs of the query mean nothing
    options = {"no_parameters": True, "stream_results": True, "max_row_buffer": _CHUNK_ROWS}
    return connection.execution_options(**options).exec_driver_sql(query.strip().rstrip(";"))


def _column_names(result: CursorResult[Any], url: ExpandedUrl) -> list[str]:
    """The names of the columns; DataError if one occurs twice."""
    names = list(map(str, result.keys()))
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        found = f"the query has several columns {', '.join(map(repr, repeated))}"
        raise DataError(Problem(url.name, found, "give each its own name with AS"))
    return names


def _to_arrow(cells: Sequence[Any]) -> Any:
    """A part of a column; as text if its cells have several types."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if Decimal in kinds and kinds <= {Decimal, int, float}:
        is_whole = all(isinstance(c, int) or _is_whole(c) for c in cells if c is not None)
        cells = [None if c is None else int(c) if is_whole else float(c) for c in cells]
        kinds = {int if is_whole else float}
    kind = pa.float64() if kinds == {float} else None
    if kinds == {datetime} and all(c is None or c.tzinfo is not None for c in cells):
        kind = pa.timestamp("us", tz="UTC")
    try:
        return without_rare_types(pa.chunked_array([pa.array(cells, kind, from_pandas=True)]))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.chunked_array([cells_to_text(cells)])


def _is_whole(cell: Any) -> bool:
    """Whether a decimal has no digits after the point, as those of whole-number columns."""
    return isinstance(cell, Decimal) and cell.is_finite() and cell.as_tuple().exponent == 0


def _concatenate(parts: Sequence[pa.Table]) -> pa.Table:
    """The parts as one table; text if the parts of a column have no common type."""
    names = parts[0].column_names
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        columns = [[cells_to_text(part[name].to_pylist()) for part in parts] for name in names]
        return pa.table(dict(zip(names, map(pa.chunked_array, columns), strict=True)))


def _database_problem(url: ExpandedUrl, error: Exception) -> Problem:
    """What a database said, and what to do."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    reason = url.hide(getattr(error, "orig", None) or error)
    if "readonly" in reason or "read-only" in reason:
        found = f"the database may not be written to ({reason})"
        return Problem(url.name, found, "write a query that only reads, or give the user the right")
    if isinstance(error, OperationalError | InterfaceError) and "no such" not in reason:
        cure = "check host, user, password and database, and that this machine may connect"
        return Problem(url.name, f"the database cannot be used ({reason})", cure)
    return Problem(url.name, f"the database refuses this ({reason})", "correct the query or table")
