"""`check`: the state of the data, the changes by cleaning, and the automatic values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rnnforecast.data.cleaning_plan import preview_table
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.panel.changes import REPAIR_COUNTS
from rnnforecast.data.profiling.cleaning_report import (
    CleaningReport,
    build_cleaning_report,
)
from rnnforecast.errors import Problem
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.pipeline import data_report
from rnnforecast.pipeline.auto import AutoChoice
from rnnforecast.pipeline.prepare import (
    PreparedData,
    build_cleaning_plan,
    prepare_table,
    read_training_table,
)
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.workflow.check_imputation import ImputationScore, compare_imputation_methods


@dataclass(frozen=True)
class CheckResult:
    """The cleaning report, and the automatic values if the data are usable."""

    report: CleaningReport
    choices: list[AutoChoice]
    n_too_short: int = 0
    """Series too short to be scored; they are trained on in the final fit only."""
    prepared: PreparedData | None = None
    """The prepared data; None if the data are not usable."""
    imputation_scores: tuple[ImputationScore, ...] = ()
    """The accuracy of each imputation method, the best first, if requested."""
    unknown_future: tuple[Problem, ...] = ()
    """Why `predict` would fail after a training on usable data."""
    n_partitions: int = 0
    """Partitions that were checked one by one: `report.per_series` has the series of each with the
    most repairs, and there are no automatic values; 0 if all was read at once."""

    def to_json(self) -> str:
        """The report as a JSON object, with ``imputation``, an entry per method, if requested."""
        values = json.loads(self.report.to_json())
        values["problems"] += [
            {"where": one.where, "found": one.found, "cure": one.cure}
            for one in self.unknown_future
        ]
        if self.imputation_scores:
            values["imputation"] = [asdict(score) for score in self.imputation_scores]
        return json.dumps(values, ensure_ascii=False)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What must be resolved before a forecast."""
        return (*self.report.problems, *self.unknown_future)

    @property
    def repairs(self) -> int:
        """Rows, steps and values that cleaning would change, and series it would leave out."""
        totals = self.report.totals
        counts = [totals[name] for name in REPAIR_COUNTS]
        return sum(map(int, (*counts, *totals["skipped_by_reason"].values())))


def check(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    impute_report: bool = False,
    report_folder: Path | None = None,
    force: bool = False,
) -> CheckResult:
    """Examines the data of the spec at `path`; problems of single series are in the report.

    Args:
        overrides: ``section.key=value`` each.
        impute_report: compare the methods of `clean.missing` on artificial gaps.
        report_folder: where the data report is written, if the data are usable.

    Raises:
        SpecError, OutputError; DataError if the data cannot be read or no series is long enough.
    """
    spec = read_spec(path, overrides)
    return check_source(
        spec,
        spec.data.source_paths(path),
        path.resolve().parent,
        impute_report=impute_report,
        report_folder=report_folder,
        force=force,
    )


def check_source(
    spec: Spec,
    source: Sequence[DataSource],
    spec_folder: Path,
    *,
    impute_report: bool = False,
    report_folder: Path | None = None,
    force: bool = False,
) -> CheckResult:
    """As `check`, for files as absolute paths, or data frames."""
    plan = build_cleaning_plan(spec)
    table = read_training_table(spec, source)
    report = build_cleaning_report(table, preview_table(plan, table))
    if report.problems:
        return CheckResult(report, [])
    prepared = prepare_table(spec, table, source, spec_folder)
    if report_folder is not None:
        with atomic_folder(report_folder, "data report", force=force) as partial:
            data_report.write_data_report(partial, prepared)
    return CheckResult(
        report,
        prepared.choices,
        int((prepared.split.test_origin < 0).sum()),
        prepared,
        tuple(compare_imputation_methods(prepared)) if impute_report else (),
        tuple(prepared.unknown_future_problems()),
    )
