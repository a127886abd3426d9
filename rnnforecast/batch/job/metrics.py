"""Metrics of a job for Prometheus: a file for the textfile collector of node_exporter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rnnforecast.batch.job.summary import JobState
from rnnforecast.errors import OutputPathError, Problem
from rnnforecast.output.atomic_files import write_text

PREFIX = "rnnforecast_job_"

Sample = tuple[dict[str, str], float]


def write_metrics(path: Path, job: str, state: JobState) -> None:
    """Writes the file whole, so that the collector never reads a half.

    Raises OutputPathError for a file that is not of this job, OutputError.
    """
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(1 << 16).decode("utf-8", "replace")
        if head and f'{PREFIX}exit_code{{job_name="{_escape(job)}"}}' not in head:
            found = f"exists and has no metrics of the job {job}, so it will not be replaced"
            raise OutputPathError(Problem(str(path), found, "name another file, or delete it"))
    write_text(path, metrics_text(job, state))


def metrics_text(job: str, state: JobState) -> str:
    """The metrics of the last run in Prometheus's text format, each with its meaning and type."""
    lines = []
    for name, meaning, samples in _metrics(state):
        lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} gauge"]
        for labels, value in samples:
            pairs = {"job_name": job, **labels}
            text = ",".join(f'{key}="{_escape(each)}"' for key, each in pairs.items())
            lines.append(f"{PREFIX}{name}{{{text}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _metrics(state: JobState) -> Iterator[tuple[str, str, list[Sample]]]:
    """Name, meaning and samples of each metric that is known."""
    last, published = state.last, state.last_published
    yield "exit_code", "Exit code of the last run.", [({}, float(last["exit_code"]))]
    yield "last_run_timestamp_seconds", "End of the last run.", _time(last, "finished")
    times = _time(published, "finished")
    if times:
        yield "last_published_timestamp_seconds", "End of the last run that published.", times
    duration = sum(last["seconds"].values())
    yield "duration_seconds", "Duration of the last run.", [({}, duration)]
    steps = [({"step": name}, seconds) for name, seconds in last["seconds"].items()]
    if steps:
        yield "step_duration_seconds", "Duration of each step of the last run.", steps
    counts = [({"status": name}, number) for name, number in published.get("series", {}).items()]
    if counts:
        yield "series", "Series of the last published forecast by status.", counts
    levels = [each.get("level", "warning") for each in last["findings"].values()]
    found = [({"level": name}, float(levels.count(name))) for name in ("warning", "error")]
    yield "findings", "Findings of the last run by level.", found
    yield "alarms", "Drift alarms of the live scores.", [({}, float(len(last["alarms"])))]
    live = last.get("live") or {}
    if live.get("mase") is not None:
        models: list[Sample] = [({"model": "rnnforecast"}, live["mase"])]
        if live.get("baseline_mase") is not None:
            models.append(({"model": live["baseline"]}, live["baseline_mase"]))
        yield "live_mase", "MASE of the forecasts whose values are known.", models
    failed = float(last["retrain"] == "failed")
    yield "retrain_failed", "1 if a training was due in the last run and failed.", [({}, failed)]
    places = float(len(last["not_published"]))
    yield "places_failed", "Places that the last run could not publish to.", [({}, places)]


def _time(summary: dict[str, Any], key: str) -> list[Sample]:
    text = summary.get(key)
    return [({}, datetime.fromisoformat(text).timestamp())] if text else []


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
