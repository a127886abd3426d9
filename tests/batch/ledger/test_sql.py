"""Ledgers in databases: the same rows come back, once, and what is no ledger is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.batch.ledger.ledger import Issue, IssueInfo, open_ledger
from rnnforecast.errors import DataError, OutputError, RnnForecastError, UsageError
from tests.workflow.runs import shared

WHEN = datetime(2024, 3, 1, 2, 15, tzinfo=UTC)


def issue(number: int = 0, *, counted: bool = False) -> Issue:
    """Rows of two series, with a blank quantile; times are counted, or half past six."""
    times: Any = np.array([7, 8]) if counted else pd.to_datetime(["2024-03-01 06:30:00.5"] * 2)
    if not counted:
        times = times + pd.to_timedelta([0, 1], "D")
    frame = pd.DataFrame(
        {
            "unique_id": ["ä/'1"] * 2 + ["b"] * 2,
            "target": "y",
            "ds": np.tile(np.asarray(times), 2),
            "cutoff": np.asarray(times)[0],
            "step": [1, 2, 1, 2],
            "yhat": [1.5, 2.5, -1.0, 1e300],
            "q0.1": [1.0, np.nan, -2.0, 0.1],
            "status": ["model", "model", "fallback", "fallback"],
        }
    )
    if not counted:
        frame[["ds", "cutoff"]] = frame[["ds", "cutoff"]].astype("datetime64[us]")
    return Issue(IssueInfo("run", "r1", f"{number:08x}", WHEN), frame)


@pytest.fixture(params=["sqlite:///book.db", "sqlite:///book.db?table=mine", "book"])
def location(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.chdir(tmp_path)
    return str(request.param)


@pytest.mark.parametrize("counted", [False, True])
def test_issues_come_back_as_they_were(counted: bool, location: str) -> None:
    ledger = open_ledger(location)
    assert ledger.issues().issues == ()
    added = [issue(number, counted=counted) for number in (1, 0)]
    for each in added:
        ledger.append(each)
    found = ledger.issues()
    assert found.issues == tuple(each.info for each in reversed(added))
    assert not found.findings
    rows = ledger.read(found.issues[0]).sort_values(["status", "step"], ascending=[False, True])
    rows = rows.reset_index(drop=True)
    pd.testing.assert_frame_equal(
        rows[added[1].table.columns], added[1].table, check_dtype=False, check_column_type=False
    )
    assert rows["ds"].dtype == added[1].table["ds"].dtype
    assert ledger.issues(date(2024, 3, 2)).issues == ()
    assert len(ledger.issues(date(2024, 3, 1)).issues) == 2


def test_an_issue_that_is_repeated_keeps_its_first_time(location: str) -> None:
    ledger = open_ledger(location)
    first = issue()
    ledger.append(first)
    later = IssueInfo("run", "r1", first.info.issue_id, datetime(2024, 3, 5, tzinfo=UTC))
    ledger.append(Issue(later, first.table.assign(yhat=9.0)))
    (found,) = ledger.issues().issues
    assert found == first.info
    assert ledger.read(found)["yhat"].tolist() == [9.0] * 4


def test_other_quantiles_are_further_columns(location: str) -> None:
    ledger = open_ledger(location)
    ledger.append(issue(0))
    wider = issue(1)
    ledger.append(Issue(wider.info, wider.table.assign(**{"q0.9": 3.0})))
    assert ledger.read(wider.info)["q0.9"].tolist() == [3.0] * 4


def test_a_missing_database_is_not_made_by_reading(location: str) -> None:
    assert open_ledger(location).issues().issues == ()
    assert list(Path().iterdir()) == []


def broken(kind: str) -> None:
    """Writes ``book.db``: no database, or tables that are no ledger."""
    if kind == "text":
        Path("book.db").write_text("no database " * 100)
        return
    open_ledger("sqlite:///book.db").append(issue())
    statements = {
        "foreign": "ALTER TABLE rnnforecast_ledger_issues RENAME COLUMN run_id TO a",
        "time": "UPDATE rnnforecast_ledger_issues SET issued_at = 'soon'",
        "number": "UPDATE rnnforecast_ledger SET yhat = 'many'",
        "step": "UPDATE rnnforecast_ledger SET step = 'one'",
        "cutoff": "UPDATE rnnforecast_ledger SET cutoff = 'never'",
        "column": "ALTER TABLE rnnforecast_ledger DROP COLUMN yhat",
        "empty": "DELETE FROM rnnforecast_ledger",
    }
    connection = sqlite3.connect("book.db")
    connection.executescript(statements[kind])
    connection.close()


@pytest.mark.parametrize(
    "kind", ["text", "foreign", "time", "number", "step", "cutoff", "column", "empty"]
)
def test_what_is_no_ledger_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken(kind)
    before = Path("book.db").read_bytes()
    ledger = open_ledger("sqlite:///book.db")
    with pytest.raises(DataError):
        for each in ledger.issues().issues:
            ledger.read(each)
    assert Path("book.db").read_bytes() == before
    if kind in ("text", "foreign", "time"):
        with pytest.raises(RnnForecastError):
            ledger.append(issue())


def test_no_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.data.io.database.RETRY_DELAYS", ())
    monkeypatch.setenv("LEDGER_PASSWORD", "hunter2hunter2")
    for password in ("${LEDGER_PASSWORD}", "hunter2hunter2"):
        ledger = open_ledger(f"postgresql+psycopg://me:{password}@127.0.0.1:1/sales")
        assert "hunter2" not in ledger.location
        with pytest.raises(OutputError) as failed:
            ledger.append(issue())
        assert "hunter2" not in str(failed.value)
        with pytest.raises(DataError) as refused:
            ledger.issues()
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://bucket/ledger", "nothing://here"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no database"):
        open_ledger(url)


def test_predict_and_score_use_a_database(
    given: Callable[..., None], rnnforecast: Callable[..., Any], table: Callable[..., pd.DataFrame]
) -> None:
    given()
    shared("run")
    place = ("--ledger", "sqlite:///book.db")
    for _ in range(2):
        assert rnnforecast("predict", "run", "-o", "f.csv", *place).exit_code == 0
    connection = sqlite3.connect("book.db")
    assert connection.execute("SELECT COUNT(*) FROM rnnforecast_ledger").fetchone() == (14,)
    connection.close()
    table(steps=64).to_csv("later.csv", index=False)
    done = rnnforecast(
        "score", "run", "--data", "later.csv", "-o", "out", "--json", "--no-calibrate", *place
    )
    assert done.exit_code == 0, done.stderr
    assert '"values": 8' in done.stdout
