"""Samples of series within a memory budget: which series are read, and from which files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.memory_budget import KnownSample, MemoryBudget
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.series_hash import hash_keys
from rnnforecast.data.io.series_sample import SampledSeries
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec

N_SERIES, N_ROWS = 300, 8
BUDGET = MemoryBudget("1GB", 300 * 8 * 10 * 0.2, 8.0, 2.0, 0.0, seed=1)
"""A fifth of the rows, each with one target."""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    names = [f"store {number}" for number in range(N_SERIES)]
    return pd.DataFrame(
        {
            "store": np.repeat(names, N_ROWS),
            "day": np.tile(np.datetime64("2024-01-01") + np.arange(N_ROWS), N_SERIES),
            "sales": np.arange(N_SERIES * N_ROWS, dtype=float),
        }
    )


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows in seven partitions of Parquet."""
    path = tmp_path_factory.mktemp("parts")
    cuts = np.linspace(0, N_SERIES, 8).astype(int) * N_ROWS
    for number, (begin, end) in enumerate(pairwise(cuts)):
        frame[begin:end].to_parquet(path / f"{number}.parquet", index=False, row_group_size=100)
    return path


def read(
    *paths: Path, selection: MemoryBudget | KnownSample | None = BUDGET, **data: object
) -> Table:
    names = tuple(map(str, paths))
    return read_files(names, ReadOptions(DataSpec(path=names, **data)), selection=selection)


def labels(table: Table) -> list[str]:
    return [str(name) for name in table.keys.iloc[:, 0]]


def sorted_rows(table: Table) -> list[tuple[object, ...]]:
    names = np.array(labels(table))[table.codes]
    return sorted(zip(names, table.time.astype(str), table.values[:, 0], strict=True))


def test_a_sample_has_whole_series_whatever_the_files_and_the_order_of_their_rows(
    frame: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    table = read(folder)
    assert 30 < len(table.keys) < 90
    counts = pd.Series(table.codes).value_counts()
    assert (counts == N_ROWS).all()
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "one.parquet", index=False)
    assert sorted_rows(read(tmp_path / "one.parquet")) == sorted_rows(table)
    known = frame.set_index(["store", "day"])["sales"]
    for name, day, value in sorted_rows(table)[:20]:
        assert known[str(name), pd.Timestamp(str(day))] == value


def test_a_sample_is_that_of_the_hashes_below_its_share(folder: Path) -> None:
    table = read(folder)
    assert table.sampled is not None
    everything = read(folder, selection=None)
    hashes = hash_keys(everything.keys[["store"]], 1)
    below = everything.keys["store"][hashes < table.sampled.share * 2.0**64]
    assert labels(table) == list(below)


def test_another_seed_is_another_sample_and_a_larger_budget_holds_the_smaller(
    folder: Path,
) -> None:
    small = set(labels(read(folder)))
    assert small < set(labels(read(folder, selection=MemoryBudget("", 9600, 8, 2, 0, seed=1))))
    assert small != set(labels(read(folder, selection=MemoryBudget("", 4800, 8, 2, 0, seed=2))))


def test_series_cost_memory_too(folder: Path) -> None:
    table = read(folder, selection=MemoryBudget("", 300 * 8 * 10, 8, 2, 80, seed=1))
    assert table.sampled is not None
    assert table.sampled.share == pytest.approx(0.5)
    assert 100 < len(table.keys) < 200
    assert np.array_equal(np.unique(table.codes), np.arange(len(table.keys)))


def test_data_within_the_budget_are_read_whole_and_without_a_word(folder: Path) -> None:
    table = read(folder, selection=MemoryBudget("", 1e6, 8, 2, 0, seed=1))
    assert len(table.keys) == N_SERIES
    assert table.sampled is None
    assert not table.notes


def test_the_rows_of_a_csv_are_estimated(frame: pd.DataFrame, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    frame.to_csv(plain, index=False)
    frame.to_csv(packed, index=False)
    table = read(plain)
    assert table.sampled is not None
    assert table.sampled.share == pytest.approx(0.2, rel=0.2)
    assert sorted_rows(read(packed)) == sorted_rows(table)


def test_a_table_with_dates_as_columns_is_sampled_by_row(
    frame: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    wide = frame.pivot_table(index="store", columns="day", values="sales")
    wide.columns = [f"{day:%Y-%m-%d}" for day in wide.columns]
    wide.to_csv(tmp_path / "wide.csv")
    assert labels(read(tmp_path / "wide.csv")) == labels(read(folder))


def test_ids_in_the_names_of_folders_are_hashed_like_those_of_a_column(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    few = frame[: 40 * N_ROWS].assign(region=[f"r{row // N_ROWS % 4}" for row in range(320)])
    few.to_parquet(tmp_path / "one.parquet", index=False)
    for region, rows in few.groupby("region"):
        path = tmp_path / "hive" / f"region={region}"
        path.mkdir(parents=True)
        rows.drop(columns="region").to_parquet(path / "a.parquet", index=False)
    half = MemoryBudget("", 1600, 8, 2, 0, seed=1)
    found = [
        read(tmp_path / name, selection=half, series=("store", "region"))
        for name in ("one.parquet", "hive")
    ]
    assert 5 < len(found[0].keys) < 35
    assert found[0].keys.equals(found[1].keys)


def test_a_location_names_the_row_of_the_file(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    table = read(path)
    row = len(table.codes) - 1
    line = int(table.line_index.location(row).rpartition(" ")[2])
    assert frame["sales"][line - 2] == table.values[row, 0]  # the header is line 1


def test_a_faulty_cell_of_the_sample_is_found_and_others_are_not(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    fifth = KnownSample(SampledSeries(0.2, 1, "1GB", 1))  # whatever the size of the file
    inside = set(labels(read(path, selection=fifth)))
    texts = frame.assign(sales=frame["sales"].astype(str))
    texts.loc[~texts["store"].isin(inside), "sales"] = "many"
    texts.to_csv(path, index=False)
    data = {"series": ("store",), "targets": ("sales",)}
    assert set(labels(read(path, selection=fifth, **data))) == inside
    row = int(np.flatnonzero(texts["store"].isin(inside))[-1])
    texts.loc[row, "sales"] = "few"
    texts.to_csv(path, index=False)
    with pytest.raises(DataError, match=f"line {row + 2}.*few") as caught:
        read(path, selection=fifth, **data)
    assert "many" not in str(caught.value)


def test_a_blank_id_is_an_error_although_it_is_in_no_sample(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.assign(store=frame["store"].where(frame.index != 17, "")).to_csv(
        tmp_path / "a.csv", index=False
    )
    with pytest.raises(DataError, match="line 19"):
        read(tmp_path / "a.csv", series=("store",))


def test_an_unneeded_id_does_not_decide_about_the_sample(
    frame: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    more = frame.assign(country="AT")
    more.to_parquet(tmp_path / "a.parquet", index=False)
    assert labels(read(tmp_path / "a.parquet")) == labels(read(folder))


@pytest.mark.parametrize(
    ("available", "columns", "words"),
    [
        (40.0, ["day", "sales"], "one series.*data.series"),
        (1.0, ["store", "day", "sales"], "holds none.*raise it"),
    ],
)
def test_what_no_sample_can_help_is_refused(
    frame: pd.DataFrame, tmp_path: Path, available: float, columns: Sequence[str], words: str
) -> None:
    frame[:N_ROWS][list(columns)].to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.csv", selection=MemoryBudget("1GB", available, 8, 2, 0, seed=1))


def test_a_known_sample_is_read_again_from_newer_data(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame.to_parquet(path, index=False)
    before = read(path)
    assert before.sampled is not None
    newer = frame[frame["day"] > "2024-01-04"]
    newer = pd.concat([newer, newer.assign(store=newer["store"] + " new")])
    newer.to_parquet(path, index=False)
    table = read(path, selection=KnownSample(before.sampled))
    assert set(labels(before)) < set(labels(table))
    assert all(before.sampled.sample.contains(table.keys))
    assert table.sampled is not None
    assert table.sampled.share == before.sampled.share


def test_the_number_of_all_series_follows_from_the_sample() -> None:
    sampled = SampledSeries(0.012, 1, "2GB", 120_034)
    assert sampled.describe() == ("120,034 of about 10,000,000 series (training.memory_budget 2GB)")
