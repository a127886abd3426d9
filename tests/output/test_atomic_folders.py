"""Atomic replacement of folders: the content after interrupted and failed writes."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rnnforecast.errors import OutputError, OutputPathError
from rnnforecast.output import atomic_folders, partial_names
from rnnforecast.output.atomic_folders import atomic_folder, find_backup
from rnnforecast.output.partial_names import partial_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX renames")


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are replaced in both ways that there are."""
    if request.param == "two renames":
        monkeypatch.setattr(atomic_folders, "exchange", lambda *_: False)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fill(path: Path, text: str) -> None:
    with atomic_folder(path, "run") as folder:
        (folder / "state.json").write_text(text)
        (folder / "plots").mkdir()
        (folder / "plots" / "a.svg").write_text(text)


def _text(path: Path) -> str:
    return (path / "state.json").read_text()


@pytest.mark.usefixtures("way")
def test_many_writers_of_one_folder_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def write(letter: str) -> None:
        for _ in range(10):
            _fill(path, letter)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))  # raises what a writer raised
    assert (path / "state.json").read_text() == (path / "plots" / "a.svg").read_text()
    assert _names(tmp_path) == ["run"]


def test_a_folder_replaces_all_of_its_older_version(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    _fill(path, "old")
    with atomic_folder(path, "run") as folder:
        (folder / "extra").write_text("")
    _fill(path, "new")
    assert _names(path) == [".rnnforecast.json", "plots", "state.json"]
    assert (path / "plots" / "a.svg").read_text() == "new"
    assert _names(tmp_path / "deep") == ["run"]


def test_a_failing_writer_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_folder(path, "run") as folder,
    ):
        (folder / "state.json").write_text("new")
        raise KeyboardInterrupt
    assert (path / "state.json").read_text() == "old"
    assert _names(tmp_path) == ["run"]


def test_the_working_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(OutputPathError, match="working folder"),
        atomic_folder(Path(), "forecast"),
    ):
        pass


def test_a_mounted_disk_is_refused() -> None:
    with pytest.raises(OutputError, match="mounted disk"):
        _fill(Path("/proc"), "new")


def test_the_mode_of_the_replaced_folder_and_its_files_stays(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    path.chmod(0o750)
    (path / "plots").chmod(0o700)
    (path / "state.json").chmod(0o640)
    with atomic_folder(path, "run") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750
        (folder / "plots").mkdir()
        (folder / "state.json").write_text("new")
    found = [stat.S_IMODE(each.stat().st_mode) for each in (path, path / "plots")]
    assert found == [0o750, 0o700]
    assert stat.S_IMODE((path / "state.json").stat().st_mode) == 0o640
    path.chmod(0o550)
    _fill(path, "newer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o550
    assert _names(tmp_path) == ["run"]


@pytest.mark.usefixtures("way")
def test_the_old_folder_is_back_if_the_new_one_cannot_be_made_lasting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    fsync = os.fsync

    def refuse(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), tmp_path.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="fault"):
        _fill(path, "new")
    assert (path / "state.json").exists()
    assert len(_names(tmp_path)) == 1


_KILLED = """
import os, signal
from pathlib import Path
from rnnforecast.output import atomic_folders
path = Path({path!r})
rename = os.rename
def dying(source, goal):
    if ".partial-" in Path(source).name and goal == path:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, goal)
atomic_folders.os.rename = dying
if {point!r} == "between two renames":
    atomic_folders.exchange = lambda first, second: False
if {point!r} == "before the old folder is deleted":
    atomic_folders.delete_tree = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
with atomic_folders.atomic_folder(path, "run") as folder:
    (folder / "state.json").write_text("new")
    if {point!r} == "while writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("point", "found"),
    [
        ("while writing", "old"),
        ("before the old folder is deleted", "new"),
        ("between two renames", None),
    ],
)
def test_a_killed_writer_leaves_a_whole_folder_and_the_next_one_clears_up(
    tmp_path: Path, point: str, found: str | None
) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    code = _KILLED.format(path=str(path), point=point)
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(_names(tmp_path)) >= 2
    if found is None:
        backup = find_backup(path)
        assert not path.exists()
        assert backup is not None
        assert _text(backup) == "old"
    else:
        assert _text(path) == found
    with pytest.raises(ZeroDivisionError), atomic_folder(path, "run"):
        assert _text(path) == (found or "old")
        assert len(_names(tmp_path)) == 2
        raise ZeroDivisionError
    assert _names(tmp_path) == ["run"]


def test_the_newest_old_version_is_restored_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    for text, changed_at in (("newer", 2_000), ("older", 1_000)):
        _fill(path, text)
        backup = partial_path(path, "old")
        path.rename(backup)
        os.utime(backup, (changed_at, changed_at))
    atomic_folders.restore_backup(path)
    assert not path.exists(), "their process is running"
    monkeypatch.setattr(partial_names, "process_start", lambda _: None)
    atomic_folders.restore_backup(path)
    assert _text(path) == "newer"
    atomic_folders.restore_backup(path)
    assert _names(tmp_path) == ["run"]


def test_a_folder_that_came_in_between_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    swap = atomic_folders.exchange

    def late(partial: Path, goal: Path) -> bool:
        (goal / "thesis.txt").touch()
        return swap(partial, goal)

    monkeypatch.setattr(atomic_folders, "exchange", late)
    with pytest.raises(OutputPathError, match=r"thesis\.txt"):
        _fill(path, "new")
    assert _names(path) == [".rnnforecast.json", "plots", "state.json", "thesis.txt"]
    assert _names(tmp_path) == ["run"]


def test_a_lock_of_the_folder_around_does_no_harm(tmp_path: Path) -> None:
    import fcntl

    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _fill(tmp_path / "run", "new")
    finally:
        os.close(handle)
    assert _text(tmp_path / "run") == "new"


def test_a_folder_is_discarded_whole(tmp_path: Path) -> None:
    _fill(tmp_path / "run", "old")
    atomic_folders.discard_folder(tmp_path / "run")
    assert _names(tmp_path) == []
