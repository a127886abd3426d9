"""Rows of a table of a database: inserted once, updated by key, all or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy

from rnnforecast.errors import OutputError
from rnnforecast.output import sql_table
from rnnforecast.output.sql_table import upsert

KEY = ["name", "when"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'some.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def frame() -> pd.DataFrame:
    when = pd.to_datetime(["2024-01-01 06:30", "2024-01-02 00:00", "2024-01-01 06:30"])
    return pd.DataFrame(
        {"name": ["a", "a", "ü'b"], "when": when, "y": [1.5, None, -2.0], "n": [1, 2, 3]}
    )


def rows(engine: sqlalchemy.Engine) -> pd.DataFrame:
    return pd.read_sql('SELECT * FROM some ORDER BY name, "when"', engine, parse_dates=["when"])


def test_rows_are_stored_with_their_types(engine: sqlalchemy.Engine, frame: pd.DataFrame) -> None:
    assert upsert(engine, "some", frame, KEY) == 3
    pd.testing.assert_frame_equal(rows(engine), frame, check_dtype=False, check_index_type=False)
    kinds = {
        each["name"]: str(each["type"]) for each in sqlalchemy.inspect(engine).get_columns("some")
    }
    assert kinds == {"name": "TEXT", "when": "DATETIME", "y": "DOUBLE", "n": "BIGINT"}


def test_a_repetition_changes_nothing_and_a_new_value_takes_the_place_of_the_old(
    engine: sqlalchemy.Engine, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_table, "CHUNK_ROWS", 2)
    upsert(engine, "some", frame, KEY)
    before = rows(engine)
    upsert(engine, "some", frame, KEY)
    assert rows(engine).equals(before)
    upsert(engine, "some", frame[:1].assign(y=9.0), KEY)
    assert rows(engine)["y"].tolist()[0] == 9.0
    assert len(rows(engine)) == 3


def test_all_rows_are_written_or_none(
    engine: sqlalchemy.Engine, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_table, "CHUNK_ROWS", 1)
    upsert(engine, "some", frame[:1], KEY)
    wrong = frame.assign(name=["new", "newer", None])
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        upsert(engine, "some", wrong, KEY)
    assert rows(engine)["name"].tolist() == ["a"]


def test_columns_are_added_only_on_request(engine: sqlalchemy.Engine, frame: pd.DataFrame) -> None:
    upsert(engine, "some", frame, KEY)
    wider = frame.assign(**{"q0.1": 0.5})
    with pytest.raises(OutputError, match=r"lacks columns: q0\.1"):
        upsert(engine, "some", wider, KEY)
    upsert(engine, "some", wider[:1], KEY, add_columns=True)
    assert rows(engine)["q0.1"].isna().tolist() == [False, True, True]
    upsert(engine, "some", frame, KEY)


def test_a_table_without_the_key_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute('CREATE TABLE some (name TEXT, "when" TEXT, y REAL, n INT)')
    connection.close()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(OutputError, match="no primary key or unique index"):
        upsert(engine, "some", frame, KEY)
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE UNIQUE INDEX i ON some ("when", name)')
    assert upsert(engine, "some", frame, KEY) == 3
    engine.dispose()


def test_a_table_of_keys_alone_is_filled(engine: sqlalchemy.Engine, frame: pd.DataFrame) -> None:
    for _ in range(2):
        upsert(engine, "some", frame[KEY], KEY)
    assert len(rows(engine)) == 3
