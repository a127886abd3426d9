"""Small trainings for tests: each validates at every step, and can be stopped at any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from rnnforecast.workflow.train import TrainResult
from rnnforecast.workflow.train import train as train_run

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
    """Asks for a stop once a phase has come to a step; hears the rest."""

    def __init__(self, phase: str = "", step: int = 0) -> None:
        self.phase, self.step, self.reached = phase, step, False
        self.phases: list[str] = []
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, step: Any) -> None:
        self.phases += [step.phase] if step.phase not in self.phases else []
        self.reached |= step.phase == self.phase and step.step >= self.step

    def asked(self) -> bool:
        return self.reached


def trained(
    out: str, *sets: str, stop: StopAt | None = None, resume: bool = False, spec: str = "spec.yaml"
) -> TrainResult:
    """A training of `spec` into `out`, with `SETS` and more."""
    stop = stop or StopAt()
    return train_run(
        Path(spec),
        Path(out),
        overrides=[*SETS, *sets],
        resume=resume,
        listener=stop,
        should_stop=stop.asked,
    )


def contents(folder: str) -> dict[str, bytes]:
    """All files of a run but those that tell the time of the day."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name not in ("log.jsonl", "SHA256SUMS")
    }


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
