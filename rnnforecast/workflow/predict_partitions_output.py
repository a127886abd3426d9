"""The forecast of a dataset as a folder: a file for each partition, and a manifest of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rnnforecast.data.io.partitions import Partition
from rnnforecast.data.io.series_hash import Hashes, hash_keys
from rnnforecast.data.panel.panel import series_labels
from rnnforecast.errors import PartFailed, Problem
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.json_files import write_json
from rnnforecast.pipeline.calibration import store_timestamp
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import MAX_NAMED_SERIES, merge_series_errors
from rnnforecast.wording import join_names
from rnnforecast.workflow.predict_output import SUMMARY_FILE, PredictResult
from rnnforecast.workflow.predict_partitions_record import LatestEnd, PartRecord, PartSeries
from rnnforecast.workflow.predict_partitions_task import PartsForecast
from rnnforecast.workflow.predict_places import absolute_sources
from rnnforecast.workflow.predict_previous import data_since
from rnnforecast.workflow.predict_request import ForecastRequest

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class PartsResult(PredictResult):
    """What `predict --partitions` wrote: no plots; `failed` has the first of the series, and
    `data_sha256` is a hash of the names and hashes of all partitions."""

    partitions: int
    rows: int
    """Rows of the forecast."""
    failed_count: int
    """All series because of which `predict` ends with code 6."""

    def check_complete(self) -> None:
        """Raises PartFailed if some series have no forecast."""
        if not self.failed_count:
            return
        failed = [f"{label} ({reason})" for label, reason in self.failed.items()]
        more = self.failed_count - len(failed)
        names = join_names(failed, 3) if more <= 0 else f"{join_names(failed[:3])}, …"
        raise PartFailed(
            Problem(
                "",
                f"{self.failed_count:,} series lack a forecast, or one by the model: {names}",
                f"the forecasts of {self.series:,} series were written to {self.out}; see "
                "'rnnforecast check' for what is wrong with the others",
            )
        )


def build_parts_result(
    run: Run,
    parts: PartsForecast,
    out: str,
    records: Sequence[PartRecord],
    latest: LatestEnd,
    request: ForecastRequest,
) -> PartsResult:
    """The result before it is checked."""
    series = [record.series for record in records if record.series is not None]
    status: Counter[str] = Counter()
    for each in series:
        status.update(each.status)
    failed = [item for each in series for item in each.failed_series.items()]
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{record.input.path}\0{record.input.sha256}\n".encode("utf-8", "replace"))
    data_sha256 = digest.hexdigest()
    since = data_since(request.previous, data_sha256, request.now)
    return PartsResult(
        out=str(Path(out)),
        partitions=len(records),
        rows=sum(each.tables["forecast"].rows for each in records if each.tables),
        series=sum(each.forecast for each in series),
        targets=len(series[0].kind.targets),
        horizon=parts.steps,
        failed_count=sum(each.failed for each in series),
        failed=dict(failed[:MAX_NAMED_SERIES]),
        series_status=dict(status),
        series_errors=merge_series_errors(each.errors for each in series),
        first_timestamp=min(series, key=lambda each: each.first.ticks).first.text,
        last_timestamp=max(series, key=lambda each: each.last.ticks).last.text,
        data_end=latest.text,
        data_sha256=data_sha256,
        data_since=since.isoformat(timespec="seconds"),
        trained_at=run.trained_at.isoformat(),
        trained_until=store_timestamp(run.trained_until),
        written_at=request.now.isoformat(timespec="seconds"),
    )


def publish_parts(
    parts: PartsForecast,
    out: str,
    records: Sequence[PartRecord],
    result: PartsResult,
    source: Sequence[str],
    *,
    force: bool = False,
) -> None:
    """Writes the folder of the result: tables from the work folder, manifest and summary.

    Raises OutputError; the work folder stays as it is.
    """
    run = parts.run
    inputs = {"run": str(parts.run_folder), **run.metadata["versions"]}
    inputs |= {"data": absolute_sources(source), "origin": parts.origin}
    with atomic_folder(Path(out), "forecast", force=force) as partial:
        for record in records:
            for table in record.tables.values():
                target = partial / table.path
                target.parent.mkdir(exist_ok=True)
                _link_or_copy(parts.work / table.path, target)
        write_json(partial / MANIFEST_FILE, build_manifest(records))
        write_json(partial / SUMMARY_FILE, inputs | asdict(result))


def build_manifest(records: Sequence[PartRecord]) -> dict[str, object]:
    """The partitions with their files, rows, series and hashes; no times of day."""
    return {
        "format": 1,
        "partitions": [
            {
                "input": asdict(record.input),
                "tables": {name: asdict(table) for name, table in record.tables.items()},
                "series": _series_counts(record.series),
            }
            for record in records
        ],
    }


def keys_of_part(parts: PartsForecast, partition: Partition, hashes: Hashes) -> dict[int, str]:
    """The labels of the series of a finished partition whose hashes are these."""
    columns = list(parts.run.plan.read_options.data.series)
    path = parts.work / "forecast" / partition.file_name
    keys = pq.read_table(path, columns=columns).to_pandas().drop_duplicates(ignore_index=True)
    own = hash_keys(keys)
    rows = np.flatnonzero(np.isin(own, hashes))
    labels = series_labels(keys.iloc[rows])
    return dict(zip(own[rows].tolist(), map(str, labels), strict=True))


def _series_counts(series: PartSeries | None) -> dict[str, object]:
    if series is None:
        return {"count": 0, "status": {}}
    return {"count": sum(series.status.values()), "status": series.status}


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file; a copy where the file system has none. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
