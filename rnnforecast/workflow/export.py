"""`export`: the networks of a run as ONNX files, each tested against its network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.cleaning_plan import prepare_data
from rnnforecast.data.features.input_columns import describe_input_columns
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.data.windows.origins import first_observed
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.inference.onnx.example_windows import gather_histories, synthetic_histories
from rnnforecast.inference.onnx.export import (
    MAX_RELATIVE_DIFFERENCE,
    NotExportable,
    export_onnx,
)
from rnnforecast.inference.onnx.export_module import ExportOutputs
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.export_readme import render_export_readme
from rnnforecast.output.json_files import write_json
from rnnforecast.pipeline.forecasting import (
    build_window_dataset,
    item_target_mask,
)
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import run_name
from rnnforecast.training import device
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Ints

REQUIRED_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
METADATA_FILE, README_FILE = "export.json", "README.md"

N_TEST_WINDOWS = 64
"""Windows that each file is tested on."""

TEST_WINDOW_SEED = 1
"""Seed of the selection of these windows."""


@dataclass(frozen=True)
class ExportResult:
    """What `export` wrote."""

    out: str
    files: tuple[str, ...]
    max_difference: float
    """Largest difference between file and network, relative to the largest absolute quantile of a
    window and target."""
    windows: int
    """Windows that each file was tested on."""
    from_data: bool
    """Whether those windows are from the run's data; else they are synthetic."""


@dataclass(frozen=True)
class TestWindows:
    """Windows of the run's data, by item and origin."""

    dataset: WindowDataset
    item: Ints
    origin: Ints


def export(
    folder: Path,
    out: str,
    *,
    member: int | None = None,
    force: bool = False,
    listener: ProgressListener | None = None,
) -> ExportResult:
    """Writes the networks of a run, or one of them, to the folder `out`.

    Args:
        folder: the run.
        member: the number of the network, from 1; all by default.
        force: whether any folder at `out` is replaced.

    Raises:
        UsageError if a package is missing, or a network does not exist or cannot be exported;
        RunFolderError; OutputError. Nothing is written in these cases.
    """
    listener = listener or NullListener()
    _check_packages()
    run = load_run(folder)
    if not run.network_weight.is_networks_only:
        listener.warning(
            f"the networks have a weight of {run.network_weight.median:g} in the forecast of the "
            "run, statistical methods the rest, and only the networks are exported; for a run of "
            "networks alone train with ensemble.network_weight: 1"
        )
    selected = range(len(run.members)) if member is None else [run.member_index(member)]
    windows = _build_test_windows(run, listener)
    with atomic_folder(Path(out), "export", force=force) as partial:
        models = [_export_member(partial, run, index, windows) for index in selected]
        check = {
            "windows": N_TEST_WINDOWS,
            "from_data": windows is not None,
            "max_difference": max(model["difference"] for model in models),
            "limit": MAX_RELATIVE_DIFFERENCE,
        }
        stored = _build_metadata(run, folder) | {"models": models, "check": check}
        write_json(partial / METADATA_FILE, stored)
        write_text(partial / README_FILE, render_export_readme(stored, run_name(folder)))
    return ExportResult(
        out,
        files=tuple(model["file"] for model in models),
        max_difference=check["max_difference"],
        windows=N_TEST_WINDOWS,
        from_data=windows is not None,
    )


def _check_packages() -> None:
    missing = [name for name in REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise UsageError(Problem("", found, "pip install 'rnnforecast[onnx]'"))


def _build_test_windows(run: Run, listener: ProgressListener) -> TestWindows | None:
    """Random windows of the run's data with observed history; None without any."""
    try:
        cleaned = prepare_data(run.plan, run.source, horizon=run.horizon)
    except DataError as error:
        listener.warning(
            f"the run's data cannot be read ({error.problems[0]}): the networks are tested on "
            "random windows"
        )
        return None
    nets = [member.net for member in run.members]
    dataset = build_window_dataset(
        cleaned, [net.config for net in nets], device.device_of(nets[0]), run.smoothed_items
    )
    panel = cleaned.panel
    is_joint = dataset.items_per_series < panel.observed_mask.shape[1]
    first = first_observed(item_target_mask(cleaned, joint=is_joint), panel.offsets) + 1  # [items]
    last = np.repeat(panel.lengths, dataset.items_per_series)
    candidates = np.flatnonzero(first <= last)
    if not len(candidates):
        return None
    random = np.random.default_rng(TEST_WINDOW_SEED)
    item = candidates[random.integers(len(candidates), size=N_TEST_WINDOWS)]
    return TestWindows(dataset, item, random.integers(first[item], last[item] + 1))


def _export_member(
    folder: Path, run: Run, index: int, windows: TestWindows | None
) -> dict[str, Any]:
    """Writes and tests the file of one network; returns its metadata."""
    member, number, is_single = run.members[index], index + 1, len(run.members) == 1
    name = "model.onnx" if is_single else f"model-{number}.onnx"
    config = member.net.config
    if windows is None:
        history = synthetic_histories(config, N_TEST_WINDOWS)
    else:
        history = gather_histories(
            windows.dataset, windows.item, windows.origin, config.input_length
        )
    outputs = _requested_outputs(run, config)
    try:
        details = export_onnx(member.net, outputs, member.residuals, history, folder / name)
    except NotExportable as error:
        which = "the network" if is_single else f"network {number}"
        raise UsageError(Problem(which, f"cannot be exported: {error}")) from error
    return {"file": name, "member": number, **details}


def _requested_outputs(run: Run, config: ForecasterConfig) -> ExportOutputs:
    """The outputs of a network: the forecast before the target transform is inverted."""
    levels = QuantileLevels.for_loss(run.quantiles, config.loss, config.levels)
    is_transformed = set(run.plan.transform.methods) != {"none"}
    return ExportOutputs(levels, include_equiprobable_values=levels.has_mean and is_transformed)


def _build_metadata(run: Run, folder: Path) -> dict[str, Any]:
    """The part of `export.json` about the run."""
    plan, config = run.plan, run.config
    return {
        "versions": {
            "rnnforecast": __version__,
            "torch": device.TORCH_VERSION,
            **{name: metadata.version(name) for name in REQUIRED_PACKAGES},
        },
        "run": str(folder.resolve()),
        "frequency": plan.clean.frequency,
        "timezone": plan.read_options.data.timezone or "",
        "horizon": config.horizon,
        "quantiles": list(run.quantiles),
        "targets": list(plan.read_options.data.targets),
        "joint_channels": config.channels > 1,
        "transform": plan.transform.to_json(),
        "deseasonalized": bool(plan.yearly_season),
        "bounds": plan.bounds.to_json(),
        "missing": list(plan.imputation.methods),
        "columns": describe_input_columns(
            plan.features,
            parse_frequency(plan.clean.frequency),
            is_irregular=plan.clean.irregular == "keep",
        ),
        "items": list(run.smoothed_items),
        "members": len(run.members),
        "combiner": asdict(run.combiner),
        "calibrated": run.calibration.windows > 0,
        "network_weight": asdict(run.network_weight),
    }
