"""Versions of a run: what is in use, what stays, and what a reader meets meanwhile."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from rnnforecast.errors import OutputPathError, RunFolderError, UsageError
from rnnforecast.output import atomic_folders
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.pipeline.run_versions import (
    check_store,
    is_store,
    list_versions,
    make_store,
    new_version,
    promote_candidate,
    prune,
    resolve_run,
    rollback,
    run_name,
    set_latest,
    store_of,
)

NIGHT = datetime(2026, 11, 27, 2, 15, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _write(path: Path, text: str) -> None:
    with atomic_folder(path, "run") as folder:
        for name in ("state.json", "metrics.json"):
            (folder / name).write_text(text)


def _train(store: Path, day: int = 0, text: str = "new", *, publish: bool = True) -> str:
    with new_version(store, NIGHT + timedelta(days=day), publish=publish) as version:
        _write(version, text)
    return version.name


def _text(path: Path) -> str:
    return (resolve_run(path) / "state.json").read_text()


def _names(store: Path) -> list[str]:
    return [each.name for each in list_versions(store)]


def test_a_version_is_named_by_its_time_in_utc_and_put_into_use(tmp_path: Path) -> None:
    store = tmp_path / "sales"
    berlin = timezone(timedelta(hours=1))
    with new_version(store, NIGHT.astimezone(berlin)) as version:
        assert not (store / "latest").exists()
        _write(version, "first")
    assert version == store / "2026-11-27T02-15-07Z"
    assert (store / "latest").readlink() == Path(version.name)
    assert resolve_run(store) == version
    assert (resolve_run(version), store_of(version), run_name(version)) == (version, store, "sales")
    assert store_of(store / "latest") == store
    assert run_name(store / "latest") == "sales"
    assert _train(store, text="second") == "2026-11-27T02-15-07Z-2"
    assert _text(store) == "second"
    assert sorted(each.name for each in store.iterdir()) == [
        ".rnnforecast.json",
        *_names(store),
        "latest",
    ]


def test_latest_moves_only_if_the_new_run_is_complete(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first = _train(store)
    with (
        pytest.raises(KeyboardInterrupt),
        new_version(store, NIGHT + timedelta(days=1)) as version,
    ):
        _write(version, "new")
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
    name = _train(store)
    (store / "latest").unlink()
    (store / "latest").symlink_to("../elsewhere")
    with pytest.raises(RunFolderError, match=f"rollback .* {name}"):
        resolve_run(store)
    assert rollback(store, name).is_latest
    assert _text(store) == "new"


@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_a_plain_run_becomes_the_first_version_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "two renames":
        monkeypatch.setattr(atomic_folders, "exchange", lambda *_: False)
    path, done = tmp_path / "run", threading.Event()
    _write(path, "0")
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
            _train(path, night, str(night))
            prune(path, NIGHT, keep=2)
    finally:
        done.set()
        reader.join()
    assert not failures
    assert _text(path) == "7"
    assert len(_names(path)) == 2
    assert path.stat().st_mode & 0o777 == 0o750


def test_the_first_version_has_the_files_of_the_plain_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _write(path, "old")
    _train(path, 20_000)  # by a clock far ahead
    first, second = _names(path)
    assert (path / first / "state.json").read_text() == "old"
    assert rollback(path).name == first
    assert rollback(path, second).name == second
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_someone_else_does_not_become_a_store(tmp_path: Path) -> None:
    path = tmp_path / "run"
    _write(path, "old")
    (path / "notes.txt").touch()
    with pytest.raises(OutputPathError, match=r"notes\.txt"):
        make_store(path)
    assert not is_store(path)
    make_store(path, force=True)
    assert is_store(path)


def test_rollback_goes_back_one_version_at_a_time_over_candidates(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first, second = _train(store, 0), _train(store, 1)
    rejected = _train(store, 2, publish=False)
    third = _train(store, 3)
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
    first = _train(store)
    name = _train(store, 1, publish=False)
    assert resolve_run(store).name == first
    assert promote_candidate(store, name) == store / name.removesuffix(".candidate")
    assert resolve_run(store).name == name.removesuffix(".candidate")
    with pytest.raises(RunFolderError, match="no such version"):
        promote_candidate(store, name)


def test_the_last_versions_stay_and_those_after_the_latest(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [_train(store, day) for day in range(6)]
    set_latest(store, names[4])
    assert prune(store, NIGHT, keep=2) == names[:3]
    assert _names(store) == names[3:]
    assert prune(store, NIGHT, keep=1) == names[3:4]
    assert resolve_run(store).name == names[4]
    assert prune(store, NIGHT) == []


def test_the_latest_stays_however_old_it_is_and_one_to_go_back_to(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [_train(store, day) for day in range(5)]
    late = NIGHT + timedelta(days=400)
    assert prune(store, NIGHT + timedelta(days=4), keep_days=3) == names[:1]
    assert prune(store, late, keep_days=3) == names[1:3]
    assert prune(store, late, keep=1, keep_days=3) == names[3:4]
    assert prune(store, late, keep=1, keep_days=0) == []
    assert _names(store) == names[4:]


def test_a_version_stays_if_one_of_the_rules_keeps_it(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [_train(store, day) for day in range(5)]
    assert prune(store, NIGHT + timedelta(days=4), keep=1, keep_days=2) == names[:2]


def test_a_clock_that_was_set_back_costs_nothing(tmp_path: Path) -> None:
    store = tmp_path / "run"
    wrong, right = _train(store, 3650), _train(store, 0)
    assert resolve_run(store).name == right
    assert prune(store, NIGHT, keep=1, keep_days=1) == []
    newest = _train(store, 3651)
    assert sorted(prune(store, NIGHT, keep=1)) == [right, wrong]
    assert _names(store) == [newest]


def test_candidates_are_kept_by_the_same_rule_and_files_of_others_always(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first = _train(store)
    rejected = [_train(store, day, publish=False) for day in (1, 2, 3)]
    assert prune(store, NIGHT, keep=5) == []
    (store / rejected[0] / "notes.txt").touch()
    assert prune(store, NIGHT, keep=1) == [rejected[1]]
    assert _names(store) == [first, rejected[0], rejected[2]]


def test_what_killed_trainings_have_left_is_swept(tmp_path: Path) -> None:
    store = tmp_path / "run"
    _train(store)
    left = store / ".2026-11-26T02-15-07Z.partial-00000000-1-00000000-00000000"
    left.mkdir()
    os.utime(left, (0, 0))
    make_store(store)
    assert not left.exists()
