"""What `doctor` says about a job or a run: files, folders, locks, partial files and last runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rnnforecast.batch.doctor.machine import Diagnosis, Level, format_bytes
from rnnforecast.batch.job.files import JobFiles, beside
from rnnforecast.batch.job.hooks import HOOKS, find_command_problem
from rnnforecast.batch.job.summary import read_state
from rnnforecast.batch.lock import lock_path
from rnnforecast.batch.lock_file import LockHolder
from rnnforecast.errors import RnnForecastError
from rnnforecast.output.partial_names import is_abandoned, is_partial_name
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import latest_version, list_versions
from rnnforecast.spec.load import read_spec

MIN_DISK, LOW_DISK = 50 << 20, 1 << 30
"""Free bytes of a disk below which nothing can be written, and below which it is getting full."""

MAX_CLOCK_SKEW = 5.0
"""Seconds by which the times of files may differ from the clock."""

MAX_SILENCE = timedelta(days=2)
"""Time without a publication after which a nightly job is worth a look."""


def diagnose_job(job: JobFiles, now: datetime) -> Iterator[Diagnosis]:
    """Lines about a job; `now` is in any time zone."""
    yield from _diagnose_spec(job)
    missing = [name for name in job.variables() if name not in os.environ]
    if missing:
        found = f"not set: {', '.join(missing)}"
        cure = "set them where the job runs: in the crontab, or the EnvironmentFile of systemd"
        yield Diagnosis("variables", "warning", found, cure)
    yield from _diagnose_hooks(job)
    if job.store.exists():
        yield _diagnose_model(job.store)
    else:
        yield Diagnosis("model", "ok", f"{job.store}: none yet, the first run trains one")
    yield from _diagnose_paths(job.written())
    yield from _diagnose_last_runs(job, now)


def diagnose_run(path: Path) -> Iterator[Diagnosis]:
    """Lines about a run, or a store of versions."""
    yield _diagnose_model(path)
    yield from _diagnose_paths([path.resolve()])


def _diagnose_spec(job: JobFiles) -> Iterator[Diagnosis]:
    try:
        read_spec(job.spec)
    except RnnForecastError as error:
        for problem in error.problems:
            yield Diagnosis("spec", "error", f"{problem.where}: {problem.found}", problem.cure)
    else:
        yield Diagnosis("spec", "ok", str(job.spec))


def _diagnose_hooks(job: JobFiles) -> Iterator[Diagnosis]:
    """Lines about commands that cannot be started."""
    for key in HOOKS.values():
        problem = find_command_problem(job.settings.hooks, key, job.file.parent)
        if problem is not None:
            cure = "give its full path, and the right to execute it"
            yield Diagnosis("hooks", "error", problem, cure)


def _diagnose_model(path: Path) -> Diagnosis:
    try:
        load_run(path)
    except RnnForecastError as error:
        problem = error.problems[0]
        return Diagnosis("model", "error", f"{problem.where}: {problem.found}", problem.cure)
    versions = list_versions(path)
    current = latest_version(versions)
    if current is None:
        return Diagnosis("model", "ok", f"{path}: a run without versions")
    kept = f"{len(versions):,} versions" if len(versions) > 1 else "the only version"
    return Diagnosis("model", "ok", f"{path}: {current.name} of {kept}")


def _diagnose_paths(paths: Iterable[Path]) -> Iterator[Diagnosis]:
    """Lines about the folders that paths are written to, their disks, locks and leftovers."""
    paths = list(dict.fromkeys(paths))
    folders = dict.fromkeys(_existing_folder(path.parent) for path in paths)
    for folder in folders:
        yield _diagnose_writing(folder)
    seen: set[int] = set()
    for folder in folders:
        device = folder.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield _diagnose_disk(folder)
    for path in paths:
        yield from _diagnose_lock(path)
        if (checkpoint := beside(path, ".checkpoint")).exists():
            found = f"{checkpoint}: an unfinished training"
            yield Diagnosis("leftovers", "ok", found, "train --resume would continue it")
    for folder in folders:
        yield from _diagnose_leftovers(folder)


def _existing_folder(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _diagnose_writing(folder: Path) -> Diagnosis:
    """Tries to write into a folder, and compares the clock with that of its file system."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".rnnforecast-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            skew = os.fstat(file.fileno()).st_mtime - time.time()
    except OSError as error:
        cure = f"give the user {_user()} the right to write there, or free some disk space"
        found = f"{folder}: cannot be written: {error.strerror}"
        return Diagnosis("write access", "error", found, cure)
    if abs(skew) > MAX_CLOCK_SKEW:
        found = f"{folder}: times of its files are {skew:+.0f} s from the clock"
        return Diagnosis("clock", "warning", found, "set both clocks, for example with NTP")
    return Diagnosis("write access", "ok", str(folder))


def _user() -> str:
    return os.environ.get("USER") or (str(os.getuid()) if hasattr(os, "getuid") else "")


def _diagnose_disk(folder: Path) -> Diagnosis:
    usage = shutil.disk_usage(folder)
    found = f"{folder}: {format_bytes(usage.free)} free of {format_bytes(usage.total)}"
    if usage.free < LOW_DISK:
        level: Level = "error" if usage.free < MIN_DISK else "warning"
        return Diagnosis("disk", level, found, "free some space, or keep fewer versions")
    return Diagnosis("disk", "ok", found)


def _diagnose_lock(path: Path) -> Iterator[Diagnosis]:
    file = lock_path(path)
    try:
        holder = LockHolder.from_bytes(file.read_bytes()[:4096])
    except FileNotFoundError:
        return
    except OSError as error:
        yield Diagnosis("lock", "warning", f"{file}: cannot be read: {error.strerror}")
        return
    if holder is None or holder.is_gone:
        found = f"{path}: left by a process that has ended"
        yield Diagnosis("lock", "ok", found, "the next run takes it over")
    else:
        cure = "wait, or start with --wait 10m; if no such process is left: rnnforecast unlock"
        yield Diagnosis("lock", "warning", f"{path}: held by {holder}", cure)


def _diagnose_leftovers(folder: Path) -> Iterator[Diagnosis]:
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if is_partial_name(entry.name)]
    abandoned = [path for path in found if is_abandoned(path)]
    if abandoned:
        text = f"{folder}: {len(abandoned):,} unfinished files or folders of ended processes"
        yield Diagnosis("leftovers", "ok", text, "the next run deletes them")


def _diagnose_last_runs(job: JobFiles, now: datetime) -> Iterator[Diagnosis]:
    """Lines about the last run of the job, and its last publication."""
    state = read_state(job.state)
    if not state.last:
        yield Diagnosis("last run", "ok", "none yet")
        return
    message = f"{state.last.get('finished')}: {state.last.get('message')}"
    levels: dict[object, Level] = {"ok": "ok", "warning": "warning"}
    level = levels.get(state.last.get("status"), "error")
    code = state.last.get("exit_code")
    cure = "" if level == "ok" else f"see {job.log or 'what was printed'}"
    yield Diagnosis("last run", level, f"exit code {code}, {message}", cure)
    try:
        published = datetime.fromisoformat(str(state.last_published.get("finished")))
    except ValueError:
        return
    age = now.astimezone(UTC) - published.astimezone(UTC)
    text = f"{published:%Y-%m-%d %H:%M} UTC, data to {state.last_published.get('data_end')}"
    if age < timedelta(0):
        cure = "the clock was set back, or the state is of another machine"
        yield Diagnosis("last forecast", "warning", f"{text}: in the future", cure)
    elif age > MAX_SILENCE:
        cure = "see the log, and whether the schedule is active"
        yield Diagnosis("last forecast", "warning", f"{text}: {age.days:,} days ago", cure)
    else:
        yield Diagnosis("last forecast", "ok", text)
