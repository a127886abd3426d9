"""`benchmarks/score_tables.py`: stored results and rows of tables."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return script("score_tables")


def test_a_stored_run_is_not_repeated(tables: ModuleType, tmp_path: Path) -> None:
    file, made = tmp_path / "cache.jsonl", []

    def run() -> dict[str, float]:
        made.append(1)
        return {"owa": 0.5}

    assert tables.ResultCache(file).get("a", run) == {"owa": 0.5}
    cache = tables.ResultCache(file)
    assert cache.get("a", run) == {"owa": 0.5}
    assert made == [1]
    cache.get("b", run)
    assert made == [1, 1]
    assert set(tables.ResultCache(file).runs) == {"a", "b"}


def test_whole_forecasts_are_stored_too(tables: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "cache.jsonl"
    tables.ResultCache(file).store("a", {"yhat": [1.5, 2.0], "s": 3.0})
    assert tables.ResultCache(file).runs == {"a": {"yhat": [1.5, 2.0], "s": 3.0}}


def test_a_measure_that_some_runs_lack_is_of_the_others(tables: ModuleType) -> None:
    columns = {"owa": ("OWA", 3), "s": ("s", 1), "wql": ("WQL", 4)}
    found = tables.format_row("set", "DOT", [{"owa": 0.5, "s": 2.0}, {"owa": 0.7}], columns)
    assert found == "| set | DOT | 2 | 0.600 (0.500–0.700) | 2.0 | – |"
