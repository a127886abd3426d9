"""Times written as numbers: counts of steps, counts since 1970, Excel's days, decimal years."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.time.frequency import DAY, SECOND, month_start
from rnnforecast.types import Floats, Ints, Timestamps

EPOCH_UNITS = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
"""Units of counts since 1970-01-01 UTC, and how many are a second."""
NUMERIC_FORMATS = ("integer", *EPOCH_UNITS, "excel", "decimal_year")
"""Names of formats that any number might be in; `integer` counts steps."""
NUMBER_PATTERN = (
    r"-?\d+(?:[.,]\d+)?(?:[eE]\+?\d+)?"  # exponents are what Arrow writes of large doubles
)
_INTEGER_PATTERN = r"[+-]?\d{1,18}"
_EXCEL_START = int(np.datetime64("1899-12-30", "D").astype(np.int64))
# Excel counts a 29th of February 1900 that never was; numbers before it are a day off
_EXCEL_RANGE = (61, 300_000)
_YEAR_RANGE = (1, 9999)
_STEPS_PER_YEAR = (1, 2, 4, 12)
_MAX_DEVIATION = 0.1  # of a step, by which decimal years may be rounded


@dataclass(frozen=True)
class YearSteps:
    """The steps that decimal years count: twelve a year, say, each written at its middle."""

    per_year: int = 0
    """1, 2, 4 or 12; 0 if the steps are the days of each year."""
    phase: float = 0.0
    """The place inside a step at which it is written: 0 its start, 0.5 its middle."""


def parse_numbers(
    texts: pa.Array[Any], name: str, years: tuple[int, int], steps: YearSteps
) -> Timestamps | Ints:
    """Times [R] of texts [R] in one of `NUMERIC_FORMATS`: int64 for `integer`, else datetime64[us];
    ValueError if a text is not such a number, or a count since 1970 not in `years`."""
    if name == "integer":
        return np.asarray(_to_numpy(pc.cast(texts, pa.int64())))
    is_number = pc.match_substring_regex(texts, f"^{NUMBER_PATTERN}$")
    if not pc.all(is_number).as_py():
        raise ValueError("not every timestamp is a number")
    if name in EPOCH_UNITS:
        return _parse_epoch(texts, name, years)
    numbers = _to_floats(texts)
    times = _excel_times(numbers) if name == "excel" else _times_of_years(numbers, steps)
    if np.isnat(times).any():
        raise ValueError("not every timestamp is in the range of its format")
    return times


def unparsable_numbers(
    texts: pa.Array[Any], name: str, years: tuple[int, int], steps: YearSteps
) -> np.ndarray:
    """[R] whether each text is not a time in one of `NUMERIC_FORMATS`."""
    if name == "integer":
        return np.asarray(~_to_numpy(pc.match_substring_regex(texts, f"^{_INTEGER_PATTERN}$")))
    is_number = _to_numpy(pc.match_substring_regex(texts, f"^{NUMBER_PATTERN}$"))
    numbers = np.full(len(texts), np.nan)
    numbers[is_number] = _to_floats(texts.filter(pa.array(is_number)))
    with np.errstate(invalid="ignore"):
        if name in EPOCH_UNITS:
            first, end = epoch_limits(name, years)
            return np.asarray(~((numbers >= first) & (numbers < end)))
    times = _excel_times(numbers) if name == "excel" else _times_of_years(numbers, steps)
    return np.isnat(times)


def epoch_limits(name: str, years: tuple[int, int]) -> tuple[int, int]:
    """The first count since 1970 in the years, and the first count after them."""
    first, end = (
        int(np.datetime64(str(year), "s").astype(np.int64)) * EPOCH_UNITS[name] for year in years
    )
    return first, end


def infer_year_steps(numbers: Floats) -> YearSteps:
    """The steps of decimal years: months, quarters or years if that is the usual difference and
    all numbers are about the same place inside their step; else days."""
    distinct = np.unique(numbers[np.isfinite(numbers)])
    if len(distinct) > 1:
        usual = float(np.median(np.diff(distinct)))
        per_year = min(_STEPS_PER_YEAR, key=lambda count: abs(np.log(usual * count)))
        if abs(usual * per_year - 1) <= _MAX_DEVIATION:
            places = distinct * per_year
            phase = _common_phase(places)
            if (np.abs(places - phase - np.rint(places - phase)) <= 2 * _MAX_DEVIATION).all():
                return YearSteps(per_year, phase)
    years, inside = np.floor(distinct), distinct % 1
    return YearSteps(0, _common_phase(inside * (_year_starts(years + 1) - _year_starts(years))))


def _common_phase(places: Floats) -> float:
    """The circular mean [0, 1) of the decimals of numbers, 0 if they are spread."""
    mean = np.exp(2j * np.pi * places).mean() if len(places) else 0.0
    phase = float(np.angle(mean) / (2 * np.pi)) if abs(mean) > 0.5 else 0.0
    # slightly less than a whole step is a rounded start of the step
    return phase if phase > -_MAX_DEVIATION else phase + 1


def _year_starts(years: Floats) -> Floats:
    """The first days of years [days since 1970]."""
    return month_start((years.astype(np.int64) - 1970) * 12) / DAY


def _parse_epoch(texts: pa.Array[Any], name: str, years: tuple[int, int]) -> Timestamps:
    """UTC timestamps [us] of counts since 1970: whole nanoseconds are floored, decimal counts
    rounded."""
    is_integer = not pc.any(pc.match_substring_regex(texts, "[.,eE]")).as_py()
    counts: Any = _to_numpy(pc.cast(texts, pa.int64())) if is_integer else _to_floats(texts)
    first, end = epoch_limits(name, years)
    if not ((counts >= first) & (counts < end)).all():
        raise ValueError("not every timestamp is in the years expected")
    unit = EPOCH_UNITS[name]
    if not is_integer:
        counts = np.rint(counts * (1_000_000 / unit)).astype(np.int64)
    elif unit <= 1_000_000:
        counts = counts * (1_000_000 // unit)
    else:
        counts = counts // (unit // 1_000_000)
    return np.asarray(counts.view("datetime64[us]"))


def _excel_times(numbers: Floats) -> Timestamps:
    """Times [us] of Excel's days since 1899-12-30, rounded to seconds; NaT outside its range."""
    with np.errstate(invalid="ignore"):
        is_valid = (numbers >= _EXCEL_RANGE[0]) & (numbers < _EXCEL_RANGE[1])
    seconds = np.rint(np.where(is_valid, numbers, 61) * (DAY // SECOND)).astype(np.int64)
    times = (_EXCEL_START * DAY + seconds * SECOND).view("datetime64[us]")
    return np.where(is_valid, times, np.datetime64("NaT", "us"))


def _times_of_years(numbers: Floats, steps: YearSteps) -> Timestamps:
    """The first instants [us] of the steps of decimal years; NaT for numbers between two steps."""
    with np.errstate(invalid="ignore"):
        is_valid = (numbers >= _YEAR_RANGE[0]) & (numbers < _YEAR_RANGE[1])
    numbers = np.where(is_valid, numbers, 2000.0)
    if steps.per_year:
        places = numbers * steps.per_year - steps.phase
        whole = np.rint(places).astype(np.int64)
        is_valid &= np.abs(places - whole) <= 2 * _MAX_DEVIATION
        times = month_start((whole * (12 // steps.per_year)) - 1970 * 12)
    else:
        years = np.floor(numbers)
        starts, ends = _year_starts(years), _year_starts(years + 1)
        days = np.rint((numbers - years) * (ends - starts) - steps.phase)
        times = (starts + days).astype(np.int64) * DAY
    return np.where(is_valid, times.view("datetime64[us]"), np.datetime64("NaT", "us"))


def _to_floats(texts: pa.Array[Any]) -> Floats:
    texts = pc.replace_substring(texts, ",", ".")
    return np.asarray(_to_numpy(pc.cast(texts, pa.float64())), dtype=np.float64)


def _to_numpy(column: pa.Array[Any]) -> Any:
    return np.asarray(column.to_numpy(zero_copy_only=False))
