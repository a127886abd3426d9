"""The issue of the forecast of a dataset by its partitions: published, and written to the ledger.

In the ledger the forecast of each partition is an issue, so that memory is that of a partition.
"""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rnnforecast.batch.issue import ID_LENGTH, id_of_run
from rnnforecast.batch.ledger.ledger import (
    ROW_COLUMNS,
    Issue,
    IssueInfo,
    default_location,
    open_ledger,
    recorded_name,
)
from rnnforecast.batch.lock import output_lock
from rnnforecast.data.panel.panel import series_labels
from rnnforecast.datetimes import as_utc
from rnnforecast.errors import RnnForecastError, Stopped
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.evaluation_table import quantile_level
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.locations import NO_LEDGER
from rnnforecast.workflow.predict_partitions import PublishedParts, publish_partitions
from rnnforecast.workflow.predict_partitions_output import PartsResult
from rnnforecast.workflow.predict_partitions_record import PartRecord
from rnnforecast.workflow.predict_request import ForecastRequest


@dataclass(frozen=True)
class IssuedParts:
    """What `issue_partitions` wrote."""

    result: PartsResult
    ledger: str = ""
    """Where the issues were written to; "" if they were not."""
    issues: int = 0
    """One for each partition with rows."""

    def check_complete(self) -> None:
        """Raises PartFailed if some series have no forecast."""
        self.result.check_complete()


def issue_partitions(
    folder: Path,
    out: str,
    request: ForecastRequest,
    *,
    ledger: str | None = None,
    wait: float = 0.0,
    **options: Any,
) -> IssuedParts:
    """As `issue_forecast`, for a dataset that is forecast by `publish_partitions`, which has the
    further arguments `options` and raises the same errors."""
    with output_lock(out, "predict", wait, on_wait=request.listener.info):
        published = publish_partitions(folder, out, request, **options)
        if ledger == NO_LEDGER or request.origin is not None:
            return IssuedParts(published.result)
        location = ledger or default_location(folder)
        try:
            return _record(folder, published, location, as_utc(request.now))
        except RnnForecastError as error:
            text = f"the ledger was not written, or not all of it: {error}"
            finding = Finding("ledger_not_written", text)
            request.listener.warning(str(finding))
            warnings = (*published.result.warnings, finding)
            return IssuedParts(replace(published.result, warnings=warnings))
        except KeyboardInterrupt as error:
            text = f"the forecast is written to {out}, but not all of it to the ledger"
            raise Stopped(text, getattr(error, "number", signal.SIGINT)) from None


def _record(folder: Path, published: PublishedParts, location: str, now: datetime) -> IssuedParts:
    """Writes an issue for each partition to the ledger. Raises OutputError, UsageError."""
    ledger, count = open_ledger(location), 0
    for record in published.records:
        if record.series is not None:
            ledger.append(build_part_issue(folder, published, record, now))
            count += 1
    return IssuedParts(published.result, ledger.location, count)


def build_part_issue(
    folder: Path, published: PublishedParts, record: PartRecord, now: datetime
) -> Issue:
    """The issue of a partition: its rows with a forecast, as they were published."""
    run, result = published.run, published.result
    assert record.series is not None
    kind = record.series.kind
    path = Path(result.out) / record.tables["forecast"].path
    frame = pq.ParquetFile(path).read().to_pandas()  # no columns of Hive folders around it
    if len(kind.targets) == 1:
        frame["target"] = kind.targets[0]
    names = list(run.plan.read_options.data.series)
    step = np.tile(np.arange(1, result.horizon + 1, dtype=np.int32), len(frame) // result.horizon)
    each = result.horizon * len(kind.targets)
    labels = series_labels(frame[names].iloc[::each])
    columns = {
        "unique_id": np.repeat(labels, each),
        "target": frame["target"],
        "ds": _in_utc(frame[run.plan.read_options.data.time_name]),
        "cutoff": _in_utc(frame["cutoff"]),
        "step": step,
        "yhat": frame["yhat"],
    }
    quantiles = [name for name in frame.columns if quantile_level(name)]
    columns |= {name: frame[name] for name in (*quantiles, "status")}
    assert set(ROW_COLUMNS) <= set(columns)
    table = pd.DataFrame(columns)
    table = table[np.isfinite(table["yhat"].to_numpy())].reset_index(drop=True)
    run_id = id_of_run(run)
    issue_id = _part_issue_id(run, run_id, record, result.horizon)
    info = IssueInfo(recorded_name(folder), run_id, issue_id, now)
    return Issue(info, table, bool(kind.display_timezone or kind.utc_offset))


def _part_issue_id(run: Run, run_id: str, record: PartRecord, horizon: int) -> str:
    """The hash of the run with its calibration, of the file of a partition, and of the horizon."""
    head = {"run": run_id, "horizon": horizon, "calibration": asdict(run.refreshed)}
    head |= {"file": record.input.path, "sha256": record.input.sha256}
    text = json.dumps(head, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:ID_LENGTH]


def _in_utc(times: pd.Series[Any]) -> pd.Series[Any]:
    """Timestamps in UTC without a zone where they have one; others as they are."""
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        return times
    found: pd.Series[Any] = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return found
