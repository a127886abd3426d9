"""A new model for a nightly job, when one is due: by age, by a drift alarm, or without a readable
one.

The job calls `retrain_if_due` after tonight's forecast is out, unless there is no model to forecast
with. A training that fails is reported, not raised: the current model stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from rnnforecast.batch.promote import LiveEvidence, PromotionResult, TrainRequest
from rnnforecast.batch.promote_decision import PromotionRule
from rnnforecast.errors import RnnForecastError
from rnnforecast.pipeline.progress import ProgressListener

DueReason = Literal["no_model", "unreadable", "alarm", "age"]


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
    words: str
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
    live: LiveEvidence | None = None,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RetrainOutcome:
    """Trains a new version of the model in `store` if one is due, and promotes it if it is better.

    The caller holds the lock of `store`. KeyboardInterrupt and errors that are not an
    RnnForecastError are raised.

    Args:
        now: with a time zone; the age of the current version is counted to it.
        live: the ledger with the forecasts of the current model, and the drift alarms by `score`.
        should_stop: polled during training; True ends it, and nothing is promoted.
    """
    raise NotImplementedError
