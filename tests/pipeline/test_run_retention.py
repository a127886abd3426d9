"""Retention: the versions that stay."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from rnnforecast.pipeline.run_retention import prune
from rnnforecast.pipeline.run_versions import resolve_run, set_latest
from tests.pipeline.stores import NIGHT, train_version, version_names


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_the_last_versions_stay_and_those_after_the_latest(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [train_version(store, day) for day in range(6)]
    set_latest(store, names[4])
    assert prune(store, NIGHT, keep=2) == names[:3]
    assert version_names(store) == names[3:]
    assert prune(store, NIGHT, keep=1) == names[3:4]
    assert resolve_run(store).name == names[4]
    assert prune(store, NIGHT) == []
    assert prune(store, NIGHT, keep_days=1e12) == []


def test_the_latest_stays_however_old_it_is_and_one_to_go_back_to(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [train_version(store, day) for day in range(5)]
    late = NIGHT + timedelta(days=400)
    assert prune(store, NIGHT + timedelta(days=4), keep_days=3) == names[:1]
    assert prune(store, late, keep_days=3) == names[1:3]
    assert prune(store, late, keep=1, keep_days=3) == names[3:4]
    assert prune(store, late, keep=1, keep_days=0) == []
    assert version_names(store) == names[4:]


def test_a_version_stays_if_one_of_the_rules_keeps_it(tmp_path: Path) -> None:
    store = tmp_path / "run"
    names = [train_version(store, day) for day in range(5)]
    assert prune(store, NIGHT + timedelta(days=4), keep=1, keep_days=2) == names[:2]


def test_a_clock_that_was_set_back_costs_nothing(tmp_path: Path) -> None:
    store = tmp_path / "run"
    wrong, right = train_version(store, 3650), train_version(store, 0)
    assert resolve_run(store).name == right
    assert prune(store, NIGHT, keep=1, keep_days=1) == []
    newest = train_version(store, 3651)
    assert sorted(prune(store, NIGHT, keep=1)) == [right, wrong]
    assert version_names(store) == [newest]


def test_candidates_are_kept_by_the_same_rule_and_files_of_others_always(tmp_path: Path) -> None:
    store = tmp_path / "run"
    first = train_version(store)
    rejected = [train_version(store, day, publish=False) for day in (1, 2, 3)]
    assert prune(store, NIGHT, keep=5) == []
    (store / rejected[0] / "notes.txt").touch()
    assert prune(store, NIGHT, keep=1) == [rejected[1]]
    assert version_names(store) == [first, rejected[0], rejected[2]]


def test_of_a_link_to_a_run_elsewhere_the_run_stays(tmp_path: Path) -> None:
    store, archive = tmp_path / "run", tmp_path / "archive"
    names = [train_version(store, day) for day in range(3)]
    archive.mkdir()
    (store / names[0]).rename(archive / names[0])
    (store / names[0]).symlink_to(archive / names[0])
    assert prune(store, NIGHT, keep=1) == [names[1]]
    assert (archive / names[0] / "state.json").is_file()
