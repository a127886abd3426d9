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

FORMAT_VERSION = 2
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


def state_to_bytes(state: FitState) -> bytes:
    """The state as a line of JSON and the content of a safetensors file."""
    tensors: dict[str, Tensor] = {}
    for group in TENSOR_GROUPS:
        tensors |= {f"{group}/{key}": value for key, value in getattr(state, group).items()}
    values = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name not in TENSOR_GROUPS
    }
    values["history"] = [dataclasses.astuple(row) for row in state.history]
    values["best_loss"] = state.best_loss if math.isfinite(state.best_loss) else None
    return json.dumps(values).encode() + b"\n" + weights_to_bytes(tensors)


def state_from_bytes(data: bytes) -> FitState:
    """The state in the result of `state_to_bytes`."""
    line, _, tensors = data.partition(b"\n")
    values = json.loads(line)
    values["history"] = [HistoryRow(*row) for row in values["history"]]
    values["best_loss"] = math.inf if values["best_loss"] is None else values["best_loss"]
    state = FitState(**values)
    for key, value in weights_from_bytes(tensors, name="a state").items():
        group, _, name = key.partition("/")
        getattr(state, group)[name] = value
    return state


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An unfinished training: results and weights of finished fits, and states of the others.

    A fit is named ``phase/member index``, such as ``final fit/0``.
    """

    fingerprint: str
    """Hash of the spec and the data."""
    results: dict[str, Any]
    """Results of finished fits, as JSON values."""
    weights: dict[str, bytes] = dataclasses.field(default_factory=dict)
    """Weights after finished fits, by fit; see `weights_to_bytes`."""
    states: dict[str, bytes] = dataclasses.field(default_factory=dict)
    """States of fits that have begun, by fit; see `state_to_bytes`."""


def checkpoint_to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as the content of a file: a checksum, a line of JSON, weights and states."""
    parts = {"weights": checkpoint.weights, "states": checkpoint.states}
    header = {
        "format": FORMAT_VERSION,
        "fingerprint": checkpoint.fingerprint,
        "results": checkpoint.results,
        **{name: [[key, len(data)] for key, data in part.items()] for name, part in parts.items()},
    }
    blobs = [data for part in parts.values() for data in part.values()]
    content = b"".join([json.dumps(header).encode(), b"\n", *blobs])
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`. RunFolderError if it is damaged, or of another version."""
    checksum, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise _damaged_file_error(str(path))
    header, _, rest = content.partition(b"\n")
    try:
        stored: dict[str, Any] = json.loads(header)
        if stored["format"] != FORMAT_VERSION:
            found = "the checkpoint was written by another version of rnnforecast"
            raise RunFolderError(Problem(str(path), found, "delete it and train from the start"))
        parts: dict[str, dict[str, bytes]] = {"weights": {}, "states": {}}
        for name, part in parts.items():
            for key, length in stored[name]:
                part[key], rest = rest[:length], rest[length:]
        return Checkpoint(stored["fingerprint"], stored["results"], **parts)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged_file_error(str(path)) from error


def _damaged_file_error(name: str) -> RunFolderError:
    return RunFolderError(
        Problem(
            name,
            "the file is damaged: its content does not match its checksum",
            "train again, or restore it from a copy",
        )
    )
