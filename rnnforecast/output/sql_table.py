"""Rows of a table of a database: inserted, or updated where the key is there, in one transaction.

Databases: SQLite and PostgreSQL, through SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.errors import OutputError, Problem
from rnnforecast.wording import join_names

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table
    from sqlalchemy.types import TypeEngine

CHUNK_ROWS = 50_000
"""Rows that are converted at once, which bounds the memory."""

DIALECTS = ("sqlite", "postgresql")
"""Databases with ``INSERT … ON CONFLICT (key) DO UPDATE``."""


def upsert(
    engine: Engine,
    table: str,
    frame: pd.DataFrame,
    key: Sequence[str],
    *,
    add_columns: bool = False,
) -> int:
    """Writes all rows of `frame` to a table; returns their number. A repetition changes nothing.

    A missing table is created, with `key` as its primary key. A row whose key is in the table takes
    the place of the one there; other rows stay. All rows are written or none.

    Args:
        table: its name, with that of a schema if need be: ``sales.forecasts``.
        key: columns without missing values that no two rows have in common.
        add_columns: whether columns that the table lacks are added to it; otherwise they are an
            error.

    Raises OutputError for a table that does not fit and for other databases; SQLAlchemy's errors
    pass.
    """
    if engine.dialect.name not in DIALECTS:
        found = f"rows cannot be written to a database of {engine.dialect.name}"
        raise OutputError(Problem(table, found, f"use one of {join_names(DIALECTS)}"))
    with engine.begin() as connection:
        target = _prepare_table(connection, table, frame, key, add_columns=add_columns)
        if connection.dialect.driver == "psycopg":
            _copy_and_merge(connection, target, frame, key)
        else:
            statement = _insert(connection, target, list(frame.columns), key)
            compiled = statement.compile(connection, column_keys=list(frame.columns))
            for rows in _row_chunks(frame, sqlite_times=True):
                connection.exec_driver_sql(str(compiled), rows)
    return len(frame)


def _prepare_table(
    connection: Connection,
    name: str,
    frame: pd.DataFrame,
    key: Sequence[str],
    *,
    add_columns: bool,
) -> Table:
    """The table, created if it is missing, with all columns of the frame."""
    from sqlalchemy import Column, MetaData, Table, inspect, schema
    from sqlalchemy.types import NullType

    parent, _, short = name.rpartition(".")
    parent_name = parent or None
    columns = {
        str(column): Column(str(column), _sql_type(frame[column]), nullable=column not in key)
        for column in frame.columns
    }
    found = inspect(connection)
    if not found.has_table(short, schema=parent_name):
        constraint = schema.PrimaryKeyConstraint(*key)
        table = Table(
            short,
            MetaData(),
            *columns.values(),
            constraint,
            schema=parent_name,
            sqlite_with_rowid=False,  # the key is stored once
        )
        table.create(connection, checkfirst=True)
        return table
    existing = {each["name"]: each["type"] for each in found.get_columns(short, schema=parent_name)}
    missing = [column for column in columns if column not in existing]
    if missing and (not add_columns or any(column in key for column in missing)):
        cure = "add them to the table, or name another table"
        raise OutputError(Problem(f"table {name}", f"lacks columns: {join_names(missing)}", cure))
    known = {name: kind for name, kind in existing.items() if not isinstance(kind, NullType)}
    typed = [Column(each, known.get(each, own.type)) for each, own in columns.items()]
    table = Table(short, MetaData(), *typed, schema=parent_name)
    for column in missing:
        quote = connection.dialect.identifier_preparer
        kind = columns[column].type.compile(dialect=connection.dialect)
        where, what = quote.format_table(table), quote.quote(column)
        connection.exec_driver_sql(f"ALTER TABLE {where} ADD COLUMN {what} {kind}")
    if not _is_unique(found, short, parent_name, key):
        cure = f"create a unique index on {', '.join(key)}, or name another table"
        found_text = f"has no primary key or unique index on {', '.join(key)}"
        raise OutputError(Problem(f"table {name}", found_text, cure))
    return table


def _is_unique(found: Any, table: str, schema: str | None, key: Sequence[str]) -> bool:
    """Whether no two rows of the table can have the same key."""
    sets = [found.get_pk_constraint(table, schema=schema)["constrained_columns"]]
    sets += [each["column_names"] for each in found.get_unique_constraints(table, schema=schema)]
    sets += [
        each["column_names"] for each in found.get_indexes(table, schema=schema) if each["unique"]
    ]
    return set(key) in [set(each) for each in sets]


def _sql_type(column: pd.Series) -> TypeEngine[Any]:
    """The type of a new column."""
    from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, Text

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return DateTime(timezone=True)
    if column.dtype == object and pa.types.is_date(pa.array(column, from_pandas=True).type):
        return Date()
    kinds: dict[str, TypeEngine[Any]] = {
        "M": DateTime(), "i": BigInteger(), "u": BigInteger(), "b": Boolean(), "f": Double(),
    }  # fmt: skip
    return kinds.get(column.dtype.kind, Text())


def _insert(connection: Connection, table: Table, names: Sequence[str], key: Sequence[str]) -> Any:
    """The statement for one row."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    statement = insert(table)
    others = {name: statement.excluded[name] for name in names if name not in key}
    if not others:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(index_elements=list(key), set_=others)


def _copy_and_merge(
    connection: Connection, table: Table, frame: pd.DataFrame, key: Sequence[str]
) -> None:
    """The same for PostgreSQL, several times faster: a copy into a temporary table, then one
    statement."""
    import psycopg
    from sqlalchemy import MetaData, exc, select
    from sqlalchemy import Table as NewTable

    copied = NewTable(
        "rnnforecast_rows",
        MetaData(),
        *(column._copy() for column in table.columns if column.name in frame.columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    copied.create(connection)
    names = list(frame.columns)
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quote(name) for name in names)
    statement = f"COPY {copied.name} ({columns}) FROM STDIN"
    try:
        cursor: Any = connection.connection.cursor()
        with cursor.copy(statement) as copy:
            for rows in _row_chunks(frame):
                for row in rows:
                    copy.write_row(row)
    except psycopg.Error as error:  # of the driver itself
        raise exc.DBAPIError(statement, None, error) from error
    source = select(*(copied.c[name] for name in names))
    connection.execute(_insert(connection, table, names, key).from_select(names, source))


def _row_chunks(
    frame: pd.DataFrame, *, sqlite_times: bool = False
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows as Python's values, None where missing, some at a time.

    With `sqlite_times`, timestamps and dates are texts, as SQLAlchemy stores them in SQLite.
    """
    for first in range(0, len(frame), CHUNK_ROWS):
        part = frame.iloc[first : first + CHUNK_ROWS]
        columns = []
        for name in part.columns:
            column = pa.array(part[name], from_pandas=True)
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks()
            if sqlite_times and pa.types.is_timestamp(column.type):
                column = pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%d %H:%M:%S")
            elif sqlite_times and pa.types.is_date(column.type):
                column = column.cast(pa.string())
            columns.append(column.to_pylist())
        yield list(zip(*columns, strict=True))
