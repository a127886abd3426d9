"""Weights and checkpoints of unfinished trainings: safetensors with a checksum, no pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from rnnforecast.errors import Problem, RunFolderError
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.fit_state import FitState, HistoryRow, StateDict

FORMAT_VERSION = 1
"""Format of a checkpoint; other versions cannot be read."""

TENSOR_GROUPS = (
    "weights", "best_weights", "average_weights", "optimizer_state", "rng_state",
)  # fmt: skip


def weights_to_bytes(weights: dict[str, Tensor]) -> bytes:
    """The weights as the content of a safetensors file."""
    return save_bytes({name: value.cpu().contiguous() for name, value in weights.items()})


def weights_from_bytes(data: bytes, *, name: str) -> dict[str, Tensor]:
    """The weights in the content of a safetensors file. RunFolderError if it is damaged."""
    try:
        return load_bytes(data)
    except SafetensorError as error:
        raise _damaged_file_error(name) from error


def forecaster_from_weights(config: ForecasterConfig, weights: StateDict) -> Forecaster:
    """The network with these weights; ValueError if they do not fit, or are not finite."""
    if config.backbone.n_layers > len(weights):
        raise ValueError("fewer weights than layers")
    linear_map = weights.get("base_forecast.linear.weight")
    if linear_map is not None and linear_map.shape != (config.horizon, config.lookback):
        raise ValueError("weights of another horizon or lookback than the network's")
    with torch.device("meta"):  # nothing is allocated before the sizes are known to be right
        sizes = {name: value.shape for name, value in Forecaster(config).state_dict().items()}
    if sizes != {name: value.shape for name, value in weights.items()}:
        raise ValueError("weights of other sizes than the network")
    if not all(value.isfinite().all() for value in weights.values()):
        raise ValueError("weights that are not finite")
    net = Forecaster(config)
    net.load_state_dict(weights)
    return net


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An unfinished training: the current fit with its state, and the results of earlier fits."""

    phase: str
    member_index: int
    """Index of the network in the ensemble."""
    fingerprint: str
    """Hash of the spec and the data."""
    state: FitState
    earlier_results: dict[str, Any]
    """Results of earlier fits, as JSON values."""
    earlier_weights: StateDict = dataclasses.field(default_factory=dict)
    """Final weights of earlier fits."""


def checkpoint_to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as the content of a file: a checksum, a line of JSON, the tensors."""
    state = checkpoint.state
    tensors: dict[str, Tensor] = {}
    for group in TENSOR_GROUPS:
        tensors |= {f"{group}/{key}": value for key, value in getattr(state, group).items()}
    tensors |= {
        f"earlier_weights/{key}": value for key, value in checkpoint.earlier_weights.items()
    }
    state_values = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name not in TENSOR_GROUPS
    }
    state_values["history"] = [dataclasses.astuple(row) for row in state.history]
    state_values["best_loss"] = state.best_loss if math.isfinite(state.best_loss) else None
    header = {
        "format": FORMAT_VERSION,
        "phase": checkpoint.phase,
        "member_index": checkpoint.member_index,
        "fingerprint": checkpoint.fingerprint,
        "earlier_results": checkpoint.earlier_results,
        "state": state_values,
    }
    content = json.dumps(header).encode() + b"\n" + weights_to_bytes(tensors)
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`. RunFolderError if it is damaged, or of another version."""
    checksum, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise _damaged_file_error(str(path))
    header, _, tensors = content.partition(b"\n")
    try:
        stored: dict[str, Any] = json.loads(header)
        if stored["format"] != FORMAT_VERSION:
            found = "the checkpoint was written by another version of rnnforecast"
            raise RunFolderError(Problem(str(path), found, "delete it and train from the start"))
        return _build_checkpoint(stored, weights_from_bytes(tensors, name=str(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged_file_error(str(path)) from error


def _build_checkpoint(stored: dict[str, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    values = stored["state"]
    values["history"] = [HistoryRow(*row) for row in values["history"]]
    values["best_loss"] = math.inf if values["best_loss"] is None else values["best_loss"]
    state, earlier_weights = FitState(**values), dict[str, Tensor]()
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        is_earlier = group == "earlier_weights"
        (earlier_weights if is_earlier else getattr(state, group))[name] = value
    return Checkpoint(
        stored["phase"],
        stored["member_index"],
        stored["fingerprint"],
        state,
        stored["earlier_results"],
        earlier_weights,
    )


def _damaged_file_error(name: str) -> RunFolderError:
    return RunFolderError(
        Problem(
            name,
            "the file is damaged: its content does not match its checksum",
            "train again, or restore it from a copy",
        )
    )
