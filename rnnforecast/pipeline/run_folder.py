"""The run folder: everything but the data that a forecast needs, in plain formats.

| file | what |
| --- | --- |
| `spec.yaml` | the spec as given, with the values of `--set` |
| `resolved.yaml` | the spec with every `auto` resolved |
| `model.safetensors` | the weights of each network, by its number |
| `state.json` | cleaning plan, network configs, weights, versions, data hash |
| `cleaning.safetensors` | arrays: imputers, reductions, correlation of errors over the horizon |
| `data_report.json`, `data_report.html` | the data report |
| `metrics.json` | accuracy on the held-out horizon, of the model and the baseline |
| `metrics_by_series.csv` | the same of each series |
| `holdout.parquet` | forecasts of the held-out horizon beside observed values and baselines |
| `history.csv` | training and validation loss |
| `plots/` | the loss and held-out forecasts |
| `log.jsonl` | messages with their time |
| `SHA256SUMS` | checksums of the above, as `sha256sum -c` reads them |
| `.rnnforecast.json` | the mark of a folder that may be replaced, see `output.ownership` |
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors.numpy

from rnnforecast.data.cleaning_plan import CleaningPlan
from rnnforecast.errors import Problem, RunFolderError
from rnnforecast.output.atomic_files import write_bytes, write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.folder_snapshot import FolderSnapshot, read_folder
from rnnforecast.output.json_files import write_json
from rnnforecast.output.ownership import MARK_FILE
from rnnforecast.pipeline.calibration import Calibration, store_timestamp
from rnnforecast.pipeline.forecasting import Member
from rnnforecast.pipeline.rnn_imputation import NETWORK_IMPUTERS
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_state import (
    RunState,
    StoredMember,
    find_contradictions,
)
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.pipeline.training_profile import TrainingProfile
from rnnforecast.spec.load import parse_spec
from rnnforecast.training.checkpoint import (
    forecaster_from_weights,
    weights_from_bytes,
    weights_to_bytes,
)

Result = TypeVar("Result")

FORMAT_VERSION = 10
"""Format of a run folder; other versions cannot be read."""

CHECKSUMS_FILE = "SHA256SUMS"
STATE_FILE = "state.json"
WEIGHTS_FILE = "model.safetensors"
SPEC_FILE = "spec.yaml"
RESOLVED_SPEC_FILE = "resolved.yaml"
METRICS_FILE, SERIES_METRICS_FILE = "metrics.json", "metrics_by_series.csv"
HOLDOUT_FILE = "holdout.parquet"
"""The evaluation table of the held-out horizon."""

CORRELATION_ARRAY = "error_correlation"
"""Name of the error correlation in `cleaning.safetensors`."""

REFRESHED_KEY = "refreshed_calibration"
"""Of `state.json`; `calibrate` rewrites it alone."""

REQUIRED_FILES = (STATE_FILE, WEIGHTS_FILE, "cleaning.safetensors", "resolved.yaml")


@contextmanager
def create_run_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder; it moves to `path`, with checksums, when the block ends without error.

    Another run there is replaced, with `force` any other folder; see `atomic_folder`.
    """
    with atomic_folder(path, "run", force=force) as folder:
        yield folder
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        lines = [
            f"{_sha256(file.read_bytes())}  {file.relative_to(folder).as_posix()}\n"
            for file in files
        ]
        write_text(folder / CHECKSUMS_FILE, "".join(lines))


def copy_run(source: Path, path: Path, *, state: bytes, force: bool = False) -> None:
    """Writes a copy of the run in the folder `source` to `path`; `state` is its ``state.json``.

    Raises RunFolderError if another run has taken its place since that was read, OutputError.
    """
    with atomic_folder(path, "run", force=force) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        if (folder / STATE_FILE).read_bytes() != state:
            found = "another run has taken the place of this one"
            raise RunFolderError(Problem(str(source), found, "load it again"))


def write_model(folder: Path, run: Run) -> None:
    """Writes `model.safetensors`, `cleaning.safetensors` and `state.json`."""
    arrays = {name: np.ascontiguousarray(array) for name, array in run.plan.arrays().items()}
    arrays[CORRELATION_ARRAY] = np.ascontiguousarray(run.error_correlation)
    arrays |= run.profile.arrays()
    write_bytes(folder / "cleaning.safetensors", safetensors.numpy.save(arrays))
    weights = {
        f"{number}.{name}": value
        for number, member in enumerate(run.members)
        for name, value in member.net.state_dict().items()
    }
    write_bytes(folder / WEIGHTS_FILE, weights_to_bytes(weights))
    stored = {
        "format": FORMAT_VERSION,
        "plan": run.plan.to_json(),
        "members": [
            {
                "config": member.net.config.to_json(),
                "residuals": None if member.residuals is None else member.residuals.tolist(),
            }
            for member in run.members
        ],
        "combiner": asdict(run.combiner),
        "network_weight": asdict(run.network_weight),
        "statistical_seasons": list(run.statistical_seasons),
        "smoothed_items": list(run.smoothed_items),
        "quantiles": list(run.quantiles),
        "source": list(run.source),
        "totals": list(run.totals),
        "sample_paths": run.n_paths,
        "plots": run.n_plots,
        "plotted_series": list(run.plotted_series),
        "calibration": asdict(run.calibration),
        REFRESHED_KEY: asdict(run.refreshed),
        "sampled": None if run.sampled is None else asdict(run.sampled),
        "trained_until": store_timestamp(run.trained_until),
        **run.metadata,
    }
    write_json(folder / STATE_FILE, stored)


def write_refreshed_calibration(path: Path, calibration: Calibration) -> None:
    """Replaces the run folder at `path` by one that differs in its refreshed calibration alone."""
    path = resolve_run(path)
    state = json.loads(read_folder(path, lambda folder: _read_verified(folder, STATE_FILE)))
    state[REFRESHED_KEY] = asdict(calibration)
    with create_run_folder(path) as folder:
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path)
            if file.is_file() and name.as_posix() not in (CHECKSUMS_FILE, STATE_FILE, MARK_FILE):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_bytes(folder / name, file.read_bytes())
        write_json(folder / STATE_FILE, state)


def read_run_folder(path: Path, read: Callable[[FolderSnapshot], Result]) -> Result:
    """What `read` finds in one version of the run at `path`; of a store, in the latest one.

    A run that is replaced meanwhile is read again, see `output.folder_snapshot`. Raises
    RunFolderError if there is no such folder.
    """
    try:
        return read_folder(path, read, resolve_run)
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        if not os.path.lexists(path):
            found = "there is no such folder"
        elif not os.path.isdir(path):  # noqa: PTH112 - does not fail on a long name
            found = "is not a run folder"
        cure = "give the folder that 'rnnforecast train' wrote"
        raise RunFolderError(Problem(str(path), found, cure)) from error


def load_run(path: Path) -> Run:
    """The run at `path`, its networks on the CPU; of a store, the latest one.

    Raises RunFolderError if the folder is not a run, a file is missing or damaged, or the format
    is of another version.
    """
    return read_run_folder(path, parse_run)


def parse_run(folder: FolderSnapshot) -> Run:
    """As `load_run`, from an open folder."""
    path = folder.path
    data = {name: _read_verified(folder, name) for name in REQUIRED_FILES}
    try:
        stored = json.loads(data[STATE_FILE])
        if not isinstance(stored, dict) or stored.get("format") != FORMAT_VERSION:
            found = "the run was written by another version of rnnforecast"
            raise RunFolderError(Problem(str(path), found, "train it again"))
        state = RunState.model_validate(stored)
        arrays = safetensors.numpy.load(data["cleaning.safetensors"])
        error_correlation = arrays.pop(CORRELATION_ARRAY)
        plan = CleaningPlan.from_json(state.plan, arrays, NETWORK_IMPUTERS)
        spec = parse_spec(
            data[RESOLVED_SPEC_FILE].decode(),
            name=RESOLVED_SPEC_FILE,
            rules=(),
            needs_path=False,
        )
        profile = TrainingProfile.from_arrays(arrays)
        trained_until = state.last_trained_timestamp()
        wrong = list(find_contradictions(state, plan, error_correlation, spec))
        if not profile.fits(plan):
            wrong.append("profile")
        if wrong:
            raise ValueError(f"contradictory: {', '.join(wrong)}")
        members = _load_members(state.members, path, data[WEIGHTS_FILE])
    except RunFolderError:
        raise
    # a file with the right checksum may still hold anything
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise _inconsistent_run_error(path, reason) from error
    return Run(
        error_correlation=error_correlation,
        plan=plan,
        members=members,
        combiner=state.combiner,
        network_weight=state.network_weight,
        statistical_seasons=state.statistical_seasons,
        smoothed_items=state.smoothed_items,
        quantiles=state.quantiles,
        source=state.source,
        totals=state.totals,
        n_paths=state.sample_paths,
        n_plots=state.plots,
        plotted_series=state.plotted_series,
        calibration=state.calibration,
        refreshed=state.refreshed_calibration,
        trained_until=trained_until,
        sampled=state.sampled,
        metadata=state.metadata(),
        spec=spec,
        profile=profile,
    )


def _inconsistent_run_error(path: Path, reason: str) -> RunFolderError:
    found = f"the files of the run cannot be used ({reason})"
    return RunFolderError(Problem(str(path), found, "restore them from a copy, or train again"))


def _load_members(stored: Sequence[StoredMember], path: Path, data: bytes) -> tuple[Member, ...]:
    values = weights_from_bytes(data, name=str(path / WEIGHTS_FILE))
    members = []
    for number, each in enumerate(stored):
        config = each.forecaster_config()
        prefix = f"{number}."
        weights = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
        net = forecaster_from_weights(config, weights)
        members.append(Member(net.eval(), each.residual_array()))
    return tuple(members)


def _read_verified(folder: FolderSnapshot, name: str) -> bytes:
    """The bytes of a file whose checksum matches; RunFolderError otherwise."""
    path = folder.path
    try:
        lines = folder.read_text(CHECKSUMS_FILE).splitlines()
        sums = {name: total for total, name in (line.split("  ", 1) for line in lines)}
        data = folder.read_bytes(name)
    except (OSError, ValueError) as error:
        what = f"cannot be read: {error}"
        if not folder.has(CHECKSUMS_FILE):
            what = "is not a run folder"
        raise RunFolderError(
            Problem(str(path), what, "give the folder that 'rnnforecast train' wrote")
        ) from error
    if sums.get(name) != _sha256(data):
        raise RunFolderError(
            Problem(
                str(path / name),
                "the file is damaged: its checksum does not match",
                "restore it from a copy, or train again",
            )
        )
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
