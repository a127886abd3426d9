"""Tables and queries of databases, tried on SQLite; PostgreSQL is in test_postgresql.py."""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rnnforecast.data.io import database
from rnnforecast.data.io.database import read_database
from rnnforecast.data.io.input_files import scan_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec

ROWS = [(f"2024-01-{day:02}", "a", day * 1.5) for day in range(1, 8)]


@pytest.fixture
def sales(tmp_path: Path) -> str:
    """The URL of a database with a table, daily."""
    with closing(sqlite3.connect(tmp_path / "sales.db")) as connection:
        connection.execute("CREATE TABLE daily (ds DATE, store TEXT, y NUMERIC)")
        connection.executemany("INSERT INTO daily VALUES (?, ?, ?)", ROWS)
        connection.commit()
    return f"sqlite:///{tmp_path}/sales.db"


def test_a_table_is_read_in_parts(sales: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_CHUNK_ROWS", 3)

    (file,) = scan_files([f"{sales}?table=daily"])

    assert file.columns == ("ds", "store", "y")
    assert [cells for _, cells in file.reader.records()][1] == ["2024-01-02", "a", "3"]
    assert len(file.reader.line_numbers()) == 7


def test_marks_of_a_query_mean_what_they_mean_in_the_database(sales: str) -> None:
    data = DataSpec(path=(sales,), query="SELECT ds, y AS \"a%\", '12:30 :x' AS t FROM daily;\n")

    (file,) = scan_files(data.path, data)

    assert next(iter(file.reader.records()))[1] == ["2024-01-01", "1.5", "12:30 :x"]


def test_reading_makes_no_file_and_writes_nothing(sales: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_database(f"sqlite:///{tmp_path}/none.db", "SELECT 1")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(DataError, match="not be written to"):
        read_database(sales, "WITH x AS (SELECT 1) DELETE FROM daily")
    assert len(read_database(f"{sales}?table=daily", None).table) == 7


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT foo FROM daily", "no such column: foo"),
        ("SELECT * FROM weekly", "no such table: weekly"),
        ("SELECT y, y FROM daily", "several columns 'y'"),
        ("SELECT * FROM daily WHERE y > 100", "no rows"),
        ("DROP TABLE daily", "begins with SELECT"),
        (None, "neither a table nor a query"),
    ],
)
def test_what_is_wrong_with_a_query_is_told(sales: str, query: str | None, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        read_database(sales, query)
    assert error.value.problems[0].cure


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://robot:${DB_PASSWORD}@127.0.0.1:1/x", "onnection refused"),
        ("mysql+pymysql://host/x", "package pymysql"),
        ("oracle+nonsense://host/x", "no URL of a database"),
        ("sqlite:///x.db?tabel=daily", "unknown parameter 'tabel'"),
        ("sqlite:///:memory:?timeout=soon", "no URL of a database"),
        ("postgresql://host:port/x", "no URL of a database"),
    ],
)
def test_what_cannot_be_opened_is_told_without_the_password(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "s3cret!")
    monkeypatch.setattr(database, "RETRY_DELAYS", (0.0,))

    with pytest.raises(DataError, match=words) as error:
        read_database(url, "SELECT 1")

    assert "s3cret" not in str(error.value)


def test_a_missing_package_is_named(sales: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("sqlalchemy"):
            raise ImportError(name=name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'rnnforecast\[sql\]'"):
        read_database(f"{sales}?table=daily", None)


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        ([Decimal("0.1"), None, Decimal("1e3")], pa.float64(), [0.1, None, 1000.0]),
        ([Decimal("12"), Decimal("7")], pa.int64(), [12, 7]),
        ([Decimal("NaN"), 1.5, float("nan")], pa.float64(), [None, 1.5, None]),
        ([True, None], pa.bool_(), [True, None]),
        ([date(2024, 1, 1)], pa.date32(), [date(2024, 1, 1)]),
        ([datetime(2024, 1, 1, 5)], pa.timestamp("us"), [datetime(2024, 1, 1, 5)]),
        (
            [datetime.fromisoformat("2024-01-01T05:00+02:00"), None],
            pa.timestamp("us", "UTC"),
            [datetime(2024, 1, 1, 3, tzinfo=UTC), None],
        ),
        ([1, "a", None], pa.string(), ["1", "a", None]),
        ([[1, 2]], pa.string(), ["[1, 2]"]),
    ],
)
def test_cells_keep_their_type(
    cells: Sequence[object], kind: pa.DataType, expected: Sequence[object]
) -> None:
    column = database._to_arrow(cells)

    assert column.type == kind
    assert column.to_pylist() == expected


def test_parts_of_a_column_with_types_that_do_not_fit_are_text(
    sales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_CHUNK_ROWS", 2)
    query = "SELECT NULL AS a, 1 AS b UNION ALL SELECT NULL, 2 UNION ALL SELECT 2.5, 'x'"

    table = read_database(sales, query).table

    assert table["b"].to_pylist() == ["1", "2", "x"]
    assert table["a"].to_pylist() == [None, None, "2.5"]
