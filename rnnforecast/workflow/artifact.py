"""The run folder: everything a forecast needs, in plain formats, whole or not at all.

| file | what |
| --- | --- |
| `spec.yaml` | the spec as given, with what `--set` changed |
| `resolved.yaml` | the same with every `auto` settled |
| `model.safetensors` | the weights |
| `state.json` | cleaning plan, architecture, quantiles of a point head, version, data hash |
| `cleaning.safetensors` | the large parts of the cleaning plan: imputers, reductions |
| `data_report.json`, `data_report.html` | what the data are like, for programs and for people |
| `metrics.json` | accuracy on the held-out horizon, ours and the seasonal naive's |
| `history.csv` | training and validation loss |
| `plots/` | the loss and held-out forecasts |
| `log.jsonl` | what happened when |
| `SHA256SUMS` | checksums of the above, as `sha256sum -c` reads them |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from rnnforecast.data.plan import CleaningPlan
from rnnforecast.errors import Problem, RunFolderError
from rnnforecast.models.forecaster import Architecture, Forecaster
from rnnforecast.output.files import recover, whole_folder, write_bytes, write_json, write_text
from rnnforecast.training.checkpoint import weights_from_bytes, weights_to_bytes

FORMAT = 2
"""Counts up when a run folder can no longer be read by an older version."""

SUMS = "SHA256SUMS"
MARK = "resolved.yaml"
"""A folder that holds this file is a run, and may be replaced by the next one."""

READ_BY_PREDICT = ("state.json", "model.safetensors", "cleaning.safetensors", "resolved.yaml")


@dataclass(frozen=True)
class Run:
    """A run as `predict` needs it."""

    plan: CleaningPlan
    architecture: Architecture
    quantiles: tuple[float, ...]
    residuals: np.ndarray | None
    """`[H, Q]` normalised, for a point head; Q counts the median in."""
    source: tuple[str, ...]
    """The files it was trained on, absolute."""
    plots: int
    plotted: tuple[str, ...]
    """Labels of the series that `train` plotted."""
    facts: Mapping[str, Any]
    """Versions, seed, device and the hash of the data."""


@contextmanager
def new_run(path: Path) -> Iterator[Path]:
    """A folder to write a run into; it is at `path`, sums added, once the block ends well."""
    with whole_folder(path, replace_if=MARK) as folder:
        yield folder
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        lines = [
            f"{_sum(file.read_bytes())}  {file.relative_to(folder).as_posix()}\n" for file in files
        ]
        write_text(folder / SUMS, "".join(lines))


def write_model(folder: Path, net: Forecaster, run: Run) -> None:
    """Writes `model.safetensors`, `cleaning.safetensors` and `state.json`."""
    arrays = {name: np.ascontiguousarray(array) for name, array in run.plan.arrays().items()}
    write_bytes(folder / "cleaning.safetensors", safetensors.numpy.save(arrays))
    write_bytes(folder / "model.safetensors", weights_to_bytes(dict(net.state_dict())))
    stored = {
        "format": FORMAT,
        "plan": run.plan.to_json(),
        "architecture": run.architecture.to_json(),
        "quantiles": list(run.quantiles),
        "residuals": None if run.residuals is None else run.residuals.tolist(),
        "source": list(run.source),
        "plots": run.plots,
        "plotted": list(run.plotted),
        **run.facts,
    }
    write_json(folder / "state.json", stored)


def load_run(path: Path) -> tuple[Run, Forecaster]:
    """The run at `path` and its net with the weights loaded, on the CPU.

    RunFolderError where the folder is no run, a file is missing or damaged, or the format is
    newer than this program.
    """
    recover(path)
    data = {name: _checked(path, name) for name in READ_BY_PREDICT}
    stored = json.loads(data["state.json"])
    if stored.pop("format") != FORMAT:
        raise RunFolderError(
            Problem(
                str(path), "the run was written by another version of rnnforecast", "train it again"
            )
        )
    residuals = stored.pop("residuals")
    architecture = Architecture.from_json(stored.pop("architecture"))
    run = Run(
        plan=CleaningPlan.from_json(
            stored.pop("plan"), safetensors.numpy.load(data["cleaning.safetensors"])
        ),
        architecture=architecture,
        quantiles=tuple(stored.pop("quantiles")),
        residuals=None if residuals is None else np.array(residuals),
        source=tuple(stored.pop("source")),
        plots=stored.pop("plots"),
        plotted=tuple(stored.pop("plotted")),
        facts=stored,
    )
    net = Forecaster(architecture)
    name = str(path / "model.safetensors")
    net.load_state_dict(weights_from_bytes(data["model.safetensors"], name=name))
    return run, net.eval()


def _checked(path: Path, name: str) -> bytes:
    """The file's bytes, if they are those whose sum was written when the run was."""
    try:
        lines = (path / SUMS).read_text(encoding="utf-8").splitlines()
        sums = {name: total for total, name in (line.split("  ", 1) for line in lines)}
        data = (path / name).read_bytes()
    except (OSError, ValueError) as error:
        what = "is not a run folder" if not (path / SUMS).is_file() else f"cannot be read: {error}"
        raise RunFolderError(
            Problem(str(path), what, "give the folder that 'rnnforecast train' wrote")
        ) from error
    if sums.get(name) != _sum(data):
        raise RunFolderError(
            Problem(
                str(path / name),
                "the file is damaged: its checksum does not match",
                "restore it from a copy, or train again",
            )
        )
    return data


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
