"""The trainings of a job: the first model before the forecast, and a new one after it, when due."""

from __future__ import annotations

import traceback
from datetime import datetime

from rnnforecast.batch.job.files import JobFiles
from rnnforecast.batch.job.log import JobLog
from rnnforecast.batch.job.summary import JobSummary
from rnnforecast.batch.promotion.decision import PromotionRule
from rnnforecast.batch.promotion.retrain import (
    DueReason,
    RetrainOutcome,
    RetrainPolicy,
    find_due_reason,
    retrain_if_due,
)
from rnnforecast.errors import OutputError, Problem, RunFolderError
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.run_retention import prune
from rnnforecast.spec.yaml_source import dump_value
from rnnforecast.workflow.train_versions import TrainRequest

NOTHING_TO_FORECAST_WITH: tuple[DueReason, ...] = ("no_model", "unreadable")


def find_due(job: JobFiles, now: datetime) -> tuple[DueReason | None, str]:
    """Why a training is due before the forecast or after it, None if it is not, and in message."""
    return find_due_reason(job.store, _policy(job), now)


def train_if_missing(
    job: JobFiles, summary: JobSummary, now: datetime, log: JobLog, engine: Engine
) -> None:
    """Trains a model if there is none to forecast with; raises what ended the training."""
    due, message = find_due(job, now)
    if due not in NOTHING_TO_FORECAST_WITH:
        return
    say = log.info if due == "no_model" else log.warning
    say(f"training before the forecast: {message}")
    with summary.timed("train"):
        outcome = _train(job, now, log, engine)
        if outcome.error is not None:
            raise outcome.error
        if not outcome.promoted:
            cure = "look into promotion.json of the version"
            raise RunFolderError(Problem(str(job.store), outcome.message, cure))
    summary.retrain = "first" if due == "no_model" else "promoted"
    summary.retrain_message = outcome.message
    if due == "unreadable":
        summary.add_finding(Finding("model_replaced", message).to_json())
    log.info(outcome.message)


def retrain(job: JobFiles, summary: JobSummary, now: datetime, log: JobLog, engine: Engine) -> None:
    """Trains a new model if one is due, and deletes versions that are not to be kept.

    The forecast is out by then: what fails here is a warning.
    """
    if not summary.retrain:
        with summary.timed("retrain"):
            _retrain(job, summary, now, log, engine)
    settings = job.settings
    keep = None if settings.keep == "all" else settings.keep
    keep_days = None if settings.keep_days == "none" else settings.keep_days
    try:
        if deleted := prune(job.store, now, keep=keep, keep_days=keep_days):
            log.info(f"deleted old versions: {', '.join(deleted)}")
    except OutputError as error:
        log.warning(f"old versions stay: {error}")


def _retrain(
    job: JobFiles, summary: JobSummary, now: datetime, log: JobLog, engine: Engine
) -> None:
    try:
        outcome = _train(job, now, log, engine, tuple(summary.alarms))
    except Exception as error:  # noqa: BLE001 - the forecast is out
        log.error("".join(traceback.format_exception(error)))
        summary.retrain = "failed"
        summary.retrain_message = f"the training failed: {type(error).__name__}: {error}"
        log.warning(summary.retrain_message)
        return
    summary.retrain_message = outcome.message if outcome.due else ""
    if outcome.error is not None:
        summary.retrain = "failed"
        log.warning(outcome.message)
    elif outcome.due is None:
        summary.retrain = "not_due"
    else:
        summary.retrain = "promoted" if outcome.promoted else "kept_aside"
        log.info(outcome.message)


def _train(
    job: JobFiles, now: datetime, log: JobLog, engine: Engine, alarms: tuple[str, ...] = ()
) -> RetrainOutcome:
    changes = [f"data.path={dump_value(list(job.data))}"] if job.data else []
    return retrain_if_due(
        TrainRequest(job.spec, changes),
        job.store,
        _policy(job),
        now=now,
        ledger=job.ledger,
        alarms=alarms,
        listener=log,
        engine=engine,
    )


def _policy(job: JobFiles) -> RetrainPolicy:
    settings = job.settings.retrain
    always = settings.promote_if == "always"
    return RetrainPolicy(
        every=None if settings.every == "never" else settings.every,
        on_alarm=settings.on_alarm,
        rule=PromotionRule(margin=settings.margin, always=always),
    )
