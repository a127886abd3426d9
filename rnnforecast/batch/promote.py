"""A candidate: a new model in a version of its own, which is promoted or kept aside.

The version is complete before `latest` is moved to it, so an interrupted training, or one that
fails, leaves the current model in place. The decision is in `promotion.json` of the version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rnnforecast.batch.promote_decision import Decision, PromotionRule
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.workflow.train_output import TrainResult

PROMOTION_FILE = "promotion.json"
"""The decision, in the folder of the version."""


@dataclass(frozen=True)
class TrainRequest:
    """What is trained."""

    spec: Path
    overrides: Sequence[str] = ()
    """``section.key=value`` each."""
    resume: bool = False


@dataclass(frozen=True)
class LiveEvidence:
    """Where it is known how the current model does live."""

    ledger: str | None = None
    """The ledger with the forecasts that it issued: a folder, a URL, or None."""
    alarms: tuple[str, ...] = ()
    """Codes of its drift alarms, by `score`."""


@dataclass(frozen=True)
class PromotionResult:
    """A trained version, and whether it has become the current one."""

    trained: TrainResult
    version: Path
    """Its folder."""
    previous: Path | None
    """The version that was current before; None without any."""
    decision: Decision

    def summary(self) -> str:
        """One line: ``2026-11-27T02-15-07Z is now the current model: …``."""
        name = self.version.name
        if self.decision.promoted:
            return f"{name} is now the current model: {self.decision.words}"
        current = "the current model" if self.previous is None else self.previous.name
        return f"{name} is kept aside, {current} stays: {self.decision.words}"


def train_candidate(
    request: TrainRequest,
    store: Path,
    rule: PromotionRule,
    *,
    now: datetime,
    live: LiveEvidence | None = None,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> PromotionResult:
    """Trains a version in `store`, and moves ``latest`` to it if it is to replace the current one.

    The caller holds the lock of `store`.

    Raises what `workflow.train.train` raises.
    """
    raise NotImplementedError
