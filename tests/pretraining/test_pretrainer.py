"""Pretraining in pieces: the same bytes as in one, a state that is whole, and its loss."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnforecast.errors import DataError, UsageError
from rnnforecast.models.pretrained import network
from rnnforecast.models.pretrained.context import build_context
from rnnforecast.models.pretrained.network import LEVELS, NetworkConfig
from rnnforecast.pretraining import pretrainer as module
from rnnforecast.pretraining.pretrainer import (
    MIN_CHANGE,
    STATE_FILE,
    STEP_EXPONENT,
    WARMUP_STEPS,
    Pretrainer,
    PretrainingConfig,
    batch_loss,
)
from rnnforecast.pretraining.synthetic.batches import synthetic_batch

CONFIG = PretrainingConfig(NetworkConfig(hidden_size=8, n_layers=1), patches=64)


def fit(pretrainer: Pretrainer, numbers: Iterable[int], decay: int = 0) -> list[float]:
    """The losses of steps on the batches with these numbers."""
    config = pretrainer.config
    return [
        pretrainer.fit_batch(synthetic_batch(config.seed, number, patches=config.patches), decay)
        for number in numbers
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pretraining of five steps."""
    pretrainer = Pretrainer(CONFIG, tmp_path_factory.mktemp("pretraining"))
    fit(pretrainer, range(5))
    pretrainer.save()
    return pretrainer.folder


@pytest.mark.parametrize("stops", [(2,), (1, 2, 4)])
def test_a_pretraining_in_pieces_has_the_bytes_of_one_in_one_piece(
    folder: Path, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    for stop in (*stops, 5):
        pretrainer = Pretrainer(CONFIG, tmp_path)
        fit(pretrainer, range(pretrainer.progress.step, stop))
        pretrainer.save()
    assert (tmp_path / STATE_FILE).read_bytes() == (folder / STATE_FILE).read_bytes()


def test_a_pretraining_that_falls_to_0_goes_on_after_a_stop(folder: Path, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes((folder / STATE_FILE).read_bytes())
    whole = Pretrainer(CONFIG, folder)
    fit(whole, range(5, 9), decay=4)
    for stop in (7, 9):
        part = Pretrainer(CONFIG, tmp_path)
        fit(part, range(part.progress.step, stop), decay=4)
        part.save()
    found = Pretrainer(CONFIG, tmp_path)
    assert found.progress == whole.progress
    for name, value in whole.average.items():
        assert torch.equal(found.average[name], value), name


def test_the_learning_rate_rises_then_stays_then_falls_to_0(tmp_path: Path) -> None:
    pretrainer = Pretrainer(CONFIG, tmp_path)
    batch = synthetic_batch(1, 0, patches=16)

    def rate(step: int, decay: int = 0) -> float:
        pretrainer.progress.step = step
        pretrainer.fit_batch(batch, decay)
        return float(pretrainer.optimizer.param_groups[0]["lr"]) / CONFIG.learning_rate

    assert rate(0) == pytest.approx(1 / WARMUP_STEPS)
    assert rate(WARMUP_STEPS) == rate(10**6) == 1.0
    start = 10**6 + 1
    found = [rate(start + step, decay=10) for step in range(12)]
    assert found == pytest.approx([1 - step / 10 for step in range(10)] + [0, 0])
    before = {name: value.clone() for name, value in pretrainer.net.state_dict().items()}
    rate(start + 12, decay=10)
    for name, value in pretrainer.net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_losses_fall_and_windows_are_counted(tmp_path: Path) -> None:
    pretrainer = Pretrainer(CONFIG, tmp_path)
    batch = synthetic_batch(1, 1, patches=16)
    losses = [pretrainer.fit_batch(batch) for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])
    assert pretrainer.progress.windows == 30 * len(batch.values)


def test_the_average_follows_the_weights(folder: Path) -> None:
    pretrainer = Pretrainer(CONFIG, folder)
    before = {name: value.clone() for name, value in pretrainer.average.items()}
    step = pretrainer.progress.step
    fit(pretrainer, [step])
    share = 1 - (1 - 10 / (step + 1 + 10))
    for name, weight in pretrainer.net.state_dict().items():
        expected = before[name] + share * (weight - before[name])
        torch.testing.assert_close(pretrainer.average[name], expected)


@pytest.mark.parametrize(
    "other",
    [
        PretrainingConfig(NetworkConfig(hidden_size=16, n_layers=1), patches=64),
        PretrainingConfig(CONFIG.network, seed=2, patches=64),
        PretrainingConfig(CONFIG.network, patches=128),
    ],
)
def test_a_folder_of_another_config_is_refused(folder: Path, other: PretrainingConfig) -> None:
    with pytest.raises(UsageError, match="another config") as caught:
        Pretrainer(other, folder)
    assert "another folder" in caught.value.problems[0].cure


def test_a_state_that_is_damaged_or_of_something_else_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    content = (folder / STATE_FILE).read_bytes()
    for damaged in (content[: len(content) // 2], b"", content.replace(b"pretraining", b"PRE")):
        (tmp_path / STATE_FILE).write_bytes(damaged)
        with pytest.raises(DataError, match="no state of a pretraining"):
            Pretrainer(CONFIG, tmp_path)


def test_a_state_of_a_network_with_other_features_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "CONTEXT_FEATURES", 100)
    with pytest.raises(DataError, match="another version"):
        Pretrainer(CONFIG, folder)


def test_after_a_failed_write_the_state_is_that_of_before_or_absent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, new: Path, *__: object) -> None:
        new.write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    before = (folder / STATE_FILE).read_bytes()
    monkeypatch.setattr("rnnforecast.models.pretrained.weights.save_file", fail)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(OSError, match="No space"):
            Pretrainer(CONFIG, place).save()
    assert (folder / STATE_FILE).read_bytes() == before
    assert list((tmp_path / "new").iterdir()) == []


def test_the_validation_is_of_the_average_and_of_series_that_are_not_trained_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VALIDATION_BATCHES", 2)
    monkeypatch.setattr(module, "VALIDATION_PATCHES", 64)
    pretrainer = Pretrainer(CONFIG, folder)
    first = pretrainer.validation_loss()
    for weight in pretrainer.net.parameters():
        weight.data.zero_()
    assert pretrainer.validation_loss() == first
    pretrainer.average = pretrainer.net.state_dict()
    assert pretrainer.validation_loss() != first
    assert PretrainingConfig().seed != module.VALIDATION_SEED


def test_the_loss_is_weighted_by_the_changes_of_series_and_the_steps_ahead() -> None:
    net = Pretrainer(CONFIG, Path("none")).net.eval()
    batch = synthetic_batch(3, 1, patches=64)
    context = build_context(batch.values, batch.observed, batch.seasons)
    truth = context.normalize(batch.future).double().numpy()
    with torch.no_grad():
        found = net(context, truth.shape[1] // 16).double().numpy()
    total = weights = 0.0
    sizes = []
    for z, known in zip(context.z.double().numpy(), context.observed.numpy(), strict=True):
        changes = [abs(z[t] - z[t - 1]) for t in range(1, len(z)) if known[t] and known[t - 1]]
        sizes.append(1 / (np.mean(changes) + MIN_CHANGE))
    for row, step in np.ndindex(*truth.shape):
        weight = sizes[row] * (step + 1) ** STEP_EXPONENT
        errors = truth[row, step] - found[row, step]
        pinball = np.maximum(np.array(LEVELS) * errors, (np.array(LEVELS) - 1) * errors)
        total, weights = total + 2 * weight * pinball.mean(), weights + weight
    loss = batch_loss(net, batch).detach()
    np.testing.assert_allclose(loss, total / weights, rtol=1e-4)
