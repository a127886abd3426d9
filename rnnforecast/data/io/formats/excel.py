"""Excel workbooks, one sheet of them: cells have types, so that dates need no format."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.header import SAMPLE_RECORDS, find_header
from rnnforecast.data.io.rows_without_data import find_rows_without_data
from rnnforecast.data.io.table_reader import TypedTableReader, check_header, iter_batches
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec

TRAITS = ("sheets",)
LABEL = "Excel"
EXTENSIONS = (".xlsx", ".xlsm")
SIGNATURE = b"PK\x03\x04"

Cell = str | float | bool | date | datetime | time | timedelta
Row = tuple[int, list[Cell]]  # number of the row in the sheet, cells


def open_table(source: FileSource, data: DataSpec) -> TypedTableReader:
    """The reader of a sheet, which is held in memory.

    DataError if the package is missing, or the workbook is damaged or has no such sheet.
    """
    rows = [
        (number, list(cells))
        for number, cells in enumerate(_read_sheet(source, data.sheet), start=1)
        if any(cell != "" for cell in cells)
    ]
    if not rows:
        raise DataError(Problem(source.name, "the sheet is empty", "expected a header and rows"))
    sample_size = SAMPLE_RECORDS + (0 if data.header_line == "auto" else data.header_line)
    sample = [(number, list(map(_to_text, cells))) for number, cells in rows[:sample_size]]
    header = find_header(sample, data.header_line, source.name, "row")
    body = rows[header.first_row :]
    texts = ((number, list(map(_to_text, cells))) for number, cells in body)
    skipped = find_rows_without_data(texts, len(header.names))
    without_data = set(skipped.rows)
    kept = [row for at, row in enumerate(body) if at not in without_data]
    table = pa.Table.from_batches([_to_batch(kept, header.names)])
    reader = TypedTableReader(
        source,
        table.schema,
        len(kept),
        partial(iter_batches, table),
        row_numbers=[number for number, _ in kept],
        notes=(*header.notes, *skipped.notes(source.name, "row")),
    )
    check_header(reader, f"{source.name}, row {header.line}", has_rows=bool(kept))
    return reader


def _read_sheet(source: FileSource, sheet: str | int) -> Iterator[Sequence[Cell]]:
    """The cells of each row, "" where blank, from the first row and column of the sheet."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        found = "reading Excel needs the package python-calamine, which is not installed"
        raise DataError(
            Problem(source.name, found, "pip install 'rnnforecast[excel]', or save it as CSV")
        ) from None
    try:
        content = source.content if source.path is None else source.path.read_bytes()
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = workbook.sheet_names
        name = sheet if isinstance(sheet, str) else dict(enumerate(names, start=1)).get(sheet)
        if name not in names:
            found = f"there is no sheet {sheet!r}"
            cure = f"set data.sheet to one of {', '.join(map(repr, names))}, or a number from 1"
            raise DataError(Problem(source.name, found, cure))
        return iter(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False))
    except CalamineError as error:
        found = f"the file is damaged, protected, or not an Excel workbook ({error})"
        cure = "open it in Excel and save it again, or save the sheet as CSV"
        raise DataError(Problem(source.name, found, cure)) from None


def _to_batch(rows: Sequence[Row], names: Sequence[str]) -> Any:
    """The columns with the type of their cells: numbers, dates, or text if they differ."""
    columns = {
        name or f" {position}": _to_column([cells[position] for _, cells in rows])
        for position, name in enumerate(names)
    }
    return pa.record_batch(list(columns.values()), names=list(columns))


def _to_column(cells: Sequence[Cell]) -> Any:
    filled = [cell for cell in cells if cell != ""]
    numbers = [cell for cell in filled if isinstance(cell, int | float) and type(cell) is not bool]
    dates = [cell for cell in filled if isinstance(cell, date)]
    parsed: Iterator[object]
    if filled and len(numbers) == len(filled):
        whole = all(float(number).is_integer() and abs(number) < 2**53 for number in numbers)
        parsed = map(int if whole else float, numbers)
    elif filled and len(dates) == len(filled):
        parsed = map(_to_datetime, dates)
    else:
        return pa.array(map(_to_text, cells), pa.string())
    return pa.array([None if cell == "" else next(parsed) for cell in cells])


def _to_datetime(cell: date) -> datetime:
    return cell if isinstance(cell, datetime) else datetime.combine(cell, time())


def _to_text(cell: Cell) -> str:
    """A cell as CSV would have it."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, datetime):
        is_day = cell.time() == time()
        return cell.date().isoformat() if is_day else cell.isoformat(sep=" ")
    return str(cell)
