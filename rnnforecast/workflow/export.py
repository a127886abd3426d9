"""`export`: the networks of a run as ONNX files, each shown to say what the network says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.cleaning_plan import finish, lay, read_table, treat
from rnnforecast.data.features.input_columns import columns
from rnnforecast.data.time import frequency
from rnnforecast.data.windows.origins import first_observed
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.inference.onnx import export as exporting
from rnnforecast.inference.onnx.example_windows import real, trial
from rnnforecast.inference.onnx.portable import Wanted
from rnnforecast.models.compatibility import MEANS
from rnnforecast.output.atomic_files import whole_folder, write_json, write_text
from rnnforecast.output.export_page import page
from rnnforecast.pipeline.forecasting import SHARES, Member, items_of, levels_asked, windows_of
from rnnforecast.pipeline.progress import Listener, Silent
from rnnforecast.pipeline.rnn_imputation import estimate_of
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.training import device
from rnnforecast.training.dataset import Windows
from rnnforecast.types import Ints

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
FACTS, PAGE = "export.json", "README.md"

TRIED = 64
"""Windows that a file is tried on."""

SEED = 1
"""Of the choice of these windows."""


@dataclass(frozen=True)
class Exported:
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
    folder: Path, out: str, *, member: int | None = None, listener: Listener | None = None
) -> Exported:
    """Writes the networks of the run in `folder`, or its `member`-th alone, to the folder `out`.

    Raises UsageError where a package is missing, there is no such member, or a network cannot be
    written; RunFolderError; OutputError. Nothing is left behind then.
    """
    listener = listener or Silent()
    _need_packages()
    run = load_run(folder)
    chosen = _chosen(run, member)
    windows = _windows(run, listener)
    with whole_folder(Path(out), replace_if=FACTS) as partial:
        models = [_write(partial, run, number, windows) for number in chosen]
        off = max(model["difference"] for model in models)
        facts = _facts(run, folder, models) | {
            "check": {
                "windows": TRIED,
                "of_data": windows is not None,
                "largest_difference": off,
                "limit": exporting.LIMIT,
            }
        }
        write_json(partial / FACTS, facts)
        write_text(partial / PAGE, page(facts, folder.resolve().name))
    files = tuple(model["file"] for model in models)
    return Exported(out, files, off, TRIED, windows is not None)


def _need_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        found = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise UsageError(Problem("", found, "pip install 'rnnforecast[onnx]'"))


def _chosen(run: Run, member: int | None) -> list[int]:
    """The members to write, from 0."""
    count = len(run.members)
    if member is None:
        return list(range(count))
    if not 1 <= member <= count:
        has = "one network" if count == 1 else f"{count} networks"
        cure = "leave it out" if count == 1 else f"give a number from 1 to {count}"
        raise UsageError(Problem(f"--member {member}", f"the run has {has}", cure))
    return [member - 1]


def _windows(run: Run, listener: Listener) -> tuple[Windows, Ints, Ints] | None:
    """The run's data as windows, and items and origins `[TRIED]` of some; None without data."""
    try:
        laid = lay(run.plan, read_table(run.plan, run.source), skip_faulty=True)
        cleaned = finish(
            run.plan,
            laid,
            treat(run.plan, laid.panel),
            horizon=run.architecture.horizon,
            rnn_imputer=estimate_of(run.plan),
        )
    except DataError as error:
        listener.warn(
            f"the run's data are not at hand ({error.problems[0]}): the networks are tried on "
            "windows that are made up"
        )
        return None
    nets = [member.net for member in run.members]
    windows = windows_of(cleaned, [net.architecture for net in nets], device.of(nets[0]), run.items)
    panel = cleaned.panel
    seen = items_of(cleaned, joint=windows.channels < panel.observed.shape[1])
    ends = np.repeat(panel.lengths, windows.channels)
    begins = first_observed(seen, panel.offsets) + 1
    able = np.flatnonzero(begins <= ends)
    if not len(able):
        return None
    random = np.random.default_rng(SEED)
    item = able[random.integers(len(able), size=TRIED)]
    return windows, item, random.integers(begins[item], ends[item] + 1)


def _write(
    folder: Path, run: Run, member_index: int, test_windows: tuple[Windows, Ints, Ints] | None
) -> dict[str, Any]:
    """Writes one member, tries it, and says what there is to say of the file."""
    member = run.members[member_index]
    name = "model.onnx" if len(run.members) == 1 else f"model-{member_index + 1}.onnx"
    a = member.net.architecture
    history = trial(a, TRIED) if test_windows is None else real(*test_windows, a.steps_read)
    try:
        found = exporting.export(
            member.net, _wanted(run, member), member.residuals, history, folder / name
        )
    except exporting.NotExportable as error:
        which = "the network" if len(run.members) == 1 else f"network {member_index + 1}"
        raise UsageError(Problem(which, f"cannot be exported: {error}")) from error
    return {"file": name, "member": member_index + 1, **found}


def _wanted(run: Run, member: Member) -> Wanted:
    """What the file of a network tells: what `predict` tells before a transform is undone."""
    loss = member.net.architecture.loss
    levels = levels_asked(run.quantiles, loss)
    means = loss in MEANS
    places = [levels.index(level) for level in (SHARES if means else (0.5,))]
    transformed = set(run.plan.transform.methods) != {"none"}
    return Wanted(
        levels=levels,
        told=tuple(levels.index(level) for level in run.quantiles),
        point=tuple(places),
        shares=means and transformed,
    )


def _facts(run: Run, folder: Path, models: list[dict[str, Any]]) -> dict[str, Any]:
    """What `export.json` holds, and the page is written from."""
    plan, a = run.plan, run.architecture
    return {
        "versions": {
            "rnnforecast": __version__,
            "torch": device.TORCH,
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "run": str(folder.resolve()),
        "frequency": plan.rules.frequency,
        "timezone": plan.rules.zone,
        "horizon": a.horizon,
        "quantiles": list(run.quantiles),
        "targets": list(plan.reading.targets),
        "together": a.channels > 1,
        "transform": plan.transform.to_json(),
        "bounds": plan.bounds.to_json(),
        "missing": list(plan.filling.methods),
        "columns": columns(
            plan.features,
            frequency.parse(plan.rules.frequency),
            is_irregular=plan.rules.irregular == "keep",
        ),
        "items": list(run.items),
        "members": len(run.members),
        "combination": asdict(run.combination),
        "widening": asdict(run.widening),
        "models": models,
    }
