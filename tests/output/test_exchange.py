"""The exchange of two names."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from rnnforecast.output import exchange as module
from rnnforecast.output.exchange import exchange


def _two_folders(folder: Path) -> tuple[Path, Path]:
    for name in "ab":
        (folder / name).mkdir()
        (folder / name / "name").write_text(name)
    return folder / "a", folder / "b"


@pytest.mark.skipif(sys.platform != "linux", reason="a file system of Linux")
def test_two_folders_exchange_their_names(tmp_path: Path) -> None:
    first, second = _two_folders(tmp_path)
    assert exchange(first, second)
    assert [(path / "name").read_text() for path in (first, second)] == ["b", "a"]
    with pytest.raises(FileNotFoundError):
        exchange(first, tmp_path / "c")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
def test_a_system_without_the_exchange_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(module, "_call", lambda *_: code)
    first, second = _two_folders(tmp_path)
    assert not exchange(first, second)
    assert (first / "name").read_text() == "a"


def test_other_errors_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_call", lambda *_: errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        exchange(tmp_path / "a", tmp_path / "b")
