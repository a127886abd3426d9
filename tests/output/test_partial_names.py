"""Temporary names: whose they are, and when they are deleted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnforecast.output import partial_names
from rnnforecast.output.partial_names import (
    is_abandoned,
    is_partial_name,
    partial_path,
    process_start,
    sweep_folder,
    sweep_partials,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def _of(path: Path, *, pid: int | None = None, start: str = "", host: str = "") -> Path:
    """A temporary name of another process."""
    stem, own_host, own_pid, own_start, token = str(partial_path(path)).rsplit("-", 4)
    parts = (stem, host or own_host, str(pid or own_pid), start or own_start, token)
    made = Path("-".join(parts))
    made.touch()
    return made


def test_names_of_a_running_process_stay_and_others_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "run"
    own, reused, gone = _of(path), _of(path, start="0123abcd"), _of(path, pid=4_194_304)
    other = _of(tmp_path / "other", pid=4_194_304)
    sweep_partials(path)
    assert own.exists()
    assert not reused.exists(), "its number is that of a process that started later"
    assert not gone.exists()
    assert other.exists(), "the name of another result"
    sweep_folder(tmp_path)
    assert [own] == list(tmp_path.iterdir())


def test_names_of_another_machine_stay_for_a_day(tmp_path: Path) -> None:
    path = tmp_path / "run"
    far = _of(path, host="0123abcd", pid=4_194_304)
    sweep_partials(path)
    assert far.exists()
    yesterday = time.time() - 90_000
    os.utime(far, (yesterday, yesterday))
    sweep_partials(path)
    assert not far.exists()


def test_names_of_another_user_stay_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = _of(tmp_path / "run", pid=4_194_304)
    assert is_abandoned(gone)
    monkeypatch.setattr(partial_names, "_user_id", lambda: os.getuid() + 1)
    assert not is_abandoned(gone)


def test_a_process_has_one_start_and_none_after_its_end() -> None:
    own = process_start(os.getpid())
    assert own == process_start(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_start(child.pid) not in (None, own)
    child.kill()
    while process_start(child.pid) is not None:  # a zombie until it is waited for
        time.sleep(0.01)
    child.communicate()
    assert process_start(child.pid) is None


def test_only_whole_temporary_names_are_recognized(tmp_path: Path) -> None:
    name = partial_path(tmp_path / ("ж" * 120)).name
    assert len(name.encode()) <= 255
    assert is_partial_name(name)
    for wrong in (".run.partial-mine", "run", ".run.old-17-0123abcd", name[1:], name[:-1]):
        assert not is_partial_name(wrong)
