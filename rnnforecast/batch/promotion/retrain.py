"""A new model for a nightly job, when one is due: by age, by a drift alarm, or without a readable
one.

The job calls `retrain_if_due` after the forecast is published, unless there is no model to forecast
with. A training that fails is reported, not raised: the current model stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from rnnforecast.batch.promotion.candidate import PromotionResult, train_candidate
from rnnforecast.batch.promotion.decision import PromotionRule, describe_age
from rnnforecast.datetimes import as_utc
from rnnforecast.errors import RnnForecastError, RunFolderError
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run_folder import STATE_FILE, load_run
from rnnforecast.pipeline.run_versions import RunVersion, is_store, latest_version, list_versions
from rnnforecast.wording import join_names
from rnnforecast.workflow.train_versions import TrainRequest

DueReason = Literal["no_model", "unreadable", "alarm", "age"]

MAX_DOUBLINGS = 5
"""Of the pause after candidates that were kept aside: 32 days at most."""

TOLERANCE = timedelta(hours=1)
"""By which a job may start earlier than the day before."""


@dataclass(frozen=True)
class RetrainPolicy:
    """When a model is trained again, and when the new one replaces the current one."""

    every: timedelta | None = timedelta(days=7)
    """The age of the current model at which a training is due; None for never."""
    on_alarm: bool = True
    """Whether a drift alarm makes a training due."""
    rule: PromotionRule = field(default_factory=PromotionRule)


@dataclass(frozen=True)
class RetrainOutcome:
    """What `retrain_if_due` did."""

    due: DueReason | None
    """Why a training was due; None if none was."""
    message: str
    """One sentence without a full stop, for the log and the summary."""
    result: PromotionResult | None = None
    """The new version, and whether it was promoted; None if nothing was trained."""
    error: RnnForecastError | None = None
    """Why the training failed; the current model stays."""

    @property
    def promoted(self) -> bool:
        """Whether there is a new current model."""
        return self.result is not None and self.result.decision.promoted


def retrain_if_due(
    request: TrainRequest,
    store: Path,
    policy: RetrainPolicy,
    *,
    now: datetime,
    ledger: str | None = None,
    alarms: Sequence[str] = (),
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    engine: Engine = IN_PROCESS,
) -> RetrainOutcome:
    """Trains a new version of the model in `store` if one is due, and promotes it if it is better.

    The caller holds the lock of `store`. KeyboardInterrupt and errors that are not an
    RnnForecastError are raised.

    Args:
        now: with a time zone; the age of the current version is counted to it.
        ledger, alarms: see `train_candidate`.
        should_stop: polled during training; True ends it, and nothing is promoted.
        engine: see `workflow.train.train`.
    """
    due, message = find_due_reason(store, policy, now, alarms)
    if due is None:
        return RetrainOutcome(None, message)
    rule = replace(policy.rule, replace_unreadable=True)
    try:
        result = train_candidate(
            request,
            store,
            rule,
            now=now,
            ledger=ledger,
            alarms=alarms,
            listener=listener,
            should_stop=should_stop,
            engine=engine,
        )
    except RnnForecastError as error:
        return RetrainOutcome(
            due, f"{message}; the training failed: {error.problems[0]}", error=error
        )
    return RetrainOutcome(due, f"{message}; {result.summary()}", result)


def find_due_reason(
    store: Path, policy: RetrainPolicy, now: datetime, alarms: Sequence[str] = ()
) -> tuple[DueReason | None, str]:
    """Why a training of the model in `store` is due, None if it is not; and a clause about it."""
    versions = list_versions(store)
    current = latest_version(versions)
    if current is None and (not os.path.lexists(store) or is_store(store)):
        return "no_model", "there is no model yet"
    try:
        load_run(store)
    except RunFolderError as error:
        return "unreadable", f"the current model cannot be read: {error.problems[0].found}"
    trained_at = current.trained_at if current is not None else _modified_at(store)
    now = as_utc(now)
    age = now - trained_at
    reason: DueReason | None = None
    message = f"the current model is {describe_age(age)} old"
    if alarms and policy.on_alarm:
        reason, message = "alarm", f"drift alarm: {join_names(alarms)}"
    elif policy.every is not None and age >= policy.every - TOLERANCE:
        reason = "age"
    if reason is not None and (next_try := _next_try(versions, trained_at, policy)) > now:
        found = (
            f"{message}; the last candidate was kept aside, the next is due at {next_try:%F %R}Z"
        )
        return None, found
    return reason, message


def _next_try(
    versions: Sequence[RunVersion], trained_at: datetime, policy: RetrainPolicy
) -> datetime:
    """When the next candidate may be trained: 1, 2, 4 … days after the last that was kept aside,
    at most `policy.every`."""
    tries = [each.trained_at for each in versions if each.trained_at > trained_at]
    if not tries:
        return datetime.min.replace(tzinfo=UTC)
    days = 2 ** min(len(tries) - 1, MAX_DOUBLINGS)
    return max(tries) + min(timedelta(days=days), policy.every or timedelta.max) - TOLERANCE


def _modified_at(folder: Path) -> datetime:
    """When a plain run was written."""
    return datetime.fromtimestamp((folder / STATE_FILE).stat().st_mtime, UTC)
