"""The tables of `benchmarks/classics.py`."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def classics() -> ModuleType:
    return script("classics")


def test_our_scores_are_medians_over_the_stored_seeds(classics: ModuleType) -> None:
    benchmark = classics.BENCHMARKS[0]
    runs = {
        f"{benchmark.name} training.seed={seed} training.preset=fast": {
            "owa": owa,
            "train_s": 10.0,
            "predict_s": 2.0,
        }
        for seed, owa in ((1, 0.5), (2, 0.9), (3, 0.6))
    }
    found = classics.our_scores(benchmark, "fast", SimpleNamespace(runs=runs))
    assert found["owa"] == 0.6
    assert found["total_s"] == 12.0
    assert classics.our_scores(benchmark, "best", SimpleNamespace(runs=runs)) is None


def test_means_are_geometric_and_only_of_methods_that_all_sets_have(classics: ModuleType) -> None:
    def scores(owa: float, mase: float) -> dict[str, float]:
        return {"owa": owa, "mase": mase, "cover_80": 80.0, "cover_95": 95.0, "total_s": 1.0}

    simple = dict.fromkeys(
        [*classics.METHODS, classics.MEAN, classics.COMBINATION], scores(1.0, 2.0)
    )
    naive = {classics.NAIVE: scores(2.0, 4.0)}
    panels = {
        "one": {**simple, **naive, "fast": scores(0.5, 1.0), "best": scores(0.5, 1.0)},
        "two": {**simple, **naive, "fast": scores(0.8, 4.0)},
    }
    owa, relative, bands, _ = classics.accuracy_tables(panels, ["fast", "best"]).split("\n\n")
    assert owa.splitlines()[-1] == (
        "| geometric mean of 2 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 0.632 | – |"
    )
    assert relative.splitlines()[-1].endswith("| 0.500 | 0.500 | – |")  # sqrt(0.25 * 1)
    assert bands.splitlines()[-1].endswith("| 80.0 / 95.0 | – |")


def test_published_figures_stand_beside_ours_on_the_same_eight_sets(classics: ModuleType) -> None:
    def panel(mase: float) -> dict[str, dict[str, float]]:
        rest = {"owa": 1.0, "cover_80": 80.0, "cover_95": 95.0, "total_s": 1.0}
        methods = [*classics.METHODS, classics.MEAN, classics.COMBINATION]
        found = {method: {"mase": mase, **rest} for method in methods}
        return {**found, classics.NAIVE: {"mase": 1.0, **rest}}

    panels = {name: panel(0.5 if "m1" in name else 0.9) for name in classics.COMPARED}
    text = classics.accuracy_tables(panels, ["best"])
    mean = (0.5**3 * 0.9**5) ** (1 / 8)
    assert f"| DOT | {mean:.3f} |" in text
    assert text.index("| DOT | 0.") < text.index("| TiRex | 0.821 |")
    assert "| best | 0." not in text  # was not run
    del panels["m1_yearly"]
    assert "TiRex" not in classics.accuracy_tables(panels, ["best"])


def test_a_vectorized_method_gets_whole_histories_in_the_order_of_the_forecast(
    classics: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ten_more(histories: Histories, *, season: int, horizon: int) -> StatisticalForecast:
        assert season == 4
        mean = np.repeat(histories.values[-1][:, None] + 10, horizon, 1)
        return StatisticalForecast(mean, np.ones_like(mean))

    name = "rnnforecast.statistical.ten_more"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(forecast=ten_more))  # type: ignore[arg-type]
    monkeypatch.setattr(classics, "VECTORIZED", {"ten": "ten_more"})
    ds = pd.date_range("2000-01-01", periods=12, freq="QS")
    whole = pd.concat(
        [
            pd.DataFrame({"unique_id": "b", "ds": ds, "y": [*np.arange(1.0, 9), *[18.0] * 4]}),
            pd.DataFrame({"unique_id": "a", "ds": ds[2:], "y": [*np.arange(1.0, 7), *[16.0] * 4]}),
        ]
    )
    train, test = whole[whole["ds"] < ds[8]], whole[whole["ds"] >= ds[8]]
    benchmark = classics.Benchmark("made_up", 4, 4, "QS")
    ((method, scores),) = classics.vectorized(benchmark, train, test)
    assert method == "ten"
    assert scores["smape"] == 0.0
