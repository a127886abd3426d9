"""One long table, read from all files.

Files are streamed through Arrow. If one cannot be parsed, `diagnose` reads all again to find the
faulty cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.arrow_types import to_text
from rnnforecast.data.io.column_builders import InvalidCell
from rnnforecast.data.io.column_names import expand_patterns, missing_column_problems
from rnnforecast.data.io.column_roles import ColumnRoles, infer_column_roles
from rnnforecast.data.io.columns import (
    CategoricalColumn,
    NumericColumn,
    ParsedColumns,
    load_columns,
)
from rnnforecast.data.io.dates_as_columns import read_dates_as_columns
from rnnforecast.data.io.diagnostics import MAX_SHOWN_PROBLEMS, diagnose
from rnnforecast.data.io.encoding import encoding_problem, has_undecodable_bytes
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.input_files import InputFile, LineIndex, format_location, scan_files
from rnnforecast.data.io.joined_columns import join_cells
from rnnforecast.data.io.memory_budget import SeriesSelection, only_sample
from rnnforecast.data.io.number_format import CellFormat, NumberFormat
from rnnforecast.data.io.number_reading import NumberReader, NumberReading, range_notes
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.reading_notes import ReadingNote, combine_notes
from rnnforecast.data.io.series_sample import SampledSeries, SeriesSample
from rnnforecast.data.io.table_roles import drop_targets_known_ahead, drop_unneeded_ids
from rnnforecast.data.io.time_format_choice import choose_column_format
from rnnforecast.data.time.format import TimeFormat
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec
from rnnforecast.types import Floats
from rnnforecast.wording import quote_text

KeepBeside = Literal["none", "series", "rows", "rows_if_few"]
"""What stays beside a cell that cannot be read: nothing, the other series, all other rows, or these
if at most half of the series have such cells."""

HEAD_ROWS = 2000
"""Rows from which roles and formats are inferred, of all files together."""
_MAX_HEAD_FILES = 40  # evenly spread among all files


@dataclass(frozen=True)
class Table:
    """One long table, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted; one row and no column for a single series."""
    codes: np.ndarray
    """[R] int32, the row of `keys` for each row."""
    time: np.ndarray
    """[R] datetime64[us] at `utc_offset`, or int64."""
    utc_offset: str
    """The offset of all timestamps as written ("+02:00", "Z"); empty if there is none."""
    values: np.ndarray
    """[R, C] float64, original units; NaN where missing."""
    roles: ColumnRoles
    line_index: LineIndex
    infinite_count: int
    """Infinite values of targets and covariates, which were replaced by NaN."""
    covariates: dict[str, NumericColumn | CategoricalColumn] = field(default_factory=dict)
    """In the order of the options."""
    notes: tuple[ReadingNote, ...] = ()
    """How the files were read."""
    number_format: NumberFormat = field(default_factory=NumberFormat)
    invalid_series: dict[int, str] = field(default_factory=dict)
    """Row of `keys` -> the cell that cannot be read, for series with one; their rows are left out,
    or those that cannot be read."""
    known_at: np.ndarray | None = None
    """[R] the time at which each row became known, of the type and offset of `time`; None without
    data.known_at."""
    sampled: SampledSeries | None = None
    """Of which series these are a sample; None for all."""

    def without_rows(self) -> Table:
        """The table without its rows, to free their memory."""
        return self.filter(np.zeros(len(self.codes), dtype=np.bool_))

    def filter(self, mask: np.ndarray) -> Table:
        """The table of the rows where `mask` [R] is true."""
        rows = np.flatnonzero(mask)
        return replace(
            self,
            codes=self.codes[rows],
            time=self.time[rows],
            values=self.values[rows],
            line_index=self.line_index.take(rows),
            covariates={name: column.take(rows) for name, column in self.covariates.items()},
            known_at=None if self.known_at is None else self.known_at[rows],
        )


def read_files(
    source: Sequence[DataSource],
    options: ReadOptions,
    *,
    skip_invalid_series: bool = False,
    repair_invalid_series: bool = False,
    refuse_mostly_invalid: bool = False,
    selection: SeriesSelection | None = None,
) -> Table:
    """All rows of all files (paths, folders, globs, "-" for standard input) and data frames in one
    table.

    With `skip_invalid_series`, the rows of a series with a time or number that cannot be read are
    left out, if other series are left. With `repair_invalid_series` only rows with such a time are,
    and such a number is missing; with `refuse_mostly_invalid` only if most series have none. If
    another file has targets, a file may have covariates without targets: those known ahead. With a
    `selection`, only the rows of some series are read.
    Raises DataError with all problems at once: file, line, column, what was found and the cure.
    """
    files = scan_files(source, options.data)
    as_series = read_dates_as_columns(files, options.data)
    if as_series:
        files, options = as_series.files, replace(options, data=as_series.data)
    data = options.data
    options = _expand_covariates(options, files)
    known = list(data.time_columns)
    known += [] if data.series == "auto" else data.series
    targets = () if data.targets == "auto" else data.targets
    _check_columns(files, known, targets, options.covariates)

    def roles_of(rows: pd.DataFrame) -> ColumnRoles:
        roles = infer_column_roles(rows, options, _source_name(files))
        if as_series:
            reasons = roles.reasons | as_series.reasons
            # Columns beside the dates are no targets, so that none was passed over.
            roles = replace(roles, reasons=reasons, has_dates_as_columns=True, notes=())
        return roles

    rows = _read_head(files)
    roles = roles_of(rows)
    keep: KeepBeside = "series" if skip_invalid_series else "none"
    if repair_invalid_series:
        keep = "rows_if_few" if refuse_mostly_invalid else "rows"

    def read(roles: ColumnRoles) -> tuple[Table, tuple[InputFile, ...], SeriesSample | None]:
        sample = None if selection is None else selection.sample(files, roles)
        chosen = files if sample is None else only_sample(files, roles.series, sample)
        return _read_with_roles(chosen, rows, roles, data, keep), chosen, sample

    table, chosen, sample = read(roles)
    if data.series == "auto" and len(table.time) > len(rows) and _has_repeated_timestamps(table):
        # The head of a file sorted by series holds one series only: infer from other rows.
        roles = roles_of(_rows_of_some_timestamps(chosen, table))
        if roles.series != table.roles.series:
            del table
            table, chosen, sample = read(roles)
    if data.series == "auto":
        table = drop_unneeded_ids(table)
        if sample is not None and table.roles.series != roles.series:
            # a sample by ids that a later forecast does not read
            table, chosen, sample = read(replace(roles, series=table.roles.series))
    if selection is not None:
        table = selection.finish(table, sample)
    if data.targets == "auto":
        table = drop_targets_known_ahead(table, _source_name(files))
    return replace(table, notes=(*table.notes, *table.roles.notes))


def infer_columns(source: Sequence[DataSource], options: ReadOptions) -> ReadOptions:
    """The options with columns and types of covariates as the first rows of the files show them.

    Raises DataError as `read_files`.
    """
    files = scan_files(source, options.data)
    options = _expand_covariates(options, files)
    return infer_column_roles(_read_head(files), options, _source_name(files)).resolve(options)


def _expand_covariates(options: ReadOptions, files: Sequence[InputFile]) -> ReadOptions:
    """The options with names instead of patterns. DataError for columns both categorical and
    numeric."""
    names = expand_patterns(options.covariates, _all_columns(files), _source_name(files))
    categorical = expand_patterns(options.categorical, names, "features")
    numeric = expand_patterns(options.numeric, names, "features")
    if both := [name for name in categorical if name in numeric]:
        found, cure = "cannot be categorical and numeric at once", "list it once"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in both))
    return replace(
        options,
        covariates=tuple(names),
        categorical=tuple(categorical),
        numeric=tuple(numeric),
    )


def _read_with_roles(
    files: tuple[InputFile, ...],
    head: pd.DataFrame,
    roles: ColumnRoles,
    data: DataSpec,
    keep: KeepBeside,
) -> Table:
    time_columns = roles.time_columns or (roles.time,)
    covariates = roles.unused if data.targets == "auto" else ()
    _check_columns(
        files, [*time_columns, *roles.series], roles.targets, roles.covariates, covariates
    )
    if roles.time_columns and roles.time not in files[0].joined_columns:
        files = tuple(file.with_joined(roles.time, roles.time_columns) for file in files)
        head = head.assign(**{roles.time: join_cells(head[[*roles.time_columns]])})
    given_format = data.time_format or roles.time_format
    chosen = choose_column_format(files, roles, head, given_format)
    time_format = chosen.time_format
    has_mixed_offsets = data.timezone is not None and time_format.offset != ""
    time_format = replace(time_format, has_mixed_offsets=has_mixed_offsets)
    numbers = NumberReader(files, roles, data, _source_name(files))
    try:
        columns, reading = _load_columns(numbers, head, time_format, keep != "none")
    except DataError:
        if shorter := _without_empty_rows(files):
            return _read_with_roles(shorter, head, roles, data, keep)
        raise
    if columns.invalid_cells and (shorter := _without_empty_rows(files)):
        return _read_with_roles(shorter, head, roles, data, keep)
    if keep == "rows_if_few":
        invalid = {int(columns.codes[cell.row]) for cell in columns.invalid_cells}
        if 2 * len(invalid) > len(columns.keys):
            _load_columns(numbers, head, time_format, skip_invalid_series=False)  # raises
    table = Table(
        keys=columns.keys,
        codes=columns.codes,
        time=columns.time,
        utc_offset=columns.utc_offset,
        values=columns.values,
        infinite_count=columns.infinite_count,
        roles=replace(
            roles,
            time_format=chosen.setting if chosen.is_choice else given_format,
            known_time_format=chosen.setting,
            known_marks=reading.marks or roles.known_marks,
        ),
        line_index=LineIndex(files, columns.row_counts),
        covariates=columns.covariates,
        notes=(
            *combine_notes(note for file in files for note in file.reader.notes),
            *chosen.notes,
            *reading.notes,
        ),
        number_format=reading.number_format,
    )
    return _without_invalid_cells(table, columns.invalid_cells, keep)


def _without_empty_rows(files: tuple[InputFile, ...]) -> tuple[InputFile, ...] | None:
    """The files without rows that hold no data; None if no file has any."""
    shorter = tuple(file.without_empty_rows() for file in files)
    is_shorter = any(new is not file for new, file in zip(shorter, files, strict=True))
    return shorter if is_shorter else None


def _load_columns(
    numbers: NumberReader,
    head: pd.DataFrame,
    time_format: TimeFormat,
    skip_invalid_series: bool,
) -> tuple[ParsedColumns, NumberReading]:
    """The columns, and how their numbers were read.

    DataError if a cell cannot be parsed.
    """
    files, roles = numbers.files, numbers.roles
    reading = NumberReading(NumberFormat())
    problems: tuple[Problem, ...] = ()
    try:
        reading = numbers.read_sample(head)
        if not reading.is_exact:
            cell_format = CellFormat(time_format, reading.number_format)
            with suppress(pa.ArrowException, ValueError):
                columns = load_columns(files, roles, cell_format)
                if not numbers.may_differ(reading, _numeric_columns(roles, columns)):
                    return columns, replace(reading, notes=_range_notes(numbers, columns))
            reading = numbers.read_all()
        problems = reading.problems
        if not skip_invalid_series:
            problems += reading.cell_problems
        if problems:
            raise ValueError("cells that only the user can interpret")
        cell_format = CellFormat(time_format, reading.number_format)
        try:
            columns = load_columns(files, roles, cell_format)
        except (pa.ArrowException, ValueError):
            if not skip_invalid_series:
                raise
            columns = load_columns(files, roles, cell_format, allow_invalid=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        cell_format = CellFormat(time_format, reading.number_format)
        raise diagnose(files, roles, cell_format, str(error), problems) from None
    notes = (*reading.notes, *_range_notes(numbers, columns))
    return columns, replace(reading, notes=notes)


def _numeric_columns(roles: ColumnRoles, columns: ParsedColumns) -> dict[str, Floats]:
    """[R] the numbers of each target and numeric covariate."""
    targets = {name: columns.values[:, at] for at, name in enumerate(roles.targets)}
    return targets | {
        name: column.values
        for name, column in columns.covariates.items()
        if isinstance(column, NumericColumn)
    }


def _range_notes(numbers: NumberReader, columns: ParsedColumns) -> tuple[ReadingNote, ...]:
    by_name = _numeric_columns(numbers.roles, columns)
    return tuple(range_notes(numbers.source_name, by_name, columns.tiny_count))


def _without_invalid_cells(table: Table, cells: Sequence[InvalidCell], keep: KeepBeside) -> Table:
    """The table without the rows of series with one of these cells, or without such a time; a
    number is missing there. DataError if none is left."""
    if not cells:
        return table
    reasons: dict[int, str] = {}
    problems: list[Problem] = []
    for cell in cells:
        code = int(table.codes[cell.row])
        if code not in reasons or len(problems) < MAX_SHOWN_PROBLEMS:
            location = table.line_index.location(cell.row, cell.column)
            kind = "time" if cell.column == table.roles.time else "number"
            found = f"{quote_text(cell.text)} is not a {kind}"
            problems.append(Problem(location, found, "correct the cell"))
            reasons.setdefault(code, f"{location}: {found}")
    if keep != "series":
        rows = np.ones(len(table.codes), dtype=np.bool_)
        rows[[cell.row for cell in cells if cell.column == table.roles.time]] = False
    else:
        rows = ~np.isin(table.codes, list(reasons))
    if not rows.any():
        raise DataError(*problems[:MAX_SHOWN_PROBLEMS])
    return replace(table.filter(rows), invalid_series=reasons)


def _all_columns(files: Sequence[InputFile]) -> list[str]:
    """The columns of all files, in order of first appearance."""
    return list(dict.fromkeys(name for file in files for name in file.columns if name))


def _read_head(files: Sequence[InputFile]) -> pd.DataFrame:
    """The first rows of the files as text, "" where a file lacks a column. Of several columns
    without a name the first is kept, as ""."""
    sampled = files[:: -(-len(files) // _MAX_HEAD_FILES)]
    rows_per_file = -(-HEAD_ROWS // len(sampled))
    frames = []
    for file in sampled:
        cells = file.sample_rows(rows_per_file)
        frame = pd.DataFrame(cells, columns=range(len(file.columns)), dtype=str)
        frame.columns = pd.Index(file.columns)
        frames.append(frame.loc[:, ~frame.columns.duplicated()])  # only "" can be repeated
    rows: pd.DataFrame = pd.concat(frames, ignore_index=True).fillna("")
    return rows


def _source_name(files: Sequence[InputFile]) -> str:
    return files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _check_columns(
    files: Sequence[InputFile],
    names: Sequence[str],
    targets: Sequence[str],
    covariates: Sequence[str],
    possible_covariates: Sequence[str] = (),
) -> None:
    """DataError for columns that a file lacks.

    A file with covariates, but without the targets that another file has, holds covariates known
    ahead: it may lack the targets and other covariates. So does a file with `possible_covariates`
    all of whose columns a file with targets has.
    """
    complete = {name for file in files for name in file.columns if {*targets} <= {*file.columns}}
    has_targets = any(name in file.columns for file in files for name in targets)
    problems = []
    for file in files:
        columns = [name for name in file.columns if name]
        is_ahead = has_targets and not any(name in columns for name in targets)
        is_possible = complete.issuperset(columns)
        ahead = [*covariates, *(possible_covariates if is_possible else ())]
        is_ahead = is_ahead and any(name in columns for name in ahead)
        needed = names if is_ahead else [*names, *targets, *covariates]
        problems += missing_column_problems(needed, columns, file.name)
    if problems:
        raise DataError(*problems)


def _has_repeated_timestamps(table: Table) -> bool:
    """Whether a series has one of about 20 sampled timestamps twice: if an id column was missed,
    nearly all timestamps are repeated."""
    for timestamp in np.unique(table.time[:: -(-len(table.time) // 20)]):
        codes = table.codes[table.time == timestamp]
        if len(np.unique(codes)) < len(codes):
            return True
    return False


def _rows_of_some_timestamps(files: Sequence[InputFile], table: Table) -> pd.DataFrame:
    """All rows of the files at those five of about 20 sampled timestamps that most rows have, as
    text."""
    sampled = np.unique(table.time[:: -(-len(table.time) // 20)])
    counts = [int((table.time == timestamp).sum()) for timestamp in sampled]
    wanted = sampled[np.argsort(counts, kind="stable")[-5:]]
    mask = np.isin(table.time, wanted)
    found, first = [], 0
    for file in files:
        try:
            for batch in file.batches([name for name in file.columns if name]):
                stop = first + len(next(iter(batch.values())))
                some = pa.array(mask[first:stop])
                texts = {name: to_text(column.filter(some)) for name, column in batch.items()}
                found.append(pa.table(texts).to_pandas())
                first = stop
        except (pa.ArrowException, OSError):  # undecodable bytes in an unused column
            records = file.reader.records()
            line = next(line for line, cells in records if has_undecodable_bytes("".join(cells)))
            location = format_location(file, line)
            raise DataError(encoding_problem(location, file.reader.encoding)) from None
    sample: pd.DataFrame = pd.concat(found, ignore_index=True)
    return sample
