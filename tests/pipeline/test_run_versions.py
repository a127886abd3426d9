"""Versions of a run: what is in use, what stays, and what a reader meets meanwhile."""

from __future__ import annotations

import os
import threading
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from rnnforecast.errors import OutputPathError, RunFolderError, UsageError
from rnnforecast.output import atomic_folders
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.pipeline.run_retention import prune
from rnnforecast.pipeline.run_versions import (
    check_store,
    is_store,
    list_versions,
    make_store,
    new_version,
    promote_candidate,
    resolve_run,
    rollback,
    run_name,
    store_of,
)
from tests.pipeline.stores import NIGHT, text_of, train_version, version_names, write_run


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_a_version_is_named_by_its_time_in_utc_and_put_into_use(tmp_path: Path) -> None:
    store = tmp_path / "sales"
    berlin = timezone(timedelta(hours=1))
    with new_version(store, NIGHT.astimezone(berlin)) as version:
        assert not (store / "latest").exists()
        write_run(version, "first")
    assert version == store / "2026-11-27T02-15-07Z"
    assert (store / "latest").readlink() == Path(version.name)
    assert resolve_run(store) == version
    assert (resolve_run(version), store_of(version), run_name(version)) == (version, store, "sales")
    assert store_of(store / "latest") == store
    assert run_name(store / "latest") == "sales"
    assert train_version(store, text="second") == "2026-11-27T02-15-07Z-2"
    assert text_of(store) == "second"
    assert sorted(each.name for each in store.iterdir()) == [
        ".rnnforecast.json",
        *version_names(store),
        "latest",
    ]


def test_latest_moves_only_if_the_new_run_is_complete(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first = train_version(store)
    with (
        pytest.raises(KeyboardInterrupt),
        new_version(store, NIGHT + timedelta(days=1)) as version,
    ):
        write_run(version, "new")
        raise KeyboardInterrupt
    assert resolve_run(store).name == first
    with new_version(store, NIGHT + timedelta(days=2)):
        pass  # a training that was stopped
    assert resolve_run(store).name == first


def test_a_store_without_a_version_says_so(tmp_path: Path) -> None:
    make_store(tmp_path / "run")
    with pytest.raises(RunFolderError, match="no version"):
        resolve_run(tmp_path / "run")
    with pytest.raises(UsageError, match="no versions"):
        check_store(tmp_path / "run")


def test_a_broken_link_is_an_error_with_a_cure(tmp_path: Path) -> None:
    store = tmp_path / "run"
    name = train_version(store)
    (store / "latest").unlink()
    (store / "latest").symlink_to("../elsewhere")
    with pytest.raises(RunFolderError, match=f"rollback .* {name}"):
        resolve_run(store)
    assert rollback(store, name).is_latest
    assert text_of(store) == "new"


@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_a_plain_run_becomes_the_first_version_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "two renames":
        monkeypatch.setattr(atomic_folders, "exchange", lambda *_: False)
    path, done = tmp_path / "run", threading.Event()
    write_run(path, "0")
    path.chmod(0o750)
    failures: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                found = read_run_folder(
                    path, lambda run: (run.read_text("state.json"), run.read_text("metrics.json"))
                )
                assert len(set(found)) == 1
            except Exception as error:  # noqa: BLE001 - whatever it is
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for night in range(1, 8):
            train_version(path, night, str(night))
            prune(path, NIGHT, keep=2)
    finally:
        done.set()
        reader.join()
    assert not failures
    assert text_of(path) == "7"
    assert len(version_names(path)) == 2
    assert path.stat().st_mode & 0o777 == 0o750


def test_the_first_version_has_the_files_of_the_plain_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    write_run(path, "old")
    train_version(path, 20_000)  # by a clock far ahead
    first, second = version_names(path)
    assert (path / first / "state.json").read_text() == "old"
    assert rollback(path).name == first
    assert rollback(path, second).name == second
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_someone_else_does_not_become_a_store(tmp_path: Path) -> None:
    path = tmp_path / "run"
    write_run(path, "old")
    (path / "notes.txt").touch()
    with pytest.raises(OutputPathError, match=r"notes\.txt"):
        make_store(path)
    assert not is_store(path)
    make_store(path, force=True)
    assert is_store(path)


def test_rollback_goes_back_one_version_at_a_time_over_candidates(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first, second = train_version(store, 0), train_version(store, 1)
    rejected = train_version(store, 2, publish=False)
    third = train_version(store, 3)
    assert rejected.endswith(".candidate")
    assert [rollback(store).name for _ in range(2)] == [second, first]
    with pytest.raises(UsageError, match="no earlier"):
        rollback(store)
    with pytest.raises(UsageError, match=f"there are {first}"):
        rollback(store, "2020-01-01T00-00-00Z")
    assert rollback(store, third).is_latest
    assert rollback(store, rejected).name == rejected.removesuffix(".candidate")
    assert not any(each.is_candidate for each in list_versions(store))


def test_a_candidate_is_put_into_use_under_its_time(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first = train_version(store)
    name = train_version(store, 1, publish=False)
    assert resolve_run(store).name == first
    assert promote_candidate(store, name) == store / name.removesuffix(".candidate")
    assert resolve_run(store).name == name.removesuffix(".candidate")
    with pytest.raises(RunFolderError, match="no such version"):
        promote_candidate(store, name)


def test_what_killed_trainings_have_left_is_swept(tmp_path: Path) -> None:
    store = tmp_path / "run"
    train_version(store)
    left = store / ".2026-11-26T02-15-07Z.partial-00000000-1-00000000-00000000"
    left.mkdir()
    os.utime(left, (0, 0))
    make_store(store)
    assert not left.exists()
