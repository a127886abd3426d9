"""Checkpoints of a training: when they are written, and what finished fits add to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rnnforecast.errors import UsageError
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.fit_state import FitState, HistoryRow
from rnnforecast.workflow import train_checkpoints
from rnnforecast.workflow.train_checkpoints import CheckpointFile, FinishedFits


def checkpoint_of(step: int, *, stopped: bool = False) -> Checkpoint:
    return Checkpoint(
        "fit", 0, "abc", FitState(step=step, stopped=stopped), FinishedFits().results()
    )


def saved_step(file: CheckpointFile) -> int:
    found = file.load()
    assert found is not None
    return found.state.step


def test_a_checkpoint_lies_beside_the_run_and_is_written_after_some_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(train_checkpoints.time, "monotonic", lambda: now[0])
    file = CheckpointFile(tmp_path / "run", "abc")
    assert file.path == tmp_path / "run.checkpoint"
    assert file.load() is None
    for seconds, step, expected in ((0.0, 1, 1), (4.9, 2, 1), (5.0, 3, 3), (9.9, 4, 3)):
        now[0] = 100.0 + seconds
        file.save(checkpoint_of(step))
        assert saved_step(file) == expected
    file.save(checkpoint_of(5, stopped=True))
    assert saved_step(file) == 5
    file.remove()
    file.remove()
    assert file.load() is None


def test_a_checkpoint_of_another_spec_is_refused(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / "run", "abc").save(checkpoint_of(1))
    with pytest.raises(UsageError, match="another spec or other data"):
        CheckpointFile(tmp_path / "run", "abd").load()


def test_finished_fits_survive_a_checkpoint(tmp_path: Path) -> None:
    fits, net = FinishedFits(base_forecast="theta"), nn.Linear(2, 1)
    for member_index, best_step in ((0, 7), (1, 9)):
        state = FitState(best_step=best_step, history=[HistoryRow(member_index, 0.5, 0.25, 0.1)])
        fits.add_history(member_index, state, is_ensemble=True)
    fits.add_weights("fit", 1, net)  # type: ignore[arg-type]
    with torch.no_grad():
        net.weight.zero_()  # the weights are a copy
    file = CheckpointFile(tmp_path / "run", "abc")
    file.save(Checkpoint("fit", 1, "abc", FitState(), fits.results(), fits.weights))
    found = FinishedFits.from_checkpoint(file.load())
    assert (found.history, found.best_step, found.base_forecast) == (fits.history, 7, "theta")
    assert [row["member"] for row in found.history] == [1, 2]
    assert found.weights_of("fit", 0) == {}
    assert set(found.weights_of("fit", 1)) == {"weight", "bias"}
    assert torch.equal(found.weights_of("fit", 1)["weight"], fits.weights["fit/1/weight"])
    assert (found.weights_of("fit", 1)["weight"] != 0).all()


def test_rows_of_a_single_network_have_no_number() -> None:
    fits = FinishedFits.from_checkpoint(None)
    fits.add_history(0, FitState(history=[HistoryRow(1, 0.5, 0.25, 0.1)]), is_ensemble=False)
    assert fits.history == [
        {"step": 1, "train_loss": 0.5, "validation_loss": 0.25, "learning_rate": 0.1}
    ]
