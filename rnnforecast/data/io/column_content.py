"""The content of a column: whether its cells are numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnforecast.data.io.cell_shapes import ColumnShapes
from rnnforecast.data.io.number_marks import read_marks

MAX_WORDS = 5
"""A column with more different words among its numbers holds ids or texts, if these are many."""
_CODE = re.compile(r"0[0-9]+|\+[0-9]{8,}")


def is_numeric_column(
    cells: Sequence[str], *, min_share: float = 0.9, is_named_like_id: bool = False
) -> bool:
    """Whether the cells of a column are numbers, of stripped cells that are not missing values.

    Marks around numbers, usual texts for no value and limits such as <1 belong to numbers. Other
    words are at most a share of 1 - `min_share`; more if they are a few distinct ones among many
    numbers and the column is not named like an id. Reading the file reports them with their lines.
    False if any cell looks like an id such as 007, and for sizes such as 250 g and 500 g.
    """
    if not cells or any(_CODE.fullmatch(cell) for cell in cells):
        return False
    column = ColumnShapes()
    column.add_texts(cells)
    numbers = column.of_kind("plain", "marked")
    n_numbers = sum(shape.count for shape in numbers)
    reading = read_marks(numbers)
    if not n_numbers + column.count("limit") or reading.kind == "text":
        return False
    words = {shape.example for shape in column.of_kind("text")}
    n_distinct = len({*cells} - words)
    if reading.has_units and 10 * n_distinct <= len(cells):
        return False
    n_words = column.count("text")
    if 1 - n_words / len(cells) >= min_share:
        return True
    is_word_among_numbers = 2 * n_words < len(cells) or n_distinct >= 10 * len(words)
    return len(words) <= MAX_WORDS and is_word_among_numbers and not is_named_like_id
