"""Columns of files as arrays: ids as codes, timestamps as integers, targets as floats.

Files are streamed in batches, so that little more memory is needed than for the result. A cell that
cannot be parsed raises ArrowException or ValueError; `diagnose` finds the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.arrow_types import dictionary_encode
from rnnforecast.data.io.column_builders import (
    FloatColumnsBuilder,
    InvalidCell,
    TextColumnBuilder,
    TimeColumnBuilder,
)
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.input_files import InputFile
from rnnforecast.data.io.memory_budget import empty_sample_error
from rnnforecast.data.io.number_format import CellFormat
from rnnforecast.types import Floats, Ints32


@dataclass(frozen=True)
class NumericColumn:
    """A numeric covariate."""

    values: Floats
    """[R] NaN where blank."""
    is_categorical = False

    def to_floats(self) -> Floats:
        """[R] NaN where blank."""
        return self.values

    def take(self, rows: npt.NDArray[np.int64]) -> NumericColumn:
        """The column of `rows` only."""
        return NumericColumn(self.values[rows])


@dataclass(frozen=True)
class CategoricalColumn:
    """A categorical covariate."""

    codes: Ints32
    """[R] -1 where blank."""
    vocabulary: tuple[str, ...]
    """The text of each code, sorted."""
    is_categorical = True

    def to_floats(self) -> Floats:
        """[R] the codes, NaN where blank."""
        return np.where(self.codes < 0, np.nan, self.codes)

    def take(self, rows: npt.NDArray[np.int64]) -> CategoricalColumn:
        """The column of `rows` only."""
        return CategoricalColumn(self.codes[rows], self.vocabulary)


class ParsedColumns(NamedTuple):
    """The parsed columns, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted."""
    codes: Ints32
    """[R] the row of `keys` for each row."""
    time: npt.NDArray[Any]
    """[R] datetime64[us] or int64."""
    utc_offset: str
    """The offset of `time`, as written; "Z" if it was parsed to UTC, empty if there is none."""
    values: Floats
    """[R, C] NaN where missing or infinite."""
    covariates: dict[str, NumericColumn | CategoricalColumn]
    infinite_count: int
    """Infinite values in targets and covariates, replaced by NaN."""
    tiny_count: int
    """Numbers too close to zero for double precision, replaced by 0."""
    row_counts: list[int]
    """Rows of each file."""
    invalid_cells: list[InvalidCell]
    """By row."""


def load_columns(
    files: Sequence[InputFile],
    roles: ColumnRoles,
    cell_format: CellFormat,
    *,
    allow_invalid: bool = False,
) -> ParsedColumns:
    """The columns of the roles; blank for files that lack them.

    With `allow_invalid`, cells that are not numbers become NaN and are listed. Raises DataError if
    files differ in the kind of time, ArrowException or ValueError if a cell cannot be parsed.
    """
    number_format = cell_format.number_format
    numeric = [name for name in roles.covariates if name not in roles.categorical]
    # In a table with one row a series, a blank is as good an id as any other.
    blank_id: Literal["error", "text"] = "text" if roles.has_dates_as_columns else "error"
    texts = {
        name: TextColumnBuilder(blank="missing" if name in roles.categorical else blank_id)
        for name in roles.text_columns
    }
    floats = {
        name: FloatColumnsBuilder([name], number_format, allow_invalid=allow_invalid)
        for name in numeric
    }
    time = TimeColumnBuilder(roles.time, cell_format.time_format, allow_invalid=allow_invalid)
    targets = FloatColumnsBuilder(roles.targets, number_format, allow_invalid=allow_invalid)
    counts = []
    for file in files:
        counts.append(0)
        for batch in file.batches([roles.time, *texts], [*roles.targets, *numeric], number_format):
            n_rows = time.append(batch, file)
            targets.append(batch, n_rows)
            for numbers in floats.values():
                numbers.append(batch, n_rows)
            for name, text in texts.items():
                text.append(
                    dictionary_encode(batch[name]) if name in batch else _blank_column(n_rows)
                )
            counts[-1] += n_rows
    if not any(counts):
        raise empty_sample_error()
    ticks, offset = time.to_array()
    keys, codes = _build_keys(roles.series, [texts[name] for name in roles.series], sum(counts))
    covariates: dict[str, NumericColumn | CategoricalColumn] = {
        name: _to_categorical(texts[name])
        if name in texts
        else NumericColumn(floats[name].to_array()[:, 0])
        for name in roles.covariates
    }
    every = [targets, *floats.values()]
    return ParsedColumns(
        keys,
        codes,
        ticks,
        offset,
        targets.to_array(),
        covariates,
        infinite_count=sum(numbers.infinite_count for numbers in every),
        tiny_count=sum(numbers.tiny_count for numbers in every),
        row_counts=counts,
        invalid_cells=sorted(
            (*time.invalid_cells, *(cell for one in every for cell in one.invalid_cells))
        ),
    )


def _to_categorical(texts: TextColumnBuilder) -> CategoricalColumn:
    vocabulary, codes = texts.sorted_vocabulary()
    return CategoricalColumn(codes, tuple(vocabulary.to_pylist()))


def _blank_column(n_rows: int) -> Any:
    """A text column of blank cells."""
    return pa.DictionaryArray.from_arrays(np.zeros(n_rows, dtype=np.int32), pa.array([""]))


def _build_keys(
    names: Sequence[str], ids: Sequence[TextColumnBuilder], n_rows: int
) -> tuple[pd.DataFrame, Ints32]:
    """The distinct ids, sorted by the first column, then the second …, and the codes [R]."""
    if not names:
        return pd.DataFrame(index=range(1)), np.zeros(n_rows, dtype=np.int32)
    words, codes = ids[0].sorted_vocabulary()
    columns = [words]
    for column in ids[1:]:
        words, more = column.sorted_vocabulary()
        both = codes.astype(np.int64)
        both *= len(words)
        both += more
        both, pairs = pd.factorize(both)
        order = np.argsort(pairs)
        codes = np.argsort(order).astype(np.int32)[both]
        pairs = pairs[order]
        columns = [known.take(pa.array(pairs // len(words))) for known in columns]
        columns.append(words.take(pa.array(pairs % len(words))))
    frame = {name: words.to_pandas() for name, words in zip(names, columns, strict=True)}
    return pd.DataFrame(frame).astype("str"), codes
