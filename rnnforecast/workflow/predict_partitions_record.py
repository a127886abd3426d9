"""What is known of the forecast of a partition once it is written: the file beside its tables."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from pydantic import TypeAdapter

from rnnforecast.data.io.partitions import Partition, file_sha256
from rnnforecast.data.io.series_hash import Hashes
from rnnforecast.output.atomic_files import atomic_file, write_bytes
from rnnforecast.output.json_files import write_json
from rnnforecast.pipeline.checks.data_counts import DataCounts
from rnnforecast.pipeline.checks.series_ends import PanelKind
from rnnforecast.pipeline.series_errors import SeriesError
from rnnforecast.types import Ints

RECORDS = "records"
"""The folder of the records in the work folder."""


@dataclass(frozen=True)
class Moment:
    """A timestamp: its number of microseconds or steps, and its text."""

    ticks: int
    text: str


@dataclass(frozen=True)
class LatestEnd:
    """Where the series that ends last ends."""

    ordinal: int | None
    """Of its last step; None for irregular data."""
    ticks: tuple[int, ...]
    """[1 + H] of its last timestamp and of those that are forecast, see `Moment`."""
    text: str = field(compare=False)
    """Its last timestamp."""


@dataclass(frozen=True)
class PartFile:
    """A file of a partition."""

    path: str
    """In its folder."""
    rows: int
    sha256: str


@dataclass(frozen=True)
class PartSeries:
    """The series of a partition, as far as they count for the whole dataset."""

    forecast: int
    """Series with a forecast of at least one target."""
    status: dict[str, int]
    errors: tuple[SeriesError, ...]
    failed: int
    """Series because of which `predict` ends with code 6."""
    failed_series: dict[str, str]
    """Reasons by label of the first of them."""
    left_out: int
    """Series without a value, whose timestamps are those of the series that ends last."""
    span: tuple[int, int]
    """The ordinals of the first and the last step of the partition."""
    counts: DataCounts
    kind: PanelKind
    latest: LatestEnd
    earliest_stale: int | None
    """The earliest end of the series that may be stale, see `may_be_stale`."""
    first: Moment
    """The earliest timestamp of the forecasts."""
    last: Moment
    is_in_sample: bool


@dataclass(frozen=True)
class PartRecord:
    """The forecast of a partition in the work folder."""

    input: PartFile
    """The partition, by its name in the dataset."""
    tables: dict[str, PartFile]
    """By name: ``forecast``, and ``totals`` and ``paths`` if there are any; none without rows."""
    details: tuple[PartFile, ...] = ()
    """Files of `PartDetails`."""
    series: PartSeries | None = None
    """None for a partition without rows."""
    latest: LatestEnd | None = None
    """The end of the latest series of all partitions, where it was known."""


@dataclass(frozen=True)
class PartDetails:
    """Arrays of a partition that are compared with those of the others."""

    hashes: Hashes
    """[S] of the ids of all series, see `hash_keys`."""
    known: Ints
    """Places in the training profile of the series that are in it."""
    sample: pa.Table
    """See `sample_series`."""


def record_path(work: Path, partition: Partition) -> Path:
    """The file of the record of a partition."""
    return work / RECORDS / f"{partition.file_name}.json"


def write_details(work: Path, partition: Partition, details: PartDetails) -> tuple[PartFile, ...]:
    """Writes the arrays of a partition into the work folder. Raises OutputError."""
    arrays, sample = _details_paths(work, partition)
    write_bytes(
        arrays,
        safetensors.numpy.save(
            {"hashes": details.hashes, "known": np.ascontiguousarray(details.known)}
        ),
    )
    with atomic_file(sample) as partial, partial.open("wb") as file:
        pq.write_table(details.sample, file, compression="zstd", write_page_checksum=True)
    sizes = len(details.hashes), details.sample.num_rows
    return tuple(
        part_file(work, path, size) for path, size in zip((arrays, sample), sizes, strict=True)
    )


def read_hashes(work: Path, partition: Partition) -> Hashes:
    """The hashes of `PartDetails`."""
    return _read_arrays(work, partition)["hashes"]


def read_known(work: Path, partition: Partition) -> Ints:
    """The places in the profile of `PartDetails`."""
    return _read_arrays(work, partition)["known"]


def read_sample(work: Path, partition: Partition) -> pa.Table:
    """The sample of `PartDetails`."""
    return pq.read_table(_details_paths(work, partition)[1])


def part_file(folder: Path, path: Path, rows: int) -> PartFile:
    """A file that was written into a folder."""
    return PartFile(path.relative_to(folder).as_posix(), rows, file_sha256(path))


def write_record(work: Path, partition: Partition, record: PartRecord) -> None:
    """Writes the record, after all files that it names. Raises OutputError."""
    write_json(record_path(work, partition), _adapter().dump_python(record, mode="json"))


def read_record(work: Path, partition: Partition) -> PartRecord | None:
    """The record of a partition whose input and files are as they were; None otherwise."""
    try:
        record = _adapter().validate_json(record_path(work, partition).read_bytes())
        files = [*record.tables.values(), *record.details]
        is_same = record.input.sha256 == partition.sha256() and all(
            file_sha256(work / each.path) == each.sha256 for each in files
        )
    except (OSError, ValueError):
        return None
    return record if is_same else None


@functools.cache
def _adapter() -> TypeAdapter[PartRecord]:
    return TypeAdapter(PartRecord)


def _details_paths(work: Path, partition: Partition) -> tuple[Path, Path]:
    start = work / RECORDS / partition.file_name
    return start.with_name(f"{start.name}.safetensors"), start.with_name(f"{start.name}.sample")


def _read_arrays(work: Path, partition: Partition) -> dict[str, npt.NDArray[Any]]:
    return safetensors.numpy.load_file(_details_paths(work, partition)[0])
