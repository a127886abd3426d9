"""The checkpoint file beside a run folder, and the results of finished fits in it."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, UsageError
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.output.atomic_files import write_bytes
from rnnforecast.pipeline.run_versions import store_of
from rnnforecast.training.checkpoint import Checkpoint, checkpoint_to_bytes, load_checkpoint
from rnnforecast.training.fit_state import FitState, StateDict

MIN_CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints, unless training stops."""


class CheckpointFile:
    """`RUN.checkpoint`, the state of an unfinished training."""

    def __init__(self, run_folder: Path, fingerprint: str) -> None:
        """`fingerprint` is the hash of spec, data and the weights that training starts from."""
        # versions of a run share it: a training is continued into a new one
        folder = Path(os.path.realpath(store_of(run_folder) or run_folder))
        self.path = folder.parent / f"{folder.name}.checkpoint"
        self.fingerprint = fingerprint
        self._last_saved = -math.inf

    def load(self) -> Checkpoint | None:
        """The checkpoint, None without one; UsageError if its fingerprint is another."""
        if not self.path.is_file():
            return None
        found = load_checkpoint(self.path)
        if found.fingerprint != self.fingerprint:
            raise UsageError(
                Problem(
                    str(self.path),
                    "the unfinished training had another spec or other data",
                    "train without --resume to start again",
                )
            )
        return found

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint, unless the last one is recent and training continues."""
        is_recent = time.monotonic() - self._last_saved < MIN_CHECKPOINT_SECONDS
        if is_recent and not checkpoint.state.stopped:
            return
        write_bytes(self.path, checkpoint_to_bytes(checkpoint))
        self._last_saved = time.monotonic()

    def remove(self) -> None:
        """Removes the file, if there is one; it is of no more use, so a failure is no error."""
        with suppress(OSError):
            self.path.unlink()


@dataclass
class FinishedFits:
    """Results of the finished fits."""

    history: list[dict[str, float]] = field(default_factory=list)
    """Rows of the first fits, one per validation."""
    best_step: int = 0
    """Best step of the first network."""
    base_forecast: str | None = None
    """Name of the base forecast of networks that leave it `auto`."""
    weights: StateDict = field(default_factory=dict)
    """Weights after each fit, by ``phase/member index/tensor name``."""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None) -> FinishedFits:
        """The finished fits of an interrupted training; none without a checkpoint."""
        if checkpoint is None:
            return cls()
        return cls(**checkpoint.earlier_results, weights=checkpoint.earlier_weights)

    def results(self) -> dict[str, Any]:
        """The plain values, for the checkpoint."""
        return {
            "history": list(self.history),
            "best_step": self.best_step,
            "base_forecast": self.base_forecast,
        }

    def add_history(self, member_index: int, state: FitState, *, is_ensemble: bool) -> None:
        """Adds the rows of a first fit; in an ensemble with the network's number as ``member``."""
        number = {"member": member_index + 1} if is_ensemble else {}
        self.history += [number | asdict(row) for row in state.history]
        if member_index == 0:
            self.best_step = state.best_step

    def add_weights(self, phase: str, member_index: int, net: Forecaster) -> None:
        """Adds a copy of the weights after a fit."""
        self.weights = self.weights | {
            f"{phase}/{member_index}/{name}": value.clone()
            for name, value in net.state_dict().items()
        }

    def weights_of(self, phase: str, member_index: int) -> StateDict:
        """The weights after a fit; empty if it is not finished."""
        prefix = f"{phase}/{member_index}/"
        return {
            name.removeprefix(prefix): value
            for name, value in self.weights.items()
            if name.startswith(prefix)
        }
