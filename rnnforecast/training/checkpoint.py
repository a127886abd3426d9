"""Weights and unfinished trainings as safetensors: no pickle, and damage is noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from rnnforecast.errors import Problem, RunFolderError
from rnnforecast.training.fit_state import FitState, HistoryRow, StateDict

TENSOR_GROUPS = (
    "weights", "best_weights", "average_weights", "optimizer_state", "rng_state",
)  # fmt: skip


def weights_to_bytes(weights: dict[str, Tensor]) -> bytes:
    """The weights as one safetensors file."""
    return save_bytes({name: value.cpu().contiguous() for name, value in weights.items()})


def weights_from_bytes(data: bytes, *, name: str) -> dict[str, Tensor]:
    """The weights again. RunFolderError where the bytes are no safetensors file."""
    try:
        return load_bytes(data)
    except SafetensorError as error:
        raise _damaged_file_error(name) from error


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An unfinished training: which fit it is in, what that one knows, and what came before."""

    phase: str
    member_index: int
    """Which network of an ensemble."""
    fingerprint: str
    """Hash of the spec and data it belongs to."""
    state: FitState
    earlier_results: dict[str, Any]
    """Plain values that earlier fits left behind."""
    earlier_weights: StateDict = dataclasses.field(default_factory=dict)
    """Weights that earlier fits left behind."""


def checkpoint_to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as one file: a checksum, a line of JSON, the tensors."""
    state = checkpoint.state
    tensors: dict[str, Tensor] = {}
    for group in TENSOR_GROUPS:
        tensors |= {f"{group}/{key}": value for key, value in getattr(state, group).items()}
    tensors |= {
        f"earlier_weights/{key}": value for key, value in checkpoint.earlier_weights.items()
    }
    plain = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name not in TENSOR_GROUPS
    }
    plain["history"] = [dataclasses.astuple(row) for row in state.history]
    plain["best_loss"] = state.best_loss if math.isfinite(state.best_loss) else None
    head = {
        "phase": checkpoint.phase,
        "member_index": checkpoint.member_index,
        "fingerprint": checkpoint.fingerprint,
        "earlier_results": checkpoint.earlier_results,
        "state": plain,
    }
    rest = json.dumps(head).encode() + b"\n" + weights_to_bytes(tensors)
    return hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`. RunFolderError where the file is damaged."""
    total, _, rest = path.read_bytes().partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != total:
        raise _damaged_file_error(str(path))
    text, _, body = rest.partition(b"\n")
    stored: dict[str, Any] = json.loads(text)
    plain = stored["state"]
    plain["history"] = [HistoryRow(*row) for row in plain["history"]]
    plain["best_loss"] = math.inf if plain["best_loss"] is None else plain["best_loss"]
    state, kept = FitState(**plain), dict[str, Tensor]()
    for key, value in weights_from_bytes(body, name=str(path)).items():
        group, _, name = key.partition("/")
        (kept if group == "earlier_weights" else getattr(state, group))[name] = value
    return Checkpoint(
        stored["phase"],
        stored["member_index"],
        stored["fingerprint"],
        state,
        stored["earlier_results"],
        kept,
    )


def _damaged_file_error(name: str) -> RunFolderError:
    return RunFolderError(
        Problem(
            name,
            "the file is damaged: its content does not match its checksum",
            "train again, or restore it from a copy",
        )
    )
