"""The forecast that is to be replaced, as its summary describes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rnnforecast.errors import OutputPathError, Problem, RnnForecastError
from rnnforecast.output.json_files import parse_json
from rnnforecast.pipeline.checks.context import PreviousForecast
from rnnforecast.workflow.predict_places import absolute_sources
from rnnforecast.workflow.predict_subject import UntrainedSubject


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


def check_same_subject(summary: Path, subject: UntrainedSubject) -> None:
    """Raises OutputPathError if the forecast that the file ``run.json`` describes is of other data
    than `subject`, or of a run: names of files that differ in folder or suffix have one name of a
    forecast."""
    try:
        stored = parse_json(summary.read_bytes())
        is_of_run = isinstance(stored["run"], str)
        other = stored["run" if is_of_run else "subject"]
        is_same = not is_of_run and (
            other == subject.to_json()["subject"]
            or stored["data"] == absolute_sources(subject.files)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RnnForecastError):
        return
    if not is_same:
        found = f"holds the forecast of {other}, which that of {subject.given} will not replace"
        cure = "name another place with -o, or --force to replace it"
        raise OutputPathError(Problem(str(summary.parent), found, cure))


def data_since(previous: PreviousForecast | None, data_sha256: str, now: datetime) -> datetime:
    """When a forecast was first made from the same data: `now` if the previous one had others."""
    if previous is None or previous.data_sha256 != data_sha256:
        return now
    return min(previous.data_since, now)
