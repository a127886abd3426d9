"""The loss plot: what it says."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_home_that_is_not_writable_is_no_matter_for_stderr(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from rnnforecast.output.loss_plot import plot_loss\n"
        "plot_loss(Path(sys.argv[1]), np.arange(9), np.arange(9.0), np.arange(9.0) + 1, 3)\n"
    )
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/x", "MPLCONFIGDIR": "/dev/null/x"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "loss")],
        env=os.environ | nowhere, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "loss.png").is_file()


def test_a_level_that_the_user_has_set_for_matplotlib_is_kept() -> None:
    code = (
        "import logging; logging.getLogger('matplotlib').setLevel(logging.DEBUG)\n"
        "import rnnforecast.output\n"
        "assert logging.getLogger('matplotlib').level == logging.DEBUG\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
