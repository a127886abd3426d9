"""Parquet files: columns have types, so that neither separator nor encoding matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.table_reader import TypedTableReader
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec

TRAITS = ()
LABEL = "Parquet"
EXTENSIONS = (".parquet",)
SIGNATURE = b"PAR1"


def open_table(source: FileSource, data: DataSpec) -> TypedTableReader:
    """The reader of a Parquet file; DataError if it is damaged."""
    try:
        with _open(source) as parquet:
            schema, n_rows = parquet.schema_arrow, parquet.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the operating system's, not the parser's
        found = f"the file is damaged, or not a Parquet file ({str(error).splitlines()[0]})"
        cure = "check the file, or write it again"
        raise DataError(Problem(source.name, found, cure)) from None

    return TypedTableReader(source, schema, n_rows, partial(_iter_batches, source))


def _iter_batches(
    source: FileSource, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[Any]:
    with _open(source) as parquet:
        # one row group at a time: otherwise Arrow keeps the whole file in memory
        for group in range(parquet.num_row_groups):
            yield from parquet.iter_batches(batch_rows, row_groups=[group], columns=columns)


def _open(source: FileSource) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(source.content) if source.path is None else source.path)
