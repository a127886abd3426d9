"""The loss plot: what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnforecast.output.loss_plot import plot_loss
from tests.output.test_forecast_plots import svg_texts


def test_the_loss_plot_marks_the_kept_step(tmp_path: Path) -> None:
    steps = np.arange(0, 2001, 100)
    train = np.exp(-steps / 300) + 0.01
    validation = np.where(steps % 500 == 0, train + 0.1, np.nan)
    _, svg = plot_loss(tmp_path / "loss", steps, train, validation, best_step=1500)
    shown = set(svg_texts(svg))
    assert {"training", "validation", "kept: step 1,500", "2,000 steps, 5 validations"} <= shown


def test_a_training_without_validation_has_a_plot(tmp_path: Path) -> None:
    missing = np.full(3, np.nan)
    png, _ = plot_loss(tmp_path / "loss", np.arange(3), np.ones(3), missing)
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    plot_loss(tmp_path / "none", np.arange(0), np.ones(0), np.ones(0))
