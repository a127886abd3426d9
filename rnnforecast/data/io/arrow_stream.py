"""The columns in use of a file, a piece at a time: CSV and parquet through Arrow, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from rnnforecast.data.io import encoding
from rnnforecast.data.io.dialect import File, as_text
from rnnforecast.data.io.number_format import USUAL, Marks

_BLOCK = 1 << 22  # bytes of a CSV in memory at a time
_BATCH = 1 << 17  # rows of a parquet file in memory at a time
_TEXT = pa.dictionary(pa.int32(), pa.string())
PLAIN = Marks()

Piece = dict[str, Any]


def pieces(
    file: File, text_columns: Sequence[str], numeric_columns: Sequence[str] = (), number_format: Marks = PLAIN
) -> Iterator[Piece]:
    """The named columns a piece at a time; those of a CSV are typed, `texts` as dictionaries.

    Columns that the file does not have are left out. Raises ArrowException or ValueError where a
    cell is not what it should be.
    """
    raw = {name: file.raw[name] for name in (*text_columns, *numeric_columns) if name in file.raw}
    same = [name for name in (*text_columns, *numeric_columns) if name in file.constant]
    # Arrow knows no marks between thousands, and blanks around words: such numbers come as text.
    number = pa.string() if number_format.as_text else pa.float64()
    types = {raw[name]: _TEXT for name in text_columns if name in raw}
    types |= {raw[name]: number for name in numeric_columns if name in raw}
    for batch in _parquet(file, list(types)) if file.is_parquet else _csv(file, types, number_format):
        piece = {name: batch.column(raw[name]) for name in raw}
        for name in same:
            indices = pa.array(np.zeros(batch.num_rows, dtype=np.int32))
            piece[name] = pa.DictionaryArray.from_arrays(indices, [file.constant[name]])
        yield piece


def encoded(column: Any) -> Any:
    """Any column as a dictionary of texts in which every text is used."""
    if pa.types.is_dictionary(column.type):
        if column.type == _TEXT:
            return column
        column = column.dictionary_decode()
    column = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(column.indices, as_text(column.dictionary))


def _parquet(file: File, columns: list[str]) -> Iterator[Any]:
    with file.parquet() as parquet:
        for group in range(parquet.num_row_groups):  # all at once, Arrow holds the whole file
            yield from parquet.iter_batches(_BATCH, row_groups=[group], columns=columns)


def _csv(file: File, types: dict[str, Any], number_format: Marks) -> Iterator[Any]:
    yield from arrow_csv.open_csv(
        _stream(file),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(delimiter=file.separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(USUAL),
            strings_can_be_null=False,  # a series may be called NA
            decimal_point=number_format.decimal,
        ),
    )


def _stream(file: File) -> Any:
    packed = "gzip" if file.is_gzip else None
    if file.path is not None:
        stream = pa.input_stream(str(file.path), compression=packed)
    else:
        stream = pa.input_stream(pa.BufferReader(file.content), compression=packed)
    return encoding.as_utf_8(stream, file.codec)
