"""The column of `data.known_at`: when each row became known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table
from rnnforecast.data.time.format import (
    TimeFormat,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
)
from rnnforecast.data.time.format_inference import infer_time_format
from rnnforecast.data.time.timezones import parse_utc_offset
from rnnforecast.errors import DataError, Problem
from rnnforecast.wording import quote_text

KEY = "data.known_at"


def with_known_at(options: ReadOptions) -> ReadOptions:
    """The options with the column of `data.known_at` as one more column of text."""
    name = options.data.known_at
    if name is None or name in options.covariates:  # the latter is a role too many
        return options
    return replace(
        options,
        covariates=(*options.covariates, name),
        categorical=(*options.categorical, name),
    )


def take_known_at(table: Table, name: str) -> Table:
    """The table with the column `name` as times in `Table.known_at` instead of a covariate.

    A blank cell is the time of its row. Raises DataError for cells that are no times, and for times
    that cannot be compared with those of the rows.
    """
    column = table.covariates[name]
    assert isinstance(column, CategoricalColumn)
    roles = replace(
        table.roles,
        covariates=tuple(each for each in table.roles.covariates if each != name),
        categorical=tuple(each for each in table.roles.categorical if each != name),
    )
    known_at = table.time.copy()
    filled = column.codes >= 0
    if filled.any():
        known_at[filled] = _parse(table, name, column)[column.codes[filled]]
    others = {each: held for each, held in table.covariates.items() if each != name}
    return replace(table, covariates=others, roles=roles, known_at=known_at)


def _parse(table: Table, name: str, column: CategoricalColumn) -> np.ndarray:
    """The times of the vocabulary, of the type and at the offset of the table's."""
    texts = list(column.vocabulary)
    time_format = _choose_format(table, texts, name)
    bad = np.ones(len(texts), dtype=bool)
    if time_format is not None:
        bad = unparsable_mask(texts, time_format)
    if time_format is None or bad.any():
        code = int(np.argmax(bad))
        row = int(np.argmax(column.codes == code))
        found = f"{quote_text(texts[code])} is not a time"
        if time_format is not None:
            found += f": expected {time_format}"
        where = table.line_index.location(row, name)
        raise DataError(Problem(where, found, "correct the cell, or leave it blank"))
    times = parse_timestamps(pa.array(texts, pa.string()), time_format)
    if times.dtype.kind != table.time.dtype.kind:
        dates, numbers = "dates", "whole numbers"
        own, others = (dates, numbers) if times.dtype.kind == "M" else (numbers, dates)
        found = f"column {name!r} holds {own}, the time of the rows {others}"
        raise DataError(Problem(KEY, found, "give both columns the same kind of time"))
    return _at_offset(times, time_format.parsed_offset.strip(), table.utc_offset.strip(), name)


def _choose_format(table: Table, texts: list[str], name: str) -> TimeFormat | None:
    """The format of the rows' time if all texts have it, else the likeliest one."""
    if table.roles.known_time_format is not None:
        same = parse_time_format(table.roles.known_time_format, texts)
        if not unparsable_mask(texts, same).any():
            return same
    return infer_time_format(texts, name)


def _at_offset(times: np.ndarray, offset: str, table_offset: str, name: str) -> np.ndarray:
    """Times written at one UTC offset as times at that of the table."""
    if offset == table_offset or times.dtype.kind != "M":
        return times
    if not offset or not table_offset:
        has, lacks = f"column {name!r}", "the time of the rows"
        if not offset:
            has, lacks = lacks, has
        found = f"{has} has a UTC offset, {lacks} has none"
        raise DataError(Problem(KEY, found, "write both columns with an offset, or both without"))
    return times - parse_utc_offset(offset) + parse_utc_offset(table_offset)
