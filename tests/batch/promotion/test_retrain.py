"""When a new model is due, and what happens if its training fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.batch.promotion import retrain as retrain
from rnnforecast.batch.promotion.retrain import RetrainPolicy, find_due_reason, retrain_if_due
from rnnforecast.errors import Problem, RunFolderError, TrainingDiverged
from rnnforecast.pipeline.run_versions import make_store
from rnnforecast.workflow.train_versions import TrainRequest

CURRENT = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
REQUEST = TrainRequest(Path("spec.yaml"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose current version, of `CURRENT`, can be read."""
    monkeypatch.setattr(retrain, "load_run", lambda path: None)
    store = tmp_path / "run"
    make_store(store)
    add_versions(store, ["2026-03-01T02-15-00Z"])
    (store / "latest").symlink_to("2026-03-01T02-15-00Z")
    return store


def add_versions(store: Path, names: Sequence[str]) -> None:
    for name in names:
        (store / name).mkdir()


def due(store: Path, days: float, alarms: Sequence[str] = (), **policy: Any) -> str | None:
    """Why a training is due so many days after that of the current version."""
    reason, words = find_due_reason(
        store, RetrainPolicy(**policy), CURRENT + timedelta(days=days), alarms
    )
    assert words
    return reason


def test_a_model_is_trained_again_at_the_age_of_the_policy(store: Path) -> None:
    assert due(store, 6.9) is None
    assert due(store, 7) == "age"
    # a job that starts some seconds earlier than a week ago
    assert due(store, 6.999) == "age"
    assert due(store, 30, every=None) is None
    # a clock that was set back
    assert due(store, -400) is None


def test_a_drift_alarm_makes_a_training_due(store: Path) -> None:
    assert due(store, 1, ["bias"]) == "alarm"
    assert due(store, 1, ["bias"], on_alarm=False) is None
    assert due(store, 8, ["bias"], on_alarm=False) == "age"


@pytest.mark.parametrize(("tries", "pause"), [(1, 1), (2, 2), (3, 4), (4, 7)])
def test_after_candidates_that_were_kept_aside_the_next_waits(
    store: Path, tries: int, pause: int
) -> None:
    names = [f"2026-03-{10 + number:02d}T02-15-00Z.candidate" for number in range(tries)]
    add_versions(store, names)
    last = 9 + tries - 1
    assert due(store, last + pause - 0.5, ["bias"]) is None
    assert due(store, last + pause, ["bias"]) == "alarm"
    assert due(store, last + pause) == "age"


def test_without_a_model_that_can_be_read_one_is_due(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert due(tmp_path / "none", 0, every=None) == "no_model"

    def damaged(path: Path) -> None:
        raise RunFolderError(Problem(str(path), "the file is damaged"))

    monkeypatch.setattr(retrain, "load_run", damaged)
    assert due(store, 0, every=None) == "unreadable"


def test_a_training_that_fails_is_told_and_changes_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any, **options: Any) -> None:
        raise TrainingDiverged(Problem("loss", "is not a finite number"))

    monkeypatch.setattr(retrain, "train_candidate", diverge)
    now = CURRENT + timedelta(days=1)
    nothing = retrain_if_due(REQUEST, store, RetrainPolicy(), now=now)
    assert (nothing.due, nothing.error, nothing.promoted) == (None, None, False)
    found = retrain_if_due(REQUEST, store, RetrainPolicy(), now=now, alarms=["bias"])
    assert (found.due, found.promoted) == ("alarm", False)
    assert isinstance(found.error, TrainingDiverged)
    assert "not a finite number" in found.message
