"""`benchmarks/alone.py`: its runs of one series and its tables."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def alone() -> ModuleType:
    return script("alone")


@pytest.fixture
def sample(alone: ModuleType) -> SimpleNamespace:
    """Two quarterly series of 28 values and the 4 that follow."""
    ds = pd.date_range("2000-01-01", periods=32, freq="QS")
    noise = np.random.default_rng(1).normal(size=(2, 32))
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y": 100.0 + row})
        for name, row in zip("ab", noise, strict=True)
    ]
    table = pd.concat(parts)
    benchmark = script("competition").Benchmark("made_up", 4, 4, "QS")
    return SimpleNamespace(
        benchmark=benchmark, train=table[table["ds"] < ds[28]], test=table[table["ds"] >= ds[28]]
    )


def test_each_series_is_a_job_of_its_own(alone: ModuleType, sample: SimpleNamespace) -> None:
    jobs = alone.jobs_of(sample, "fast", 2, ["model.layers=1"])
    assert list(jobs) == ["a", "b"]
    changes = "training.seed=2 training.preset=fast model.layers=1"
    assert jobs["b"].key == f"made_up b {changes}"
    assert jobs["b"].changes == tuple(changes.split())
    assert jobs["b"].table.columns.tolist() == ["ds", "y"]
    assert len(jobs["b"].table) == 28


def test_a_series_is_forecast_from_a_file_of_its_own(
    alone: ModuleType, sample: SimpleNamespace
) -> None:
    jobs = alone.jobs_of(sample, "fast", 1, ["training.max_steps=2"])
    runs = {job.key: alone.forecast_in_process(job) for job in jobs.values()}
    table = alone.our_forecast(sample, jobs, SimpleNamespace(runs=runs))
    assert table["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    assert table["ds"].tolist() == sample.test["ds"].tolist()
    assert np.isfinite(table[list(alone.FORECAST)].to_numpy()).all()


def test_ratios_are_to_the_better_of_dot_and_the_mean_and_to_the_best(alone: ModuleType) -> None:
    scores = {"DOT": [{"owa": 0.8}], "CES": [{"owa": 0.5}], alone.MEAN: [{"owa": 1.0}]}
    results = alone.SetResults("some", 2, {**scores, "fast": [{"owa": 0.4}, {"owa": 0.6}]})
    last = alone.format_results([results], ["fast"]).splitlines()[-1]
    assert last == "| 2 of some | 0.800 | 0.500 | 0.500 (0.62 ×, 1.00 ×) |"
