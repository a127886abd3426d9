"""Conversions between Arrow column types."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

TEXT_DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def is_numeric_type(dtype: pa.DataType) -> bool:
    """Whether an Arrow type is numeric or boolean."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(dtype) for test in tests)


def to_text(column: Any) -> Any:
    """The cells of a typed column as text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(map(str, column.to_pylist()), pa.string())  # types that Arrow cannot cast


def filter_batch(batch: Any, mask: Any) -> Any:
    """The rows of a record batch where `mask` is true, without texts in dictionaries that no row
    has."""
    columns = [column.filter(mask) for column in batch.columns]
    columns = [
        column.dictionary_decode().dictionary_encode()
        if pa.types.is_dictionary(column.type)
        else column
        for column in columns
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def dictionary_encode(column: Any) -> Any:
    """Any column as a dictionary of texts in which every text is used."""
    if pa.types.is_dictionary(column.type):
        if column.type == TEXT_DICTIONARY:
            return column
        column = column.dictionary_decode()
    column = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(column.indices, to_text(column.dictionary))
