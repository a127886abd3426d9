"""The issue of a forecast: it is published under a lock, and what it says goes into the ledger."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.batch.ledger.ledger import (
    ROW_COLUMNS,
    Issue,
    IssueInfo,
    default_location,
    has_utc_timestamps,
    ledger_timestamps,
    open_ledger,
    recorded_name,
)
from rnnforecast.batch.lock import output_lock
from rnnforecast.datetimes import as_utc
from rnnforecast.errors import RnnForecastError, Stopped
from rnnforecast.output.forecast_frame import ForecastSeries, forecast_frame
from rnnforecast.pipeline.calibration import store_timestamp
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.locations import NO_LEDGER
from rnnforecast.workflow.predict import publish_forecast
from rnnforecast.workflow.predict_forecast import Prediction
from rnnforecast.workflow.predict_output import SUMMARY_FILE, PredictResult, UnpublishedForecast
from rnnforecast.workflow.predict_previous import check_same_subject
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_subject import UntrainedSubject

ID_LENGTH = 16
"""Hexadecimal digits of the ids of runs and issues."""


@dataclass(frozen=True)
class IssuedForecast:
    """What `issue_forecast` wrote."""

    result: PredictResult
    prediction: Prediction
    issue_id: str
    """"" without a ledger."""
    ledger: str
    """Where the issue was written to; "" if it was not."""
    rows: int = 0
    """Rows that were written to the ledger."""

    def check_complete(self) -> None:
        """Raises PartFailed if some series have no forecast."""
        if self.result.failed:
            raise self.prediction.part_failed_error(self.result.out)


def issue_forecast(
    subject: Path | UntrainedSubject,
    out: str,
    request: ForecastRequest,
    *,
    ledger: str | None = None,
    wait: float = 0.0,
    keeps_others: bool = False,
    **options: Any,
) -> IssuedForecast:
    """Publishes the forecast of a run under the lock of `out`, and writes it to the ledger.

    A ledger that cannot be written is a warning, since the forecast is published by then. Series
    without a forecast are no error before `IssuedForecast.check_complete`.

    Args:
        subject: the run, or a store of versions, of which the latest is used; or data without one.
        out: see `workflow.predict.publish_forecast`.
        ledger: a folder or a database URL, ``none`` for none; by default `default_location`, and
            none without a run.
        wait: seconds to wait for the lock.
        keeps_others: whether data without a run do not replace the forecast of others.
        options: further arguments of `workflow.predict.publish_forecast`.

    Raises:
        LockHeld, OutputPathError, and the errors of `workflow.predict.publish_forecast`.
    """
    with output_lock(out, "predict", wait, on_wait=request.listener.info):
        if keeps_others and not isinstance(subject, Path):
            check_same_subject(Path(out, SUMMARY_FILE), subject)
        published = publish_forecast(subject, out, request, **options)
    prediction, result = published.forecast.prediction, published.result
    issued = IssuedForecast(result, prediction, "", "")
    has_run = isinstance(subject, Path)
    if request.origin is not None or (ledger is None and not has_run):
        return issued
    folder = subject if isinstance(subject, Path) else subject.path
    try:
        recorded = record_issue(folder, published.forecast, ledger)
    except KeyboardInterrupt as error:
        text = f"the forecast is written to {result.out}, but not to the ledger"
        raise Stopped(text, getattr(error, "number", signal.SIGINT)) from None
    if recorded is None:
        return issued
    if recorded.finding is not None:
        result = replace(result, warnings=(*result.warnings, recorded.finding))
    return IssuedForecast(result, prediction, recorded.issue_id, recorded.ledger, recorded.rows)


@dataclass(frozen=True)
class RecordedIssue:
    """An issue in a ledger, or why it could not be written."""

    issue_id: str = ""
    ledger: str = ""
    """The location of the ledger; "" if it could not be written."""
    rows: int = 0
    finding: Finding | None = None
    """What kept it from being written."""


def record_issue(
    folder: Path, forecast: UnpublishedForecast, ledger: str | None
) -> RecordedIssue | None:
    """Writes a published forecast to the ledger; None for no ledger. One that cannot be written is
    a finding. Arguments as in `issue_forecast`."""
    if ledger == NO_LEDGER:
        return None
    location = ledger or default_location(folder)
    try:
        issue = build_issue(folder, forecast)
        found = open_ledger(location)
        found.append(issue)
    except RnnForecastError as error:
        finding = Finding("ledger_not_written", f"the ledger was not written: {error}")
        forecast.request.listener.warning(str(finding))
        return RecordedIssue(finding=finding)
    return RecordedIssue(issue.info.issue_id, found.location, len(issue.table))


def build_issue(folder: Path, forecast: UnpublishedForecast) -> Issue:
    """The issue of the forecast of the run at `folder`: its rows with a forecast, as published."""
    run, prediction = forecast.run, forecast.prediction
    panel, forecasts = prediction.cleaned.panel, prediction.forecasts
    size, steps, width = forecasts.yhat.shape
    times = panel.window_timestamps(panel.lengths - 1, steps + 1)  # [S, 1 + H]
    series = ForecastSeries(
        pd.DataFrame({"unique_id": panel.labels()}),
        ledger_timestamps(times[:, 1:], panel),
        ledger_timestamps(times[:, 0], panel),
        prediction.status,
        "ds",
        panel.target_names,
    )
    frame = forecast_frame(series, forecasts.yhat, forecasts.quantiles, run.quantiles)
    if width == 1:
        frame["target"] = panel.target_names[0]
    frame["step"] = np.tile(np.arange(1, steps + 1, dtype=np.int32), size * width)
    quantiles = [name for name in frame.columns if name not in ROW_COLUMNS]
    order = [*ROW_COLUMNS[:-1], *quantiles, ROW_COLUMNS[-1]]
    table = frame.loc[np.isfinite(frame["yhat"].to_numpy()), order].reset_index(drop=True)
    run_id = id_of_run(run)
    issue_id, now = _issue_id(run, run_id, prediction), as_utc(forecast.request.now)
    info = IssueInfo(recorded_name(folder), run_id, issue_id, now)
    return Issue(info, table, has_utc_timestamps(panel))


def id_of_run(run: Run) -> str:
    """The hash of a training: its spec, data, seed and versions."""
    parts = [run.metadata["fingerprint"], str(store_timestamp(run.trained_until))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_LENGTH]


def _issue_id(run: Run, run_id: str, prediction: Prediction) -> str:
    """The hash of the run with its calibration, of the data that it read, and of the horizon."""
    panel, steps = prediction.cleaned.panel, prediction.forecasts.yhat.shape[1]
    head = {"run": run_id, "horizon": steps, "calibration": asdict(run.refreshed)}
    digest = hashlib.sha256(json.dumps(head, sort_keys=True, default=str).encode())
    digest.update("\0".join(map(str, panel.labels())).encode("utf-8", "surrogatepass"))
    ends = panel.window_timestamps(panel.lengths - 1, 1)
    for part in (panel.offsets, ends, panel.targets, panel.covariates):
        if part is not None:
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()[:ID_LENGTH]
