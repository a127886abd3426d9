"""The checkpoint file beside a run folder, and the state of the training in it."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

from rnnforecast.errors import Problem, UsageError
from rnnforecast.output.atomic_files import write_bytes
from rnnforecast.pipeline.run_versions import store_of
from rnnforecast.training.checkpoint import Checkpoint, checkpoint_to_bytes, load_checkpoint
from rnnforecast.training.fit_state import HistoryRow

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

    def save(self, state: TrainingState, *, now: bool = False) -> None:
        """Writes the state; unless `now`, only some time after the last one."""
        if not now and time.monotonic() - self._last_saved < MIN_CHECKPOINT_SECONDS:
            return
        write_bytes(self.path, checkpoint_to_bytes(state.to_checkpoint(self.fingerprint)))
        self._last_saved = time.monotonic()

    def remove(self) -> None:
        """Removes the file, if there is one; it is of no more use, so a failure is no error."""
        with suppress(OSError):
            self.path.unlink()


@dataclass(frozen=True)
class FirstFit:
    """The course of a first fit."""

    best_step: int
    history: tuple[HistoryRow, ...]
    """A row for each validation."""


@dataclass
class TrainingState:
    """State of a training: results of its finished fits, and states of those that have begun.

    A fit is named as in `Checkpoint`, see `fit_name`.
    """

    base_forecast: str | None = None
    """Name of the base forecast of networks that leave it `auto`."""
    first_fits: dict[int, FirstFit] = field(default_factory=dict)
    """The first fits by member index; also one that was stopped, until it is resumed."""
    weights: dict[str, bytes] = field(default_factory=dict)
    """Weights after each finished fit."""
    states: dict[str, bytes] = field(default_factory=dict)
    """States of fits that have begun and not finished."""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None) -> TrainingState:
        """The state of an interrupted training; an empty one without a checkpoint."""
        if checkpoint is None:
            return cls()
        first_fits = {
            index: FirstFit(best_step, tuple(HistoryRow(*row) for row in rows))
            for index, best_step, rows in checkpoint.results["first_fits"]
        }
        base_forecast = checkpoint.results["base_forecast"]
        return cls(base_forecast, first_fits, dict(checkpoint.weights), dict(checkpoint.states))

    def to_checkpoint(self, fingerprint: str) -> Checkpoint:
        """The content of a checkpoint file."""
        first_fits = [
            [index, fit.best_step, [astuple(row) for row in fit.history]]
            for index, fit in sorted(self.first_fits.items())
        ]
        results = {"base_forecast": self.base_forecast, "first_fits": first_fits}
        return Checkpoint(fingerprint, results, self.weights, self.states)

    def add_weights(self, fit: str, weights: bytes) -> None:
        """Adds the weights after a fit, which has no state any more."""
        self.weights[fit] = weights
        self.states.pop(fit, None)

    def history(self, *, is_ensemble: bool) -> list[dict[str, float]]:
        """Rows of the first fits; in an ensemble with the network's number as ``member``."""
        return [
            ({"member": index + 1} if is_ensemble else {}) | asdict(row)
            for index, fit in sorted(self.first_fits.items())
            for row in fit.history
        ]


def fit_name(phase: str, member_index: int) -> str:
    """The name of a fit in a checkpoint."""
    return f"{phase}/{member_index}"
