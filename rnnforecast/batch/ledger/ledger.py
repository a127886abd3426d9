"""The ledger: forecasts as they were issued, for a later comparison with actuals.

A ledger is a folder of Parquet files (`ledger.parquet`) or a table of a database (`ledger.sql`). A
row is a step of one series and target:

| column | what |
| --- | --- |
| `run_name` | name of the run folder, or of the store of its versions |
| `run_id` | hash of the training: its spec, data and versions |
| `issue_id` | hash of the run, the data and the horizon |
| `issued_at` | time of the forecast, in UTC |
| `unique_id`, `target` | label of the series, and target |
| `ds`, `cutoff` | timestamp, and that of the last step before the forecast |
| `step` | steps after the cutoff |
| `yhat`, `q0.1` … | point forecast and quantiles, in original units |
| `status` | what made the forecast: ``model``, ``fallback``, ``cold_start`` |

Timestamps are in UTC where the data have a time zone or an offset, and as in the data elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import Problem, UsageError
from rnnforecast.pipeline.run_versions import run_name, store_of
from rnnforecast.spec.locations import is_database, is_url, mask_url

ISSUE_COLUMNS = ("run_name", "run_id", "issue_id", "issued_at")
"""Columns that are the same in all rows of an issue."""
ROW_COLUMNS = ("unique_id", "target", "ds", "cutoff", "step", "yhat", "status")
"""Columns of each row; those of quantiles are beside them."""
LEDGER_COLUMNS = (*ISSUE_COLUMNS, *ROW_COLUMNS)
LEDGER_KEY = ("issue_id", "unique_id", "target", "ds")
"""The columns that no two rows have in common."""


@dataclass(frozen=True)
class IssueInfo:
    """An issue of a forecast, without its rows."""

    run_name: str
    run_id: str
    issue_id: str
    issued_at: datetime
    """In UTC."""


@dataclass(frozen=True)
class Issue:
    """An issue of a forecast."""

    info: IssueInfo
    table: pd.DataFrame
    """`ROW_COLUMNS` and quantiles; timestamps as in the ledger, without a time zone."""
    is_utc: bool = False
    """Whether the timestamps are in UTC."""


@dataclass(frozen=True)
class LedgerListing:
    """The issues in a ledger, by their time."""

    issues: tuple[IssueInfo, ...]
    findings: tuple[str, ...] = ()
    """Lines about what is in the ledger and is no issue."""


class Ledger(Protocol):
    """A ledger, by its location."""

    @property
    def location(self) -> str:
        """As in messages: without a password."""
        ...

    def append(self, issue: Issue) -> None:
        """Adds the issue; one with the same id is replaced, and keeps its first `issued_at`.

        Raises OutputError, UsageError.
        """
        ...

    def issues(self, since: date | None = None) -> LedgerListing:
        """The issues of all runs from the day `since` on; none where there is no ledger yet.

        Raises DataError if the ledger cannot be read.
        """
        ...

    def read(self, issue: IssueInfo) -> pd.DataFrame:
        """The rows of an issue, as in `Issue.table`. Raises DataError if they cannot be read."""
        ...


def open_ledger(location: str) -> Ledger:
    """The ledger at a folder or a database URL (``sqlite:///ledger.db``); nothing is written yet.

    Raises UsageError for a wrong URL.
    """
    if is_url(location):
        if not is_database(location):
            cure = "name a folder, or a database such as sqlite:///ledger.db"
            raise UsageError(Problem("--ledger", f"{mask_url(location)} is no database", cure))
        from rnnforecast.batch.ledger.sql import SqlLedger  # of a package that may be missing

        return SqlLedger(location)
    from rnnforecast.batch.ledger.parquet import ParquetLedger

    return ParquetLedger(Path(location))


def default_location(run: Path) -> str:
    """The ledger of a run or of a store of versions: a folder beside it."""
    real = Path(os.path.realpath(run))
    target = store_of(run) or store_of(real) or real
    return str(target.with_name(f"{target.name}.ledger"))


def ledger_timestamps(timestamps: np.ndarray, panel: Panel) -> np.ndarray:
    """Timestamps of a panel in the time of the ledger; whole numbers stay."""
    return timestamps - _utc_shift(panel) if timestamps.dtype.kind == "M" else timestamps


def panel_timestamps(timestamps: np.ndarray, panel: Panel) -> np.ndarray:
    """Timestamps of the ledger in the time of a panel; whole numbers stay."""
    return timestamps + _utc_shift(panel) if timestamps.dtype.kind == "M" else timestamps


def has_utc_timestamps(panel: Panel) -> bool:
    """Whether the ledger has this panel's timestamps in UTC."""
    return bool(panel.display_timezone or panel.utc_offset)


def _utc_shift(panel: Panel) -> np.timedelta64:
    """How much the timestamps of a panel are ahead of those in the ledger."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)(?::?(\d\d))?", panel.utc_offset)
    if panel.display_timezone or found is None:
        return np.timedelta64(0, "us")
    sign, hours, minutes, seconds = found.groups(default="0")
    shift = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return np.timedelta64(shift if sign == "+" else -shift, "us")


def missing_columns(columns: Sequence[str]) -> list[str]:
    """The columns that a table lacks to be one of a ledger."""
    return [name for name in LEDGER_COLUMNS if name not in columns]


def recorded_name(folder: Path) -> str:
    """The name of a run in the ledger: bytes that are no UTF-8 are escaped."""
    return run_name(folder).encode("utf-8", "backslashreplace").decode()
