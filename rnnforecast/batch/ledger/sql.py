"""A ledger as a table of a database: SQLite or PostgreSQL, through SQLAlchemy.

The parameter ``table`` of the URL names it; `DEFAULT_TABLE` by default. A second table beside it,
``…_issues``, has a row for each issue, which is written last: an issue is complete or not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.batch.ledger.ledger import (
    LEDGER_KEY,
    ROW_COLUMNS,
    Issue,
    IssueInfo,
    LedgerListing,
    missing_columns,
)
from rnnforecast.data.io.database import Database, open_database, table_clause, with_retries
from rnnforecast.datetimes import as_utc
from rnnforecast.errors import DataError, OutputError, Problem
from rnnforecast.output.sql_table import upsert
from rnnforecast.pipeline.evaluation_table import quantile_level
from rnnforecast.spec.locations import mask_url, sqlite_file
from rnnforecast.wording import join_names

if TYPE_CHECKING:
    from sqlalchemy import Connection

DEFAULT_TABLE = "rnnforecast_ledger"
INFO_COLUMNS = ("issue_id", "run_name", "run_id", "issued_at")
"""Of the table of issues; `issued_at` is in UTC."""
CHUNK_ROWS = 100_000
"""Rows that are fetched at once."""


@dataclass(frozen=True)
class SqlLedger:
    """The ledger in a database, whose tables are created by the first issue."""

    url: str

    @property
    def location(self) -> str:
        """The URL without its password; variables are not expanded."""
        return mask_url(self.url)

    def append(self, issue: Issue) -> None:
        """See `Ledger.append`."""
        with open_database(self.url, must_exist=False, error=OutputError) as database:
            table = database.table or DEFAULT_TABLE
            with with_retries(database.engine.connect) as connection:
                known = _read_infos(connection, table, issue_id=issue.info.issue_id)
            first = known[0].issued_at if known else issue.info.issued_at
            info = asdict(issue.info) | {"issued_at": first.replace(tzinfo=None)}
            rows = issue.table.assign(**{name: info[name] for name in INFO_COLUMNS})
            rows = rows[[*INFO_COLUMNS, *issue.table.columns]]
            upsert(database.engine, table, rows, LEDGER_KEY, add_columns=True)
            infos = pd.DataFrame([{name: info[name] for name in INFO_COLUMNS}])
            upsert(database.engine, _issues_table(table), infos, ("issue_id",))

    def issues(self, since: date | None = None) -> LedgerListing:
        """See `Ledger.issues`."""
        file = sqlite_file(self.url)
        if file is not None and not file.exists():
            return LedgerListing(())
        with (
            open_database(self.url) as database,
            with_retries(database.engine.connect) as connection,
        ):
            found = _read_infos(connection, database.table or DEFAULT_TABLE)
        kept = [each for each in found if since is None or each.issued_at.date() >= since]
        return LedgerListing(tuple(sorted(kept, key=lambda each: (each.issued_at, each.issue_id))))

    def read(self, issue: IssueInfo) -> pd.DataFrame:
        """See `Ledger.read`."""
        with (
            open_database(self.url) as database,
            with_retries(database.engine.connect) as connection,
        ):
            return self._read(database, connection, issue.issue_id)

    def _read(self, database: Database, connection: Connection, issue_id: str) -> pd.DataFrame:
        import sqlalchemy

        name = database.table or DEFAULT_TABLE
        names = _column_names(connection, name) or []
        if missing := missing_columns(names):
            found = f"the table {name} lacks columns: {join_names(missing)}"
            raise DataError(Problem(self.location, found, "name the table of a ledger"))
        chosen = [*ROW_COLUMNS, *(each for each in names if quantile_level(each) is not None)]
        query: Any = (
            sqlalchemy.select(*(sqlalchemy.column(each) for each in chosen))
            .select_from(table_clause(name))
            .where(sqlalchemy.column("issue_id") == issue_id)
        )
        result = connection.execution_options(stream_results=True).execute(query)
        try:
            parts = [_frame(rows, chosen) for rows in result.partitions(CHUNK_ROWS)]
        except (ValueError, TypeError, OverflowError) as error:
            found = f"the table {name} has values that no ledger has: {error}"
            raise DataError(Problem(self.location, found, "name the table of a ledger")) from error
        if not parts:
            found = f"the table {name} has no rows of the issue {issue_id}"
            raise DataError(Problem(self.location, found, "issue the forecast again"))
        return pd.concat(parts, ignore_index=True)


def _issues_table(table: str) -> str:
    return f"{table}_issues"


def _column_names(connection: Connection, table: str) -> list[str] | None:
    """The columns of a table; None if there is none."""
    from sqlalchemy import inspect

    schema, _, name = table.rpartition(".")
    found = inspect(connection)
    if not found.has_table(name, schema=schema or None):
        return None
    return [str(each["name"]) for each in found.get_columns(name, schema=schema or None)]


def _read_infos(
    connection: Connection, table: str, *, issue_id: str | None = None
) -> list[IssueInfo]:
    """The issues, or that with an id; none if there is no table. Raises DataError for a table of
    something else."""
    import sqlalchemy

    name = _issues_table(table)
    names = _column_names(connection, name)
    if names is None:
        return []
    if missing := [each for each in INFO_COLUMNS if each not in names]:
        found = f"the table lacks columns: {join_names(missing)}"
        raise DataError(Problem(f"table {name}", found, "name the table of a ledger"))
    query: Any = sqlalchemy.select(*(sqlalchemy.column(each) for each in INFO_COLUMNS)).select_from(
        table_clause(name)
    )
    if issue_id is not None:
        query = query.where(sqlalchemy.column("issue_id") == issue_id)
    try:
        found_rows = [dict(row) for row in connection.execute(query).mappings()]
        return [
            IssueInfo(
                str(row["run_name"]),
                str(row["run_id"]),
                str(row["issue_id"]),
                _as_time(row["issued_at"]),
            )
            for row in found_rows
        ]
    except (ValueError, TypeError, OverflowError) as error:
        found = f"a time of issue cannot be read: {error}"
        raise DataError(Problem(f"table {name}", found, "name the table of a ledger")) from error


def _as_time(value: Any) -> datetime:
    """A time of the database, which SQLite has as text."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return as_utc(moment)


def _frame(rows: Sequence[Any], names: Sequence[str]) -> pd.DataFrame:
    """Rows as they were issued. Raises ValueError or TypeError for values of other types."""
    columns: dict[str, Any] = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name in ("unique_id", "target", "status"):
            columns[name] = pd.array(list(values), dtype="str")
        elif name in ("ds", "cutoff"):
            columns[name] = _times(values)
        elif name == "step":
            columns[name] = np.array(values, dtype=np.int64)
        else:
            columns[name] = np.array(values, dtype=np.float64)  # None becomes NaN
    return pd.DataFrame(columns)


def _times(values: Sequence[Any]) -> np.ndarray:
    """Timestamps, or whole numbers."""
    codes, distinct = pd.factorize(np.array(values, dtype=object))
    if all(isinstance(each, int) for each in distinct):
        times = np.array(distinct, dtype=np.int64)
    else:
        times = np.array([_as_time(each).replace(tzinfo=None) for each in distinct], "M8[us]")
    if (codes < 0).any():
        raise ValueError("a time is missing")
    return times[codes]
