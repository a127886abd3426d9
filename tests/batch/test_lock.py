"""Locks: one holder at a time, whoever it is, and none that outlives its process."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rnnforecast.batch import lock_file
from rnnforecast.batch.lock import lock_path, output_lock, remove_stale_lock
from rnnforecast.batch.lock_file import LockFile, LockHolder
from rnnforecast.errors import LockHeld, OutputError

HOLD = """
import sys
from rnnforecast.batch.lock import output_lock
with output_lock(sys.argv[1], "predict"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of `path`, until it is killed or its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait(timeout=60)
    return process.pid


def record(**changes: object) -> LockHolder:
    stored = vars(LockHolder.this_process("predict", by_record=True)) | changes
    return LockHolder(**stored)


def test_a_refusal_names_the_holder_and_its_end_frees_the_lock(tmp_path: Path) -> None:
    out = tmp_path / "f.csv"
    with holder(out) as process:
        with pytest.raises(LockHeld) as refused, output_lock(out, "report"):
            pass
        text = str(refused.value)
        for part in ("locked by predict", f"process {process.pid}", socket.gethostname(), "--wait"):
            assert part in text
        with pytest.raises(LockHeld, match="wait for it or stop it"):
            remove_stale_lock(out, force=True)
        process.kill()
        process.wait(timeout=60)
        assert lock_path(out).exists()
        with output_lock(out, "report"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path: Path) -> None:
    said: list[str] = []
    with holder(tmp_path / "run") as process:

        def end(text: str) -> None:
            said.append(text)
            process.kill()

        with output_lock(tmp_path / "run", "train", wait=60.0, on_wait=end):
            assert "locked by predict" in said[0]
            assert "60 s" in said[0]


def test_who_has_waited_long_enough_is_refused(tmp_path: Path) -> None:
    with (
        output_lock(tmp_path / "run", "train"),
        pytest.raises(LockHeld, match=r"0\.01 s of --wait"),
        output_lock(tmp_path / "run", "train", wait=0.01),
    ):
        pass


def test_nothing_remains_of_a_released_lock_but_what_was_written(tmp_path: Path) -> None:
    with output_lock(tmp_path / "a/b/run", "train"):
        assert (tmp_path / "a/b/.run.lock").is_file()
    assert list(tmp_path.iterdir()) == []
    with output_lock(tmp_path / "a/b/run", "train"):
        (tmp_path / "a/f.csv").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "f.csv"]


def test_a_link_and_its_target_share_a_lock_and_long_names_have_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("run")
    with (
        output_lock(tmp_path / "link", "train"),
        pytest.raises(LockHeld),
        output_lock(tmp_path / "run", "train"),
    ):
        pass
    long = tmp_path / ("x" * 254)
    with output_lock(long, "train"), output_lock(long.with_name("x" * 253), "train"):
        assert len(list(tmp_path.glob(".x*.lock"))) == 2


@pytest.mark.parametrize("out", ["-", os.devnull, "s3://bucket/forecast.csv"])
def test_what_is_no_file_has_no_lock(out: str) -> None:
    with output_lock(out, "predict"), output_lock(out, "predict"):
        pass
    assert not lock_path(out).exists()


def test_the_lock_of_a_removed_file_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process released the lock, and a third took it, between open and lock."""
    path, lock = tmp_path / ".run.lock", lock_file._try_lock
    third = LockFile(path)
    path.write_text("of the first process")
    calls = []

    def late(descriptor: int, *, shared: bool = False) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:
            path.unlink()
            assert third.acquire("third") is None
        return lock(descriptor, shared=shared)

    monkeypatch.setattr(lock_file, "_try_lock", late)
    held = LockFile(path).acquire("second")
    assert isinstance(held, LockHolder)
    assert held.action == "third"
    third.release()
    assert not path.exists()


def test_a_lock_removed_by_force_is_not_removed_again(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / ".run.lock"), LockFile(tmp_path / ".run.lock")
    first.acquire("train")
    first.remove()
    assert second.acquire("train") is None
    first.release()
    assert second.path.exists()
    second.release()


def test_a_file_that_may_only_be_read_is_free_or_held_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / ".run.lock", os.open
    path.write_bytes(record(by_record=False, user="anna", pid=dead_pid()).to_bytes())

    def refuse(name: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "denied", str(name))
        return real(name, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with (
        output_lock(tmp_path / "run", "train"),
        pytest.raises(LockHeld, match="of anna"),
        output_lock(tmp_path / "run", "train"),
    ):
        pass
    assert not path.exists()


def _no_locks(descriptor: int, *, shared: bool = False) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


def test_without_locks_of_the_system_the_record_is_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_file, "_try_lock", _no_locks)
    out = tmp_path / "run"
    with (
        output_lock(out, "train"),
        pytest.raises(LockHeld, match="locked by train"),
        output_lock(out, "train"),
    ):
        pass
    for gone in ({"pid": dead_pid()}, {"process_start": "1"}):
        lock_path(out).write_bytes(record(**gone).to_bytes())
        with output_lock(out, "train"):
            pass
        assert list(tmp_path.iterdir()) == []
    lock_path(out).write_bytes(record(host="db1", pid=4711).to_bytes())
    with pytest.raises(LockHeld, match="process 4711"), output_lock(out, "train"):
        pass
    with pytest.raises(LockHeld, match="--force"):
        remove_stale_lock(out)
    assert isinstance(remove_stale_lock(out, force=True), LockHolder)
    assert remove_stale_lock(out) is None


def test_a_record_counts_where_another_host_has_no_locks(tmp_path: Path) -> None:
    lock_path(tmp_path / "run").write_bytes(record(host="db1").to_bytes())
    with pytest.raises(LockHeld, match="db1"), output_lock(tmp_path / "run", "train"):
        pass


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff{", b'{"pid": "1"}', b"[" * 9000])
def test_any_content_of_a_lock_file_that_nobody_holds_is_free(
    tmp_path: Path, content: bytes
) -> None:
    path = lock_path(tmp_path / "run")
    path.write_bytes(content)
    with output_lock(tmp_path / "run", "train"):
        stored = LockHolder.from_bytes(path.read_bytes())
        assert stored is not None
        assert stored.pid == os.getpid()
        assert not stored.is_gone


def test_no_lock_is_made_in_a_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), output_lock(tmp_path / "file/run", "train"):
        pass
    os.mkfifo(lock_path(tmp_path / "run"))
    with pytest.raises(OutputError, match="not a lock file"), output_lock(tmp_path / "run", ""):
        pass


def test_a_pipe_in_place_of_a_lock_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(lock_path(tmp_path / "run"))
    with pytest.raises(OutputError, match="not a lock file"):
        remove_stale_lock(tmp_path / "run")


def test_other_users_see_the_lock_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with output_lock(tmp_path / "run", "train"):
            assert lock_path(tmp_path / "run").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)
