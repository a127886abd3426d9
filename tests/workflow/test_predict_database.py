"""The rows of a forecast in a table of SQLite; PostgreSQL is in test_predict_postgresql.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from rnnforecast.errors import OutputError, UsageError
from rnnforecast.workflow.predict_database import check_database_output, write_forecast_rows


def frame(start: str = "2024-01-02", freq: str = "D", **columns: Any) -> pd.DataFrame:
    times = pd.date_range(start, periods=2, freq=freq)
    cutoff = times[0] - (times[1] - times[0])
    table = {"store": ["a", "a"], "ds": times, "cutoff": cutoff, "yhat": [1.5, None]}
    return pd.DataFrame({**table, "q0.1": [1.0, None], "status": ["model", "skipped"], **columns})


def panel(utc_offset: str = "", zone: str = "", *, daily: bool = True) -> Any:
    frequency = SimpleNamespace(is_daily_or_coarser=daily)
    return SimpleNamespace(utc_offset=utc_offset, display_timezone=zone, frequency=frequency)


def stored(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM forecasts ORDER BY 1, 2, 3").fetchall()


@pytest.fixture
def out(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/out.db?table=forecasts"


def test_a_repetition_changes_nothing_and_another_cutoff_adds_rows(
    out: str, tmp_path: Path
) -> None:
    assert write_forecast_rows(out, frame(), panel()) == 2
    first = stored(tmp_path / "out.db")
    assert first == [
        ("a", "2024-01-02", "2024-01-01", 1.5, 1.0, "model"),
        ("a", "2024-01-03", "2024-01-01", None, None, "skipped"),
    ]

    write_forecast_rows(out, frame(), panel())
    assert stored(tmp_path / "out.db") == first

    write_forecast_rows(out, frame(yhat=[9.0, 9.0]), panel())
    assert [row[3] for row in stored(tmp_path / "out.db")] == [9.0, 9.0]
    write_forecast_rows(out, frame("2024-01-03"), panel())
    assert len(stored(tmp_path / "out.db")) == 4


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (panel(daily=False), ["2024-03-31 00:00:00", "2024-03-31 01:00:00"]),
        (panel("+02:00", daily=False), ["2024-03-31 00:00:00+02:00", "2024-03-31 01:00:00+02:00"]),
        (
            panel("Z", "Europe/Berlin", daily=False),
            ["2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"],
        ),
    ],
)
def test_times_are_texts_as_in_a_csv_file(
    out: str, tmp_path: Path, kind: Any, texts: list[str]
) -> None:
    write_forecast_rows(out, frame("2024-03-31", "h"), kind)
    assert [row[1] for row in stored(tmp_path / "out.db")] == texts


def test_a_table_of_another_shape_is_refused_and_kept(out: str, tmp_path: Path) -> None:
    write_forecast_rows(out, frame(), panel())

    with pytest.raises(OutputError, match=r"lacks columns: q0\.9"):
        write_forecast_rows(out, frame(**{"q0.9": [2.0, None]}), panel())

    assert len(stored(tmp_path / "out.db")) == 2


def test_a_database_without_a_table_or_a_driver_is_refused_before_the_work() -> None:
    with pytest.raises(UsageError, match=r"\?table=forecasts"):
        check_database_output("sqlite:///out.db")
    with pytest.raises(UsageError, match="package pymysql"):
        check_database_output("mysql+pymysql://host/db?table=forecasts")


def test_a_database_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="unable to open"):
        write_forecast_rows(f"sqlite:///{tmp_path}/none/out.db?table=f", frame(), panel())
