"""What a backtest tests: a spec, whose networks are trained for it, or the networks of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning_plan import read_table
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.memory_budget import KnownSample
from rnnforecast.data.panel.timestamps import steps_before
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import Problem, UsageError
from rnnforecast.pipeline.calibration import NO_CALIBRATION
from rnnforecast.pipeline.prepare import build_cleaning_plan, file_paths, read_training_table
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import RESOLVED_SPEC_FILE, load_run, parse_run, read_run_folder
from rnnforecast.spec.load import parse_spec, read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.workflow.backtest_data import BacktestData

SECTION = "backtest."


@dataclass(frozen=True)
class BacktestSubject:
    """A spec or a run, and its data."""

    spec: Spec
    """As given, or of the run; its section backtest says which windows there are."""
    data: BacktestData
    source: tuple[str, ...]
    """Absolute paths of the data files; empty if a part of the data is in memory."""
    spec_folder: Path
    run: Run | None = None
    """The trained networks; None if they are trained for the windows."""

    @property
    def season(self) -> int:
        """Steps a season, as far as it is known before a training."""
        if self.run is not None:
            return self.run.plan.season
        season = self.spec.window.season
        return 1 if season == "auto" else season

    def trained_steps(self) -> Ints | None:
        """`[S]` the steps of each series that the run was trained on, None without a run."""
        if self.run is None:
            return None
        return np.maximum(steps_before(self.data.panel, self.run.trained_until + 1), 0)

    def describe_training_end(self) -> str:
        """The last timestamp of the run's training data, "" without a run."""
        if self.run is None:
            return ""
        return format_timestamp(self.run.trained_until, self.data.panel.display_timezone)


def subject_of_spec(path: Path, overrides: Sequence[str] = ()) -> BacktestSubject:
    """The spec at `path` with its data. Raises SpecError or DataError."""
    spec = read_spec(path, overrides)
    return subject_of_source(spec, spec.data.source_paths(path), path.resolve().parent)


def subject_of_source(
    spec: Spec, source: Sequence[DataSource], spec_folder: Path
) -> BacktestSubject:
    """As `subject_of_spec`, for files as absolute paths, or data frames."""
    plan = build_cleaning_plan(spec)
    data = BacktestData.align(plan, read_training_table(spec, source))
    return BacktestSubject(spec, data, file_paths(source), spec_folder)


def subject_of_run(
    folder: Path, overrides: Sequence[str] = (), data: Sequence[str] | None = None
) -> BacktestSubject:
    """The run at `folder` with its data as they are now, or those of the files `data`.

    Raises RunFolderError, DataError; UsageError for overrides of other sections than backtest, and
    for a new training.
    """
    run, files = read_run_folder(
        folder, lambda found: (parse_run(found), found.load((RESOLVED_SPEC_FILE,)))
    )
    _check_overrides(overrides)
    name = str(files.path / RESOLVED_SPEC_FILE)
    text = files.read_text(RESOLVED_SPEC_FILE)
    spec = parse_spec(text, name=name, overrides=overrides, needs_path=False)
    return _subject_of_loaded(run, files.path, spec, data)


def subject_of_folder(
    folder: Path, spec: Spec, data: Sequence[DataSource] | None = None
) -> BacktestSubject:
    """As `subject_of_run`, with a `spec` that may differ from that of the run in the section
    backtest."""
    return _subject_of_loaded(load_run(folder), folder, spec, data)


def _subject_of_loaded(
    run: Run, folder: Path, spec: Spec, data: Sequence[DataSource] | None
) -> BacktestSubject:
    # the refreshed calibration knows values of the windows
    run = replace(run, refreshed=NO_CALIBRATION)
    # a run trained on a GPU may forecast on a machine without one
    torch_device = device.select_device("cpu" if run.metadata["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(torch_device)
    source = data or run.source
    selection = None if run.sampled is None else KnownSample(run.sampled)
    table = read_table(run.plan, source, skip_invalid_series=True, selection=selection)
    aligned = BacktestData.align(run.plan, table, skip_invalid_series=True)
    return BacktestSubject(spec, aligned, file_paths(source), folder, run)


def _check_overrides(overrides: Sequence[str]) -> None:
    for override in overrides:
        key = override.partition("=")[0].strip()
        if not key.startswith(SECTION):
            found = "the networks of a run are trained already: only keys of backtest can be set"
            raise UsageError(
                Problem(f"--set {override}", found, "give the spec instead of the run")
            )
        check_keys([key.removeprefix(SECTION)])


def check_keys(keys: Iterable[str]) -> None:
    """Raises UsageError for keys of the section backtest that a run cannot have."""
    for key in keys:
        if key in ("refit", "history", "warm_start"):
            found = "the networks of a run are not trained again"
            raise UsageError(Problem(SECTION + key, found, "give the spec instead of the run"))
