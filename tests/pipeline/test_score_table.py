"""The table of scores: its rows, and the numbers in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.metrics import compute_metrics
from rnnforecast.evaluation.scores import compute_scores
from rnnforecast.pipeline.score_table import score_table, write_score_table

LABELS = np.array(["a", "b", "c"], dtype=object)


def evaluated(n_targets: int) -> EvaluatedWindows:
    """Three series with two windows of two steps each."""
    rng = np.random.default_rng(0)
    series, window = np.divmod(np.arange(6), 2)
    actual = rng.gamma(2.0, 5.0, (6, 2, n_targets))

    def forecast() -> WindowForecast:
        yhat = rng.gamma(2.0, 5.0, actual.shape)
        return WindowForecast(yhat, yhat[..., None] + np.array([-2.0, 2.0]))

    scale = np.ones((6, n_targets))
    return EvaluatedWindows(
        series=series,
        window=window,
        origin=5 + window,
        actual=actual,
        forecast=forecast(),
        baselines={"seasonal naive": forecast()},
        levels=(0.1, 0.9),
        scale=scale,
        squared_scale=scale,
    )


def test_the_table_of_two_targets_has_rows_of_each_and_of_both() -> None:
    windows = evaluated(2)
    scores = compute_scores(windows, np.array([0, 0, 0, 0, 1, 1]))
    table = score_table(scores, targets=["x", "y"], labels=LABELS, groups=["north", "south"])
    assert list(table.columns[:5]) == ["by", "value", "target", "model", "windows"]
    counts = table["by"].value_counts()
    # two models; three rows of targets, but for `all` and `target`
    assert counts.to_dict() == {
        "all": 2, "target": 4, "series": 18, "group": 12, "step": 12, "cutoff": 12,
    }  # fmt: skip
    row = table.set_index(["by", "value", "target", "model"]).loc[
        ("series", "b", "y", "seasonal_naive")
    ]
    chosen, forecast = windows.select(windows.series == 1).target(1), windows.baselines
    expected = compute_metrics(
        chosen.actual,
        forecast["seasonal naive"].yhat[2:4, :, 1:],
        scale=np.ones((2, 1)),
        squared_scale=np.ones((2, 1)),
        quantiles=forecast["seasonal naive"].quantiles[2:4, :, 1:],
        levels=(0.1, 0.9),
    )
    assert row[list(expected)].to_dict() == pytest.approx(expected)
    assert row["windows"] == 2
    assert table[table["target"] == ""]["mae"].isna().all()
    assert set(table.loc[table["by"] == "cutoff", "value"]) == {"1", "2"}


def test_the_table_of_one_target_names_it_and_common_cutoffs(tmp_path: Path) -> None:
    scores = compute_scores(evaluated(1))
    table = score_table(scores, targets=["y"], labels=LABELS, cutoffs=["2024-01-05", "2024-01-06"])
    assert set(table["target"]) == {"y"}
    assert table.loc[table["by"] == "cutoff", "value"].tolist()[::2] == ["2024-01-05", "2024-01-06"]
    write_score_table(tmp_path / "scores.csv", table)
    read = pd.read_csv(tmp_path / "scores.csv")
    np.testing.assert_allclose(read["winkler_80"], table["winkler_80"], rtol=1e-6)
