"""Shapes of the cells of a column: their texts with 9 for every digit, counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.number_cells import CellKind, NumberParts, cell_kind, split_number
from rnnforecast.types import Ints

_DIGITS = re.compile("[0-9]")
_LEADING_ZERO = re.compile("[^0-9]*0[0-9.,]")
MAX_TEXTS = 20
"""Distinct texts of a shape that are kept."""


@dataclass
class CellShape:
    """All cells of one shape: numbers of as many digits with the same marks, or equal texts."""

    example: str
    """The first of the cells, stripped."""
    count: int = 0
    low: float = np.inf
    """The smallest of the digits of a cell, read as one whole number."""
    high: float = -np.inf
    texts: dict[str, None] = field(default_factory=dict)
    """The first distinct cells of a shape that is not a number, in the order of the file."""

    @cached_property
    def kind(self) -> CellKind:
        """What the cells are."""
        return cell_kind(self.example)

    @cached_property
    def parts(self) -> NumberParts | None:
        """The parts of `example`; None if it is not a number."""
        return split_number(self.example)


@dataclass
class ColumnShapes:
    """The shapes of all cells of a column that are not missing values."""

    has_wide_blanks: bool = False
    """Whether other blanks than spaces and tabs stand around a cell."""
    _shapes: dict[str, CellShape] = field(default_factory=dict)

    def __iter__(self) -> Iterator[CellShape]:
        return iter(self._shapes.values())

    def add_texts(self, texts: Iterable[str]) -> None:
        """Adds stripped cells, none of them blank."""
        for text in texts:
            self._add(_shape(text), text, 1, *_digit_range(text))

    def add_counted(self, texts: Any, counts: Ints, *, ignored: Sequence[str] = ()) -> None:
        """Adds distinct texts (an Arrow array), each with its count, without blank ones and those
        that are `ignored`."""
        bare = pc.utf8_trim_whitespace(texts)
        is_wide = pc.not_equal(bare, pc.utf8_trim(texts, " \t"))
        self.has_wide_blanks |= bool(pc.any(is_wide, min_count=0).as_py())
        texts = bare
        used = pc.invert(pc.is_in(texts, value_set=pa.array([*ignored, "", None], pa.string())))
        texts, counts = texts.filter(used), counts[used.to_numpy(zero_copy_only=False)]
        if not len(texts):
            return
        nines = pc.replace_substring_regex(texts, "[0-9]", "9")
        zero = pc.match_substring_regex(texts, f"^{_LEADING_ZERO.pattern}")
        shapes = pc.if_else(
            zero, pc.replace_substring_regex(nines, "9", "0", max_replacements=1), nines
        ).dictionary_encode()
        digits = pc.utf8_slice_codeunits(pc.replace_substring_regex(texts, "[^0-9]", ""), 0, 18)
        digits = pc.if_else(pc.equal(digits, ""), "0", digits)
        numbers = digits.cast(pa.float64()).to_numpy(zero_copy_only=False)
        codes = shapes.indices.to_numpy()
        _, first = np.unique(codes, return_index=True)
        totals = np.bincount(codes, weights=counts)
        low, high = np.full(len(totals), np.inf), np.full(len(totals), -np.inf)
        np.minimum.at(low, codes, numbers)
        np.maximum.at(high, codes, numbers)
        examples = texts.take(pa.array(first)).to_pylist()
        for code, shape in enumerate(shapes.dictionary.to_pylist()):
            entry = self._add(shape, examples[code], int(totals[code]), low[code], high[code])
            if entry.kind in ("placeholder", "limit"):
                same = texts.filter(pa.array(codes == code))[:MAX_TEXTS]
                entry.texts.update(dict.fromkeys(same.to_pylist()))

    def count(self, *kinds: CellKind) -> int:
        """The number of cells of these kinds; of all kinds without arguments."""
        return sum(shape.count for shape in self if not kinds or shape.kind in kinds)

    def of_kind(self, *kinds: CellKind) -> list[CellShape]:
        """The shapes of these kinds, the most frequent first."""
        found = [shape for shape in self if shape.kind in kinds]
        return sorted(found, key=lambda shape: -shape.count)

    def texts(self, *kinds: CellKind) -> tuple[str, ...]:
        """Distinct cells of these kinds, at most `MAX_TEXTS` of a shape."""
        return tuple(text for shape in self.of_kind(*kinds) for text in shape.texts)

    def _add(self, shape: str, example: str, count: int, low: float, high: float) -> CellShape:
        entry = self._shapes.setdefault(shape, CellShape(example))
        entry.count += count
        entry.low, entry.high = min(entry.low, low), max(entry.high, high)
        return entry


def _shape(text: str) -> str:
    nines = _DIGITS.sub("9", text)
    return nines.replace("9", "0", 1) if _LEADING_ZERO.match(text) else nines


def _digit_range(text: str) -> tuple[float, float]:
    number = float("".join(_DIGITS.findall(text))[:18] or 0)
    return number, number
