"""Small trainings for tests, with validation and a possible stop at every step."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.workflow.train import train as train_run
from rnnforecast.workflow.train_output import TrainResult
from tests.shared_runs import SHARED_RUNS

SETS = (
    "training.max_steps=20",
    "training.batch_size=8",
    "training.patience=30",
    "model.hidden_size=4",
    "model.dropout=0.2",
    "forecast.plots=0",
)
"""20 steps, and 5 of the final fit: so few are looked at one by one."""


class StopAt:
    """Asks for a stop once a phase has come to a step, and keeps all messages."""

    def __init__(self, phase: str = "", step: int = 0) -> None:
        self.phase, self.step, self.reached = phase, step, False
        self.phases: list[str] = []
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, progress: Any) -> None:
        self.phases += [progress.phase] if progress.phase not in self.phases else []
        self.reached |= (
            self.phase in (progress.phase, progress.title) and progress.step >= self.step
        )

    def should_stop(self) -> bool:
        return self.reached


class KillWorker(StopAt):
    """Kills a worker process when a task has begun, and asks for a stop as `StopAt`."""

    def __init__(self, task: str, phase: str = "", step: int = 0) -> None:
        super().__init__(phase, step)
        self.task, self.killed = task, False

    def progress(self, progress: Any) -> None:
        super().progress(progress)
        workers = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        if not self.killed and workers and progress.task == self.task:
            os.kill(int(workers[0]), signal.SIGKILL)
            self.killed = True


def trained(
    out: str,
    *sets: str,
    stop: StopAt | None = None,
    resume: bool = False,
    keep_interrupted: bool = True,
    spec: str = "spec.yaml",
    engine: Engine | None = None,
) -> TrainResult:
    """A training of `spec` into `out`, with `SETS` and more."""
    stop = stop or StopAt()
    result = train_run(
        Path(spec),
        Path(out),
        overrides=[*SETS, *sets],
        resume=resume,
        keep_interrupted=keep_interrupted,
        listener=stop,
        should_stop=stop.should_stop,
        engine=engine or InProcessEngine(),
    )
    for scores in result.targets.values():
        for found in (scores.model_metrics, scores.baseline_metrics):
            assert all(np.isfinite(found[name]) for name in ("mae", "rmse", "smape", "wql")), found
    return result


def shared(out: str, *sets: str) -> TrainResult:
    """As `trained`, but a copy where this test run has trained the same spec and data before."""
    result = SHARED_RUNS.train(Path(out), ("workflow", sets), lambda: trained(out, *sets))
    return replace(result, folder=Path(out))


def all_files(folder: str) -> dict[str, bytes]:
    """All files of a run, by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def contents(folder: str) -> dict[str, bytes]:
    """All files of a run but those that depend on the time of the day."""
    files = all_files(folder)
    state = json.loads(files["state.json"])
    del state["trained_at"]
    files["state.json"] = json.dumps(state).encode()
    return {name: files[name] for name in files if name not in ("log.jsonl", "SHA256SUMS")}


def metrics(folder: str) -> dict[str, float]:
    """The metrics of the model on the held-out horizon."""
    stored = json.loads(Path(folder, "metrics.json").read_text(encoding="utf-8"))
    found: dict[str, float] = stored["model_metrics"]
    return found


def weights(folder: str, member: int = 0) -> dict[str, torch.Tensor]:
    """The weights of one network of a run."""
    start = f"{member}."
    return {
        name.removeprefix(start): value
        for name, value in load_file(Path(folder) / "model.safetensors").items()
        if name.startswith(start)
    }


def same(left: Mapping[str, torch.Tensor], right: Mapping[str, torch.Tensor]) -> bool:
    """Equal to the last bit."""
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
