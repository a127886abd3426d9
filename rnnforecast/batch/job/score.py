"""The score of a job's earlier forecasts, by the values that have come since."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from rnnforecast.batch.job.current_spec import read_current_spec
from rnnforecast.batch.job.files import JobFiles
from rnnforecast.batch.job.summary import JobSummary
from rnnforecast.batch.score.output import write_score
from rnnforecast.batch.score.score import ScoreResult, describe_alarm, score
from rnnforecast.errors import RnnForecastError
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.locations import NO_LEDGER
from rnnforecast.workflow.calibrate import calibrate

SCORED_DAYS = 100
"""Age in days of the issues that are still scored: a quarter of nights, whatever the ledger holds.
`rnnforecast score` reads all of it."""


def score_earlier(
    job: JobFiles, summary: JobSummary, now: datetime, listener: ProgressListener
) -> None:
    """Scores what the job has issued lately, and calibrates the intervals by it; alarms of drift
    go into the summary.

    The caller holds the lock of the run. The forecast is out by then: what fails is a warning.
    """
    if not job.settings.score or job.ledger == NO_LEDGER:
        return
    with summary.timed("score"):
        try:
            data = read_current_spec(job).data
            result, found = score(
                job.store,
                data=data,
                ledger=job.ledger,
                since=(now - timedelta(days=SCORED_DAYS)).date(),
                calibrate=False,
                run_is_locked=True,
                listener=listener,
            )
            write_score(job.scores, result, found)
        except RnnForecastError as error:
            listener.warning(f"not scored: {error}")
            summary.add_finding({"code": "not_scored", "level": "warning", "message": str(error)})
            return
        _describe(result, summary, listener)
        if result.values:
            _calibrate(job.store, data, listener)


def _describe(result: ScoreResult, summary: JobSummary, listener: ProgressListener) -> None:
    for finding in result.findings:
        summary.add_finding(finding.to_json())
    if result.values:
        summary.live = {
            "values": result.values,
            "mase": result.metrics["mase"],
            "baseline": result.baseline,
            "baseline_mase": result.baseline_metrics["mase"],
        }
    for alarm in result.alarms:
        if alarm.is_current:
            summary.alarms.append(f"{alarm.statistic}_{alarm.direction}")
            listener.warning(describe_alarm(alarm))


def _calibrate(store: Path, data: tuple[str, ...], listener: ProgressListener) -> None:
    """Calibrates the intervals for the forecasts to come; what is too little for it is no fault."""
    try:
        calibrate(store, data=data)
    except RnnForecastError as error:
        listener.info(f"the intervals were not calibrated: {error}")
