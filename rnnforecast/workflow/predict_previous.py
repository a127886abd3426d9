"""The forecast that is to be replaced, as its summary describes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rnnforecast.errors import RnnForecastError
from rnnforecast.output.json_files import parse_json
from rnnforecast.pipeline.checks.context import PreviousForecast


def read_previous(summary: Path) -> PreviousForecast | None:
    """The forecast that the file ``run.json`` describes; None if it is missing, or of another
    kind."""
    try:
        stored = parse_json(summary.read_bytes())
        since = datetime.fromisoformat(stored["data_since"])
        data_sha256 = stored["data_sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RnnForecastError):
        return None
    if since.tzinfo is None or not isinstance(data_sha256, str):
        return None
    return PreviousForecast(data_sha256, since)


def data_since(previous: PreviousForecast | None, data_sha256: str, now: datetime) -> datetime:
    """When a forecast was first made from the same data: `now` if the previous one had others."""
    if previous is None or previous.data_sha256 != data_sha256:
        return now
    return min(previous.data_since, now)
