"""Atomic writes: the content after interrupted and failed writes."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rnnforecast.errors import OutputError, OutputPathError
from rnnforecast.output.atomic_files import atomic_file, write_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX renames")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))  # raises what a writer raised
    assert len(seen) == 40
    assert all(len(text) == 5000 and len(set(text)) == 1 for text in seen)
    assert _names(tmp_path) == ["notes.txt"]


def test_a_name_where_nothing_can_be_created_is_a_wrong_name() -> None:
    with pytest.raises(OutputPathError, match=r"/proc/forecast\.csv: .*choose another path"):
        write_text(Path("/proc/forecast.csv"), "text")


def test_a_private_file_is_private_while_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    path.chmod(0o400)
    with atomic_file(path) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        partial.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
