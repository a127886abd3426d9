"""Tables with one row a series and one column a date, read as one row for each series and date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.arrow_types import to_text
from rnnforecast.data.io.cell_content import cell_content, date_columns
from rnnforecast.data.io.diagnostics import diagnose_lines
from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.input_files import InputFile
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table_reader import TableReader, ragged_row_problem
from rnnforecast.data.time.format import parse_time_format, unparsable_mask
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec

TIME, VALUE = "date", "value"
"""The columns of dates and of values, unless the spec names them or a column has that name."""
_TIME_NAMES = (
    *("ds", "date", "time", "timestamp", "datetime", "datum", "year", "quarter", "month", "week"),
    *("day", "t", "step", "hour"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST_MONTH = len("september")
_BATCH_CELLS = 1 << 20
_SAMPLE_ROWS = 50
_MAX_PROBLEMS = 5


@dataclass(frozen=True)
class DatesAsColumnsReader:
    """Reader of a table with dates in its header: each row becomes one row for each date."""

    inner: TableReader
    dates: Mapping[int, str]
    """Position of a column -> the date that its name holds."""
    time: str
    value: str

    @property
    def source(self) -> FileSource:
        """The source of the file."""
        return self.inner.source

    @property
    def encoding(self) -> str:
        """The encoding of the file."""
        return self.inner.encoding

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The columns that hold no date, then date and value."""
        return (*(self.inner.header[column] for column in self._others), self.time, self.value)

    @cached_property
    def numeric_columns(self) -> frozenset[str]:
        """Stripped names of the columns with a numeric type."""
        found = self.inner.numeric_columns
        has_numbers = all(name.strip() in found for name in self._date_names)
        return found | {self.value} if has_numbers else found

    @property
    def notes(self) -> tuple[ReadingNote, ...]:
        """Notes on the file, and one on the dates in the header."""
        names = [name.strip() for name in self._date_names]
        found = (
            f"the names of {len(names):,} columns are dates, {names[0]!r} to {names[-1]!r}: read "
            f"as one row a series, with the values in a column {self.value!r}"
        )
        cure = "set data.layout to dates_as_rows if these are different targets"
        note = ReadingNote(Problem(self.source.name, found, cure))
        return (*self.inner.notes, note)

    def location(self, number: int, column: str | None = None) -> str:
        """Line and column of the file for a row number of `records`."""
        line, date = divmod(number, len(self.dates))
        name = self._date_names[date] if column in (None, self.time, self.value) else column
        return self.inner.location(line, name)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number, which `location` understands, and cells of each row and date.

        DataError for rows of the file that are not as wide as its header.
        """
        ragged: list[Problem] = []
        for line, cells in self.inner.records():
            if len(cells) != len(self.inner.header):
                if len(ragged) < _MAX_PROBLEMS:
                    ragged.append(ragged_row_problem(self.inner, line, cells))
                continue
            others = [cells[column] for column in self._others]
            for number, (column, date) in enumerate(self.dates.items()):
                yield line * len(self.dates) + number, [*others, date, cells[column]]
        if ragged:
            raise DataError(*ragged)

    def line_numbers(self) -> Sequence[int]:
        """The row number of every row and date."""
        lines = np.asarray(self.inner.line_numbers())[:, None]
        numbers = lines * len(self.dates) + np.arange(len(self.dates))
        return cast(Sequence[int], numbers.ravel())

    def estimate_rows(self) -> int:
        """About as many rows as there are series and dates."""
        return self.inner.estimate_rows() * len(self.dates)

    def without_empty_rows(self) -> DatesAsColumnsReader:
        """The reader that leaves out rows without data."""
        inner = self.inner.without_empty_rows()
        return self if inner is self.inner else replace(self, inner=inner)

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns, the values of one row one behind the other."""
        made = (self.time, self.value)
        texts = [name for name in text_columns if name not in made]
        numbers = [name for name in numeric_columns if name not in made]
        values = self._date_names if self.value in (*text_columns, *numeric_columns) else []
        if self.value in text_columns:
            texts += values
        else:
            numbers += values
        if not texts and not numbers:
            numbers = self._date_names[:1]  # for the number of rows
        if marks := number_format.columns.get(self.value):
            known = {name.strip(): marks for name in self._date_names}
            number_format = replace(number_format, columns={**number_format.columns, **known})
        size = max(1, _BATCH_CELLS // len(self.dates))
        for wide in self.inner.batches(texts, numbers, number_format):
            for start in range(0, wide.num_rows, size):
                part = wide.slice(start, size)
                columns = {
                    name: self._long_column(part, name)
                    for name in (*text_columns, *numeric_columns)
                }
                yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    @cached_property
    def _others(self) -> list[int]:
        return [column for column in range(len(self.inner.header)) if column not in self.dates]

    @cached_property
    def _date_names(self) -> list[str]:
        return [self.inner.header[column] for column in self.dates]

    def _long_column(self, wide: Any, name: str) -> Any:
        """A column [rows * dates] from a batch of the file."""
        n_rows, n_dates = wide.num_rows, len(self.dates)
        if name == self.time:
            codes = np.tile(np.arange(n_dates, dtype=np.int32), n_rows)
            return pa.DictionaryArray.from_arrays(pa.array(codes), list(self.dates.values()))
        if name != self.value:
            column = wide.column(name)
            return column.take(pa.array(np.repeat(np.arange(n_rows), n_dates)))
        columns = [wide.column(date) for date in self._date_names]
        if all(column.type == pa.float64() for column in columns):
            arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
            return pa.array(np.column_stack(arrays).ravel(), from_pandas=True)
        behind = pa.concat_arrays([to_text(column) for column in columns])
        order = np.arange(n_rows)[:, None] + n_rows * np.arange(n_dates)
        return behind.take(pa.array(order.ravel()))


@dataclass(frozen=True)
class FilesAsSeries:
    """Files of which some had dates in their headers, and what this decides."""

    files: tuple[InputFile, ...]
    data: DataSpec
    """The spec with the columns that were made, and the ids of the series."""
    reasons: dict[str, str]
    """Why the columns of the roles were chosen."""


def read_dates_as_columns(files: tuple[InputFile, ...], data: DataSpec) -> FilesAsSeries | None:
    """The files with dates in their headers as rows of one date each; None if there are none.

    The ids are the columns of text that tell the rows apart. DataError if the spec says that there
    are dates in the header, and no file has any; and for months in the header.
    """
    if data.layout == "dates_as_rows":
        return None
    for file in files if data.layout == "auto" else ():
        _check_months(file, data)
    dates = [_find_dates(file, data) for file in files]
    if not any(dates):
        if data.layout == "auto":
            return None
        listed = ", ".join(map(repr, files[0].columns[:8]))
        found = f"no column is named by a date, as data.layout says; the columns are {listed}"
        cure = "set data.time_format to the format of the dates, or data.layout to dates_as_rows"
        raise DataError(Problem(files[0].name, found, cure))
    names = {
        name for file, found in zip(files, dates, strict=True) for name in _others(file, found)
    }
    time = _free_name(TIME, names) if data.time == "auto" else data.time_name
    value = _free_name(VALUE, names)
    if data.targets != "auto" and len(data.targets) == 1 and data.targets[0] not in names:
        value = data.targets[0]
    targets = (value,) if data.targets == "auto" else data.targets
    made: dict[str, Any] = {"time": time, "targets": targets}
    reasons = {"time": "the dates in the header", "targets": "the values below the dates"}
    if data.series == "auto":
        ids = _find_ids(
            [(f, _others(f, found)) for f, found in zip(files, dates, strict=True) if found]
        )
        made["series"] = ids
        reasons["series"] = "tell the rows apart" if ids else "there is one row"
    read = tuple(
        replace(file, reader=DatesAsColumnsReader(file.reader, found, time, value))
        if found
        else file
        for file, found in zip(files, dates, strict=True)
    )
    return FilesAsSeries(read, data.model_copy(update=made), reasons)


def _check_months(file: InputFile, data: DataSpec) -> None:
    """DataError for one row a year and one column a month, unless the spec names targets."""
    names = [name.lower() for name in file.columns]
    months = [name for name in names if name[:3] in _MONTHS and len(name) <= _LONGEST_MONTH]
    if data.targets == "auto" and [name[:3] for name in months] == [*_MONTHS]:
        found = "the header holds the twelve months: one row a year is not read as one series"
        cure = (
            "write one row a month, or set data.layout to dates_as_rows to forecast twelve targets "
            "a year"
        )
        raise DataError(Problem(file.name, found, cure))


def _others(file: InputFile, dates: Mapping[int, str]) -> list[str]:
    """The named columns of the file that hold no date."""
    names = [name.strip() for name in file.reader.header]
    return [name for column, name in enumerate(names) if name and column not in dates]


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _find_dates(file: InputFile, data: DataSpec) -> dict[int, str]:
    """The columns whose names are dates; empty if a column holds dates, or these no numbers."""
    names = [name.strip() for name in file.reader.header]
    is_given = data.layout == "dates_as_columns"
    if data.time_format is None:
        dates = date_columns(names, any_prefix=is_given)
    else:
        known = unparsable_mask(names, parse_time_format(data.time_format, names))
        dates = {at: name for at, name in enumerate(names) if name and not known[at]}
    if is_given or len(dates) < 2 or any(name in names for name in data.time_columns):
        return dates if is_given else {}
    rows = [cells for _, cells in islice(file.reader.records(), _SAMPLE_ROWS)]
    rows = [cells for cells in rows if len(cells) == len(names)]
    kinds = [[cell_content(cells[column]) for cells in rows] for column in range(len(names))]
    below = [kind for column in dates for kind in kinds[column]]
    has_time = any(
        2 * kinds[column].count("date") > len(rows)
        or (name.lower() in _TIME_NAMES and "text" not in kinds[column])
        for column, name in enumerate(names)
        if column not in dates
    )
    has_numbers = 2 * below.count("number") >= sum(map(bool, below)) > 0
    return dates if has_numbers and not has_time else {}


def _find_ids(files: Sequence[tuple[InputFile, Sequence[str]]]) -> tuple[str, ...]:
    """The columns that tell the rows of all files apart: one of text if it can, else the first
    ones that do together, whole numbers after text."""
    frames = [pd.DataFrame(), *(_read_texts(file, names) for file, names in files)]
    rows: pd.DataFrame = pd.concat(frames, ignore_index=True).fillna("")
    changing = [str(name) for name in rows if rows[name].nunique() > 1]
    texts = [name for name in changing if "text" in map(cell_content, rows[name].unique())]
    numbers = [name for name in changing if rows[name].str.fullmatch(r"\d*").all()]
    for name in texts:
        if rows[name].is_unique:
            return (name,)
    found: list[str] = []
    for name in (*texts, *numbers):
        if _count_distinct(rows, [*found, name]) > _count_distinct(rows, found):
            found.append(name)
    for name in reversed(found.copy()):
        fewer = [other for other in found if other != name]
        if _count_distinct(rows, fewer) == _count_distinct(rows, found):
            found = fewer
    return tuple(found)


def _count_distinct(rows: pd.DataFrame, columns: Sequence[str]) -> int:
    return len(rows) - int(rows.duplicated(list(columns)).sum()) if columns else 1


def _read_texts(file: InputFile, names: Sequence[str]) -> pd.DataFrame:
    """The columns of the file as text, rows without data left out."""
    raw = [file.raw_names[name] for name in names if name in file.raw_names]
    frames = [pd.DataFrame()]
    try:
        for batch in file.reader.batches(raw, [], NumberFormat()) if raw else ():
            texts = [pc.utf8_trim_whitespace(to_text(batch.column(name))) for name in raw]
            frames.append(pa.table(texts, names=[name.strip() for name in raw]).to_pandas())
    except (pa.ArrowException, OSError, ValueError) as error:
        shorter = file.without_empty_rows()
        if shorter is not file:
            return _read_texts(shorter, names)
        raise diagnose_lines(file, str(error)) from None
    return pd.concat(frames, ignore_index=True)
