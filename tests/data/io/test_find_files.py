"""Files of a folder, and the columns in the names of folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.io.find_files import find_paths
from rnnforecast.errors import DataError
from tests.data.tables import read

FRAME = pd.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [1.0, 2.0]})


def written(folder: Path, name: str, frame: pd.DataFrame = FRAME) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def test_folders_are_searched_to_the_bottom_but_for_what_is_hidden(tmp_path: Path) -> None:
    names = ("b.csv", "a/z.CSV", "a/c/1.tsv.gz", "d=1/2.parquet")
    hidden = (".x.csv", "_x.csv", ".git/x.csv", "a/_old/x.csv", "a/notes.md")
    for name in (*names, *hidden):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [str(path.relative_to(tmp_path)) for path in find_paths(str(tmp_path))]
    assert found == ["a/c/1.tsv.gz", "a/z.CSV", "b.csv", "d=1/2.parquet"]


def test_a_link_back_up_does_not_lead_round_in_circles(tmp_path: Path) -> None:
    written(tmp_path / "in", "a/1.csv")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in", target_is_directory=True)
    written(tmp_path / "elsewhere", "2.csv")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [path.name for path in find_paths(str(tmp_path / "in"))] == ["1.csv", "2.csv"]


def test_a_folder_of_folders_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(
        DataError, match="no file in this folder has a known extension — give files"
    ):
        find_paths(str(tmp_path))


def test_only_folders_right_above_a_file_are_columns_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "run=7", "data/store=1/year=2024/a.csv")
    monkeypatch.chdir(tmp_path)
    expected = {"store": "1", "year": "2024"}
    for item in ("run=7/data/store=1/year=2024/a.csv", "run=7/data/*/*/a.csv", "run=7/data"):
        assert list(find_paths(item).values()) == [expected]
    assert list(find_paths("run=7/data/store=1").values()) == [expected]
    written(tmp_path, "deep/store=2/part/a.csv")
    assert list(find_paths("deep").values()) == [{"store": "2"}]
    assert list(find_paths("deep/store=2/part/a.csv").values()) == [{}]


def test_what_pandas_partitions_is_read_back(tmp_path: Path) -> None:
    stores = ["a b", "ä/ö", "x=1", "007"]
    frame = pd.concat(
        [FRAME.assign(store=store, price=number) for number, store in enumerate(stores)]
    )
    frame.to_parquet(tmp_path / "in", partition_cols=["store"])
    table = read([str(tmp_path / "in")], series=["store"], targets=["y"], covariates=["price"])
    assert table.keys["store"].tolist() == sorted(stores)
    back = pd.DataFrame(
        {
            "store": table.keys["store"].to_numpy()[table.codes],
            "ds": np.datetime_as_string(table.time, "D"),
            "price": table.covariates["price"].to_floats(),
        }
    )
    expected = frame.sort_values(["store", "ds"])[["store", "ds", "price"]].to_numpy().tolist()
    assert back.sort_values(["store", "ds"]).to_numpy().tolist() == expected
    assert table.line_index.location(0).endswith(".parquet, row 1")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_may_be_the_time_a_number_or_a_word(tmp_path: Path, ending: str) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        for region in ("north", "__HIVE_DEFAULT_PARTITION__"):
            folder = tmp_path / "in" / f"date={day}" / f"region={region}" / "price=1.5"
            written(folder, f"part.{ending}", FRAME[["y"]].assign(shop=["a", "b"]))
    names = ["price", "region"]
    table = read([str(tmp_path / "in")], series=["shop"], covariates=names)
    assert table.roles.time == "date"
    assert (
        table.time.astype("datetime64[D]").astype(str).tolist()
        == ["2024-01-01"] * 4 + ["2024-01-02"] * 4
    )
    region = table.covariates["region"]
    assert isinstance(region, CategoricalColumn)
    assert (region.vocabulary, region.codes.tolist()) == (("north",), [-1, -1, 0, 0] * 2)
    assert table.covariates["price"].to_floats().tolist() == [1.5] * 8


def test_a_blank_folder_is_no_series(tmp_path: Path) -> None:
    written(tmp_path, "in/store=a/1.csv")
    written(tmp_path, "in/store=__HIVE_DEFAULT_PARTITION__/2.csv")
    with pytest.raises(DataError, match=r"2\.csv, line 2, column 'store': the name .* is blank"):
        read([str(tmp_path / "in")], series=["store"], targets=["y"])


def test_a_column_in_the_file_goes_before_its_folder(tmp_path: Path) -> None:
    written(tmp_path, "in/y=9/1.csv")
    assert read([str(tmp_path / "in")]).values[:, 0].tolist() == [1, 2]


def test_rows_of_another_width_are_counted_without_the_folders(tmp_path: Path) -> None:
    path = written(tmp_path, "in/store=1/1.csv")
    path.write_text("ds,y\n2024-01-01,1\n2024-01-02\n2024-01-03,1,2\n")
    with pytest.raises(DataError) as caught:
        read([str(tmp_path / "in")])
    assert [problem.found for problem in caught.value.problems] == [
        "1 cells, but the header has 2",
        "3 cells, but the header has 2",
    ]


def test_files_of_one_name_have_different_names_in_messages(tmp_path: Path) -> None:
    for store in "ab":
        written(tmp_path, f"in/store={store}/part.csv", FRAME.assign(y=["off", "1"]))
    with pytest.raises(DataError) as caught:
        read([str(tmp_path / "in")], series=["store"], targets=["y"])
    places = [problem.where for problem in caught.value.problems]
    start = str(tmp_path / "in") + os.sep
    expected = [f"store={store}/part.csv, line 2, column 'y'" for store in "ab"]
    assert [place.removeprefix(start) for place in places] == expected
