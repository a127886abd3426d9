"""Tables of forecasts, written as CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rnnforecast.data.time.timezones import format_utc_offsets, to_local
from rnnforecast.errors import OutputError, Problem, UsageError
from rnnforecast.output.atomic_files import atomic_file
from rnnforecast.output.owned_files import PARQUET_KEY

_CHUNK_ROWS = 131_072  # rows formatted at once, which bounds the memory
_TimeUnit = Literal["D", "s", "us"]


def table_format(path: str | Path) -> Literal["csv", "parquet"]:
    """The format that `write_forecast` uses for `path`; UsageError for an unknown suffix."""
    suffix = "" if str(path) == "-" else Path(path).suffix.lower()
    if suffix in ("", ".csv"):
        return "csv"
    if suffix == ".parquet":
        return "parquet"
    found = f"tables cannot be written with the suffix {suffix!r}"
    raise UsageError(Problem(str(path), found, "end the name in .csv or .parquet"))


def write_forecast(
    path: str | Path,
    frame: pd.DataFrame,
    *,
    daily: bool = False,
    utc_offset: str = "",
    display_timezone: str = "",
) -> None:
    """Writes `frame` atomically to `path`, as CSV or Parquet by its suffix; "-" is stdout as CSV.

    CSV is UTF-8 with a header, line feeds, quotes only where needed, and empty cells for missing
    values. Timestamps are written as dates if `daily` (the frequency is a day or coarser) and all
    are midnights without a time zone, otherwise as ``YYYY-MM-DD HH:MM:SS``. They are local to
    `utc_offset` ("+02:00" or "Z", as in the input), which is appended. With a `display_timezone`
    such as Europe/Berlin they are in UTC, and written in local time with the offset of the date.

    Raises OutputError as `atomic_file` does, UsageError for an unknown suffix.
    """
    kind = table_format(path)
    if str(path) == "-":
        _write_csv(
            sys.stdout.buffer,
            frame,
            daily=daily,
            utc_offset=utc_offset,
            display_timezone=display_timezone,
        )
        sys.stdout.buffer.flush()
        return
    with atomic_file(Path(path)) as partial, partial.open("wb") as file:
        if kind == "csv":
            _write_csv(
                file, frame, daily=daily, utc_offset=utc_offset, display_timezone=display_timezone
            )
        else:
            table = _to_arrow(frame, utc_offset, display_timezone)
            marked = {**(table.schema.metadata or {}), PARQUET_KEY: b"table"}
            table = table.replace_schema_metadata(marked)
            # numbers hardly repeat: dictionaries of them take half the time of the writing
            repeated = [each.name for each in table.schema if not pa.types.is_floating(each.type)]
            pq.write_table(table, file, use_dictionary=repeated, write_page_checksum=True)


def with_timezone(frame: pd.DataFrame, utc_offset: str, display_timezone: str) -> pd.DataFrame:
    """The frame with time zones in its timestamps, as `write_forecast` writes them to Parquet."""
    if not utc_offset and not display_timezone:
        return frame
    local = "UTC" if display_timezone or utc_offset.upper() == "Z" else f"UTC{utc_offset}"
    columns = {}
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            instants = frame[name].dt.tz_localize(local)
            columns[name] = instants.dt.tz_convert(display_timezone or local)
    return frame.assign(**columns)


def with_text_timestamps(
    frame: pd.DataFrame, *, daily: bool, utc_offset: str, display_timezone: str
) -> pd.DataFrame:
    """The frame with texts in place of timestamps, as `write_forecast` writes them to CSV."""
    dates_only = daily and not utc_offset and not display_timezone
    texts = {}
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            timestamps = frame[name].to_numpy()
            texts[name] = _format_timestamps(
                timestamps,
                unit=_timestamp_unit(timestamps, daily=dates_only),
                utc_offset=utc_offset,
                display_timezone=display_timezone,
            ).to_pandas()
    return frame.assign(**texts)


def _write_csv(
    file: BinaryIO, frame: pd.DataFrame, *, daily: bool, utc_offset: str, display_timezone: str
) -> None:
    """Writes `frame` to `file` as CSV.

    Arrow's CSV writer quotes every text. Here each column is formatted as text, the columns are
    joined to lines, and the buffer of the lines is written without a copy.
    """
    header = _quote_csv(pa.array([str(name) for name in frame.columns], pa.string()))
    file.write((",".join(header.to_pylist()) + "\n").encode("utf-8"))
    dates_only = daily and not utc_offset and not display_timezone
    units = {
        name: _timestamp_unit(frame[name].to_numpy(), daily=dates_only)
        for name in frame.columns
        if frame[name].dtype.kind == "M"
    }
    for rows in _row_chunks(frame):
        cells = [
            _format_timestamps(
                rows[name].to_numpy(),
                unit=units[name],
                utc_offset=utc_offset,
                display_timezone=display_timezone,
            )
            if name in units
            else _format_cells(rows[name])
            for name in rows.columns
        ]
        cells = [pc.coalesce(column, pa.scalar("")) for column in cells]
        cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
        lines = pc.binary_join_element_wise(*cells, ",") if len(cells) > 1 else cells[0]
        file.write(_text_buffer(lines))


def _row_chunks(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for first in range(0, len(frame), _CHUNK_ROWS):
        yield frame.iloc[first : first + _CHUNK_ROWS]


def _text_buffer(lines: pa.Array) -> memoryview:
    """The concatenated texts of `lines`, without a copy."""
    _, offsets, data = lines.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(data)[ends[0] : ends[-1]]


def _format_cells(column: pd.Series) -> pa.Array:
    """`column` as CSV cells, null where a value is missing."""
    array = pa.array(column, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        return pc.cast(array, pa.string())
    return _quote_csv(pc.cast(array, pa.string()))


def _quote_csv(text: pa.Array) -> pa.Array:
    """`text` with quotes where CSV requires them."""
    special = pc.match_substring_regex(text, '[,"\r\n]')
    if not pc.any(special).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _format_timestamps(
    timestamps: np.ndarray, *, unit: _TimeUnit, utc_offset: str, display_timezone: str
) -> pa.Array:
    """`timestamps` as text, null for NaT; each distinct one is formatted once."""
    codes, distinct = pd.factorize(timestamps)
    local, offsets = distinct, utc_offset
    if display_timezone:
        local = to_local(distinct, display_timezone)
        offsets = pa.array(format_utc_offsets(distinct, display_timezone), pa.string())
    text = pa.array(np.datetime_as_string(local.astype("M8[us]"), unit=unit), pa.string())
    text = pc.binary_join_element_wise(pc.replace_substring(text, "T", " "), offsets, "")
    return text.take(pa.array(codes, mask=codes < 0))


def _timestamp_unit(timestamps: np.ndarray, *, daily: bool) -> _TimeUnit:
    """The coarsest exact unit of day (only if `daily`), second and microsecond."""
    microseconds = timestamps[~np.isnat(timestamps)].astype("M8[us]").astype(np.int64)
    if daily and not np.any(microseconds % 86_400_000_000):
        return "D"
    return "us" if np.any(microseconds % 1_000_000) else "s"


def _to_arrow(frame: pd.DataFrame, utc_offset: str, display_timezone: str) -> pa.Table:
    """`frame` as an Arrow table; its timestamps have the time zone, if one is given."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if not utc_offset and not display_timezone:
        return table
    local = "UTC" if display_timezone or utc_offset.upper() == "Z" else utc_offset
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            try:
                instants = pc.assume_timezone(table.column(position), local)
                if display_timezone:
                    instants = instants.cast(pa.timestamp(instants.type.unit, display_timezone))
            except pa.ArrowInvalid as error:
                raise OutputError(
                    Problem(f"timezone {utc_offset!r}", "is not one that Parquet can name")
                ) from error
            table = table.set_column(position, field.name, instants)
    return table
