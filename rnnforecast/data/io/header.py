"""The header of a table: titles above it, units below it, and names for columns without one.

A header is the first line that is as wide as the rows below it and holds text where they hold
numbers or dates. Blank lines and comments may stand above it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rnnforecast.data.io.cell_content import CellContent, cell_content, has_dates_in_header
from rnnforecast.data.io.column_names import name_columns
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import DataError, Problem
from rnnforecast.wording import count_of, quote_text

HeaderLine = Literal["auto"] | int
Record = tuple[int, list[str]]  # line number, cells

SAMPLE_RECORDS = 200
"""Records at the beginning of a file from which its header is inferred."""
_MAX_CELLS = 20_000  # cells of the sample that are looked at
_MAX_UNIT_LINES = 20
_COMMENT = "#"


@dataclass(frozen=True)
class Header:
    """The names of the columns, and where the rows begin."""

    names: tuple[str, ...]
    """"" for a column with neither a name nor a value in the sample."""
    line: int
    """The line of the header; that of the first row if there is none."""
    first_row: int
    """The position of the first row among the records; their number if there is none."""
    notes: tuple[ReadingNote, ...] = ()


def is_blank(cells: Sequence[str]) -> bool:
    """Whether a record holds nothing but separators and blanks."""
    return not any(cells) or not any(cell.strip() for cell in cells)


def find_header(
    records: Sequence[Record], requested: HeaderLine, file_name: str, line_noun: str = "line"
) -> Header:
    """The header among the first records of a file, which has at least one that is not blank.

    `requested` is "auto", the line of the header, or 0 for a table without one. DataError if that
    line is blank or beyond the file, and if all records are blank.
    """
    if all(is_blank(cells) for _, cells in records):
        found = "the first lines hold nothing but separators and blanks"
        raise DataError(Problem(file_name, found, "expected a header and rows"))
    return _HeaderFinder(records, file_name, line_noun).find(requested)


class _HeaderFinder:
    def __init__(self, records: Sequence[Record], file_name: str, line_noun: str) -> None:
        self._records = records
        self._filled = [at for at, (_, cells) in enumerate(records) if not is_blank(cells)]
        self._file_name, self._line_noun = file_name, line_noun
        self._width = _table_width([records[at][1] for at in self._filled])
        body = [self._cells(at) for at in self._filled if len(self._cells(at)) == self._width]
        self._body = body[:: len(body) * min(self._width, 2000) // _MAX_CELLS + 1]
        self._columns = [_column_kind(self._body, column) for column in self._column_range()]
        settled = self._body[len(self._body) // 2 :]
        self._lower_columns = [_column_kind(settled, column) for column in self._column_range()]
        self._settled = [
            kind is not None
            and all(cell_content(cells[column]) in ("number", "date") for cells in settled)
            for column, kind in enumerate(self._columns)
        ]

    def find(self, requested: HeaderLine) -> Header:
        first_data = next((at for at in self._filled if self._is_data(at)), None)
        if requested == "auto":
            position = self._find_position(first_data)
        elif requested == 0:
            position = None
            fitting = [at for at in self._filled if self._fits(self._cells(at))]
            first_data = first_data if first_data is not None else next(iter(fitting), 0)
        else:
            position = self._requested_position(requested)
            first_data = next(
                (at for at in self._filled if at > position and self._is_data(at)), None
            )
        if position is None:
            start = 0 if first_data is None else first_data
            return self._without_header(start, requested)
        first_row, units = self._skip_units(position, first_data)
        names, unnamed = self._name_columns(position, first_row)
        notes = [*(self._title_note(position) if requested == "auto" else ())]
        notes += [*self._unit_note(units)]
        notes += [*self._name_note(position, [names[column] for column in unnamed])]
        line = self._records[position][0]
        return Header(names, line, first_row, tuple(notes))

    def _cells(self, position: int) -> list[str]:
        return self._records[position][1]

    def _column_range(self) -> range:
        return range(min(self._width, 2000))

    def _fits(self, cells: Sequence[str]) -> bool:
        """Whether a line is as wide as the table, but for separators at the end of lines."""
        wide, narrow = max(len(cells), self._width), min(len(cells), self._width)
        if wide == narrow:
            return True
        if len(cells) > self._width:
            return is_blank(cells[self._width :])
        return all(is_blank(row[narrow:]) for row in self._body)

    def _is_data(self, position: int) -> bool:
        """Whether a line is a row: it has values, and no text where the other rows have values."""
        cells = self._cells(position)
        if len(cells) != self._width:
            return False
        if has_dates_in_header(cells, self._lower_columns):
            return False
        kinds = [cell_content(cells[column]) for column in self._column_range()]
        known = [column for column, kind in enumerate(self._columns) if kind]
        dates = [column for column in known if self._columns[column] == "date"]
        is_comment = self._is_comment(position)
        if any(kinds[column] == "date" for column in dates if column or not is_comment):
            return True  # a comment has no date behind its mark, unlike an id such as #1042
        if is_comment:
            return False
        if any(kinds[column] == "" and self._settled[column] for column in dates or known[:1]):
            return False
        if _is_range(cells):  # names that pandas gives to columns without one
            return False
        settled = [column for column in known if self._settled[column]]
        has_values = any(kinds[column] in ("number", "date") for column in known)
        return has_values and not any(kinds[column] == "text" for column in settled)

    def _find_position(self, first_data: int | None) -> int | None:
        """The header above the first row: the first of the lines with most cells."""
        above = [at for at in self._filled if first_data is None or at < first_data]
        fitting = [at for at in above if self._fits(self._cells(at))]
        plain = [at for at in fitting if not self._is_comment(at)] or fitting[-1:]
        if plain and first_data is None:
            return plain[0]
        if plain:
            count = {at: sum(bool(cell.strip()) for cell in self._cells(at)) for at in plain}
            return max(self._last_block(plain), key=lambda at: count[at])  # the first of equals
        if above and first_data is not None and len(self._cells(above[-1])) > 1:
            return above[-1]  # a header of another width: its rows are reported
        return None if first_data is not None else self._filled[0]

    def _last_block(self, positions: list[int]) -> list[int]:
        """The last of these lines, and those directly above it."""
        start = len(positions) - 1
        while start and positions[start - 1] == positions[start] - 1:
            line, cells = self._records[positions[start - 1]]
            if (
                line + 1 + sum(cell.count("\n") for cell in cells)
                < self._records[positions[start]][0]
            ):
                break  # a blank line between them
            start -= 1
        return positions[start:]

    def _is_comment(self, position: int) -> bool:
        return self._cells(position)[0].lstrip().startswith(_COMMENT)

    def _requested_position(self, line: int) -> int:
        for position in self._filled:
            if self._records[position][0] == line:
                return position
        found = f"there is no header in {self._line_noun} {line}, which data.header_line names"
        lines = [self._records[position][0] for position in self._filled[:5]]
        cure = f"set data.header_line to auto or one of {', '.join(map(str, lines))}, …"
        raise DataError(Problem(self._file_name, found, cure))

    def _skip_units(self, header: int, first_data: int | None) -> tuple[int, list[int]]:
        """The position of the first row below the header, and the lines between without values,
        such as units."""
        below = [at for at in self._filled if at > header]
        if not below:
            return len(self._records), []
        between = [at for at in below if first_data is not None and at < first_data]
        units = []
        for at in between[:_MAX_UNIT_LINES]:
            if not (self._is_comment(at) or self._is_rule(at) or self._is_description(at)):
                break
            units.append(at)
        return below[len(units)], units

    def _is_rule(self, position: int) -> bool:
        """Whether a line has only dashes and the like, as below the header of a printed table."""
        text = "".join(self._cells(position)).strip()
        return len(text) > 2 and not any(map(str.isalnum, text))

    def _is_description(self, position: int) -> bool:
        """Whether a line as wide as the table has text, and none of its numbers or dates."""
        cells = self._cells(position)
        kinds = [cell_content(cell) for cell in cells]
        has_values = any(
            kind and kind == column for kind, column in zip(kinds, self._columns, strict=False)
        )
        return self._fits(cells) and "text" in kinds and not has_values

    def _name_columns(self, header: int, first_row: int) -> tuple[tuple[str, ...], list[int]]:
        """A name for each column, and the columns that had none in the header but have values."""
        names = list(self._cells(header))
        if self._is_comment(header):
            names[0] = names[0].lstrip().lstrip(_COMMENT).strip()
        if self._fits(names):
            names = [*names, *[""] * (self._width - len(names))][: self._width]
        rows = [self._cells(at) for at in self._filled if at >= first_row]
        return name_columns(names, rows, first="index")

    def _without_header(self, first_row: int, requested: HeaderLine) -> Header:
        names, _ = name_columns([""] * self._width, self._body, first="column_1")
        line = self._records[first_row][0]
        notes = []
        if requested == "auto":
            where = f"{self._file_name}, {self._line_noun} {line}"
            found = (
                "this holds values, so the table has no header: the columns are named column_1 to "
                f"column_{len(names)}"
            )
            cure = "set data.header_line to 0 if that is right, or to the line of the header"
            notes.append(ReadingNote(Problem(where, found, cure), is_doubtful=True))
        return Header(names, line, first_row, tuple(notes))

    def _title_note(self, header: int) -> Iterator[ReadingNote]:
        above = [at for at in self._filled if at < header]
        if above:
            where = f"{self._file_name}, {self._line_noun} {self._records[header][0]}"
            count, title = count_of(len(above), self._line_noun), quote_cells(self._cells(above[0]))
            found = f"the header was found here; left out: {count} above it, {title}"
            yield ReadingNote(Problem(where, found, "set data.header_line if it is another line"))

    def _unit_note(self, units: Sequence[int]) -> Iterator[ReadingNote]:
        if units:
            where = f"{self._file_name}, {self._line_noun} {self._records[units[0]][0]}"
            found = (
                f"{count_of(len(units), self._line_noun)} below the header without values, such as "
                f"units, left out: {quote_cells(self._cells(units[0]))}"
            )
            yield ReadingNote(
                Problem(where, found, "delete the line, or write its values as numbers")
            )

    def _name_note(self, header: int, names: Sequence[str]) -> Iterator[ReadingNote]:
        if names:
            where = f"{self._file_name}, {self._line_noun} {self._records[header][0]}"
            listed = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
            found = f"{count_of(len(names), 'column')} without a name, named {listed}"
            yield ReadingNote(Problem(where, found, "name every column in the header"))


def _table_width(rows: Sequence[Sequence[str]]) -> int:
    """The most common number of cells, of lines with more than one; of equals the last."""
    widths = [len(cells) for cells in rows if len(cells) > 1]
    counts = Counter(reversed(widths))
    return max(counts, key=lambda width: counts[width]) if counts else 1


def _column_kind(body: Sequence[Sequence[str]], column: int) -> CellContent | None:
    """ "number" or "date" if half of the filled cells are one, else None."""
    counts = Counter(kind for cells in body if (kind := cell_content(cells[column])))
    values = counts["number"] + counts["date"]
    if 2 * values < counts.total() or not values:
        return None
    return "date" if counts["date"] >= counts["number"] else "number"


def _is_range(cells: Sequence[str]) -> bool:
    """Whether the cells are 0, 1, 2, …"""
    return len(cells) > 1 and [cell.strip() for cell in cells] == [*map(str, range(len(cells)))]


def quote_cells(cells: Sequence[str]) -> str:
    """The filled cells in quotes, at most 60 characters of them."""
    text = ", ".join(cell.strip() for cell in cells if cell.strip())
    return quote_text(text, 60)
