"""`score`: issued forecasts of a run, scored by the values that were observed since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.batch.issue import id_of_run
from rnnforecast.batch.ledger.ledger import (
    default_location,
    open_ledger,
    recorded_name,
)
from rnnforecast.batch.lock import output_lock
from rnnforecast.batch.score.drift import DriftAlarm, drift_alarms
from rnnforecast.batch.score.ledger_score import LedgerScore, score_ledger
from rnnforecast.data.cleaning_plan import align_table, read_table
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import (
    Problem,
    RnnForecastError,
    WorseThanBaseline,
)
from rnnforecast.evaluation.scores import MODEL_NAME
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.workflow.calibrate import calibrate as calibrate_run


@dataclass(frozen=True)
class RunScore:
    """The accuracy of one training, of those whose forecasts are in the ledger."""

    run_id: str
    windows: int
    mase: float
    baseline_mase: float
    first_cutoff: str
    last_cutoff: str


@dataclass(frozen=True)
class ScoreResult:
    """The content of `score.json`."""

    run: str
    """The name of the run, or of the store of its versions."""
    run_id: str
    """The training in service."""
    ledger: str
    issues: int
    """Issues in the ledger, of this run."""
    windows: int
    """Forecasts of a series and target with an observed value."""
    values: int
    """Observed values."""
    series: int
    first_cutoff: str
    last_cutoff: str
    awaiting: int
    """Forecasts of a series without an observed value as yet."""
    next_actual: str
    """The first timestamp after the data, from which on these can be scored."""
    metrics: dict[str, float]
    baseline: str
    """The name of the baseline from the same cutoffs."""
    baseline_metrics: dict[str, float]
    runs: tuple[RunScore, ...]
    """By training, the earliest first."""
    alarms: tuple[DriftAlarm, ...]
    drift: bool
    """Whether an alarm was raised for the training in service."""
    worse_than_baseline: bool
    """Whether the MASE is above that of the baseline."""
    calibration: dict[str, Any] | None
    """What `calibrate` did; None if it was not asked for or not possible."""
    findings: tuple[Finding, ...]
    out: str = ""
    """The folder that was written."""

    def to_json(self) -> dict[str, Any]:
        """The plain values of `score.json` and ``--json``."""
        return asdict(self) | {"findings": [each.to_json() for each in self.findings]}

    def check(self, fail_on: Collection[str]) -> None:
        """Raises WorseThanBaseline for an alarm (``drift``) or a larger error (``baseline``)."""
        problems = []
        if "drift" in fail_on and self.drift:
            problems += [
                Problem(f"drift of {each.statistic}", describe_alarm(each), "train the run again")
                for each in self.alarms
                if each.is_current
            ]
        if "baseline" in fail_on and self.worse_than_baseline:
            ours, theirs = self.metrics["mase"], self.baseline_metrics["mase"]
            found = f"the forecasts have a MASE of {ours:.3g}, {self.baseline} has {theirs:.3g}"
            problems.append(Problem("", found, "train the run again"))
        if problems:
            raise WorseThanBaseline(*problems)


def score(
    folder: Path,
    *,
    data: Sequence[DataSource] | None = None,
    ledger: str | None = None,
    since: date | None = None,
    calibrate: bool = True,
    run_is_locked: bool = False,
    wait: float = 0.0,
    listener: ProgressListener | None = None,
) -> tuple[ScoreResult, LedgerScore]:
    """Scores what a run has issued, and calibrates its intervals by the newest values.

    Args:
        folder: the run, or a store of versions.
        data: files with the values since, or data frames if nothing is calibrated; those of the
            spec, as they are now, by default.
        ledger: a folder or a database URL; `default_location` by default.
        since: the first day of the issues that count.
        calibrate: whether the intervals are calibrated, as `workflow.calibrate` does.
        run_is_locked: whether the caller holds the lock of the run.
        wait: most seconds to wait for the lock of the run.

    Raises:
        RunFolderError, DataError, UsageError.
    """
    listener = listener or NullListener()
    run = load_run(resolve_run(folder))
    opened = open_ledger(ledger or default_location(folder))
    table = read_table(run.plan, data or run.source, skip_invalid_series=True)
    panel = align_table(run.plan, table, skip_invalid_series=True).panel
    found = score_ledger(opened, recorded_name(folder), panel, season=run.plan.season, since=since)
    calibration = None
    if calibrate:
        try:
            files = None if data is None else [each for each in data if isinstance(each, str)]
            calibration = _calibrate(folder, files, None if run_is_locked else wait)
        except RnnForecastError as error:
            message = f"the intervals were not calibrated: {error}"
            found.findings.append(Finding("not_calibrated", message))
    result = build_result(run, recorded_name(folder), opened.location, found)
    result = replace(result, calibration=calibration, findings=tuple(found.findings))
    for finding in result.findings:
        listener.warning(str(finding))
    return result, found


def describe_alarm(alarm: DriftAlarm) -> str:
    """The description of an alarm."""
    texts = {
        ("bias", "up"): "forecasts have become higher, beside what was observed",
        ("bias", "down"): "forecasts have become lower, beside what was observed",
        ("error", "up"): "errors have become larger",
        ("coverage", "up"): "more values lie in the intervals than before",
        ("coverage", "down"): "fewer values lie in the intervals than before",
    }
    what = texts[alarm.statistic, alarm.direction]
    return f"{what}: alarm on {alarm.raised}, change since about {alarm.since}"


def _calibrate(folder: Path, data: Sequence[str] | None, wait: float | None) -> dict[str, Any]:
    """What `calibrate` did; None as `wait` stands for a lock that is held already.

    Raises RnnForecastError, LockHeld among them.
    """
    if wait is None:
        return asdict(calibrate_run(resolve_run(folder), data=data))
    with output_lock(folder, "score", wait):
        return asdict(calibrate_run(resolve_run(folder), data=data))


def build_result(run: Run, name: str, location: str, found: LedgerScore) -> ScoreResult:
    """The result of a score, without a calibration."""
    panel, totals = found.panel, found.totals
    metrics, baseline = (
        {metric: float(values[0]) for metric, values in totals.metrics(model).items()}
        for model in (MODEL_NAME, totals.baseline)
    )
    run_id = id_of_run(run)
    alarms = drift_alarms(found.charts, run_id)
    ends = [limit for limits in found.cutoffs.values() for limit in limits]
    values = totals.values()
    n_windows = totals.windows()
    return ScoreResult(
        run=name,
        run_id=run_id,
        ledger=location,
        issues=len(found.issues),
        windows=int(n_windows.sum()),
        values=int(values.sum()),
        series=found.series,
        first_cutoff=totals.cutoff_text(min(ends)) if ends else "",
        last_cutoff=totals.cutoff_text(max(ends)) if ends else "",
        awaiting=found.awaiting,
        next_actual=format_timestamp(found.following[0], panel.display_timezone),
        metrics=metrics,
        baseline=totals.baseline,
        baseline_metrics=baseline,
        runs=_run_scores(found),
        alarms=alarms,
        drift=any(each.is_current for each in alarms),
        worse_than_baseline=bool(
            metrics and metrics["mase"] > baseline["mase"]  # NaN is not worse
        ),
        calibration=None,
        findings=(),
    )


def _run_scores(found: LedgerScore) -> tuple[RunScore, ...]:
    totals = found.totals
    ours, theirs = (
        totals.metrics(model, "run").get("mase", np.empty(0))
        for model in (MODEL_NAME, totals.baseline)
    )
    every = []
    for number, run_id in enumerate(totals.runs):
        first, last = found.cutoffs[run_id]
        every.append(
            (
                first,
                RunScore(
                    run_id,
                    int(totals.windows("run")[number]),
                    float(ours[number]),
                    float(theirs[number]),
                    totals.cutoff_text(first),
                    totals.cutoff_text(last),
                ),
            )
        )
    return tuple(each for _, each in sorted(every, key=lambda pair: pair[0]))
