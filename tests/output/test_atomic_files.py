"""Atomic writes: the content after interrupted and failed writes."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.errors import OutputError, OutputPathError
from rnnforecast.output.atomic_files import (
    atomic_file,
    atomic_folder,
    recover_folder,
    write_json,
    write_text,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX renames")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fill(path: Path, text: str) -> None:
    with atomic_folder(path, replace_if_contains="state.json") as folder:
        (folder / "state.json").write_text(text)
        (folder / "plots").mkdir()
        (folder / "plots" / "a.svg").write_text(text)


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_file_is_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "notes.txt", "zwölf\r\n")
    assert (tmp_path / "new" / "notes.txt").read_bytes() == "zwölf\r\n".encode()
    assert _names(tmp_path / "new") == ["notes.txt"]


def test_a_failing_writer_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as partial:
        partial.write_text("half of the ne")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["notes.txt"]


def test_the_permissions_of_a_replaced_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    path.chmod(0o664)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_new_file_has_the_permissions_the_umask_grants(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("")
    write_text(tmp_path / "atomic.txt", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in _names(tmp_path)}
    assert len(modes) == 1


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.txt")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "text"


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_text(Path(os.devnull), "text")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_named_with_a_cure() -> None:
    with pytest.raises(OutputError, match=r"/dev/full: .*No space left.* — free some disk space"):
        write_text(Path("/dev/full"), "text")


def test_a_disk_that_fills_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    code = f"""
import resource, signal
from pathlib import Path
from rnnforecast.errors import OutputError
from rnnforecast.output.atomic_files import write_text
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_text(Path({str(path)!r}), "x" * 100_000)
except OutputError as error:
    print(error)
"""
    done = _run(code)
    assert "notes.txt: could not be written: File too large — raise the limit" in done.stdout
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free some disk space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "fault"),
    ],
)
def test_a_refusal_of_the_system_is_reported_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=cure) as caught:
        write_text(tmp_path / "notes.txt", "text")
    assert str(tmp_path / "notes.txt") in str(caught.value)
    with pytest.raises(OutputError, match=cure):
        _fill(tmp_path / "run", "text")
    assert _names(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_text(tmp_path / "file" / "notes.txt", "text")
    with pytest.raises(OutputError, match="add a file name"):
        write_text(tmp_path, "text")


def test_a_failure_to_read_another_file_is_not_called_a_failure_to_write(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "out.csv"):
        (tmp_path / "input.csv").read_text()
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "run", replace_if_contains="x"):
        (tmp_path / "input.csv").read_text()


def test_a_very_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ж" * 125 + ".txt")
    write_text(path, "text")
    assert path.read_text() == "text"


def test_many_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    seen: list[str] = []

    def write(letter: str) -> None:
        for _ in range(10):
            write_text(path, letter * 5000)
            seen.append(path.read_text())

    _at_once(write, "abcd")
    assert len(seen) == 40
    assert all(len(text) == 5000 and len(set(text)) == 1 for text in seen)
    assert _names(tmp_path) == ["notes.txt"]


def test_many_writers_of_one_folder_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def write(letter: str) -> None:
        for _ in range(10):
            _fill(path, letter)

    _at_once(write, "abcd")
    assert (path / "state.json").read_text() == (path / "plots" / "a.svg").read_text()
    assert _names(tmp_path) == ["run"]


def _at_once(write: Callable[[str], None], letters: str) -> None:
    with ThreadPoolExecutor(len(letters)) as pool:
        list(pool.map(write, letters))  # raises what a writer raised


def test_a_folder_replaces_all_of_its_older_version(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    _fill(path, "old")
    (path / "extra").write_text("")
    _fill(path, "new")
    assert _names(path) == ["plots", "state.json"]
    assert (path / "plots" / "a.svg").read_text() == "new"
    assert _names(tmp_path / "deep") == ["run"]


def test_a_failing_writer_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_folder(path, replace_if_contains="state.json") as folder,
    ):
        (folder / "state.json").write_text("new")
        raise KeyboardInterrupt
    assert (path / "state.json").read_text() == "old"
    assert _names(tmp_path) == ["run"]


def test_a_folder_of_somebody_else_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "photos"
    path.mkdir()
    (path / "holiday.jpg").write_text("")
    with (
        pytest.raises(OutputError, match=r"does not contain state.json"),
        atomic_folder(path, replace_if_contains="state.json"),
    ):
        pytest.fail("the block must not run")
    assert _names(path) == ["holiday.jpg"]
    assert _names(tmp_path) == ["photos"]


def test_an_empty_folder_may_be_replaced_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _fill(tmp_path / "empty", "new")
    assert (tmp_path / "empty" / "state.json").read_text() == "new"
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputError, match="is a file where a folder should go"):
        _fill(tmp_path / "file", "new")


def test_the_working_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(OutputPathError, match="working folder"),
        atomic_folder(Path(), replace_if_contains="summary.json"),
    ):
        pass


def test_a_mounted_disk_is_refused() -> None:
    with pytest.raises(OutputError, match="mounted disk"):
        _fill(Path("/proc"), "new")


def test_the_old_folder_is_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    rename = os.rename

    def refuse(source: Path, goal: Path) -> None:
        if goal == path and ".partial-" in source.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(goal))
        rename(source, goal)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OutputError, match="fault"):
        _fill(path, "new")
    assert (path / "state.json").read_text() == "old"
    assert _names(tmp_path) == ["run"]


_KILLED_WHILE_SWAPPING = """
import os, signal
from pathlib import Path
from rnnforecast.output import atomic_files
path = Path({path!r})
rename = os.rename
def dying(source, goal):
    if ".partial-" in source.name and goal == path:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, goal)
atomic_files.os.rename = dying
with atomic_files.atomic_folder(path, replace_if_contains="state.json") as folder:
    (folder / "state.json").write_text("new")
"""


def test_a_writer_killed_between_the_renames_is_recovered_from(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    done = _run(_KILLED_WHILE_SWAPPING.format(path=str(path)))
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert recover_folder(path)
    assert (path / "state.json").read_text() == "old"
    assert not recover_folder(path)


def test_the_next_writer_recovers_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    _run(_KILLED_WHILE_SWAPPING.format(path=str(path)))
    with (
        pytest.raises(ZeroDivisionError),
        atomic_folder(path, replace_if_contains="state.json"),
    ):
        raise ZeroDivisionError
    assert (path / "state.json").read_text() == "old"


def test_recover_deletes_what_was_set_aside_once_the_new_folder_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _fill(path, "new")
    (tmp_path / ".run.old-17-0123abcd").mkdir()
    (tmp_path / ".run.old-17-0123abcd" / "state.json").write_text("old")
    (tmp_path / ".run.old-mine").mkdir()
    assert not recover_folder(path)
    assert (path / "state.json").read_text() == "new"
    assert _names(tmp_path) == [".run.old-mine", "run"]


def test_a_folder_whose_surroundings_cannot_be_read_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    _fill(path, "new")

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert not recover_folder(path)
    assert (path / "state.json").read_text() == "new"


def test_the_newest_old_version_is_restored_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for name, text, changed_at in (
        ("17-0000aaaa", "newer", 2_000),
        ("18-ffffffff", "older", 1_000),
    ):
        backup = tmp_path / f".run.old-{name}"
        backup.mkdir()
        (backup / "state.json").write_text(text)
        os.utime(backup, (changed_at, changed_at))
    assert recover_folder(path)
    assert (path / "state.json").read_text() == "newer"
    assert _names(tmp_path) == ["run"]


def test_leftovers_are_deleted_only_if_old_and_of_a_process_that_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with atomic_folder(path, replace_if_contains="state.json") as living:
        (living / "state.json").write_text("living")
        dead = tmp_path / ".run.partial-99999999-0123abcd"
        fresh = tmp_path / ".run.partial-99999999-4567cdef"
        dead.mkdir()
        fresh.mkdir()
        long_ago = time.time() - 2 * 86_400
        for folder in (living, dead):
            os.utime(folder, (long_ago, long_ago))
        _fill(path, "other")
        assert living.exists()
        assert fresh.exists()
        assert not dead.exists()
    assert (path / "state.json").read_text() == "living"


def test_json_has_sorted_keys_nulls_for_nan_and_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(
        path,
        {
            "b": np.float32(0.1),
            "a": [float("nan"), np.float64("inf"), np.int64(3), np.bool_(True), None],
            "c": np.array([[1.5, np.nan]]),
            3: ("ä", date(2024, 2, 29), np.datetime64("2024-02-29"), Path("x/y")),
        },
    )
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {
        "3": ["ä", "2024-02-29", "2024-02-29", "x/y"],
        "a": [None, None, 3, True, None],
        "b": 0.1,
        "c": [[1.5, None]],
    }
    assert text.startswith('{\n  "3": [\n    "ä"')
    assert text.endswith("}\n")


def test_what_has_no_json_form_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        write_json(tmp_path / "a.json", {"a": {1}})
    assert _names(tmp_path) == []
