"""Reading of a part of the series: as many as a memory budget holds, or those of a known sample.

The rows that fit a budget are known before anything is read, from the number of rows of the files;
the series that fit, which also cost something each, once the sample of the rows has been read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.input_files import InputFile
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.sampled_reader import SampledReader
from rnnforecast.data.io.series_sample import SampledSeries, SeriesSample
from rnnforecast.errors import DataError, Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

KEY = "training.memory_budget"


class SeriesSelection(Protocol):
    """Which series of a table are read."""

    def sample(self, files: Sequence[InputFile], roles: ColumnRoles) -> SeriesSample | None:
        """The sample to read, None to read all; DataError if there are no series to choose from."""

    def finish(self, table: Table, sample: SeriesSample | None) -> Table:
        """The table of a sample with the series that stay, and what was sampled."""


@dataclass(frozen=True)
class MemoryBudget:
    """As many series as fit into memory, by what rows and series cost."""

    text: str
    """The budget as the spec has it."""
    available: float
    """Bytes for rows and series: those of the budget without what any training needs."""
    row_bytes: float
    """Of a row with its time and its id."""
    cell_bytes: float
    """Of a value of a target or covariate."""
    series_bytes: float
    """Of a series, whatever its length: the forecasts of its held-out horizon."""
    seed: int

    def sample(self, files: Sequence[InputFile], roles: ColumnRoles) -> SeriesSample | None:
        """The share whose rows fit; DataError if not all do, and no column tells series apart."""
        n_rows = sum(file.reader.estimate_rows() for file in files)
        share = self.available / (n_rows * self._of_row(roles))
        if share >= 1:
            return None
        if not roles.series:
            found = f"holds {share:.1%} of about {n_rows:,} rows, which are one series"
            cure = "raise it, or name the columns that tell series apart in data.series"
            raise DataError(Problem(f"{KEY}: {self.text}", found, cure))
        return SeriesSample(share, self.seed)

    def finish(self, table: Table, sample: SeriesSample | None) -> Table:
        """The table with the series that fit, with all rows of each."""
        needed = len(table.codes) * self._of_row(table.roles) + len(table.keys) * self.series_bytes
        share = self.available / needed
        if sample is None and (share >= 1 or not table.roles.series):
            return table
        chosen = SeriesSample(
            min(share, 1.0) * (1.0 if sample is None else sample.share), self.seed
        )
        if share < 1:
            table = _keep_series(table, chosen)
        sampled = SampledSeries(chosen.share, chosen.seed, self.text, len(table.keys))
        return _with_sampled(table, sampled)

    def _of_row(self, roles: ColumnRoles) -> float:
        """The bytes of a row."""
        return self.row_bytes + (len(roles.targets) + len(roles.covariates)) * self.cell_bytes


@dataclass(frozen=True)
class KnownSample:
    """The series of a sample that was chosen before, by a training."""

    sampled: SampledSeries

    def sample(self, files: Sequence[InputFile], roles: ColumnRoles) -> SeriesSample | None:
        """The sample."""
        return self.sampled.sample

    def finish(self, table: Table, sample: SeriesSample | None) -> Table:
        """The table, and how many series it has."""
        return _with_sampled(table, replace(self.sampled, series=len(table.keys)))


@dataclass(frozen=True)
class RowLimit:
    """As many series as have about so many rows together, for a look at the data."""

    max_rows: int
    seed: int = 1

    def sample(self, files: Sequence[InputFile], roles: ColumnRoles) -> SeriesSample | None:
        """The share of the rows; None if no column tells series apart."""
        share = self.max_rows / sum(file.reader.estimate_rows() for file in files)
        return None if share >= 1 or not roles.series else SeriesSample(share, self.seed)

    def finish(self, table: Table, sample: SeriesSample | None) -> Table:
        """The table, and how many series were read."""
        if sample is None:
            return table
        sampled = SampledSeries(sample.share, sample.seed, "", len(table.keys))
        found = f"{sampled.describe_size()} were looked at, with all rows of each"
        note = ReadingNote(Problem("", found))
        return replace(table, sampled=sampled, notes=(*table.notes, note))


def only_sample(
    files: Sequence[InputFile], ids: Sequence[str], sample: SeriesSample
) -> tuple[InputFile, ...]:
    """The files without the series outside of the sample; `ids` are the columns of ids."""
    return tuple(
        replace(file, reader=SampledReader(file.reader, _id_columns(file, ids), sample))
        for file in files
    )


def empty_sample_error() -> DataError:
    """The error of data of which no series is in the sample."""
    return DataError(Problem(KEY, "so small a sample of the series holds none", "raise it"))


def _id_columns(file: InputFile, ids: Sequence[str]) -> dict[str, str | None]:
    return {file.raw_names.get(name, name): file.partition_columns.get(name) for name in ids}


def _keep_series(table: Table, sample: SeriesSample) -> Table:
    """The table of the series in the sample."""
    kept = sample.contains(table.keys)
    if not kept.any():
        raise empty_sample_error()
    rank = np.cumsum(kept, dtype=table.codes.dtype) - 1
    fewer = table.filter(kept[table.codes])
    return replace(
        fewer,
        keys=table.keys[kept].reset_index(drop=True),
        codes=rank[fewer.codes],
        invalid_series={
            int(rank[code]): why for code, why in table.invalid_series.items() if kept[code]
        },
    )


def _with_sampled(table: Table, sampled: SampledSeries) -> Table:
    found = f"{sampled.describe_size()} are read, with all rows of each"
    note = ReadingNote(Problem(f"{KEY} {sampled.memory_budget}", found))
    return replace(table, sampled=sampled, notes=(*table.notes, note))
