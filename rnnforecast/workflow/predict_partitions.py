"""`predict --partitions`: the forecast of a dataset, one partition at a time in each worker.

Finished partitions are kept in a work folder beside the result until all are published at once; the
result is the same whatever the engine, the number of workers and interruptions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnforecast import __version__
from rnnforecast.data.io.distinct_series import DistinctSeries, repeated_series_error
from rnnforecast.data.io.partitions import Partition, list_partitions, total_rows
from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.output.work_folder import WorkFolder
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.checks.data_counts import add_counts
from rnnforecast.pipeline.checks.series_ends import checked_sample
from rnnforecast.pipeline.partition_tasks import run_partitions
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.pipeline.run_overrides import with_overrides
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.pipeline.series_errors import error_findings
from rnnforecast.spec.locations import is_url
from rnnforecast.training import device
from rnnforecast.wording import count_of
from rnnforecast.workflow.predict_forecast import report_findings
from rnnforecast.workflow.predict_output import SUMMARY_FILE
from rnnforecast.workflow.predict_partitions_checks import check_common_bounds, parts_findings
from rnnforecast.workflow.predict_partitions_output import (
    PartsResult,
    build_parts_result,
    keys_of_part,
    publish_parts,
)
from rnnforecast.workflow.predict_partitions_record import (
    LatestEnd,
    PartRecord,
    PartSeries,
    read_hashes,
)
from rnnforecast.workflow.predict_partitions_task import (
    PartsForecast,
    PartTask,
    forecast_part,
    read_run_and_checksums,
)
from rnnforecast.workflow.predict_partitions_unfinished import prepare_work, say_what_is_kept
from rnnforecast.workflow.predict_places import check_apart, check_outside, check_place, is_folder
from rnnforecast.workflow.predict_previous import read_previous
from rnnforecast.workflow.predict_request import ForecastRequest


@dataclass(frozen=True)
class PublishedParts:
    """The forecast of a dataset that was published."""

    run: Run
    partitions: tuple[Partition, ...]
    records: tuple[PartRecord, ...]
    result: PartsResult


def publish_partitions(
    folder: Path,
    out: str,
    request: ForecastRequest,
    *,
    data: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
) -> PublishedParts:
    """Forecasts the series of each Parquet file of a dataset and writes a folder of such files.

    Series with an error are no error here, see `PartsResult.failed`.

    Args:
        folder: the run.
        out: the folder of the result: ``forecast/NAME.parquet`` for each file of the data, folders
            ``totals`` and ``paths`` like it if there are any, ``manifest.json`` and ``run.json``.
        data: folders, patterns and paths of Parquet files, each with whole series; those of the
            spec by default.
        resume: whether partitions are taken over that an earlier call with the same run, files
            and options has finished.
        request: its engine runs the partitions; one after the other in this process by default.

    Other arguments as in `publish_forecast`.

    Raises:
        DataError if a partition cannot be read, or a series is in two: then nothing is published,
        and what is finished is kept for `resume`, as after StaleInput; WorkerLost; RunFolderError,
        OutputError, UsageError, SpecError.
    """
    _check_out(out, force=force)
    path = resolve_run(folder)
    run, checksums = read_run_folder(path, read_run_and_checksums)
    run = with_overrides(run, overrides)
    _check_run(run)
    steps, source = request.steps(run), data or run.source
    totals, n_paths = request.extra_tables.resolve(run, steps)
    check_apart(out, path, source)
    check_outside(out, source)
    partitions = list_partitions(source)
    rows = total_rows(partitions)
    work = WorkFolder(Path(out), "partitions", "")
    parts = PartsForecast(
        run_folder=path.resolve(),
        checksums=checksums,
        work=work.folder,
        steps=steps,
        origin=request.origin,
        totals=totals,
        n_paths=n_paths,
        overrides=tuple(overrides),
        checked=checked_sample(rows),
    )
    work.fingerprint = _fingerprint(parts)
    listener = request.listener
    listener.info(f"{count_of(len(partitions), 'partition')} with {count_of(rows, 'row')}")
    prepare_work(work, partitions, resume=resume, listener=listener)
    with say_what_is_kept(work, listener):
        dataset = _Dataset(parts, partitions, request)
        dataset.forecast()
        return _publish(dataset, run, out, work, source, force=force)


class _Dataset:
    """The partitions of a forecast, and the records of those that are finished."""

    def __init__(
        self, parts: PartsForecast, partitions: Sequence[Partition], request: ForecastRequest
    ) -> None:
        self.parts, self.partitions, self.request = parts, tuple(partitions), request
        self.engine = request.engine or IN_PROCESS
        self.records: dict[int, PartRecord] = {}

    def forecast(self) -> None:
        """Forecasts all partitions; once more those in which it counts that the series of another
        one end later. Raises DataError, and UsageError if a worker sees other files."""
        ends = [self.partitions[0].path, self.partitions[-1].path]
        self.engine.check_files([self.parts.run_folder, *ends], self.parts.work)
        self._run([(index, None) for index in range(len(self.partitions))], DistinctSeries())
        if all(record.series is None for record in self.records.values()):
            where = self.partitions[0].path
            raise DataError(Problem(where, "no partition has any rows", "see what wrote them"))
        records = [self.records[index] for index in range(len(self.partitions))]
        check_common_bounds(self.parts.run, self.partitions, records)
        latest = self.latest()
        horizon = self.parts.run.horizon
        again = [
            (index, latest)
            for index, record in sorted(self.records.items())
            if _depends_on(record, latest, horizon)
        ]
        if again:
            self._run(again, None)

    def latest(self) -> LatestEnd:
        """The latest end of all partitions."""
        ends = [found.latest for found in self.series()]
        return max(ends, key=lambda end: (end.ticks, end.ordinal or 0))

    def series(self) -> list[PartSeries]:
        """What is known of the series of each partition with rows, in their order."""
        found = (self.records[index].series for index in range(len(self.partitions)))
        return [each for each in found if each is not None]

    def _run(
        self, todo: Sequence[tuple[int, LatestEnd | None]], distinct: DistinctSeries | None
    ) -> None:
        tasks = [PartTask(self.partitions[index], latest) for index, latest in todo]

        def receive(place: int, record: PartRecord) -> None:
            index = todo[place][0]
            self.records[index] = record
            if distinct is not None and record.series is not None:
                self._check_distinct(index, distinct)

        run_partitions(
            self.engine,
            forecast_part,
            self.parts,
            tasks,
            receive,
            phase="forecast",
            listener=self.request.listener,
        )

    def _check_distinct(self, index: int, distinct: DistinctSeries) -> None:
        """Raises DataError if a series of a partition is in one that was finished before."""
        work = self.parts.work
        repeated = distinct.add(read_hashes(work, self.partitions[index]))
        if not len(repeated):
            return
        done = [self.partitions[each] for each in sorted(self.records) if self._has_rows(each)]
        error = repeated_series_error(
            repeated,
            done,
            lambda partition: read_hashes(work, partition),
            lambda partition, hashes: keys_of_part(self.parts, partition, hashes),
        )
        if error is not None:
            raise error

    def _has_rows(self, index: int) -> bool:
        return self.records[index].series is not None


def _depends_on(record: PartRecord, latest: LatestEnd, horizon: int) -> bool:
    """Whether the forecast of a partition is another one if series of others end at `latest`."""
    series = record.series
    if series is None:
        return False
    used = record.latest or series.latest
    if used == latest:
        return False
    if series.left_out:
        return True
    ends = [each.ordinal for each in (used, latest) if each.ordinal is not None]
    return series.earliest_stale is not None and max(ends) - series.earliest_stale > horizon


def _publish(
    dataset: _Dataset,
    run: Run,
    out: str,
    work: WorkFolder,
    source: Sequence[str],
    *,
    force: bool,
) -> PublishedParts:
    parts, listener = dataset.parts, dataset.request.listener
    records = tuple(dataset.records[index] for index in range(len(dataset.partitions)))
    request = replace(dataset.request, previous=read_previous(Path(out, SUMMARY_FILE)))
    counts = add_counts([each.counts for each in dataset.series()])
    for line in describe_changes(counts.changes, requested=True):
        listener.info(line)
    result = build_parts_result(run, parts, out, records, dataset.latest(), request)
    findings = parts_findings(
        run, parts, dataset.partitions, records, counts, request, result.data_sha256
    )
    findings += error_findings(result.series_errors, run.spec.forecast)
    report_findings(findings, listener)
    result = replace(result, warnings=tuple(findings))
    publish_parts(parts, out, records, result, source, force=force)
    work.remove()
    return PublishedParts(run, dataset.partitions, records, result)


def _check_out(out: str, *, force: bool) -> None:
    """Raises UsageError unless `out` is a folder on this machine, OutputPathError if it must not be
    replaced."""
    if is_url(out) or not is_folder(out):
        found = "the forecast of partitions is a folder of files"
        raise UsageError(Problem(f"-o {out}", found, "give the name of a folder"))
    check_place(out, force=force)


def _check_run(run: Run) -> None:
    """Raises UsageError for a run of a single series without ids."""
    if not run.plan.read_options.data.series:
        found = "the run has a single series, which cannot be in several files"
        raise UsageError(Problem("--partitions", found, "leave it out"))


def _fingerprint(parts: PartsForecast) -> str:
    """The hash of all that the forecast of a partition depends on, but for its file."""
    forecast_keys = [each for each in parts.overrides if not each.strip().startswith("checks.")]
    options = [parts.steps, parts.origin, parts.totals, parts.n_paths, sorted(forecast_keys)]
    share = 1.0 if parts.checked is None else parts.checked.share
    head = [__version__, device.TORCH_VERSION, parts.checksums, options, share]
    return hashlib.sha256(json.dumps(head).encode()).hexdigest()
