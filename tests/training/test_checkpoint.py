"""Checkpoints: round trips, and the refusal of damaged ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.errors import RunFolderError
from rnnforecast.training.checkpoint import (
    TENSOR_GROUPS,
    Checkpoint,
    checkpoint_to_bytes,
    load_checkpoint,
    state_from_bytes,
    state_to_bytes,
    weights_from_bytes,
    weights_to_bytes,
)
from rnnforecast.training.fit_state import FitState, HistoryRow


def state(**changes: object) -> FitState:
    weights = {"a.weight": torch.tensor([[1.5, -2.25], [1e-40, 3.0]]), "b": torch.tensor(7.0)}
    found = FitState(
        step=12,
        rollback_factor=0.3,
        rollback_count=1,
        best_loss=0.1 + 0.2,  # no short decimal: it must come back to the last bit
        best_step=8,
        validations_since_best=2,
        loss_sum=1 / 3,
        loss_count=4,
        history=[HistoryRow(4, 0.7, 0.6, 1e-3), HistoryRow(8, 0.5, 0.1 + 0.2, 2e-3)],
        best_weights={name: value * 2 for name, value in weights.items()},
        weights=weights,
        optimizer_state={"0.step": torch.tensor(12.0), "0.exp_avg": torch.randn(2, 2)},
        rng_state={"cpu": torch.get_rng_state()},
        stopped=True,
    )
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def through_a_file(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    path = folder / "checkpoint"
    path.write_bytes(checkpoint_to_bytes(checkpoint))
    return load_checkpoint(path)


def test_a_checkpoint_comes_back_as_it_was_to_the_last_bit(tmp_path: Path) -> None:
    before = {"rows": [{"step": 4, "loss": 0.1}], "name": "größer"}
    weights = {"fit/0": b"\n\x00", "fit/1": b""}
    states = {"final fit/0": state_to_bytes(state()), "fit/2": b"\n"}
    given_ = Checkpoint("hash\nof two lines", before, weights, states)
    assert through_a_file(given_, tmp_path) == given_


def test_a_state_comes_back_as_it_was_to_the_last_bit() -> None:
    given_ = state()
    found = state_from_bytes(state_to_bytes(given_))
    for name, value in vars(given_).items():
        got = getattr(found, name)
        if name not in TENSOR_GROUPS:
            assert got == value, name
            continue
        assert got.keys() == value.keys()
        for key in value:
            assert got[key].dtype == value[key].dtype
            assert torch.equal(got[key], value[key]), f"{name} {key}"


def test_a_fit_that_was_not_validated_yet_comes_back_too() -> None:
    given_ = state(
        best_weights={}, best_loss=math.inf, history=[HistoryRow(4, 0.7, math.nan, 1e-3)]
    )
    found = state_from_bytes(state_to_bytes(given_))
    assert found.best_weights == {}
    assert found.best_loss == math.inf
    assert math.isnan(found.history[0].validation_loss)


def test_the_same_checkpoint_is_the_same_bytes() -> None:
    given_ = Checkpoint("x", {}, states={"fit/0": state_to_bytes(state())})
    assert checkpoint_to_bytes(given_) == checkpoint_to_bytes(given_)


DATA = checkpoint_to_bytes(
    Checkpoint("x", {}, {"fit/0": b"0"}, {"fit/1": state_to_bytes(state(rng_state={}))})
)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped"
    damaged = bytearray(DATA)
    damaged[place] ^= 1 << bit
    path.write_bytes(damaged)
    with pytest.raises(RunFolderError, match="flipped: the file is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 1, 64, 65, 300, len(DATA) - 1])
def test_a_file_cut_short_is_noticed(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "short"
    path.write_bytes(DATA[:kept])
    with pytest.raises(RunFolderError, match="damaged"):
        load_checkpoint(path)


def test_weights_come_back_to_the_last_bit_even_those_that_are_views() -> None:
    table = torch.arange(12.0).reshape(3, 4)
    found = weights_from_bytes(
        weights_to_bytes({"turned": table.T, "half": table[:, :2]}), name="w"
    )
    assert torch.equal(found["turned"], table.T)
    assert torch.equal(found["half"], table[:, :2])


@pytest.mark.parametrize("data", [b"", b"no weights", b"\x80\x04K\x01."])
def test_bytes_that_are_no_weights_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(RunFolderError, match=r"^model\.safetensors: the file is damaged"):
        weights_from_bytes(data, name="model.safetensors")
