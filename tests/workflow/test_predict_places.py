"""Places of a forecast, told apart before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import OutputPathError, UsageError
from rnnforecast.workflow.predict_places import (
    absolute_sources,
    check_outside,
    check_place,
    has_files,
    is_folder,
)


@pytest.mark.parametrize("out", ["a\0b.csv", "\ud800.csv", "file:///tmp/%00/"])
def test_a_name_that_no_file_can_have_is_refused(out: str) -> None:
    with pytest.raises(UsageError, match="no file can have"):
        check_place(out)


def test_a_file_of_others_is_refused_by_path_and_by_url(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("name,phone\n", encoding="utf-8")
    for out in (str(path), f"file://{path}"):
        with pytest.raises(OutputPathError, match="--force"):
            check_place(out)
        check_place(out, force=True)


def test_files_and_folders_are_told_from_tables_and_pipes() -> None:
    assert [has_files(out) for out in ("-", "f.csv", "s3://b/f/", "sqlite:///a.db?table=t")] == [
        *(False, True, True, False)
    ]
    assert [is_folder(out) for out in ("-", "f.csv", "f.csv/", "s3://b/f", "s3://b/f.csv")] == [
        *(False, False, True, True, False)
    ]


def test_a_summary_has_absolute_paths_and_urls_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["a/../b.csv", "-", "https://me:secret@host/a.csv", "sqlite:///a.db?table=t"]
    assert absolute_sources(given) == [
        str(tmp_path / "b.csv"),
        "-",
        "https://me:***@host/a.csv",
        f"sqlite:///{tmp_path}/a.db?table=t",
    ]


def test_a_place_among_the_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/a.csv").touch()
    for out, source in (
        ("forecasts/data/", "."),
        ("data/f.csv", "data"),
        ("data/f.csv", "data/*.csv"),
        ("data/f/", "data/*/*.csv"),
    ):
        with pytest.raises(UsageError, match="as data"):
            check_outside(out, [source])
    for out, source in (
        ("data/_f/", "data"),
        ("f.csv", "data"),
        ("data/f/", "data/*.csv"),
        ("data/f.csv", "data/a.csv"),
        ("-", "."),
        ("s3://b/f.csv", "."),
    ):
        check_outside(out, [source, "-", "https://host/a.csv"])
