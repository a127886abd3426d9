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
    words are at most a share of 1 - `min_share`; less than a half if they are a few distinct ones
    and the column is not named like an id. Reading the file reports them with their lines. False if any cell looks like an id such as 007.
    """
    if not cells or any(_CODE.fullmatch(cell) for cell in cells):
        return False
    column = ColumnShapes()
    column.add_texts(cells)
    numbers = column.of_kind("plain", "marked")
    n_numbers = sum(shape.count for shape in numbers)
    if not n_numbers + column.count("limit") or read_marks(numbers).kind == "text":
        return False
    words = column.of_kind("text")
    n_words = sum(shape.count for shape in words)
    share = 1 - n_words / len(cells)
    may_have_words = not is_named_like_id and len(words) <= MAX_WORDS
    return share >= min_share or (may_have_words and 2 * n_words < len(cells))
