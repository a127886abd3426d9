"""Inference of the columns that identify a series, from a sample of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from rnnforecast.data.io.column_words import (
    ROW_NUMBER_NAMES,
    SERIES_NAMES,
    THING_WORDS,
    is_named_like_id,
    split_name,
)
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES
from rnnforecast.data.io.time_columns import is_date_column

MAX_SERIES_PER_ROW_OF_A_TIMESTAMP = 10
"""More distinct ids than this, for each row of the fullest timestamp, identify rows and not
series."""
MIN_REPEATED_SHARE = 0.1
"""Columns without the name of an id are ids only if this share of rows shares its timestamp."""
MIN_UNIQUE_SHARE = 0.98
"""Numbers without the name of an id are ids only if they make this share of rows unique."""
MIN_ROWS_PER_ID = 3
"""Columns with fewer rows for an id, on average, do not name series."""
MIN_COUNTED_SHARE = 0.95
"""The share of differences between consecutive rows that are one in a column of row numbers."""
MIN_ROWS_TO_COUNT = 20
"""With fewer rows only the name tells a row number from a value that grows by one."""


def find_series(
    head: pd.DataFrame, time: Sequence[str], candidates: Sequence[str], numeric: Collection[str]
) -> tuple[tuple[str, ...], str]:
    """The columns of `candidates` that, with the columns of the time, identify rows, without
    unneeded ones, and the reason. Those named like ids are tried first, then texts, then whole
    numbers."""
    sample = _Sample(head, list(time), max(1, int(head.value_counts(list(time)).iloc[0])))
    filled = [
        column
        for column in candidates
        if not head[column].isin(DEFAULT_MISSING_VALUES).all()
        and not identifies_rows(column, head, time)
    ]
    ids = [column for column in filled if _is_id(column, head, column in numeric)]
    if sample.max_rows == 1:
        # The head of a file sorted by series may hold one series only: names decide.
        chosen = tuple(
            column
            for column in candidates
            if column in ids
            and (
                head[column].nunique() == 1 or (_is_series_name(column) and sample.recurs([column]))
            )
        )
        return chosen, "named like ids" if chosen else "no timestamp is repeated"
    found = sample.extend([], ids)
    if sample.repeated_share() >= MIN_REPEATED_SHARE:
        others = [column for column in filled if column not in ids]
        texts = [c for c in others if c not in numeric and not _is_time_or_has_blanks(head[c])]
        found = sample.extend(found, texts)
        for column in (c for c in others if c in numeric and _is_whole(head[c])):
            more = sample.extend(found, [column])
            is_unique = sample.count([*time, *more]) >= MIN_UNIQUE_SHARE * len(head)
            if len(more) > len(found) and is_unique and 2 * sample.count(more) <= len(head):
                found = more
    found = sample.without_unneeded(found)
    chosen = tuple(column for column in candidates if column in found)
    if not chosen:
        return (), "no column identifies rows of one timestamp"
    reason = "timestamps are unique in each"
    if sample.count([*time, *chosen]) < len(head):
        reason += ", but for some repeated rows"
    return chosen, reason


def possible_series(
    head: pd.DataFrame, time: Sequence[str], candidates: Sequence[str]
) -> dict[str, int]:
    """Columns named like things with a series each, and the number of their ids, where no timestamp
    is repeated: each of several things may have been measured at other times."""
    if head.duplicated(list(time)).any():
        return {}
    found = {}
    for column in candidates:
        n_ids = head[column].nunique()
        if split_name(column)[-1] in THING_WORDS and 2 <= n_ids <= len(head) // MIN_ROWS_PER_ID:
            found[column] = n_ids
    return found


def identifies_rows(column: str, head: pd.DataFrame, time: Sequence[str]) -> bool:
    """Whether the column is a row number: whole numbers that only rise or only fall with the rows,
    over several timestamps, or that are named like one and count the rows."""
    cells = head[column]
    if len(cells) < 2 or not _is_whole(cells):
        return False
    steps = np.diff(cells.astype(np.float64).to_numpy())
    if not ((steps > 0).all() or (steps < 0).all()):
        return False
    return counts_rows(column, cells) or len(head.drop_duplicates(list(time))) > 1


def counts_rows(column: str, cells: pd.Series[str]) -> bool:
    """Whether whole numbers go up or down by one from row to row, and the name is that of a row
    number or there are many rows."""
    if len(cells) < 3 or not _is_whole(cells):
        return False
    steps = np.diff(cells.astype(np.float64).to_numpy())
    share = max((steps == 1).mean(), (steps == -1).mean())
    is_named = column.lower() in ROW_NUMBER_NAMES
    return bool(
        share >= MIN_COUNTED_SHARE
        and cells.is_unique
        and (is_named or len(cells) >= MIN_ROWS_TO_COUNT)
    )


class _Sample:
    """A sample of rows as text, and how columns tell its rows apart."""

    def __init__(self, head: pd.DataFrame, time: list[str], max_rows: int) -> None:
        self._head, self._time = head, time
        self.max_rows = max_rows
        """The most rows of one timestamp."""

    def count(self, columns: Sequence[str]) -> int:
        """Distinct rows of `columns`."""
        return len(self._head) - int(self._head.duplicated(list(columns)).sum())

    def recurs(self, columns: Sequence[str]) -> bool:
        """Whether ids of `columns` come at several timestamps, unlike those of single rows."""
        n_ids, n_timestamps = self.count(columns), self.count(self._time)
        if n_timestamps > 1 and n_ids == len(self._head):
            return False
        return n_ids <= max(MAX_SERIES_PER_ROW_OF_A_TIMESTAMP * self.max_rows, len(self._head) // 2)

    def repeated_share(self) -> float:
        """The share of rows that share their timestamp with others."""
        return float(self._head.duplicated(self._time, keep=False).mean())

    def extend(self, found: list[str], columns: Sequence[str]) -> list[str]:
        """`found` with those of `columns` that tell more rows of one timestamp apart."""
        found = list(found)
        for column in columns:
            n_known = self.count([*self._time, *found])
            if n_known == len(self._head):
                break
            is_finer = self.count([*self._time, *found, column]) > n_known
            if is_finer and self._is_few([*found, column]):
                found.append(column)
        return found

    def _is_few(self, columns: Sequence[str]) -> bool:
        # A comment or row number identifies rows, too, but makes too many "series".
        n_ids = self.count(columns)
        if n_ids == len(self._head) and self.count(self._time) > 1:
            return False
        return n_ids <= MAX_SERIES_PER_ROW_OF_A_TIMESTAMP * self.max_rows

    def without_unneeded(self, found: list[str]) -> list[str]:
        """`found` without columns that the others make unneeded, the last ones first."""
        for column in reversed(found.copy()):
            others = [other for other in found if other != column]
            if self.count([*self._time, *others]) == self.count([*self._time, *found]):
                found = others
        return found


def _is_series_name(column: str) -> bool:
    return column.lower() in SERIES_NAMES


def _is_id(column: str, head: pd.DataFrame, is_numeric: bool) -> bool:
    named = is_named_like_id(column)
    return named and (not is_numeric or bool(head[column].str.fullmatch(r"\d*").all()))


def _is_time_or_has_blanks(cells: pd.Series[str]) -> bool:
    is_clock = bool(cells.str.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?( ?[AaPp][Mm])?").all())
    return is_clock or bool(cells.eq("").any()) or is_date_column(cells)


def _is_whole(cells: pd.Series[str]) -> bool:
    return bool(cells.str.fullmatch(r"\d{1,15}(\.0+)?").all())
