"""`export`: the networks of a run as ONNX files, each shown to say what the network says."""

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
from rnnforecast.data.time import frequency
from rnnforecast.data.windows.origins import first_observed
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.inference.onnx import export as exporting
from rnnforecast.inference.onnx.example_windows import gather_histories, synthetic_histories
from rnnforecast.inference.onnx.export_module import ExportOutputs
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.output.atomic_files import atomic_folder, write_json, write_text
from rnnforecast.output.export_readme import render_export_readme
from rnnforecast.pipeline.forecasting import (
    Member,
    build_window_dataset,
    item_target_mask,
)
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.training import device
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Ints

REQUIRED_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
METADATA_FILE, README_FILE = "export.json", "README.md"

N_TEST_WINDOWS = 64
"""Windows that a file is tried on."""

TEST_WINDOW_SEED = 1
"""Of the choice of these windows."""


@dataclass(frozen=True)
class ExportResult:
    """What `export` wrote."""

    out: str
    files: tuple[str, ...]
    difference: float
    """The largest one between file and network, as a share of a window's largest quantile."""
    windows: int
    """That each file was tried on."""
    real: bool
    """Whether they were cut from the run's data; else they were made up."""


def export(
    folder: Path, out: str, *, member: int | None = None, listener: ProgressListener | None = None
) -> ExportResult:
    """Writes the networks of the run in `folder`, or its `member`-th alone, to the folder `out`.

    Raises UsageError where a package is missing, there is no such member, or a network cannot be
    written; RunFolderError; OutputError. Nothing is left behind then.
    """
    listener = listener or NullListener()
    _check_packages()
    run = load_run(folder)
    chosen = _selected_members(run, member)
    windows = _build_test_windows(run, listener)
    with atomic_folder(Path(out), replace_if_contains=METADATA_FILE) as partial:
        models = [_export_member(partial, run, number, windows) for number in chosen]
        off = max(model["difference"] for model in models)
        facts = _build_metadata(run, folder, models) | {
            "check": {
                "windows": N_TEST_WINDOWS,
                "of_data": windows is not None,
                "largest_difference": off,
                "limit": exporting.MAX_RELATIVE_DIFFERENCE,
            }
        }
        write_json(partial / METADATA_FILE, facts)
        write_text(partial / README_FILE, render_export_readme(facts, folder.resolve().name))
    files = tuple(model["file"] for model in models)
    return ExportResult(out, files, off, N_TEST_WINDOWS, windows is not None)


def _check_packages() -> None:
    missing = [name for name in REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise UsageError(Problem("", found, "pip install 'rnnforecast[onnx]'"))


def _selected_members(run: Run, member: int | None) -> list[int]:
    """The members to write, from 0."""
    count = len(run.members)
    if member is None:
        return list(range(count))
    if not 1 <= member <= count:
        has = "one network" if count == 1 else f"{count} networks"
        cure = "leave it out" if count == 1 else f"give a number from 1 to {count}"
        raise UsageError(Problem(f"--member {member}", f"the run has {has}", cure))
    return [member - 1]


def _build_test_windows(
    run: Run, listener: ProgressListener
) -> tuple[WindowDataset, Ints, Ints] | None:
    """The run's data as windows, and items and origins `[TRIED]` of some; None without data."""
    try:
        cleaned = prepare_data(run.plan, run.source, horizon=run.config.horizon)
    except DataError as error:
        listener.warning(
            f"the run's data are not at hand ({error.problems[0]}): the networks are tried on "
            "windows that are made up"
        )
        return None
    nets = [member.net for member in run.members]
    windows = build_window_dataset(
        cleaned, [net.config for net in nets], device.device_of(nets[0]), run.smoothed_items
    )
    panel = cleaned.panel
    seen = item_target_mask(cleaned, joint=windows.items_per_series < panel.observed_mask.shape[1])
    ends = np.repeat(panel.lengths, windows.items_per_series)
    begins = first_observed(seen, panel.offsets) + 1
    able = np.flatnonzero(begins <= ends)
    if not len(able):
        return None
    random = np.random.default_rng(TEST_WINDOW_SEED)
    item = able[random.integers(len(able), size=N_TEST_WINDOWS)]
    return windows, item, random.integers(begins[item], ends[item] + 1)


def _export_member(
    folder: Path, run: Run, member_index: int, test_windows: tuple[WindowDataset, Ints, Ints] | None
) -> dict[str, Any]:
    """Writes one member, tries it, and says what there is to say of the file."""
    member = run.members[member_index]
    name = "model.onnx" if len(run.members) == 1 else f"model-{member_index + 1}.onnx"
    a = member.net.config
    history = (
        synthetic_histories(a, N_TEST_WINDOWS)
        if test_windows is None
        else gather_histories(*test_windows, a.input_length)
    )
    try:
        found = exporting.export_onnx(
            member.net, _requested_outputs(run, member), member.residuals, history, folder / name
        )
    except exporting.NotExportable as error:
        which = "the network" if len(run.members) == 1 else f"network {member_index + 1}"
        raise UsageError(Problem(which, f"cannot be exported: {error}")) from error
    return {"file": name, "member": member_index + 1, **found}


def _requested_outputs(run: Run, member: Member) -> ExportOutputs:
    """What the file of a network tells: what `predict` tells before a transform is undone."""
    levels = QuantileLevels.for_loss(run.quantiles, member.net.config.loss)
    transformed = set(run.plan.transform.methods) != {"none"}
    return ExportOutputs(levels, include_equiprobable_values=levels.has_mean and transformed)


def _build_metadata(run: Run, folder: Path, models: list[dict[str, Any]]) -> dict[str, Any]:
    """What `export.json` holds, and the page is written from."""
    plan, a = run.plan, run.config
    return {
        "versions": {
            "rnnforecast": __version__,
            "torch": device.TORCH_VERSION,
            **{name: metadata.version(name) for name in REQUIRED_PACKAGES},
        },
        "run": str(folder.resolve()),
        "frequency": plan.clean.frequency,
        "timezone": plan.read_options.data.timezone or "",
        "horizon": a.horizon,
        "quantiles": list(run.quantiles),
        "targets": list(plan.read_options.data.targets),
        "together": a.channels > 1,
        "transform": plan.transform.to_json(),
        "bounds": plan.bounds.to_json(),
        "missing": list(plan.imputation.methods),
        "columns": describe_input_columns(
            plan.features,
            frequency.parse_frequency(plan.clean.frequency),
            is_irregular=plan.clean.irregular == "keep",
        ),
        "items": list(run.smoothed_items),
        "members": len(run.members),
        "combination": asdict(run.combiner),
        "widening": asdict(run.interval_scaling),
        "models": models,
    }
