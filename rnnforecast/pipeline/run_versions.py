"""Dated versions of a run: a folder of run folders, with a link ``latest`` to the one in use.

```text
RUN/                            the store
    2026-11-27T02-15-07Z/       a run folder; its name is the time of its training, in UTC
    2026-11-28T02-15-04Z/
    2026-11-29T02-15-06Z.candidate/   a run that was not put into use
    latest -> 2026-11-28T02-15-04Z    moved last
```

Versions are ordered by their names, which one is in use is decided by the link alone: a clock that
is set back changes nothing for readers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rnnforecast.datetimes import as_utc
from rnnforecast.errors import Problem, RunFolderError, UsageError
from rnnforecast.output.atomic_files import fsync_folder
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.ownership import MARK_FILE, foreign_content, read_mark
from rnnforecast.output.partial_names import partial_path, sweep_folder
from rnnforecast.output.write_errors import os_errors_as_output_error
from rnnforecast.wording import join_names

LATEST = "latest"
CANDIDATE_SUFFIX = ".candidate"
EARLIEST_YEAR = 1970
"""No run was trained before."""

TIME_FORMAT = "%Y-%m-%dT%H-%M-%SZ"

_VERSION = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)(?:-(?P<number>\d{1,6}))?(?P<candidate>\.candidate)?"
)
_RESOLVE_ATTEMPTS = 50


@dataclass(frozen=True)
class RunVersion:
    """A run in a store."""

    name: str
    path: Path
    trained_at: datetime
    """By its name, in UTC."""
    is_latest: bool
    is_candidate: bool
    """Whether it was never in use."""

    @property
    def order(self) -> tuple[datetime, int]:
        """Later versions have a greater one."""
        found = _VERSION.fullmatch(self.name)
        return self.trained_at, int((found and found["number"]) or 1)

    def describe(self) -> str:
        """A line of a list: the name, and whether it is in use."""
        state = "  latest" if self.is_latest else "  never in use" if self.is_candidate else ""
        return f"{self.name}{state}"


def is_store(path: Path) -> bool:
    """Whether the folder holds versions of a run."""
    if os.path.islink(path / LATEST):  # noqa: PTH114 - does not fail on a long name
        return True
    mark = read_mark(path)
    return mark is not None and mark.kind == "versions"


def store_of(path: Path) -> Path | None:
    """The store that a run folder, existing or not, is a version of; None if it is none."""
    is_version = _VERSION.fullmatch(path.name) is not None or path.name == LATEST
    return path.parent if is_version and is_store(path.parent) else None


def run_name(path: Path) -> str:
    """The name of a run: that of its store if it is a version."""
    real = Path(os.path.realpath(path))  # unlike Path.resolve, of a loop of links too
    return (store_of(path) or store_of(real) or real).name


def resolve_run(path: Path) -> Path:
    """The run folder that `path` stands for: the latest version of a store, else `path` itself.

    Raises RunFolderError for a store without a version, or whose link is broken.
    """
    target = ""
    for _ in range(_RESOLVE_ATTEMPTS):
        try:
            target = os.readlink(path / LATEST)  # noqa: PTH115 - the text of the link
        except OSError:
            target = ""
            if not is_store(path):
                return path
        # a version may be replaced or deleted between two system calls, a plain run become a store
        if _VERSION.fullmatch(target) and os.path.isdir(path / target):  # noqa: PTH112
            return path / target
        time.sleep(0.002)
    if target:
        found = f"'{LATEST}' leads to {target}, which is no version"
        names = [each.name for each in list_versions(path)]
        cure = f"rnnforecast rollback {path} {names[-1]}" if names else "train it again"
        raise RunFolderError(Problem(str(path), found, cure))
    raise RunFolderError(Problem(str(path), "holds no version of the run yet", "train it"))


def list_versions(path: Path) -> list[RunVersion]:
    """The versions in a store, the oldest first; empty for what is no store."""
    try:
        names = [each.name for each in path.iterdir()]
    except OSError:
        return []
    try:
        latest = (path / LATEST).readlink().name
    except OSError:
        latest = ""
    found = []
    for name in names:
        match = _VERSION.fullmatch(name)
        trained_at = _parse_time(match["time"]) if match else None
        if match is None or trained_at is None or not (path / name).is_dir():
            continue
        is_candidate = match["candidate"] is not None
        found.append(RunVersion(name, path / name, trained_at, name == latest, is_candidate))
    return sorted(found, key=lambda each: (each.order, each.is_candidate))


def latest_version(versions: Iterable[RunVersion]) -> RunVersion | None:
    """The version in use, of those of a store; None if it is none of them."""
    return next((each for each in versions if each.is_latest), None)


@contextmanager
def new_version(
    path: Path, now: datetime, *, publish: bool = True, force: bool = False
) -> Iterator[Path]:
    """A new version in the store at `path`, which is made if there is none.

    Yields the run folder to train into, which does not exist yet. When the block ends without an
    error and the run is there, `latest` is moved to it; if the block wrote none, nothing changes.
    A plain run at `path` becomes the first version before the block. Hold the lock of `path`.

    Args:
        path: the store, or the plain run.
        now: the time that the version is named by; a naive one is in UTC.
        publish: False for a candidate: `latest` stays, see `promote_candidate`.
        force: replace a folder at `path` that is neither.

    Raises:
        OutputPathError, OutputError.
    """
    make_store(path, force=force)
    version = path / _free_name(path, now, "" if publish else CANDIDATE_SUFFIX)
    yield version
    if publish and version.is_dir():
        set_latest(path, version.name)


def make_store(path: Path, *, force: bool = False) -> None:
    """Makes `path` a store, unless it is one; a plain run there becomes its first version.

    A reader of `path` meanwhile finds the run in the one form or the other. Raises OutputError.
    """
    if is_store(path):
        sweep_folder(path)
        return
    mark = read_mark(path)
    is_run = mark is not None and mark.kind == "run"
    with atomic_folder(path, "versions", replaces="run", force=force) as store:
        if is_run and not foreign_content(path, "run"):
            name = _free_name(store, _trained_at(path), "")
            shutil.copytree(path, store / name, copy_function=_link_or_copy)
            (store / LATEST).symlink_to(name)


def set_latest(path: Path, name: str) -> None:
    """Puts a version of the store into use: moves the link ``latest``, in one step.

    Raises RunFolderError if there is no such version, OutputError.
    """
    if name not in {each.name for each in list_versions(path)}:
        raise RunFolderError(Problem(str(path / name), "there is no such version", _known(path)))
    link = Path(os.path.realpath(path)) / LATEST
    with os_errors_as_output_error(link):
        partial = partial_path(link)
        partial.symlink_to(name)
        try:
            os.replace(partial, link)
        finally:
            partial.unlink(missing_ok=True)
        fsync_folder(link.parent)


def promote_candidate(path: Path, name: str) -> Path:
    """Puts a candidate into use; returns its folder, which loses the suffix ``.candidate``.

    Raises RunFolderError if there is no such version, OutputError.
    """
    found = next((each for each in list_versions(path) if each.name == name), None)
    if found is None:
        raise RunFolderError(Problem(str(path / name), "there is no such version", _known(path)))
    if found.is_candidate:
        free = _free_name(path, found.trained_at, "")
        with os_errors_as_output_error(path):
            os.rename(found.path, path / free)
        name = free
    set_latest(path, name)
    return path / name


def rollback(path: Path, version: str | None = None) -> RunVersion:
    """Puts an earlier version into use, by default the one before the latest.

    Raises UsageError if `path` is no store or has no such version, OutputError.
    """
    check_store(path)
    versions = list_versions(path)
    if version is None:
        latest = latest_version(versions)
        earlier = [
            each
            for each in versions
            if not each.is_candidate and (latest is None or each.order < latest.order)
        ]
        if not earlier:
            raise UsageError(Problem(str(path), "there is no earlier version", _known(path)))
        version = earlier[-1].name
    elif version not in {each.name for each in versions}:
        raise UsageError(Problem(str(path / version), "there is no such version", _known(path)))
    name = promote_candidate(path, version).name
    return next(each for each in list_versions(path) if each.name == name)


def check_store(path: Path) -> None:
    """Raises UsageError if `path` holds no versions of a run."""
    if not is_store(path) or not list_versions(path):
        found = "holds no versions of a run"
        cure = "give a folder that 'rnnforecast train --versions' wrote"
        raise UsageError(Problem(str(path), found, cure))


def _known(path: Path) -> str:
    names = [each.name for each in list_versions(path)]
    return f"there are {join_names(names, 10)}" if names else "there are none"


def _free_name(path: Path, now: datetime, suffix: str) -> str:
    """The name of a version of this time, with a number if there is one already."""
    stem = as_utc(now).strftime(TIME_FORMAT)
    taken = {each.name for each in list_versions(path)}
    name, number = f"{stem}{suffix}", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def _trained_at(run: Path) -> datetime:
    """The time of a training; that of the folder where the run does not say it."""
    try:
        stored = json.loads((run / "state.json").read_text(encoding="utf-8"))
        found = as_utc(datetime.fromisoformat(stored["trained_at"]))
        if found.year >= EARLIEST_YEAR:
            return found
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        pass
    return datetime.fromtimestamp((run / MARK_FILE).stat().st_mtime, UTC)


def _link_or_copy(source: str, goal: str) -> None:
    """A second name of a file, which is never changed in place; a copy where that is impossible."""
    try:
        os.link(source, goal, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, goal)
