"""Tests of the plots of a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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


def test_plots_are_written_as_png_and_svg_and_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("first", "again"):
        plot_search_history(tmp_path / name / "history", HISTORY)
        plot_importances(tmp_path / name / "importance", {"model.layers": 0.7, "window.x": 0.3})
        plot_slices(tmp_path / name / "slices", HISTORY)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted(
        f"{name}.{kind}" for name in ("history", "importance", "slices") for kind in ("png", "svg")
    )
    for name in files:
        first, again = tmp_path / "first" / name, tmp_path / "again" / name
        assert first.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("scores", [[np.nan], [0.5]])
def test_a_search_with_one_trial_can_be_drawn(tmp_path: Path, scores: list[float]) -> None:
    history = SearchHistory(np.array([1]), np.array(scores), {"model.layers": [1]}, "wql")
    plot_search_history(tmp_path / "history", history)
    plot_slices(tmp_path / "slices", history)
