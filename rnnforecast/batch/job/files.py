"""The files of a job, and the other places that it reads and writes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.spec.job import JobSpec
from rnnforecast.spec.locations import (
    NO_LEDGER,
    absolute_location,
    is_url,
    sqlite_file,
    variables_in,
)


@dataclass(frozen=True)
class JobFiles:
    """A job with its places: absolute paths, and URLs as they were written."""

    file: Path
    """The job file."""
    settings: JobSpec
    name: str
    spec: Path
    store: Path
    """The folder of the versions of the model."""
    data: tuple[str, ...]
    """Empty for the files of the spec."""
    out: tuple[str, ...]
    """A folder ends in a slash if it was given so, or by default."""
    ledger: str
    """A folder, a URL, or ``none``."""
    log: Path | None
    metrics: Path | None

    @property
    def state(self) -> Path:
        """The file with the summaries of the last run, and of the last that was published."""
        return beside(self.store, ".job.json")

    @property
    def scores(self) -> Path:
        """The folder of the live scores."""
        return beside(self.store, ".score")

    def written(self) -> list[Path]:
        """The folders and files that a run of the job writes to, besides those of hooks."""
        places = (local_path(place) for place in (*self.out, self.ledger))
        found = (self.store, self.state, self.scores, *places, self.log, self.metrics)
        return [path for path in found if path is not None]

    def variables(self) -> list[str]:
        """The environment variables in the job's places."""
        texts = (*self.data, *self.out, self.ledger)
        return list(dict.fromkeys(name for text in texts for name in variables_in(text)))


def find_job_files(file: Path, settings: JobSpec) -> JobFiles:
    """The places of the job in `file`; relative paths start at its folder."""
    folder = file.resolve().parent
    name = file.stem if settings.name == "auto" else settings.name
    store = _absolute(folder, f"runs/{name}" if settings.run == "auto" else settings.run)
    out = (f"forecasts/{name}/" if place == "auto" else place for place in settings.out)
    ledger = settings.ledger
    log = None if settings.log.file == "none" else Path(_absolute(folder, settings.log.file))
    return JobFiles(
        file=file.resolve(),
        settings=settings,
        name=name,
        spec=Path(_absolute(folder, settings.spec)),
        store=Path(store),
        data=tuple(_absolute(folder, place) for place in settings.data),
        out=tuple(_absolute(folder, place) for place in out),
        ledger=str(beside(Path(store), ".ledger"))
        if ledger == "auto"
        else _absolute(folder, ledger),
        log=beside(Path(store), ".log") if settings.log.file == "auto" else log,
        metrics=None if settings.metrics == "none" else Path(_absolute(folder, settings.metrics)),
    )


def beside(store: Path, suffix: str) -> Path:
    """The file or folder that is named like the store, with this suffix."""
    return store.with_name(f"{store.name}{suffix}")


def local_path(place: str) -> Path | None:
    """The path of a place on this machine, SQLite's files included; None for others."""
    if place == NO_LEDGER or variables_in(place):
        return None
    return sqlite_file(place) if is_url(place) else Path(place)


def _absolute(folder: Path, place: str) -> str:
    """A path as an absolute one, with its slash at the end; URLs as they are."""
    if place == NO_LEDGER:
        return place
    slash = "/" if place.endswith("/") and not is_url(place) else ""
    given = place if is_url(place) else os.path.expanduser(place)  # noqa: PTH111 - never fails
    return absolute_location(given, folder) + slash
