"""What `doctor` finds: on the machine, and around a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.batch.doctor import machine, places
from rnnforecast.batch.doctor.machine import (
    Diagnosis,
    diagnose_machine,
    format_bytes,
    missing_of_extras,
)
from rnnforecast.batch.doctor.places import diagnose_job
from rnnforecast.batch.job.files import find_job_files
from rnnforecast.batch.lock import output_lock
from rnnforecast.output.partial_names import partial_path
from rnnforecast.spec.load_job import parse_job

Run = Callable[..., Any]


def _diagnose(folder: Path, text: str = "", now: datetime | None = None) -> list[Diagnosis]:
    (folder / "spec.yaml").write_text("data: {path: d.csv}\nwindow: {horizon: 7}\n")
    job = find_job_files(folder / "job.yaml", parse_job(f"spec: spec.yaml\n{text}", name="job"))
    return list(diagnose_job(job, now or datetime.now(UTC)))


def _about(found: list[Diagnosis], topic: str) -> Diagnosis:
    return next(each for each in found if each.topic == topic)


def test_the_machine_has_versions_a_device_and_a_clock() -> None:
    found = {each.topic: each for each in diagnose_machine()}
    assert {"version", "packages", "device", "extras", "memory", "clock"} <= set(found)
    assert "torch" in found["packages"].found
    assert all(each.level != "error" for each in found.values())


def test_a_clock_before_the_installation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "time", _Clock(0.0))
    assert machine._diagnose_time().level == "error"


class _Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


def test_extras_name_the_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = [
        "numpy>=2.0",
        "sqlalchemy>=2.0; extra == 'sql'",
        "psycopg[binary]>=3.2; extra == 'sql'",
        'no-such-package>=1; extra == "remote"',
        "pytest; extra == 'test'",
    ]
    monkeypatch.setattr(machine.metadata, "requires", lambda name: requirements)
    installed = {"sqlalchemy": "2.0", "psycopg": "3.2"}
    monkeypatch.setattr(machine, "_version_of", lambda name: installed.get(name, ""))
    assert missing_of_extras() == {"sql": [], "remote": ["no-such-package"]}


def test_sizes_have_units() -> None:
    sizes = [512, 1500, 2_500_000, 3e9, 4e12]
    assert [format_bytes(size) for size in sizes] == ["512 B", "1.5 kB", "2.5 MB", "3 GB", "4 TB"]


def test_a_job_that_has_never_run_is_in_order(tmp_path: Path) -> None:
    found = _diagnose(tmp_path)
    assert {each.level for each in found} == {"ok"}
    assert "none yet" in _about(found, "model").found


def test_a_wrong_spec_and_a_missing_variable_are_told(tmp_path: Path) -> None:
    found = _diagnose(tmp_path, "out: s3://${NO_SUCH_VARIABLE}/f.csv\n")
    assert "NO_SUCH_VARIABLE" in _about(found, "variables").found
    job = find_job_files(tmp_path / "job.yaml", parse_job("spec: nothing.yaml", name="job"))
    assert _about(list(diagnose_job(job, datetime.now(UTC))), "spec").level == "error"


def test_a_folder_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(places.tempfile, "NamedTemporaryFile", refuse)
    found = _about(_diagnose(tmp_path), "write access")
    assert found.level == "error"
    assert "Permission denied" in found.found


def test_a_lock_is_held_or_left_behind(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with output_lock(tmp_path / "runs" / "job", "run shop"):
        held = _about(_diagnose(tmp_path), "lock")
        lock = (tmp_path / "runs" / ".job.lock").read_bytes()
    assert held.level == "warning"
    assert "run shop" in held.found
    stored = json.loads(lock) | {"pid": 2**22 + 1}
    (tmp_path / "runs" / ".job.lock").write_text(json.dumps(stored), encoding="utf-8")
    assert _about(_diagnose(tmp_path), "lock").level == "ok"


def test_leftovers_of_ended_processes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    partial_path(tmp_path / "runs" / "job").mkdir()
    assert not [each for each in _diagnose(tmp_path) if each.topic == "leftovers"]
    monkeypatch.setattr(places, "is_abandoned", lambda path: True)
    assert "1 unfinished" in _about(_diagnose(tmp_path), "leftovers").found


def test_a_job_that_is_silent_or_failed_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    now = datetime(2026, 11, 28, 3, tzinfo=UTC)
    last = {"finished": "2026-11-28T02:16:00Z", "exit_code": 7, "status": "failed", "message": "m"}
    published = {"finished": "2026-11-24T02:16:00Z", "data_end": "2026-11-23"}
    head = {"job": "job", "run_id": "20261128T021500Z-1f3a", "started": "2026-11-28T02:15:00Z"}
    state = {"last": head | last, "last_published": head | published}
    (tmp_path / "runs" / "job.job.json").write_text(json.dumps(state), encoding="utf-8")
    found = _diagnose(tmp_path, now=now)
    assert _about(found, "last run").level == "error"
    assert "4 days ago" in _about(found, "last forecast").found
    early = _diagnose(tmp_path, now=now - timedelta(days=10))
    assert "in the future" in _about(early, "last forecast").found


def test_the_command_exits_with_1_if_something_is_wrong(rnnforecast: Run) -> None:
    Path("job.yaml").write_text("spec: spec.yaml\n", encoding="utf-8")
    result = rnnforecast("doctor", "job.yaml", "-q")
    assert result.exit_code == 1
    assert all("error" in line or "warning" in line for line in result.stdout.splitlines())
    assert rnnforecast("doctor", "jobs.yaml").exit_code == 3
    Path("spec.yaml").write_text("data: {path: d.csv}\nwindow: {horizon: 7}\n", encoding="utf-8")
    result = rnnforecast("doctor", "job.yaml", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert {"topic", "level", "found", "cure"} == set(found[0])
    Path("run").mkdir()
    result = rnnforecast("doctor", "run")
    assert result.exit_code == 1
    assert "model" in result.stdout
