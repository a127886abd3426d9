"""Checkpoints of a training: when they are written, and what fits add to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.training.fit_state import HistoryRow
from rnnforecast.workflow import train_checkpoints
from rnnforecast.workflow.train_checkpoints import CheckpointFile, FirstFit, TrainingState

ROW = HistoryRow(1, 0.5, 0.25, 0.1)


def state_of(step: int) -> TrainingState:
    return TrainingState(states={"fit/0": bytes([step])})


def saved_step(file: CheckpointFile) -> int:
    found = file.load()
    assert found is not None
    return found.states["fit/0"][0]


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
        file.save(state_of(step))
        assert saved_step(file) == expected
    file.save(state_of(5), now=True)
    assert saved_step(file) == 5
    file.remove()
    file.remove()
    assert file.load() is None


def test_a_checkpoint_of_another_spec_is_refused(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / "run", "abc").save(state_of(1))
    with pytest.raises(UsageError, match="another spec or other data"):
        CheckpointFile(tmp_path / "run", "abd").load()


def test_results_of_fits_survive_a_checkpoint(tmp_path: Path) -> None:
    state = TrainingState("theta", states={"fit/1": b"half", "final fit/0": b"begun"})
    for index in (1, 0):
        state.first_fits[index] = FirstFit(7 + index, (HistoryRow(index, 0.5, 0.25, 0.1),))
    state.add_weights("fit/1", b"weights")
    file = CheckpointFile(tmp_path / "run", "abc")
    file.save(state)
    found = TrainingState.from_checkpoint(file.load())
    assert found == state
    assert (found.weights, found.states) == ({"fit/1": b"weights"}, {"final fit/0": b"begun"})
    assert [row["member"] for row in found.history(is_ensemble=True)] == [1, 2]


def test_rows_of_a_single_network_have_no_number() -> None:
    state = TrainingState.from_checkpoint(None)
    state.first_fits[0] = FirstFit(1, (ROW,))
    assert state.history(is_ensemble=False) == [
        {"step": 1, "train_loss": 0.5, "validation_loss": 0.25, "learning_rate": 0.1}
    ]
