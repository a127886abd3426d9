"""A few cases of the fuzz test, of each kind."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    return script("fuzz")


@pytest.fixture(scope="module")
def runs(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "runs"
    fuzz.train_runs(folder, numbers=(0,), nights=True)
    return folder


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        *(("csv", 25), ("spec", 25), ("predict", 12), ("run", 20)),
        *(("ledger", 12), ("job", 10), ("marks", 16)),
    ],
)
def test_mutated_inputs_end_with_an_error_of_the_package_or_a_sound_forecast(
    fuzz: ModuleType, kind: str, count: int, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUZZ_RUNS", str(runs))
    endings = [fuzz.run_case(number, kind, seed=11, keep=None) for number in range(count)]
    assert [ending.details for ending in endings if ending.is_failure] == []


def test_what_is_written_outside_is_found(fuzz: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "kept").write_text("a")
    for fault in (
        lambda: (tmp_path / "out").mkdir(),
        lambda: (tmp_path / "kept").write_text("b"),
        lambda: os.replace(tmp_path / "in" / "a", tmp_path / "b"),
    ):
        (tmp_path / "in" / "a").write_text("a")
        with (
            pytest.raises(AssertionError, match=r"outside|changed"),
            fuzz.only_in(tmp_path / "in", tmp_path / "kept"),
        ):
            fault()


def test_a_failure_of_the_package_is_found(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> str:
        raise IndexError("list index out of range")

    monkeypatch.setitem(fuzz.KINDS, "csv", broken)
    ending = fuzz.run_case(0, "csv", seed=1, keep=None)
    assert ending.is_failure
    assert ending.kind.startswith("IndexError")


def test_forecasts_that_are_not_finite_or_cross_are_found(fuzz: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    for row, fault in (("1,2,3", None), ("1,inf,3", "not finite"), ("1,3,2", "cross")):
        path.write_text(f"y,y_q0.1,y_q0.9\n{row}\n", encoding="utf-8")
        if fault is None:
            fuzz.check_forecast(path)
        else:
            with pytest.raises(AssertionError, match=fault):
                fuzz.check_forecast(path)
