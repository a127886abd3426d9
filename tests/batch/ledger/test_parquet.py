"""Ledgers in folders: partitions by day, and no damage to a file that costs more than that file."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnforecast.batch.ledger.ledger import Issue, IssueInfo
from rnnforecast.batch.ledger.parquet import ParquetLedger
from rnnforecast.errors import DataError, OutputError

INFO = IssueInfo("run", "r1", "00000001", datetime(2024, 3, 1, 23, 30, tzinfo=UTC))


def issue(info: IssueInfo = INFO, *, is_utc: bool = False) -> Issue:
    times = pd.date_range("2024-03-01", periods=3).as_unit("us")
    frame = pd.DataFrame(
        {
            "unique_id": "a",
            "target": "y",
            "ds": times,
            "cutoff": times[0],
            "step": np.arange(1, 4, dtype=np.int32),
            "yhat": [1.0, 2.0, 3.0],
            "q0.1": 0.5,
            "status": "model",
        }
    )
    return Issue(info, frame, is_utc)


@pytest.fixture
def ledger(tmp_path: Path) -> ParquetLedger:
    return ParquetLedger(tmp_path / "book")


def test_a_file_lies_in_the_partition_of_its_day_and_is_written_whole(
    ledger: ParquetLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append(issue())
    names = [path.relative_to(ledger.folder).as_posix() for path in ledger.folder.rglob("*.*")]
    assert names == ["issued=2024-03-01/00000001.parquet"]
    before = (ledger.folder / names[0]).read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError):
        ledger.append(issue())
    assert [path.name for path in (ledger.folder / "issued=2024-03-01").iterdir()] == [
        "00000001.parquet"
    ]
    assert (ledger.folder / names[0]).read_bytes() == before


def test_times_of_utc_say_so(ledger: ParquetLedger) -> None:
    ledger.append(issue(is_utc=True))
    (path,) = ledger.folder.rglob("*.parquet")
    assert pq.read_schema(path).field("ds").type == pa.timestamp("us", "UTC")
    assert ledger.read(INFO)["ds"].equals(issue().table["ds"])


def test_unreadable_places_are_refused(ledger: ParquetLedger, tmp_path: Path) -> None:
    (tmp_path / "book").write_text("a file")
    with pytest.raises(DataError, match="cannot be read as a ledger"):
        ledger.issues()
    with pytest.raises(DataError):
        ledger.append(issue())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=20), st.booleans())
def test_a_damaged_file_is_left_out_or_refused(
    ledger: ParquetLedger, place: int, data: bytes, cut: bool
) -> None:
    path = ledger.folder / "issued=2024-03-01" / "00000001.parquet"
    path.unlink(missing_ok=True)
    ledger.append(issue())
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + data + (b"" if cut else whole[place + len(data) :]))
    listing = ledger.issues()
    assert len(listing.issues) + len(listing.findings) == 1
    for each in listing.issues:
        with suppress(DataError):
            assert len(ledger.read(each).columns) == 8


@pytest.mark.parametrize("name", ["yhat", "step", "ds", "cutoff", "unique_id", "q0.1", "status"])
def test_columns_of_other_types_are_left_out(name: str, ledger: ParquetLedger) -> None:
    ledger.append(issue())
    (path,) = ledger.folder.rglob("*.parquet")
    table = pq.read_table(path)
    index = table.schema.get_field_index(name)
    pq.write_table(table.set_column(index, name, pa.array([[1]] * 3)), path)
    listing = ledger.issues()
    assert not listing.issues
    assert path.name in listing.findings[0]


def test_a_pipe_is_no_issue_and_not_waited_for(ledger: ParquetLedger) -> None:
    ledger.append(issue())
    os.mkfifo(ledger.folder / "issued=2024-03-01" / "00000002.parquet")
    listing = ledger.issues()
    assert [each.issue_id for each in listing.issues] == ["00000001"]
    assert "00000002.parquet" in listing.findings[0]
