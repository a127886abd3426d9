"""The issue of the forecast of a dataset by its partitions, published under a lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rnnforecast.batch.lock import output_lock
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.workflow.predict_partitions import publish_partitions
from rnnforecast.workflow.predict_parts_output import PartsResult


@dataclass(frozen=True)
class IssuedParts:
    """What `issue_partitions` wrote."""

    result: PartsResult

    def check_complete(self) -> None:
        """Raises PartFailed if some series have no forecast."""
        self.result.check_complete()


def issue_partitions(
    folder: Path,
    out: str,
    *,
    ledger: str | None = None,
    now: datetime | None = None,
    wait: float = 0.0,
    listener: ProgressListener | None = None,
    **options: Any,
) -> IssuedParts:
    """As `issue_forecast`, for a dataset that is forecast by `publish_partitions`, which has the
    further arguments `options` and raises the same errors."""
    listener = listener or NullListener()
    with output_lock(out, "predict", wait, on_wait=listener.info):
        published = publish_partitions(folder, out, listener=listener, **options)
    return IssuedParts(published.result)
