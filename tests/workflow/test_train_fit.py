"""One fit of one network: its seeds, and what it reports."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.fit_state import HistoryRow
from rnnforecast.training.trainer import TrainingProgress
from rnnforecast.workflow.train_fit import FINAL_FIT, FIRST_FIT, FitTask, _to_fit_progress


@pytest.mark.parametrize(("phase", "seed"), [(FIRST_FIT, 5), (FINAL_FIT, 6)])
def test_the_two_fits_draw_different_windows(phase: str, seed: int) -> None:
    task = FitTask(phase, TrainingSpec(seed=5), cast("Any", None), "fit 1 of 2", initialize=False)
    assert task.seed == seed


@pytest.mark.parametrize(
    ("rows", "validation_loss", "validated"),
    [
        ((), None, False),
        ((HistoryRow(10, 0.5, 0.25, 0.1),), 0.25, True),
        ((HistoryRow(5, 0.5, 0.25, 0.1),), 0.25, False),
        ((HistoryRow(10, 0.5, float("nan"), 0.1),), None, True),
    ],
)
def test_progress_has_the_latest_validation_loss(
    rows: tuple[HistoryRow, ...], validation_loss: float | None, validated: bool
) -> None:
    task = FitTask(FIRST_FIT, TrainingSpec(), cast("Any", None), "fit 2 of 3", False, network=2)
    found = _to_fit_progress(task, TrainingProgress(10, 20, 0.75, rows))
    assert (found.phase, found.network, found.step, found.total) == ("fit 2 of 3", 2, 10, 20)
    assert found.train_loss == 0.75
    assert (found.validation_loss, found.validated) == (validation_loss, validated)
