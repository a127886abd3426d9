"""Vintages of a table with `data.known_at`: of rows of one time, the last that was known counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import to_ticks
from rnnforecast.data.time.timezones import parse_utc_offset, to_local, to_utc
from rnnforecast.errors import Problem
from rnnforecast.types import Ints, Timestamps
from rnnforecast.wording import count_of


def latest_vintages(table: Table) -> Table:
    """The rows that became known last of each series and time, with a note on the number of others;
    the table itself without `Table.known_at`. Rows that became known at the same time all stay."""
    if table.known_at is None or not len(table.codes):
        return table
    ticks, known = to_ticks(table.time), to_ticks(table.known_at)
    order = np.lexsort((known, ticks, table.codes))
    codes, ticks, known = table.codes[order], ticks[order], known[order]
    begins = np.r_[True, (codes[1:] != codes[:-1]) | (ticks[1:] != ticks[:-1])]
    last = np.r_[np.flatnonzero(begins)[1:], len(codes)] - 1
    keep = np.empty(len(codes), dtype=np.bool_)
    keep[order] = known == known[last][np.cumsum(begins) - 1]
    if keep.all():
        return table
    found = f"{count_of(int((~keep).sum()), 'row')} replaced by rows that became known later"
    note = ReadingNote(Problem("data.known_at", found))
    return replace(table.filter(keep), notes=(*table.notes, note))


def rows_known_by(table: Table, panel: Panel, cutoffs: Timestamps, timezone: str | None) -> Table:
    """The rows that were known by the cutoffs `[S]` of the panel's series, none of other series.

    Args:
        table: with `Table.known_at`.
        panel: of the same table; its timestamps are those of the cutoffs.
        timezone: that of `data.timezone`.
    """
    assert table.known_at is not None
    known_at = _in_time_of_panel(table, panel, timezone)
    series = panel_series(table.keys, panel)[table.codes]  # [R]
    return table.filter((series >= 0) & (known_at <= cutoffs[series]))


def panel_series(keys: pd.DataFrame, panel: Panel) -> Ints:
    """The series of the panel with each of these keys, -1 for one that it lacks."""
    if not keys.shape[1]:
        return np.zeros(len(keys), dtype=np.int64)
    names, wanted = (pd.MultiIndex.from_frame(each.astype(str)) for each in (panel.keys, keys))
    return np.asarray(names.get_indexer(wanted), dtype=np.int64)


def _in_time_of_panel(table: Table, panel: Panel, timezone: str | None) -> Timestamps:
    """`Table.known_at` in the time of the panel: UTC if it is shown in a time zone, else local."""
    known_at = table.known_at
    assert known_at is not None
    if not timezone or known_at.dtype.kind != "M":
        return known_at
    if table.utc_offset:
        utc = known_at - parse_utc_offset(table.utc_offset)
    elif not panel.display_timezone:
        return known_at
    else:  # of an hour that comes twice the later one: a value must not be known too early
        utc = to_utc(
            known_at,
            timezone,
            ambiguous="later",
            nonexistent="shift_forward",
            codes=table.codes,
        ).utc
    return utc if panel.display_timezone else to_local(utc, timezone)
