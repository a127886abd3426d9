"""Diagnosis of files that cannot be parsed: every faulty cell, with its line and a cure.

The files are read again as text, and every row is checked against what `load_columns` expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.encoding import encoding_problem, has_undecodable_bytes, needs_transcoding
from rnnforecast.data.io.input_files import InputFile, format_location
from rnnforecast.data.io.number_cells import THOUSANDS_PATTERNS, cell_kind
from rnnforecast.data.io.number_format import (
    DEFAULT_MISSING_VALUES,
    CellFormat,
    NumberFormat,
)
from rnnforecast.data.io.table_reader import ragged_row_problem
from rnnforecast.data.time.format import TimeFormat, offset_suffix, unparsable_mask
from rnnforecast.errors import DataError, Problem
from rnnforecast.wording import quote_text

MAX_SHOWN_PROBLEMS = 5
"""Problems of one kind that are written out; the others are counted."""

_FILL_CURE = "fill the cell or remove the row"
NumberedRow = tuple[int, list[str]]  # line number, cells


class _ProblemCollector:
    """Problems by kind: the first few of each kind, and a count of the others."""

    def __init__(self, *, has_known: bool) -> None:
        self.has_known = has_known
        self._shown: dict[str, list[Problem]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, problem: Problem, limit: int = MAX_SHOWN_PROBLEMS) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        shown = self._shown.setdefault(kind, [])
        if len(shown) < limit:
            shown.append(problem)

    def problems(self) -> Iterator[Problem]:
        for kind, shown in self._shown.items():
            yield from shown
            if more := self._counts[kind] - len(shown):
                yield Problem("", f"… and {more} more: {kind}")


def diagnose(
    files: Sequence[InputFile],
    roles: ColumnRoles,
    cell_format: CellFormat,
    reason: str,
    known: Sequence[Problem] = (),
) -> DataError:
    """The error of all faults of all files; of `reason`, the parser's message, if none is found.

    `known` are problems of whole columns, with which numbers in any format are not listed again.
    """
    collector = _ProblemCollector(has_known=bool(known))
    for file in files:
        records = file.reader.records()
        while rows := list(islice(records, 20_000)):
            _check_rows(file, rows, roles, cell_format, collector)
    problems = [*known, *collector.problems()]
    names = ", ".join(file.name for file in files[:3])
    return DataError(*problems or [Problem(names, f"cannot be read: {reason.splitlines()[0]}")])


def diagnose_lines(file: InputFile, reason: str) -> DataError:
    """The error of all lines that are of another width or encoding, in any column; of `reason`, the
    parser's message, if there are none."""
    collector, every = _ProblemCollector(has_known=False), range(len(file.reader.header))
    for line, cells in file.reader.records():
        _is_readable_row(file, (line, cells), every, collector)
    problems = list(collector.problems())
    return DataError(*problems or [Problem(file.name, f"cannot be read: {reason.splitlines()[0]}")])


def _check_rows(
    file: InputFile,
    rows: list[NumberedRow],
    roles: ColumnRoles,
    cell_format: CellFormat,
    problems: _ProblemCollector,
) -> None:
    positions = {name: position for position, name in enumerate(file.columns)}
    names = (roles.time, *roles.text_columns, *roles.numeric_columns)
    index = {name: positions[name] for name in names if name in positions}
    texts = (roles.time, *roles.time_columns, *roles.text_columns)
    text = [positions[name] for name in texts if name in positions]
    rows = [
        (line, file.complete_row(cells))
        for line, cells in rows
        if _is_readable_row(file, (line, cells), text, problems)
    ]
    cells = {
        name: [(line, row[position]) for line, row in rows] for name, position in index.items()
    }
    _check_times(file, roles.time, cells[roles.time], cell_format.time_format, problems)
    for name in () if roles.has_dates_as_columns else roles.series:
        for line, cell in cells[name]:
            if not cell.strip():
                problem = Problem(
                    format_location(file, line, name), "the name of the series is blank", _FILL_CURE
                )
                problems.add("series without a name", problem)
    for name in roles.numeric_columns:
        # A file may lack targets; columns of a numeric type hold numbers only.
        if name in cells and name not in file.reader.numeric_columns:
            cure = "correct the cell, or list it under data.missing_values if there is no value"
            if name in roles.covariates:
                cure += "; list the column under features.categorical if it holds names"
            _check_numbers(file, name, cells[name], cell_format.number_format, cure, problems)


def _is_readable_row(
    file: InputFile, row: NumberedRow, used_columns: Sequence[int], problems: _ProblemCollector
) -> bool:
    line, cells = row
    is_complete = len(cells) == len(file.reader.header)
    checked = cells
    if not needs_transcoding(file.reader.encoding):
        checked = [cells[at] for at in used_columns if is_complete and at < len(cells)]
    if any(not cell.isascii() and has_undecodable_bytes(cell) for cell in checked):
        problems.add(
            f"lines that are not {file.reader.encoding}",
            encoding_problem(format_location(file, line), file.reader.encoding),
            limit=1,  # the others have the same cure
        )
    elif not is_complete:
        problems.add("rows of another width", ragged_row_problem(file.reader, line, cells))
    else:
        return True
    return False


def _check_times(
    file: InputFile,
    column: str,
    cells: list[tuple[int, str]],
    time_format: TimeFormat,
    problems: _ProblemCollector,
) -> None:
    texts = list({text for _, text in cells})
    bad = [
        text
        for text, wrong in zip(texts, unparsable_mask(texts, time_format), strict=True)
        if wrong
    ]
    # Texts that can be parsed once they have the offset of the others are in another time zone.
    with_offset = [
        text.strip().removesuffix(offset_suffix(text.strip())) + time_format.offset for text in bad
    ]
    other_offset = dict(zip(bad, ~unparsable_mask(with_offset, time_format), strict=True))
    cure = "correct the cell, or delete the line if it is not data"
    if 2 * len(bad) > len(texts):
        cure += ", or set data.time_format"
    elif len(bad) > MAX_SHOWN_PROBLEMS:
        cure = (
            "correct the cells, or delete these lines if they are of other periods, such as years"
        )
    for line, text in cells:
        if text not in other_offset:
            continue
        location, bare = format_location(file, line, column), text.strip()
        if bare in (*DEFAULT_MISSING_VALUES, "NaT"):
            problems.add("blank times", Problem(location, "the time is blank", _FILL_CURE))
        elif other_offset[text]:
            offset = offset_suffix(bare).strip()
            ours = f"the offset {offset}" if offset else "no offset"
            theirs = f"have {time_format.offset.strip()}" if time_format.offset else "have none"
            found = f"{bare!r} has {ours}, but other timestamps {theirs}"
            cure = "write all timestamps in one time zone, best in UTC"
            if offset and time_format.offset:
                cure = f"set data.timezone, such as Europe/Berlin, or {cure}"
            problems.add("timestamps in another time zone", Problem(location, found, cure))
        else:
            found = f"{quote_text(bare)} is not a time; expected {time_format}"
            problems.add("cells that are not a time", Problem(location, found, cure))


def _check_numbers(
    file: InputFile,
    column: str,
    cells: list[tuple[int, str]],
    number_format: NumberFormat,
    cure: str,
    problems: _ProblemCollector,
) -> None:
    for line, cell in cells:
        if number_format.is_missing(cell, column) or number_format.is_number(cell, column):
            continue
        if problems.has_known and cell_kind(cell.strip()) != "text":
            continue
        found = f"{quote_text(cell)} is not a number with {number_format}"
        problem = Problem(
            format_location(file, line, column),
            found,
            _suggest_number_format(cell, number_format) or cure,
        )
        problems.add(f"cells of column {column!r} that are not a number", problem)


def _suggest_number_format(cell: str, number_format: NumberFormat) -> str:
    """The cure for a number in another number format, "" for other cells."""
    cures = []
    decimal = "." if number_format.decimal == "," else ","
    if NumberFormat(decimal).is_number(cell):
        cures.append(f"data.decimal to {decimal!r} if that is the decimal mark")
    groups = [
        group
        for group in THOUSANDS_PATTERNS
        if group not in (number_format.decimal, number_format.thousands)
    ]
    if group := next(
        (group for group in groups if NumberFormat(number_format.decimal, group).is_number(cell)),
        "",
    ):
        cures.append(f"data.thousands to {group!r} if it stands between thousands")
    return f"set {', or '.join(cures)}" if cures else ""
