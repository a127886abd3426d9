"""Rows that hold no data: separators and blanks only, and notes below the last row."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnnforecast.data.io.cell_content import CellContent, cell_content
from rnnforecast.data.io.encoding import has_undecodable_bytes
from rnnforecast.data.io.header import Record, is_blank, quote_cells
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import Problem
from rnnforecast.wording import count_of

_MAX_FOOTER_LINES = 20
_ROW_COUNT = re.compile(r"\(\d+ rows?(?: affected)?\)")
"""The last line of a table that a database client printed."""


@dataclass(frozen=True)
class RowsWithoutData:
    """The rows of a file that are left out."""

    rows: tuple[int, ...] = ()
    """Positions among the rows that are as wide as the table, ascending."""
    n_blank: int = 0
    footer: tuple[Record, ...] = ()
    """Notes below the last row, of any width."""
    can_skip_ragged: bool = False
    """Whether every row of another width than the table is among those."""
    is_complete: bool = False
    """Whether the whole file was searched."""

    def notes(self, file_name: str, line_noun: str = "line") -> Iterator[ReadingNote]:
        """One note for blank rows, one for the lines below the last row."""
        if self.n_blank:
            found = f"{count_of(self.n_blank, 'row')} without any value left out"
            yield ReadingNote(Problem(file_name, found))
        if self.footer:
            line, cells = self.footer[0]
            where = f"{file_name}, {line_noun} {line}"
            found = (
                f"{count_of(len(self.footer), line_noun)} of text below the last row left out: "
                f"{quote_cells(cells)}"
            )
            yield ReadingNote(Problem(where, found))


def find_rows_without_data(records: Iterable[Record], width: int) -> RowsWithoutData:
    """The blank rows among all records below the header, and the notes below the last row."""
    if width == 1:  # a blank cell is a missing value
        return RowsWithoutData(is_complete=True)
    blank: list[int] = []
    n_blank = n_ragged = row = 0
    tail: deque[tuple[int | None, Record]] = deque(maxlen=_MAX_FOOTER_LINES + 1)
    for line, cells in records:
        fits = len(cells) == width
        if is_blank(cells):
            n_blank += 1
            if fits:
                blank.append(row)
        else:
            n_ragged += not fits
            tail.append((row if fits else None, (line, cells)))
        row += fits
    footer: list[tuple[int | None, Record]] = []
    while tail and _is_note(tail[-1][1][1], width):
        footer.append(tail.pop())
    if not tail:  # too many lines, or no row is left
        footer = []
    rows = sorted([*blank, *(at for at, _ in footer if at is not None)])
    n_ragged -= sum(at is None for at, _ in footer)
    return RowsWithoutData(
        tuple(rows),
        n_blank,
        tuple(record for _, record in reversed(footer)),
        can_skip_ragged=n_ragged == 0,
        is_complete=True,
    )


def _is_note(cells: list[str], width: int) -> bool:
    """Whether a line holds text alone: one cell, or a sentence that separators cut into another
    number of cells than that of a row; or dashes and the like."""
    if any("\n" in cell or has_undecodable_bytes(cell) for cell in cells):
        return False
    if len(cells) != width and not any(map(str.isalnum, "".join(cells))):
        return True
    kinds: list[CellContent] = [
        "text" if _ROW_COUNT.fullmatch(cell) else cell_content(cell) for cell in cells
    ]
    has_text_only = "text" in kinds and "number" not in kinds and "date" not in kinds
    return has_text_only and (len(cells) != width or kinds.count("text") == 1)
