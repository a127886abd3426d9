"""The files of a job, and the other places that it reads and writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.errors import Problem, SpecError
from rnnforecast.spec.job import JobSpec
from rnnforecast.spec.locations import (
    NO_LEDGER,
    absolute_location,
    is_url,
    sqlite_file,
    variables_in,
)
from rnnforecast.workflow.predict_places import is_folder


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
    """The places of the job in `file`; relative paths start at its folder.

    Raises SpecError for places that get in each other's way, see `_check_places`.
    """
    folder = file.resolve().parent
    name = file.stem if settings.name == "auto" else settings.name
    store = _absolute(folder, f"runs/{name}" if settings.run == "auto" else settings.run)
    out = (f"forecasts/{name}/" if place == "auto" else place for place in settings.out)
    ledger = settings.ledger
    log = None if settings.log.file == "none" else Path(_absolute(folder, settings.log.file))
    found = JobFiles(
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
    _check_places(found)
    return found


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


@dataclass(frozen=True)
class _Place:
    key: str
    """The key of the job file that names it, or that it follows from."""
    path: Path
    """Absolute, with all links resolved."""
    is_input: bool = False
    is_closed: bool = False
    """Whether it is a folder that may hold nothing but what is written there."""
    is_database: bool = False
    """Whether it may be the place of several tables."""


def _check_places(job: JobFiles) -> None:
    """Raises SpecError with all places of which one would overwrite or block another.

    Two outputs at one place would replace each other, one inside the folder of another would keep
    that from being replaced the next night, and what the job reads must not be written to. A pipe
    makes a job wait that nobody looks at.
    """
    places = list(_places(job))
    problems = [
        Problem(f"{job.file}, {place.key}", f"{place.path} is a pipe", "name a file or a folder")
        for place in places
        if _is_pipe(place.path)
    ]
    if os.path.lexists(job.store) and not job.store.is_dir():
        found = f"{job.store} is no folder, which the versions of the model need"
        problems.append(Problem(f"{job.file}, run", found, "name another place"))
    for number, first in enumerate(places):
        for second in places[number + 1 :]:
            if not (first.is_input and second.is_input):
                problems += _conflict(job.file, first, second)
    if problems:
        raise SpecError(*problems)


def _places(job: JobFiles) -> Iterator[_Place]:
    def resolved(path: Path) -> Path:
        return Path(os.path.realpath(path))

    yield _Place("the job file", resolved(job.file), is_input=True)
    yield _Place("spec", resolved(job.spec), is_input=True)
    for text in job.data:
        if (path := local_path(text)) is not None:
            yield _Place("data", resolved(path), is_input=True, is_database=is_url(text))
    yield _Place("run", resolved(job.store), is_closed=True)
    yield _Place("run (state)", resolved(job.state))
    yield _Place("run (score)", resolved(job.scores), is_closed=True)
    for text in job.out:
        if (path := local_path(text)) is not None:
            is_closed = not is_url(text) and is_folder(text)
            yield _Place("out", resolved(path), is_closed=is_closed, is_database=is_url(text))
    if (path := local_path(job.ledger)) is not None:
        yield _Place("ledger", resolved(path), is_database=is_url(job.ledger))
    for key, found in (("log.file", job.log), ("metrics", job.metrics)):
        if found is not None:
            yield _Place(key, resolved(found))


def _conflict(file: Path, first: _Place, second: _Place) -> Iterator[Problem]:
    where = f"{file}, {second.key}"
    cure = "name another place"
    if first.path == second.path:
        if not (first.is_database and second.is_database):
            yield Problem(where, f"{second.path} is the place of {first.key}, too", cure)
        return
    for outer, inner in ((first, second), (second, first)):
        if outer.is_closed and inner.path.is_relative_to(outer.path):
            found = f"{inner.path} ({inner.key}) lies in the folder of {outer.key}"
            yield Problem(where, found, f"{cure}, outside of {outer.path}")


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False
