"""Forecasts as one long table, and that table as CSV or Parquet."""

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

_CHUNK_ROWS = (
    131_072  # rows turned into text at once: bounds the memory, whatever the table's length
)
_TimeUnit = Literal["D", "s", "us"]

SIGNIFICANT_DIGITS, INTERVAL_DIGITS, FLOAT64_DIGITS = 7, 5, 15


def round_significant(x: np.ndarray, digits: int | np.ndarray = SIGNIFICANT_DIGITS) -> np.ndarray:
    """`x` to `digits` significant digits, each the double that prints with no digit more.

    Any shape, `digits` one number or an array of that shape; NaN and infinity stay, minus zero
    becomes zero.
    """
    x = np.asarray(x, dtype=np.float64)
    digits = np.broadcast_to(digits, x.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shift = np.floor(np.log10(np.abs(x)))
        shift = np.where(np.isfinite(shift), digits - 1 - shift, 0.0)
        # Powers of ten are exact up to 10^22, and one division or product of exact numbers
        # rounds once; that is why the sign of the shift decides which of the two is taken.
        power = 10.0 ** np.minimum(np.abs(shift), 22.0)
        rounded = np.where(shift >= 0, np.rint(x * power) / power, np.rint(x / power) * power)
    rounded = np.where(np.isfinite(x), rounded, x) + 0.0
    extreme = np.isfinite(x) & (np.abs(shift) > 22)
    pairs = zip(x[extreme], digits[extreme], strict=True)
    rounded[extreme] = [float(f"{value:.{count - 1}e}") for value, count in pairs]
    return rounded


def significant_digits(yhat: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """How many digits of each forecast `[M]` say something, given its quantiles `[Q, M]`.

    A forecast is computed in single precision, so it is seven as a rule; where the band is narrow
    beside the level (a meter that counts upwards) it is as many as show five digits of the band.
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

    The series' columns, ``target`` if there are several, the time, ``yhat`` and one column a
    quantile (``q0.025``). Raises DataError where a column of the input has a name taken here.
    """
    fixed = ["target"] if len(targets) > 1 else []
    made = [*fixed, "yhat", *(f"q{float(level)!r}" for level in levels)]
    given = [*key_columns, time_column]
    clashes = [name for name in dict.fromkeys(given) if name in made or given.count(name) > 1]
    if clashes:
        cure = "rename the column in the input"
        found = "is also the name of another column of the forecast table"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in clashes))
    return [*key_columns, *fixed, time_column, *made[len(fixed) :]]


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
    """One row a series, target and step, in that order; columns as in `forecast_columns`.

    `keys` has a row a series, `stamps` [S, H] is datetime64 or int64, `yhat` [S, H, C] and
    `quantiles` [S, H, C, Q] are in original units, NaN where there is no forecast; Q = the number
    of `levels`, and may be 0. Numbers are rounded to `digits_worth_writing`. Raises DataError where
    names clash.
    """
    size, horizon, width = yhat.shape
    names = forecast_columns(list(keys.columns), targets, time_column=time_column, levels=levels)
    row = np.repeat(np.arange(size), width * horizon)  # [S*C*H]
    columns: list[object] = [keys[name].take(row).array for name in keys.columns]
    if width > 1:
        one_series = np.repeat(np.arange(width), horizon)  # [C*H]
        columns.append(pd.array(list(targets), dtype="str").take(np.tile(one_series, size)))
    columns.append(np.repeat(timestamps, width, axis=0).reshape(-1))  # [S, H] -> [S*C*H]
    center = yhat.transpose(0, 2, 1).reshape(-1)
    flat = quantiles.transpose(3, 0, 2, 1).reshape(-1, row.size)  # [S, H, C, Q] -> [Q, S*C*H]
    digits = significant_digits(center, flat)
    columns.append(round_significant(center, digits))
    columns.extend(round_significant(flat, np.broadcast_to(digits, flat.shape)))
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def table_format(path: str | Path) -> Literal["csv", "parquet"]:
    """How `write_forecast` will write to `path`; UsageError for a suffix it does not know."""
    suffix = "" if str(path) == "-" else Path(path).suffix.lower()
    if suffix in ("", ".csv"):
        return "csv"
    if suffix == ".parquet":
        return "parquet"
    found = f"the suffix {suffix!r} names no kind of table that can be written"
    raise UsageError(Problem(str(path), found, "end the name in .csv or .parquet"))


def write_forecast(
    path: str | Path,
    frame: pd.DataFrame,
    *,
    daily: bool = False,
    timezone: str = "",
    zone: str = "",
) -> None:
    """`frame` is at `path`, whole, as CSV or by the suffix as Parquet; "-" is standard output.

    CSV: UTF-8, a header, quotes only around text that needs them, missing values as empty cells,
    lines ending in a line feed. Stamps are written as dates if `daily` (the frequency is a day
    or coarser) and all are midnights of no stated timezone, else as ``YYYY-MM-DD HH:MM:SS`` with
    `timezone` behind ("+02:00" or "Z", as the input had it; stamps are local to it). With a
    `zone` such as Europe/Berlin stamps are instants of UTC: each is written as its local time
    there with the offset of that day.

    Raises OutputError where the system refuses, UsageError for an unknown suffix.
    """
    kind = table_format(path)
    if str(path) == "-":
        _write_csv(sys.stdout.buffer, frame, daily=daily, timezone=timezone, zone=zone)
        sys.stdout.buffer.flush()
        return
    with atomic_file(Path(path)) as partial, partial.open("wb") as file:
        if kind == "csv":
            _write_csv(file, frame, daily=daily, timezone=timezone, zone=zone)
        else:
            pq.write_table(_to_arrow(frame, timezone, zone), file)


def _write_csv(
    file: BinaryIO, frame: pd.DataFrame, *, daily: bool, timezone: str, zone: str
) -> None:
    """`frame` is in `file` as CSV.

    Arrow's own writer puts quotes around every text, so lines are joined here: each column as
    text, the columns as lines, and the lines' buffer as it lies in memory.
    """
    header = _quote_csv(pa.array([str(name) for name in frame.columns], pa.string()))
    file.write((",".join(header.to_pylist()) + "\n").encode("utf-8"))
    units = {
        name: _timestamp_unit(frame[name].to_numpy(), daily=daily and not timezone and not zone)
        for name in frame.columns
        if frame[name].dtype.kind == "M"
    }
    for rows in _row_chunks(frame):
        cells = [
            _format_timestamps(
                rows[name].to_numpy(), unit=units[name], timezone=timezone, zone=zone
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
    """All texts of `lines`, one behind the other, without a copy."""
    _, offsets, data = lines.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(data)[ends[0] : ends[-1]]


def _format_cells(column: pd.Series) -> pa.Array:
    """`column` as CSV cells, null where it has no value."""
    array = pa.array(column, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        return pc.cast(array, pa.string())
    return _quote_csv(pc.cast(array, pa.string()))


def _quote_csv(text: pa.Array) -> pa.Array:
    """`text` with quotes where a reader would otherwise not get the same text back."""
    special = pc.match_substring_regex(text, '[,"\r\n]')
    if not pc.any(special).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _format_timestamps(
    timestamps: np.ndarray, *, unit: _TimeUnit, timezone: str, zone: str
) -> pa.Array:
    """`stamps` as text, null for NaT; each distinct stamp is put into words only once."""
    codes, distinct = pd.factorize(timestamps)
    shown = to_local(distinct, zone) if zone else distinct
    words = pa.array(np.datetime_as_string(shown.astype("M8[us]"), unit=unit), pa.string())
    words = pc.replace_substring(words, "T", " ")
    offsets = pa.array(format_utc_offsets(distinct, zone), pa.string()) if zone else timezone
    words = pc.binary_join_element_wise(words, offsets, "")
    return words.take(pa.array(codes, mask=codes < 0))


def _timestamp_unit(timestamps: np.ndarray, *, daily: bool) -> _TimeUnit:
    """The coarsest unit of day (only if `daily`), second and microsecond that loses nothing."""
    since = timestamps[~np.isnat(timestamps)].astype("M8[us]").astype(np.int64)  # microseconds
    if daily and not np.any(since % 86_400_000_000):
        return "D"
    return "us" if np.any(since % 1_000_000) else "s"


def _to_arrow(frame: pd.DataFrame, timezone: str, zone: str) -> pa.Table:
    """`frame` as an Arrow table; with a `timezone` or `zone`, its stamps are instants in it."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if not timezone and not zone:
        return table
    local = "UTC" if zone or timezone.upper() == "Z" else timezone
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            try:
                instants = pc.assume_timezone(table.column(position), local)
                if zone:
                    instants = instants.cast(pa.timestamp(instants.type.unit, zone))
            except pa.ArrowInvalid as error:
                raise OutputError(
                    Problem(f"timezone {timezone!r}", "is not one that Parquet can name")
                ) from error
            table = table.set_column(position, field.name, instants)
    return table
