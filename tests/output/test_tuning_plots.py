"""Tests of the plots of a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnforecast.output.tuning_plots import (
    SearchHistory,
    plot_importances,
    plot_search_history,
    plot_slices,
)

HISTORY = SearchHistory(
    np.arange(1, 7),
    np.array([1.0, np.nan, 0.8, 0.9, 0.7, np.nan]),
    {
        "training.learning_rate": [0.001, 0.1, 0.01, 0.02, 0.03, 0.5],
        "model.hidden_size": ["auto", 4, 8, 8, 4, 4],
        "model.layer_norm": [True, False, True, True, False, False],
        "window.lookback": [24, 24, 24, 24, 24, 24],
    },
    "mase",
)


def test_the_best_trial_is_the_one_with_the_lowest_score() -> None:
    assert HISTORY.best == 4
    nothing = SearchHistory(np.arange(2), np.full(2, np.nan), {"a": [1, 2]}, "mase")
    assert nothing.best is None


def test_plots_are_written_as_png_and_svg(tmp_path: Path) -> None:
    plot_search_history(tmp_path / "history", HISTORY)
    plot_importances(tmp_path / "importance", {"model.layers": 0.7, "window.lookback": 0.3})
    plot_slices(tmp_path / "slices", HISTORY)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == sorted(
        f"{name}.{kind}" for name in ("history", "importance", "slices") for kind in ("png", "svg")
    )
    assert "training.learning_rate" in (tmp_path / "slices.svg").read_text(encoding="utf-8")


def test_a_search_without_a_score_can_be_drawn(tmp_path: Path) -> None:
    history = SearchHistory(np.array([1]), np.array([np.nan]), {"model.layers": [1]}, "wql")
    plot_search_history(tmp_path / "history", history)
