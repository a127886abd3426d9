"""The forecast as one long table, written as CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rnnforecast.data.time.timezones import format_utc_offsets, to_local
from rnnforecast.errors import DataError, OutputError, Problem, UsageError
from rnnforecast.output.atomic_files import atomic_file

_CHUNK_ROWS = 131_072  # rows formatted at once, which bounds the memory
_TimeUnit = Literal["D", "s", "us"]

SIGNIFICANT_DIGITS, INTERVAL_DIGITS, FLOAT64_DIGITS = 7, 5, 15
"""Significant digits of a forecast, of the width of its interval, and of any float64."""


def round_significant(x: np.ndarray, digits: int | np.ndarray = SIGNIFICANT_DIGITS) -> np.ndarray:
    """`x` rounded to `digits` significant digits: the float64 whose shortest text has no more.

    Any shape; `digits` is a number or an array of that shape. NaN and infinity stay, minus zero
    becomes zero.
    """
    x = np.asarray(x, dtype=np.float64)
    digits = np.broadcast_to(digits, x.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shift = np.floor(np.log10(np.abs(x)))
        shift = np.where(np.isfinite(shift), digits - 1 - shift, 0.0)
        # Powers of ten are exact up to 10^22, and one product or quotient of exact numbers is
        # rounded once: the sign of the shift decides between the two.
        power = 10.0 ** np.minimum(np.abs(shift), 22.0)
        rounded = np.where(shift >= 0, np.rint(x * power) / power, np.rint(x / power) * power)
    rounded = np.where(np.isfinite(x), rounded, x) + 0.0
    extreme = np.isfinite(x) & (np.abs(shift) > 22)
    pairs = zip(x[extreme], digits[extreme], strict=True)
    rounded[extreme] = [float(f"{value:.{count - 1}e}") for value, count in pairs]
    return rounded


def significant_digits(yhat: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """`[M]` meaningful digits of the forecasts `[M]`, given their quantiles `[Q, M]`.

    Forecasts are computed in single precision, hence seven digits; where the interval is narrow
    compared to the level (a meter that counts upwards), five digits of the interval's width.
    """
    if len(quantiles) < 2:
        return np.full(yhat.shape, SIGNIFICANT_DIGITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.floor(np.log10(quantiles.max(0) - quantiles.min(0)))
        needed = np.floor(np.log10(np.abs(yhat))) - width + INTERVAL_DIGITS
    needed = np.where(np.isfinite(needed), needed, SIGNIFICANT_DIGITS)
    return np.clip(needed, SIGNIFICANT_DIGITS, FLOAT64_DIGITS).astype(np.int64)


def forecast_columns(
    key_columns: Sequence[str], targets: Sequence[str], *, time_column: str, levels: Sequence[float]
) -> list[str]:
    """The columns of a forecast table, in order.

    The key columns, ``target`` if there are several, the time column, ``yhat`` and one column per
    quantile (``q0.025``). Raises DataError if an input column has the name of another column.
    """
    fixed = ["target"] if len(targets) > 1 else []
    added = [*fixed, "yhat", *(f"q{float(level)!r}" for level in levels)]
    given = [*key_columns, time_column]
    clashes = [name for name in dict.fromkeys(given) if name in added or given.count(name) > 1]
    if clashes:
        cure = "rename the column in the input"
        found = "is also the name of another column of the forecast table"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in clashes))
    return [*key_columns, *fixed, time_column, *added[len(fixed) :]]


def forecast_frame(
    keys: pd.DataFrame,
    timestamps: np.ndarray,
    *,
    time_column: str,
    targets: Sequence[str],
    yhat: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
) -> pd.DataFrame:
    """One row per series, target and step, in that order; columns as in `forecast_columns`.

    `keys` has one row per series, `timestamps` [S, H] is datetime64 or int64, `yhat` [S, H, C] and
    `quantiles` [S, H, C, Q] are in original units, NaN without a forecast; Q, the number of
    `levels`, may be 0. Values are rounded to `significant_digits`. Raises DataError as
    `forecast_columns` does.
    """
    size, horizon, width = yhat.shape
    names = forecast_columns(list(keys.columns), targets, time_column=time_column, levels=levels)
    row = np.repeat(np.arange(size), width * horizon)  # [S*C*H]
    columns: list[object] = [keys[name].take(row).array for name in keys.columns]
    if width > 1:
        channel = np.repeat(np.arange(width), horizon)  # [C*H]
        columns.append(pd.array(list(targets), dtype="str").take(np.tile(channel, size)))
    columns.append(np.repeat(timestamps, width, axis=0).reshape(-1))  # [S, H] -> [S*C*H]
    center = yhat.transpose(0, 2, 1).reshape(-1)
    flat = quantiles.transpose(3, 0, 2, 1).reshape(-1, row.size)  # [S, H, C, Q] -> [Q, S*C*H]
    digits = significant_digits(center, flat)
    columns.append(round_significant(center, digits))
    columns.extend(round_significant(flat, np.broadcast_to(digits, flat.shape)))
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


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
            pq.write_table(table, file, write_page_checksum=True)


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
