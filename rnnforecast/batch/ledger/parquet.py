"""A ledger as a folder of Parquet files: ``issued=YYYY-MM-DD/ISSUE_ID.parquet``.

The files can be read as one data set with Hive partitions, by Arrow, DuckDB, Polars or Spark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.batch.ledger.ledger import (
    ROW_COLUMNS,
    Issue,
    IssueInfo,
    LedgerListing,
    missing_columns,
)
from rnnforecast.errors import DataError, Problem
from rnnforecast.output.atomic_files import atomic_file
from rnnforecast.pipeline.evaluation_table import quantile_level
from rnnforecast.wording import join_names

METADATA_KEY = b"rnnforecast.issue"
"""Of the schema: the fields of `IssueInfo` as JSON."""

MAX_ROWS = 200_000_000
"""Rows of an issue beyond which a file is not read."""

PARTITION = re.compile(r"issued=(\d{4}-\d\d-\d\d)")
FILE_NAME = re.compile(r"[0-9a-f]{8,64}\.parquet")


@dataclass(frozen=True)
class ParquetLedger:
    """The ledger in a folder, which is made by the first issue."""

    folder: Path

    @property
    def location(self) -> str:
        """The path of the folder."""
        return str(self.folder)

    def append(self, issue: Issue) -> None:
        """See `Ledger.append`; the file is written whole or not at all."""
        info = issue.info
        path = self._path(info)
        for earlier in self._files_of(info.issue_id):
            if (found := _read_info(earlier)) is not None:
                path, info = earlier, found
        table = pa.Table.from_pandas(issue.table, preserve_index=False)
        fields = {
            "run_name": pa.array([info.run_name], pa.string()),
            "run_id": pa.array([issue.info.run_id], pa.string()),
            "issue_id": pa.array([info.issue_id], pa.string()),
            "issued_at": pa.array([info.issued_at], pa.timestamp("us", "UTC")),
        }
        for position, (name, value) in enumerate(fields.items()):
            column = pa.repeat(value[0], table.num_rows)
            table = table.add_column(position, pa.field(name, value.type), column)
        if issue.is_utc:
            for name in ("ds", "cutoff"):
                position = table.schema.get_field_index(name)
                column = table.column(name).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
                table = table.set_column(position, name, column)
        stored = json.dumps(
            {
                "run_name": info.run_name,
                "run_id": issue.info.run_id,
                "issue_id": info.issue_id,
                "issued_at": info.issued_at.isoformat(),
            }
        )
        table = table.replace_schema_metadata({METADATA_KEY: stored.encode()})
        with atomic_file(path) as partial, partial.open("wb") as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    def issues(self, since: date | None = None) -> LedgerListing:
        """See `Ledger.issues`; files that are no issue are named and left out."""
        found, wrong = [], []
        for path in self._files(since):
            info = _read_info(path)
            if info is None or info.issue_id != path.stem:
                wrong.append(str(path.relative_to(self.folder)))
            else:
                found.append(info)
        found.sort(key=lambda each: (each.issued_at, each.issue_id))
        findings: tuple[str, ...] = ()
        if wrong:
            count = f"{len(wrong):,} files are" if len(wrong) > 1 else "a file is"
            findings = (f"{self.location}: {count} left out, no issue: {join_names(wrong)}",)
        return LedgerListing(tuple(found), findings)

    def read(self, issue: IssueInfo) -> pd.DataFrame:
        """See `Ledger.read`; only the columns that a score needs are read."""
        path = next(
            (each for each in self._files_of(issue.issue_id) if _read_info(each) == issue),
            self._path(issue),
        )
        try:
            with path.open("rb") as file:
                opened = pq.ParquetFile(file, page_checksum_verification=True)
                if opened.metadata.num_rows > MAX_ROWS:
                    raise ValueError(f"it has {opened.metadata.num_rows:,} rows")
                names = opened.schema_arrow.names
                columns = [*ROW_COLUMNS, *(each for each in names if quantile_level(each))]
                table: pd.DataFrame = opened.read(columns=columns).to_pandas()
        except (OSError, ValueError, pa.ArrowException, MemoryError) as error:
            found = f"cannot be read as an issue of the ledger: {error}"
            raise DataError(
                Problem(str(path), found, "delete it, or restore it from a copy")
            ) from error
        for name in ("ds", "cutoff"):
            if isinstance(table[name].dtype, pd.DatetimeTZDtype):
                table[name] = table[name].dt.tz_convert("UTC").dt.tz_localize(None)
        return table

    def _path(self, info: IssueInfo) -> Path:
        day = info.issued_at.astimezone(UTC).date().isoformat()
        return self.folder / f"issued={day}" / f"{info.issue_id}.parquet"

    def _files_of(self, issue_id: str) -> list[Path]:
        return [each for each in self._files(None) if each.stem == issue_id]

    def _files(self, since: date | None) -> Iterator[Path]:
        """The files of issues by the names of folders and files, in order."""
        for folder, found in _entries(self.folder, PARTITION):
            if since is not None and found.group(1) < since.isoformat():
                continue
            for path, _ in _entries(folder, FILE_NAME):
                yield path


def _entries(folder: Path, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
    """What is in a folder with a name of this pattern; nothing if there is no such folder.

    Raises DataError.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        found = f"cannot be read as a ledger: {error.strerror}"
        raise DataError(Problem(str(folder), found, "name a folder, or a URL, by --ledger")) from (
            error
        )
    matches = [(folder / name, pattern.fullmatch(name)) for name in names]
    return [(path, found) for path, found in matches if found is not None]


def _read_info(path: Path) -> IssueInfo | None:
    """The issue in a file; None if it is no file of a ledger."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with path.open("rb") as file:
            schema = pq.read_schema(file)
        stored = json.loads((schema.metadata or {})[METADATA_KEY])
        info = IssueInfo(
            run_name=str(stored["run_name"]),
            run_id=str(stored["run_id"]),
            issue_id=str(stored["issue_id"]),
            issued_at=datetime.fromisoformat(stored["issued_at"]).astimezone(UTC),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, pa.ArrowException):
        return None
    return None if missing_columns(schema.names) or not _has_types(schema) else info


def _has_types(schema: pa.Schema) -> bool:
    """Whether the columns of a ledger have its types."""
    text = (pa.types.is_string, pa.types.is_large_string)
    times = (pa.types.is_timestamp, pa.types.is_int64)
    expected = {
        "unique_id": text,
        "target": text,
        "status": text,
        "ds": times,
        "cutoff": times,
        "step": (pa.types.is_integer,),
        "yhat": (pa.types.is_floating,),
    }
    expected |= {name: (pa.types.is_floating,) for name in schema.names if quantile_level(name)}
    if len(set(schema.names)) < len(schema.names):
        return False
    same_time = schema.field("ds").type == schema.field("cutoff").type
    return same_time and all(
        any(is_type(schema.field(name).type) for is_type in allowed)
        for name, allowed in expected.items()
    )
