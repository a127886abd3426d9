"""`check --partitions`: the state of a dataset, one partition at a time in each worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, preview_table, read_table
from rnnforecast.data.features.checks import unknown_future_problems
from rnnforecast.data.features.features import fit_features
from rnnforecast.data.io.distinct_series import DistinctSeries, repeated_series_error
from rnnforecast.data.io.partitions import Partition, list_partitions, of_partition
from rnnforecast.data.io.series_hash import Hashes, hash_keys
from rnnforecast.data.io.table import Table, infer_columns
from rnnforecast.data.panel.panel import series_labels
from rnnforecast.data.profiling.cleaning_report import (
    CleaningReport,
    build_cleaning_report,
    merge_reports,
)
from rnnforecast.errors import DataError, Problem
from rnnforecast.parallel.engine import Engine, TaskContext
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline.data_report import series_by_repairs
from rnnforecast.pipeline.partition_tasks import PartitionFailure, run_partitions
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.workflow.check import CheckResult

MAX_HEADS = 40
"""Partitions whose first rows decide about the columns of all."""
MAX_SERIES = 20
"""Series of a partition, with the most repairs, that are kept; and of those left out, by name."""


@dataclass(frozen=True)
class PartTask:
    """A partition to check."""

    partition: Partition
    frequency: str = "auto"


@dataclass(frozen=True)
class PartCheck:
    """What was found in a partition."""

    report: CleaningReport
    """With `MAX_SERIES` of its series."""
    unknown_future: tuple[Problem, ...]
    """Why `predict` would fail with it."""
    hashes: Hashes
    """[S] see `hash_keys`."""
    time_kind: str
    """How its timestamps are written, in words."""


def check_partitions(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    engine: Engine | None = None,
    listener: ProgressListener | None = None,
) -> CheckResult:
    """Examines the data of the spec at `path`, a folder or pattern of Parquet files with whole
    series each, file by file; memory is one file in each worker, and 16 bytes a series.

    Raises:
        SpecError; DataError if files cannot be read, or a series is in two of them; WorkerLost.
    """
    engine, listener = engine or InProcessEngine(), listener or NullListener()
    spec = read_spec(path, overrides)
    partitions = list_partitions(spec.data.source_paths(path))
    partitions = tuple(each for each in partitions if each.rows != 0) or partitions[:1]
    plan = build_cleaning_plan(spec)
    heads = [each.path for each in partitions[:: -(-len(partitions) // MAX_HEADS)]]
    plan = replace(plan, read_options=infer_columns(heads, plan.read_options))
    if not plan.read_options.data.series:
        found = "no column tells series apart, and a series cannot be in several files"
        cure = "name the columns of ids in data.series, or leave out --partitions"
        raise DataError(Problem(partitions[0].path, found, cure))
    dataset = _Dataset(plan, spec, partitions, engine, listener)
    dataset.run([PartTask(each) for each in partitions])
    if spec.clean.frequency == "auto":
        frequency = dataset.common_frequency()
        dataset.run(
            [
                PartTask(each, frequency)
                for each, report in zip(partitions, dataset.reports(), strict=True)
                if report.totals["frequency"] != frequency
            ]
        )
    dataset.check_time()
    dataset.check_distinct()
    unknown = [problem for part in dataset.parts() for problem in part.unknown_future]
    report = merge_reports(dataset.reports())
    skipped = dict(islice(report.totals["skipped"].items(), MAX_SERIES))
    report = replace(report, totals={**report.totals, "skipped": skipped})
    return CheckResult(report, [], unknown_future=tuple(unknown), n_partitions=len(partitions))


@dataclass(frozen=True)
class _Shared:
    plan: CleaningPlan
    horizon: int


class _Dataset:
    """The partitions of a dataset, and what was found in them."""

    def __init__(
        self,
        plan: CleaningPlan,
        spec: Spec,
        partitions: Sequence[Partition],
        engine: Engine,
        listener: ProgressListener,
    ) -> None:
        self.shared = _Shared(plan, spec.window.horizon)
        self.partitions, self.engine, self.listener = partitions, engine, listener
        self.found: dict[str, PartCheck] = {}

    def run(self, tasks: Sequence[PartTask]) -> None:
        """Checks the partitions of the tasks. Raises DataError for those that cannot be read."""

        def receive(place: int, found: PartCheck) -> None:
            self.found[tasks[place].partition.name] = found

        run_partitions(
            self.engine,
            check_part,
            self.shared,
            tasks,
            receive,
            phase="check",
            listener=self.listener,
        )

    def parts(self) -> list[PartCheck]:
        """What was found, in the order of the partitions."""
        return [self.found[each.name] for each in self.partitions]

    def reports(self) -> list[CleaningReport]:
        """The reports, in the order of the partitions."""
        return [part.report for part in self.parts()]

    def common_frequency(self) -> str:
        """The frequency of most series."""
        votes: dict[str, int] = {}
        for report in self.reports():
            own = report.totals["frequency"]
            votes[own] = votes.get(own, 0) + report.totals["series"]
        return max(votes, key=lambda alias: votes[alias])

    def check_time(self) -> None:
        """Raises DataError if the timestamps of partitions are of different kinds."""
        kinds: dict[str, Partition] = {}
        for part, partition in zip(self.parts(), self.partitions, strict=True):
            kinds.setdefault(part.time_kind, partition)
        if len(kinds) > 1:
            (first, one), (second, other), *_ = kinds.items()
            found = f"times are {first} and {second}"
            cure = "write all files of the dataset in one form"
            raise DataError(Problem(f"{one.name} and {other.name}", found, cure))

    def check_distinct(self) -> None:
        """Raises DataError if a series is in two partitions."""
        distinct = DistinctSeries()
        repeated = [distinct.add(self._hashes(each)) for each in self.partitions]
        every = np.unique(np.concatenate(repeated))
        if len(every) and (
            error := repeated_series_error(every, self.partitions, self._hashes, self._labels)
        ):
            raise error

    def _hashes(self, partition: Partition) -> Hashes:
        return self.found[partition.name].hashes

    def _labels(self, partition: Partition, hashes: Hashes) -> dict[int, str]:
        keys = read_table(self.shared.plan, [partition.path], skip_invalid_series=True).keys
        own = hash_keys(keys)
        rows = np.flatnonzero(np.isin(own, hashes))
        labels = map(str, series_labels(keys.iloc[rows]))
        return dict(zip(own[rows].tolist(), labels, strict=True))


def check_part(
    shared: _Shared, task: PartTask, context: TaskContext
) -> PartCheck | PartitionFailure:
    """Checks a partition."""
    plan, partition = shared.plan, task.partition
    if task.frequency != "auto":
        clean = plan.clean.model_copy(update={"frequency": task.frequency})
        plan = replace(plan, clean=clean)
    try:
        table = read_table(plan, [partition.path])
        report = build_cleaning_report(table, preview_table(plan, table))
        unknown = () if report.problems else _unknown_future(plan, table, shared.horizon)
    except DataError as error:
        return PartitionFailure(of_partition(error.problems, partition))
    finally:
        pa.default_memory_pool().release_unused()
    few = replace(
        report,
        per_series=series_by_repairs(report, MAX_SERIES),
        totals={
            **report.totals,
            "skipped": dict(islice(report.totals["skipped"].items(), MAX_SERIES)),
        },
        problems=of_partition(report.problems, partition),
    )
    return PartCheck(
        few, of_partition(unknown, partition), hash_keys(table.keys), _time_kind(table)
    )


def _time_kind(table: Table) -> str:
    if table.time.dtype.kind != "M":
        return "numbers"
    return f"at UTC offset {table.utc_offset}" if table.utc_offset else "without a time zone"


def _unknown_future(plan: CleaningPlan, table: Table, horizon: int) -> tuple[Problem, ...]:
    """Why `predict` would fail with a partition: covariates that are not known ahead."""
    if not plan.features.spec.future:
        return ()
    aligned = align_table(plan, table)
    panel = aligned.panel
    every = np.ones(len(panel.targets), dtype=np.bool_)
    features = fit_features(plan.features, aligned.table, panel, every)
    return tuple(
        unknown_future_problems(
            features, aligned.table, panel, horizon, horizon_key="window.horizon"
        )
    )
