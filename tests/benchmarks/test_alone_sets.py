"""The samples of `benchmarks/alone_sets.py`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def sets() -> ModuleType:
    return script("alone_sets")


def test_only_sets_whose_files_exist_can_be_drawn(sets: ModuleType, tmp_path: Path) -> None:
    assert sets.samples(tmp_path) == {}
    (tmp_path / "ETTh1.csv").touch()
    (tmp_path / "m3_yearly_train.csv.gz").touch()  # the other half is missing
    assert list(sets.samples(tmp_path)) == ["ETTh1"]


def test_series_are_evenly_spaced_over_the_file(sets: ModuleType, tmp_path: Path) -> None:
    names = [f"z{9 - i}" for i in range(9)]  # the order of the file, not of the alphabet
    for part in ("train", "test"):
        frame = pd.DataFrame({"unique_id": names, "ds": "2000-01-01", "y": 1.0})
        frame.to_csv(tmp_path / f"m3_yearly_{part}.csv.gz", index=False)
    draw = sets.samples(tmp_path)["m3_yearly"]
    assert draw(3).train["unique_id"].tolist() == ["z9", "z5", "z1"]
    assert draw(3).test["unique_id"].tolist() == ["z9", "z5", "z1"]
    assert len(draw(100).train) == 9


def test_pieces_of_a_long_file_end_with_their_test_part(sets: ModuleType, tmp_path: Path) -> None:
    ds = pd.date_range("2000-01-01", periods=8000, freq="h")
    table = pd.DataFrame({"date": ds})
    for number, name in enumerate(("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")):
        table[name] = 10_000.0 * number + np.arange(8000)
    table.to_csv(tmp_path / "ETTh1.csv", index=False)
    sample = sets.samples(tmp_path)["ETTh1"](5)
    train = dict(list(sample.train.groupby("unique_id", sort=False)))
    test = dict(list(sample.test.groupby("unique_id", sort=False)))
    assert [len(part) for part in train.values()] == [500, 1000, 2000, 3000, 500]
    assert [len(part) for part in test.values()] == [48] * 5
    # evenly spaced ends: the first as early as the longest piece allows, the last that of the file
    ends = [int(part["y"].iloc[-1] % 10_000) + 1 for part in test.values()]
    assert ends == [3048, 4286, 5524, 6762, 8000]
    columns = [int(part["y"].iloc[0] // 10_000) for part in train.values()]
    assert columns == [0, 1, 2, 3, 4]
    for name in train:
        assert test[name]["y"].iloc[0] == train[name]["y"].iloc[-1] + 1
        assert test[name]["ds"].iloc[0] == train[name]["ds"].iloc[-1] + pd.Timedelta(hours=1)
