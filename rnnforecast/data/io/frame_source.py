"""Data frames of pandas, polars and others as inputs that are read like a file.

A frame becomes an Arrow table. Columns of a type that no file has become text, so that the messages
about their cells are those of a CSV file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.remote_files import RemoteCopy
from rnnforecast.data.io.table_reader import TypedTableReader, iter_batches
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.spec.data import JOINED_TIME

DEFAULT_VALUE_NAME = "y"
"""The column of a pandas Series without a name."""
_AS_TEXT = (
    *(pa.types.is_nested, pa.types.is_duration, pa.types.is_time, pa.types.is_interval),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
)


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A data frame as an input beside files."""

    name: str
    """The name in messages."""
    table: pa.Table = field(repr=False)


DataSource = str | FrameSource | RemoteCopy
"""A file, folder, pattern or URL, "-" for standard input, a data frame, or the copy of a remote
file."""


def from_frame(frame: Any, name: str = "data") -> FrameSource:
    """The source of a frame of pandas, polars, PyArrow or another library that narwhals reads.

    A named index of pandas, and one of dates, is a column (``ds`` without a name); other indexes
    are left out. Raises UsageError for an object that is no data frame, and DataError for one that
    is no table of named columns.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(DEFAULT_VALUE_NAME if frame.name is None else str(frame.name))
    if isinstance(frame, pd.DataFrame):
        _check_one_level(frame.columns, name)
        frame = _with_index_columns(frame, name)
        names = _column_names(frame.columns)
        columns = [_from_pandas(frame.iloc[:, at]) for at in range(len(names))]
    else:
        try:
            native = nw.from_native(frame, allow_series=False)
            eager = native.collect() if isinstance(native, nw.LazyFrame) else native
            table = eager.to_arrow()
        except (TypeError, ValueError, pa.ArrowException) as error:
            kind, reason = type(frame).__name__, str(error).strip().split("\n")[0]
            found = f"expected a data frame of pandas, polars or PyArrow, found {kind} ({reason})"
            raise UsageError(Problem(name, found, "convert it to one of these")) from None
        names, columns = table.column_names, table.columns
    table = pa.Table.from_arrays([without_rare_types(column) for column in columns], names)
    return FrameSource(name, table)


def open_frame(source: FrameSource) -> TypedTableReader:
    """The reader of a data frame; DataError if it has no rows, or several columns of one name."""
    table = source.table
    if not table.num_rows:
        found = "the data frame has no rows; expected at least one"
        raise DataError(Problem(source.name, found, "check how it was selected"))

    file = FileSource(source.name, None)
    return TypedTableReader(file, table.schema, table.num_rows, partial(iter_batches, table))


def _check_one_level(labels: pd.Index, name: str) -> None:
    if labels.nlevels > 1:
        found = f"the columns have names of {labels.nlevels} levels; expected one"
        cure = "join them, such as frame.columns = frame.columns.map('_'.join)"
        raise DataError(Problem(name, found, cure))


def _column_names(labels: pd.Index) -> list[str]:
    """The names of the columns as text; those that are dates as ISO 8601 has them."""
    if isinstance(labels, pd.PeriodIndex):
        labels = labels.to_timestamp()
    if isinstance(labels, pd.DatetimeIndex):
        is_daily = (labels == labels.normalize()).all()
        return list(labels.strftime("%Y-%m-%d" if is_daily else "%Y-%m-%d %H:%M:%S"))
    return list(map(str, labels))


def _with_index_columns(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame with a column for each level of its index that has a name or holds dates."""
    index, columns = frame.index, {}
    for number in range(index.nlevels):
        level = index.get_level_values(number)
        if level.name is not None:
            columns[level.name] = level
        elif _holds_dates(level):
            columns[JOINED_TIME] = level
        elif index.nlevels > 1:
            found = f"level {number} of the index has no name"
            raise DataError(Problem(name, found, "name all of them with frame.index.names"))
    for label, level in columns.items():
        same = frame.loc[:, frame.columns == label]
        if same.shape[1] == 1 and not level.equals(pd.Index(same.iloc[:, 0])):
            found = f"the index and a column are both named {str(label)!r} and differ"
            cure = "rename one of them, or drop the index with frame.reset_index(drop=True)"
            raise DataError(Problem(name, found, cure))
    new = {label: level for label, level in columns.items() if label not in frame.columns}
    frame = frame.reset_index(drop=True)
    if not new:
        return frame
    return pd.concat([pd.DataFrame({k: pd.Series(v) for k, v in new.items()}), frame], axis=1)


def _holds_dates(index: pd.Index) -> bool:
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        return True
    return index.dtype == object and len(index) > 0 and isinstance(index[0], date)


def _from_pandas(column: pd.Series) -> Any:
    """The Arrow column of one of pandas; of periods their beginnings, of mixed cells their text."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    elif isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(np.asarray(column))
    try:
        return pa.chunked_array([pa.array(column, from_pandas=True)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.chunked_array([cells_to_text(list(column))])


def without_rare_types(column: Any) -> Any:
    """The column as text if a file could not have its type."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType) or any(test(kind) for test in _AS_TEXT):
        return pa.chunked_array([cells_to_text(column.to_pylist())])
    return column


def cells_to_text(cells: Sequence[Any]) -> Any:
    """The Arrow column of the cells as text, null where they are missing."""
    return pa.array([None if _is_missing(cell) else str(cell) for cell in cells], pa.string())


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (cell != cell) is True
