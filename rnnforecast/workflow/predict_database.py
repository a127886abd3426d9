"""The forecast of `predict` in a table of a database: rows are inserted or updated by their key."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.data.io.database import open_database, with_retries
from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import OutputError, Problem, UsageError
from rnnforecast.output.forecast_table import with_text_timestamps, with_timezone
from rnnforecast.output.sql_table import upsert


def check_database_output(out: str) -> None:
    """Raises UsageError for the URL of a database that names no table, or needs a package that is
    not installed."""
    with open_database(out, must_exist=False, error=UsageError) as database:  # does not connect
        if database.table is None:
            cure = "end it in ?table=NAME, such as ?table=forecasts"
            found = "the URL of the database names no table"
            raise UsageError(Problem(database.url.name, found, cure))


def write_forecast_rows(out: str, frame: pd.DataFrame, panel: Panel) -> int:
    """Writes a forecast table to the table that the URL of a database names; returns the number of
    rows.

    The key is made of the columns before ``yhat``: those of the series, the target if there are
    several, the timestamp and the cutoff. All rows are written or none, and a repetition changes
    nothing. Timestamps have a time zone where the data have one; in SQLite, which has no times,
    they are texts as in a CSV file.

    Raises OutputError.
    """
    key = [str(name) for name in frame.columns[: frame.columns.get_loc("yhat")]]
    with open_database(out, must_exist=False, error=OutputError) as database:
        assert database.table is not None, "checked by check_database_output"
        has_times = database.engine.dialect.name != "sqlite"
        rows = _with_times(frame, panel) if has_times else _with_texts(frame, panel)
        table = database.table
        return with_retries(lambda: upsert(database.engine, table, rows, key))


def _with_times(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """The frame with dates where all times are midnights of days, and time zones where known."""
    if panel.utc_offset or panel.display_timezone:
        return with_timezone(frame, panel.utc_offset, panel.display_timezone)
    if not panel.frequency.is_daily_or_coarser:
        return frame
    dates = {
        name: frame[name].dt.date
        for name in frame.columns
        if frame[name].dtype.kind == "M" and _are_midnights(frame[name].to_numpy())
    }
    return frame.assign(**dates)


def _with_texts(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return with_text_timestamps(
        frame.reset_index(drop=True),
        daily=panel.frequency.is_daily_or_coarser,
        utc_offset=panel.utc_offset,
        display_timezone=panel.display_timezone,
    )


def _are_midnights(timestamps: np.ndarray) -> bool:
    known = timestamps[~np.isnat(timestamps)]
    return bool((known == known.astype("M8[D]")).all())
