"""The columns in use of a file, a piece at a time: CSV and parquet through Arrow, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from rnnforecast.data.io import encoding
from rnnforecast.data.io.dialect import InputFile, to_text
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES, NumberFormat

_CSV_BLOCK_BYTES = 1 << 22  # bytes of a CSV in memory at a time
_PARQUET_BATCH_ROWS = 1 << 17  # rows of a parquet file in memory at a time
_TEXT_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
DEFAULT_NUMBER_FORMAT = NumberFormat()

ColumnBatch = dict[str, Any]


def stream_batches(
    file: InputFile,
    text_columns: Sequence[str],
    numeric_columns: Sequence[str] = (),
    number_format: NumberFormat = DEFAULT_NUMBER_FORMAT,
) -> Iterator[ColumnBatch]:
    """The named columns a piece at a time; those of a CSV are typed, `texts` as dictionaries.

    Columns that the file does not have are left out. Raises ArrowException or ValueError where a
    cell is not what it should be.
    """
    raw = {
        name: file.raw_names[name]
        for name in (*text_columns, *numeric_columns)
        if name in file.raw_names
    }
    same = [name for name in (*text_columns, *numeric_columns) if name in file.partition_columns]
    # Arrow knows no marks between thousands, and blanks around words: such numbers come as text.
    number = pa.string() if number_format.needs_text_parsing else pa.float64()
    types = {raw[name]: _TEXT_DICTIONARY for name in text_columns if name in raw}
    types |= {raw[name]: number for name in numeric_columns if name in raw}
    for batch in (
        _parquet_batches(file, list(types))
        if file.is_parquet
        else _csv_batches(file, types, number_format)
    ):
        piece = {name: batch.column(raw[name]) for name in raw}
        for name in same:
            indices = pa.array(np.zeros(batch.num_rows, dtype=np.int32))
            piece[name] = pa.DictionaryArray.from_arrays(indices, [file.partition_columns[name]])
        yield piece


def dictionary_encode(column: Any) -> Any:
    """Any column as a dictionary of texts in which every text is used."""
    if pa.types.is_dictionary(column.type):
        if column.type == _TEXT_DICTIONARY:
            return column
        column = column.dictionary_decode()
    column = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(column.indices, to_text(column.dictionary))


def _parquet_batches(file: InputFile, columns: list[str]) -> Iterator[Any]:
    with file.open_parquet() as parquet:
        for group in range(parquet.num_row_groups):  # all at once, Arrow holds the whole file
            yield from parquet.iter_batches(
                _PARQUET_BATCH_ROWS, row_groups=[group], columns=columns
            )


def _csv_batches(
    file: InputFile, types: dict[str, Any], number_format: NumberFormat
) -> Iterator[Any]:
    yield from arrow_csv.open_csv(
        _open_stream(file),
        read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(delimiter=file.separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(DEFAULT_MISSING_VALUES),
            strings_can_be_null=False,  # a series may be called NA
            decimal_point=number_format.decimal,
        ),
    )


def _open_stream(file: InputFile) -> Any:
    packed = "gzip" if file.is_gzip else None
    if file.path is not None:
        stream = pa.input_stream(str(file.path), compression=packed)
    else:
        stream = pa.input_stream(pa.BufferReader(file.content), compression=packed)
    return encoding.transcode_to_utf8(stream, file.codec)
