"""The forecast of one partition of a dataset: the task of `predict --partitions`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.io.partitions import Partition, file_sha256, of_partition
from rnnforecast.data.io.series_hash import hash_keys
from rnnforecast.data.io.series_sample import SeriesSample
from rnnforecast.data.profiling.coverage import last_ordinals, panel_ordinals
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import DataError, Problem, RunFolderError, UsageError
from rnnforecast.output.folder_snapshot import FolderSnapshot
from rnnforecast.parallel.engine import TaskContext
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData
from rnnforecast.pipeline.checks.data_counts import DataCounts
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.checks.series_ends import PanelKind, sample_series
from rnnforecast.pipeline.partition_tasks import PartitionFailure
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import CHECKSUMS_FILE, parse_run, read_run_folder
from rnnforecast.pipeline.run_overrides import with_overrides
from rnnforecast.pipeline.series_errors import (
    MAX_NAMED_SERIES,
    SeriesErrors,
    count_by_status,
    may_be_stale,
    table_places,
)
from rnnforecast.training import device
from rnnforecast.types import Timestamps
from rnnforecast.workflow.predict_forecast import (
    failed_series,
    is_in_sample,
    place_networks,
    read_data,
)
from rnnforecast.workflow.predict_partitions_record import (
    LatestEnd,
    Moment,
    PartDetails,
    PartFile,
    PartRecord,
    PartSeries,
    part_file,
    read_record,
    write_details,
    write_record,
)
from rnnforecast.workflow.predict_series import SeriesForecasts, forecast_series
from rnnforecast.workflow.predict_size import check_last_timestamp, check_size
from rnnforecast.workflow.predict_tables import forecast_tables, table_series, write_table


@dataclass(frozen=True)
class PartsForecast:
    """The forecast of a dataset by its partitions: what all tasks share."""

    run_folder: Path
    """Of a store, the folder of a version."""
    checksums: str
    """The hash of the checksums in it: a run that is replaced meanwhile is refused."""
    work: Path
    """The work folder, in which tables and records are written."""
    steps: int
    origin: str | None = None
    totals: tuple[int, ...] = ()
    n_paths: int = 0
    overrides: tuple[str, ...] = ()
    checked: SeriesSample | None = None
    """The series that checks look at, see `checked_sample`."""

    @cached_property
    def run(self) -> Run:
        """The run, read once in a process. Raises RunFolderError."""
        run, checksums = read_run_folder(self.run_folder, read_run_and_checksums)
        if checksums != self.checksums:
            found = "another run has taken the place of this one"
            raise RunFolderError(Problem(str(self.run_folder), found, "forecast again"))
        run = with_overrides(run, self.overrides)
        place_networks(run)
        return run


def read_run_and_checksums(folder: FolderSnapshot) -> tuple[Run, str]:
    """A run and the hash of the checksums of its files, for `read_run_folder`."""
    run = parse_run(folder)
    return run, hashlib.sha256(folder.read_bytes(CHECKSUMS_FILE)).hexdigest()


@dataclass(frozen=True)
class PartTask:
    """A partition to forecast."""

    partition: Partition
    latest: LatestEnd | None = None
    """The end of the latest series of all partitions; None while it is not known."""


def forecast_part(
    parts: PartsForecast, task: PartTask, context: TaskContext
) -> PartRecord | PartitionFailure:
    """Forecasts a partition and writes its tables and its record into the work folder.

    A partition that is finished there, of the same file and with the same latest end, is not
    forecast again.

    Raises RunFolderError, OutputError, UsageError.
    """
    found = read_record(parts.work, task.partition)
    if found is not None and task.latest in (None, found.latest):
        return found
    try:
        with device.one_thread():
            return _forecast(parts, task)
    except RunFolderError:
        raise
    except DataError as error:
        return PartitionFailure(of_partition(error.problems, task.partition))
    except UsageError as error:  # such as an origin that no series of the partition reaches
        raise UsageError(*of_partition(error.problems, task.partition)) from error
    finally:
        pa.default_memory_pool().release_unused()


def _forecast(parts: PartsForecast, task: PartTask) -> PartRecord:
    run, partition, latest = parts.run, task.partition, task.latest
    sha256 = _input_sha256(partition)
    if partition.rows == 0:
        record = PartRecord(PartFile(partition.name, 0, sha256), {}, latest=latest)
        write_record(parts.work, partition, record)
        return record
    cleaned = read_data(run, [partition.path], parts.steps, parts.origin)
    panel = cleaned.panel
    check_size(run, parts.steps, parts.n_paths, panel.n_series * len(panel.target_names))
    check_last_timestamp(panel, parts.steps)
    found = forecast_series(
        run,
        cleaned,
        parts.steps,
        latest=None if latest is None else latest.ordinal,
        engine=IN_PROCESS,
    )
    tables = _write_tables(parts, task, cleaned, found)
    data = CheckedData.of_cleaned(cleaned)
    details = _part_details(parts, cleaned, data)
    record = PartRecord(
        input=PartFile(partition.name, cleaned.changes.n_rows, sha256),
        tables=tables,
        details=write_details(parts.work, partition, details),
        series=_part_series(parts, cleaned, data, found),
        latest=latest,
    )
    write_record(parts.work, partition, record)
    return record


def _write_tables(
    parts: PartsForecast, task: PartTask, cleaned: CleanedData, found: SeriesForecasts
) -> dict[str, PartFile]:
    """Writes the tables of a partition, each into the folder of its name."""
    run, panel, latest = parts.run, cleaned.panel, task.latest
    time_column = run.plan.read_options.data.time_name
    rows = table_series(
        cleaned,
        found.status,
        horizon=parts.steps,
        time_column=time_column,
        latest=None if latest is None else _to_timestamps(latest.ticks, cleaned),
    )
    tables = forecast_tables(
        run, rows, found.forecasts, found.all_levels, totals=parts.totals, n_paths=parts.n_paths
    )
    written = {}
    for name, frame in tables.items():
        path = parts.work / name / task.partition.file_name
        write_table(path, frame, panel)
        written[name] = part_file(parts.work, path, len(frame))
    return written


def _part_details(parts: PartsForecast, cleaned: CleanedData, data: CheckedData) -> PartDetails:
    # the time that counts as now plays no role in what is kept
    context = CheckContext(parts.run, data, parts.steps, CheckOptions().now)
    places = table_places(cleaned)
    hashes = hash_keys(cleaned.table.keys)
    known = parts.run.profile.positions(data.series["label"].to_numpy())
    return PartDetails(
        hashes,
        known[known >= 0],
        sample_series(context, places, hashes[places], parts.checked),
    )


def _part_series(
    parts: PartsForecast, cleaned: CleanedData, data: CheckedData, found: SeriesForecasts
) -> PartSeries:
    run, panel, errors = parts.run, cleaned.panel, found.errors
    failed = failed_series(found.errors, found.status, run.spec.forecast.exit_on_failed)
    timestamps = panel.window_timestamps(panel.lengths - 1, parts.steps + 1)  # [S, 1 + H]
    first, last = timestamps[:, 1:].min(), timestamps[:, 1:].max()
    return PartSeries(
        forecast=int((found.status != "skipped").any(axis=1).sum()),
        status=count_by_status(found.status, len(errors.left_out)),
        errors=errors.by_code(),
        failed=len(failed),
        failed_series=dict(list(failed.items())[:MAX_NAMED_SERIES]),
        left_out=len(errors.left_out),
        span=(int(panel_ordinals(panel).min()), int(last_ordinals(panel).max())),
        counts=DataCounts.of_cleaned(run, cleaned),
        kind=PanelKind.of_data(data),
        latest=_latest_end(cleaned, timestamps),
        earliest_stale=_earliest_stale(run, cleaned, errors),
        first=_moment(first, cleaned),
        last=_moment(last, cleaned),
        is_in_sample=parts.origin is not None and is_in_sample(run, panel),
    )


def _latest_end(cleaned: CleanedData, timestamps: Timestamps) -> LatestEnd:
    """The end of the latest series; `timestamps` [S, 1 + H] begin with the last of each series."""
    panel, row = cleaned.panel, int(np.argmax(timestamps[:, 0]))
    is_regular = panel.irregular_timestamps is None
    return LatestEnd(
        int(last_ordinals(panel).max()) if is_regular else None,
        tuple(_ticks(timestamps[row]).tolist()),
        format_timestamp(timestamps[row, 0], panel.display_timezone),
    )


def _earliest_stale(run: Run, cleaned: CleanedData, errors: SeriesErrors) -> int | None:
    """See `PartSeries.earliest_stale`."""
    if cleaned.panel.irregular_timestamps is not None:
        return None
    ends = last_ordinals(cleaned.panel)
    ends = ends[may_be_stale(errors.labels, run.profile, run.horizon)]
    return int(ends.min()) if len(ends) else None


def _ticks(timestamps: Timestamps) -> Timestamps:
    if timestamps.dtype.kind == "M":
        timestamps = timestamps.astype("M8[us]")
    return timestamps.astype(np.int64)


def _to_timestamps(ticks: tuple[int, ...], cleaned: CleanedData) -> Timestamps:
    dtype = cleaned.panel.start_timestamps().dtype
    values = np.array(ticks, dtype=np.int64)
    return values.astype("M8[us]").astype(dtype) if dtype.kind == "M" else values.astype(dtype)


def _moment(timestamp: np.generic, cleaned: CleanedData) -> Moment:
    text = format_timestamp(timestamp, cleaned.panel.display_timezone)
    return Moment(int(_ticks(np.array([timestamp]))[0]), text)


def _input_sha256(partition: Partition) -> str:
    try:
        return file_sha256(Path(partition.path))
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
        raise DataError(Problem("", found, "check that you may read it")) from error
