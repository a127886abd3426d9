"""Combinations and naive forecasts of `benchmarks/reference_forecasts.py`."""

from __future__ import annotations

from types import ModuleType

import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return script("reference_forecasts")


def table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": ["a", "b"], "ds": pd.Timestamp("2000-01-01"), **columns})


def test_the_mean_of_forecasts_joins_by_series_and_step(reference: ModuleType) -> None:
    first = table(yhat=[1.0, 5.0])
    second = table(yhat=[3.0, 7.0])[::-1]  # another order of the rows
    assert reference.mean_forecast([first, second])["yhat"].tolist() == [2.0, 6.0]


def test_seasonal_naive_with_drift_by_hand(reference: ModuleType) -> None:
    ds = pd.date_range("2000-01-01", periods=6, freq="D")
    whole = pd.concat(
        [
            pd.DataFrame({"unique_id": "b", "ds": ds, "y": [1.0, 10, 3, 12, 5, 14]}),
            pd.DataFrame({"unique_id": "a", "ds": ds, "y": 7.0}),
        ]
    )
    train, test = whole[whole["ds"] < ds[4]], whole[whole["ds"] >= ds[4]]
    found = reference.seasonal_naive_forecast(train, test, 2, drift=True)
    # each phase of b rises by 2 a season
    assert found["yhat"].tolist() == pytest.approx([7.0, 7.0, 5.0, 14.0])
    assert found["unique_id"].tolist() == ["a", "a", "b", "b"]
    flat = reference.seasonal_naive_forecast(train, test, 2, drift=False)
    assert flat["yhat"].tolist() == [7.0, 7.0, 3.0, 12.0]
