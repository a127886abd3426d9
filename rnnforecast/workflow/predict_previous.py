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
