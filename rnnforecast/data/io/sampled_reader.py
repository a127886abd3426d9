"""Reader of a file that leaves out the rows of all series outside of a sample."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.arrow_types import dictionary_encode, filter_batch
from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.series_hash import Hashes, combine_hashes, hash_texts
from rnnforecast.data.io.series_sample import SeriesSample
from rnnforecast.data.io.table_reader import TableReader
from rnnforecast.types import Bools

_RECORDS_AT_ONCE = 4096
_PLAIN_NUMBERS = NumberFormat()


@dataclass(frozen=True)
class SampledReader:
    """Reader of the rows of the series in a sample; memory is one batch beside those."""

    inner: TableReader
    ids: Mapping[str, str | None]
    """The columns of ids as the file names them, each with its one text if it is in the name of a
    folder instead, else None."""
    sample: SeriesSample

    @property
    def source(self) -> FileSource:
        """The source of the file."""
        return self.inner.source

    @property
    def header(self) -> tuple[str, ...]:
        """The header of the file."""
        return self.inner.header

    @property
    def encoding(self) -> str:
        """The encoding of the file."""
        return self.inner.encoding

    @property
    def separator(self) -> str:
        """The separator of delimited text, "" of other formats."""
        return str(getattr(self.inner, "separator", ""))

    @property
    def numeric_columns(self) -> frozenset[str]:
        """Stripped names of the columns with a numeric type."""
        return self.inner.numeric_columns

    @property
    def notes(self) -> tuple[ReadingNote, ...]:
        """The notes on the file."""
        return self.inner.notes

    def location(self, number: int, column: str | None = None) -> str:
        """The place of a row in messages."""
        return self.inner.location(number, column)

    def estimate_rows(self) -> int:
        """About as many rows as are in the sample."""
        return round(self.inner.estimate_rows() * self.sample.share)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of the rows of the sample, and of those without an id."""
        records = self.inner.records()
        position = {name: at for at, name in enumerate(self.inner.header)}
        while block := list(islice(records, _RECORDS_AT_ONCE)):
            columns = [
                np.array([_cell(cells, position[name]) for _, cells in block], dtype=object)
                if text is None
                else np.array([text] * len(block), dtype=object)
                for name, text in self.ids.items()
            ]
            wanted = self.sample.select(combine_hashes([self._hash(each) for each in columns]))
            for each in columns:
                wanted |= each == ""
            yield from (record for record, keep in zip(block, wanted, strict=True) if keep)

    def line_numbers(self) -> Sequence[int]:
        """The line number of every row of the sample; reads the ids of the file."""
        numbers = self.inner.line_numbers()
        kept = array("q")
        first = 0
        raw = [name for name, text in self.ids.items() if text is None]
        for batch in self.inner.batches(raw, [], _PLAIN_NUMBERS):
            rows = np.flatnonzero(self._mask(batch)) + first
            kept.extend(numbers[row] for row in rows.tolist())
            first += batch.num_rows
        return kept

    def without_empty_rows(self) -> SampledReader:
        """The reader that leaves out rows without data."""
        inner = self.inner.without_empty_rows()
        return self if inner is self.inner else replace(self, inner=inner)

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns, the rows of the sample and those without an id."""
        wanted = [*text_columns, *numeric_columns]
        ids = [name for name, text in self.ids.items() if text is None and name not in wanted]
        as_text = replace(number_format, is_parsed_later=True)  # other rows may be faulty
        for batch in self.inner.batches([*text_columns, *ids], numeric_columns, as_text):
            mask = self._mask(batch)
            if mask.all():
                yield batch.select(wanted)
            elif mask.any():
                yield filter_batch(batch.select(wanted), pa.array(mask))

    def _mask(self, batch: Any) -> Bools:
        """`[r]` which rows of a batch are in the sample; those with a blank id are, as they are an
        error that must be found."""
        columns, blank = [], np.zeros(batch.num_rows, dtype=np.bool_)
        for name, text in self.ids.items():
            if text is not None:
                columns.append(np.repeat(self._hash([text]), batch.num_rows))
                continue
            encoded = dictionary_encode(batch.column(name))
            texts = pc.utf8_trim_whitespace(encoded.dictionary).to_pylist()
            codes = encoded.indices.fill_null(len(texts)).to_numpy()
            texts = ["" if each is None else each for each in (*texts, None)]
            columns.append(self._hash(texts)[codes])
            blank |= np.array([each == "" for each in texts])[codes]
        return np.asarray(blank | self.sample.select(combine_hashes(columns)))

    def _hash(self, texts: Sequence[str] | npt.NDArray[Any]) -> Hashes:
        return hash_texts(texts, self.sample.seed)


def _cell(cells: Sequence[str], position: int) -> str:
    return cells[position].strip() if position < len(cells) else ""
