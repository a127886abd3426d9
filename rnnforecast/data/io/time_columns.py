"""Inference of the time column: by the content of its cells and by its name."""

from __future__ import annotations

import pandas as pd

from rnnforecast.data.time.format import TimeFormat
from rnnforecast.data.time.format_inference import infer_time_format
from rnnforecast.errors import DataError, Problem

# In order of preference.
_TIME_NAMES = (
    *("ds", "timestamp", "datetime", "date_time", "date", "time", "datum", "zeit", "period"),
    *("month", "quarter", "week", "day", "hour", "year"),
)
_STEP_NAMES = (*_TIME_NAMES, "t", "step", "time_idx", "time_index", "index", "idx", "tick")


def find_time_column(
    head: pd.DataFrame, candidates: list[str], source_name: str
) -> tuple[str, str]:
    """The time column among the candidates, and why; DataError if none or several could be it."""
    formats = {column: _infer_time_format(head[column]) for column in candidates}
    dates = [column for column, found in formats.items() if found and found.kind != "integer"]
    steps = [column for column, found in formats.items() if found and found.kind == "integer"]
    steps = [column for column in steps if column.lower() in _STEP_NAMES]
    if len(dates) == 1:
        return dates[0], "the only column of dates"
    for columns, known, content in (
        (dates, _TIME_NAMES, "dates"),
        (steps, _STEP_NAMES, "whole numbers"),
    ):
        if named := sorted(
            (c for c in columns if c.lower() in known), key=lambda name: known.index(name.lower())
        ):
            return named[0], f"{content}, and named like a time"
    if dates:
        found = f"columns {', '.join(map(repr, dates))} all hold dates"
        raise DataError(Problem(source_name, found, "set data.time to one of them"))
    if "" in head and is_date_column(head[""]):
        cure = "give it a name in the header, such as ds"
        raise DataError(Problem(source_name, "the column of dates has no name", cure))
    listed = ", ".join(map(repr, candidates))
    cure = f"set data.time, and data.time_format if needed; the columns are {listed}"
    raise DataError(Problem(source_name, "no column holds dates that can be recognized", cure))


def is_date_column(cells: pd.Series[str]) -> bool:
    """Whether the cells of a column are dates rather than numbers."""
    found = _infer_time_format(cells)
    return found is not None and found.kind != "integer"


def _infer_time_format(cells: pd.Series[str]) -> TimeFormat | None:
    """The time format of about a hundred cells, to save time in tables with many columns."""
    filled = cells[cells != ""]
    return infer_time_format(filled.iloc[:: len(filled) // 100 + 1].tolist())
