"""Folders that are read while they are replaced."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rnnforecast.output import atomic_folders
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.folder_snapshot import FolderSnapshot, read_folder
from rnnforecast.output.partial_names import partial_path

NAMES = ("a", "b", "plots/c")


def _fill(path: Path, text: str) -> None:
    with atomic_folder(path, "run") as folder:
        (folder / "plots").mkdir()
        for name in NAMES:
            (folder / name).write_text(text)


def _read(folder: FolderSnapshot) -> set[str]:
    return {folder.read_text(name) for name in NAMES}


@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_a_reader_beside_a_writer_never_fails_and_never_mixes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    if way == "two renames":
        monkeypatch.setattr(atomic_folders, "exchange", lambda *_: False)
    path, done = tmp_path / "run", threading.Event()
    _fill(path, "0")
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            written += 1
            _fill(path, str(written))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = []
        while len(seen) < 1000 or written < 20:
            seen.append(read_folder(path, _read))
    finally:
        done.set()
        writer.join()
    assert all(len(texts) == 1 for texts in seen)
    assert len(set.union(*seen)) > 5
    if way == "exchange":
        assert path.is_dir()


def test_a_folder_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path, calls = tmp_path / "run", 0
    _fill(path, "old")

    def read(folder: FolderSnapshot) -> list[str]:
        nonlocal calls
        calls += 1
        first = folder.read_text("a")
        if calls == 1:
            _fill(path, "new")
        return [first, folder.read_text("b")]

    assert read_folder(path, read) == ["new", "new"]
    assert calls == 2


def test_a_file_that_is_missing_in_a_folder_at_rest_is_missing(tmp_path: Path) -> None:
    path, calls = tmp_path / "run", 0
    _fill(path, "old")

    def read(folder: FolderSnapshot) -> bytes:
        nonlocal calls
        calls += 1
        assert not folder.has("d")
        return folder.read_bytes("d")

    with pytest.raises(FileNotFoundError, match="run/d"):
        read_folder(path, read)
    assert calls == 1
    with pytest.raises(FileNotFoundError):
        read_folder(tmp_path / "none", _read)


def test_between_two_renames_the_old_folder_is_read_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run"
    _fill(path, "old")
    path.rename(partial_path(path, "old"))
    tmp_path.chmod(0o500)
    try:
        assert read_folder(path, _read) == {"old"}
    finally:
        tmp_path.chmod(0o700)
    assert not path.exists()


def test_a_pipe_in_the_folder_is_an_error_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="no regular file"):
        read_folder(tmp_path, lambda folder: folder.read_bytes("a"))
