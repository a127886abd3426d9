"""`benchmarks/quality.py`: its tables."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    return script("quality")


def test_a_row_shows_median_and_range(quality: ModuleType) -> None:
    runs = [dict.fromkeys(quality.COMPETITION, value) for value in (4.0, 1.0, 2.0)]
    found = quality.format_results({("competition", "made_up", "fast"): runs}).splitlines()
    assert found[-1].startswith("| made_up | fast | 3 | 2 (1–4) | 2.0 (1.0–4.0) |")
    assert found[0].count("|") == found[-1].count("|")


def test_long_horizons_have_a_row_of_their_means_seed_by_seed(quality: ModuleType) -> None:
    long = {
        ("long", f"ETTh1 {horizon}", "best"): [dict.fromkeys(quality.LONG, at) for at in values]
        for horizon, values in ((96, (0.3, 0.2)), (192, (0.5, 0.6)))
    }
    last = quality.format_results(long).splitlines()[-1]
    assert last.startswith("| ETTh1 mean | best | 2 | 0 (0–0) | 0.400 (0.400–0.400) |")


def test_missing_data_sets_are_skipped(quality: ModuleType, tmp_path: Path) -> None:
    assert not list(quality.tasks(tmp_path))
    (tmp_path / "ETTh1.csv").touch()
    (tmp_path / "m3_monthly_train.csv.gz").touch()  # the other half is missing
    assert [task.name for task in quality.tasks(tmp_path)] == [
        "ETTh1 96", "ETTh1 192", "ETTh1 336", "ETTh1 720",
    ]  # fmt: skip
