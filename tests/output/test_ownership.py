"""Marks: which folders may be replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rnnforecast.errors import OutputPathError
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.ownership import (
    MARK_FILE,
    add_to_mark,
    check_replaceable,
    claim_folder,
    foreign_content,
    read_mark,
)
from rnnforecast.output.partial_names import partial_path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    with atomic_folder(tmp_path / "out", "forecast") as folder:
        (folder / "run.json").write_text("{}")
        (folder / "plots").mkdir()
        (folder / "plots" / "a.svg").touch()
    return tmp_path / "out"


def test_a_folder_of_ours_may_be_replaced_by_one_of_its_kind(ours: Path) -> None:
    check_replaceable(ours, "forecast")
    mark = read_mark(ours)
    assert mark is not None
    assert mark.files == {"run.json", "plots/a.svg"}
    (ours / "run.json").unlink()  # what is gone cannot be lost
    (ours / ".DS_Store").touch()
    partial_path(ours / "report.html").touch()  # of a writer that was killed
    check_replaceable(ours, "forecast")
    with pytest.raises(OutputPathError, match="another kind"):
        check_replaceable(ours, "run")


@pytest.mark.parametrize("name", ["notes.txt", "plots/mine.png"])
def test_a_file_of_someone_else_protects_the_folder(ours: Path, name: str) -> None:
    (ours / name).touch()
    with pytest.raises(OutputPathError, match=f"{name}.*--force"):
        check_replaceable(ours, "forecast")
    check_replaceable(ours, "forecast", force=True)


def test_a_link_in_the_folder_protects_it(ours: Path, tmp_path: Path) -> None:
    (ours / "archive").symlink_to(tmp_path, target_is_directory=True)
    assert "archive" in foreign_content(ours, "forecast")


@pytest.mark.parametrize("change", ["kind", "files", "text", "missing"])
def test_a_mark_that_is_not_right_protects_the_folder(ours: Path, change: str) -> None:
    file = ours / MARK_FILE
    stored = json.loads(file.read_text())
    if change == "kind":
        stored["kind"] = "run"
    if change == "files":
        stored["files"].append("thesis.txt")
    file.write_text("[" if change == "text" else json.dumps(stored))
    if change == "missing":
        file.unlink()
    with pytest.raises(OutputPathError, match="is missing" if change == "missing" else "damaged"):
        check_replaceable(ours, "forecast")


def test_a_folder_with_our_names_but_without_a_mark_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.mkdir()
    (path / "run.json").touch()
    with pytest.raises(OutputPathError, match="did not write it"), atomic_folder(path, "forecast"):
        pytest.fail("the block must not run")
    assert (path / "run.json").exists()
    assert [path] == list(tmp_path.iterdir())
    with atomic_folder(path, "forecast", force=True):
        pass
    assert not (path / "run.json").exists()


def test_an_empty_folder_may_be_replaced_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", "run")
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputPathError, match="is a file where a folder should go"):
        check_replaceable(tmp_path / "file", "run", force=True)


def test_the_folders_around_the_working_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, tmp_path.parent):
        with pytest.raises(OutputPathError, match="working folder"):
            check_replaceable(path, "run", force=True)


def test_a_file_that_comes_later_is_added_to_the_mark(ours: Path) -> None:
    add_to_mark(ours, ["report.html"])
    (ours / "report.html").touch()
    check_replaceable(ours, "forecast")


def test_marks_of_the_same_folder_have_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with atomic_folder(tmp_path / name, "run") as folder:
            (folder / "state.json").touch()
    assert (tmp_path / "a" / MARK_FILE).read_bytes() == (tmp_path / "b" / MARK_FILE).read_bytes()


def test_a_folder_that_is_filled_over_time_is_claimed_once(tmp_path: Path) -> None:
    claim_folder(tmp_path / "search", "tuning")
    (tmp_path / "search" / "notes.txt").touch()
    claim_folder(tmp_path / "search", "tuning")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "best.yaml").touch()
    with pytest.raises(OutputPathError, match=r"best\.yaml.*--force to write into this one"):
        claim_folder(tmp_path / "mine", "tuning")
    claim_folder(tmp_path / "mine", "tuning", force=True)
    assert (tmp_path / "mine" / "best.yaml").exists()


def test_a_mark_that_is_a_pipe_protects_the_folder(ours: Path) -> None:
    (ours / MARK_FILE).unlink()
    os.mkfifo(ours / MARK_FILE)
    assert read_mark(ours) is None
    with pytest.raises(OutputPathError, match="damaged"):
        check_replaceable(ours, "forecast")


def test_the_home_folder_is_not_replaced_even_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "homes" / "me"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for path in (home, home.parent):
        with pytest.raises(OutputPathError, match="home folder"):
            check_replaceable(path, "forecast", force=True)
    check_replaceable(home / "new", "forecast", force=True)
