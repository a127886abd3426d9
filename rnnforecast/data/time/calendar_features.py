"""What the calendar says of a step: where it lies in its cycles, holidays near it, and age."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.time.frequency import (
    DAY,
    HOUR,
    MINUTE,
    WEEK,
    Frequency,
    ticks_of,
)
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Floats32, Ints, Timestamps

MONTH = 28 * DAY
YEAR = 12 * MONTH
"""No longer than any month or year, for "longer than a step"."""
OLD = 1000.0
"""Steps after which a series has age 1."""

CYCLES = {
    "second_of_minute": MINUTE,
    "minute_of_hour": HOUR,
    "hour_of_day": DAY,
    "day_of_week": WEEK,
    "day_of_month": MONTH,
    "day_of_year": YEAR,
    "week_of_year": YEAR,
    "month_of_year": YEAR,
    "quarter_of_year": YEAR,
}
"""Each cycle and its length [microseconds]; one that is no longer than a step says nothing."""


def names(frequency: Frequency, requested: str | Sequence[str]) -> tuple[str, ...]:
    """The cycles that are told: those wanted, or by ``auto`` those that suit the frequency.

    DataError for a cycle that is no longer than a step, and for any where time is no calendar.
    """
    if requested == "none" or (requested == "auto" and frequency.kind == "integer"):
        return ()
    step = _length(frequency)
    possible = [name for name, cycle in CYCLES.items() if step and cycle > step]
    if isinstance(requested, str):
        return _chosen(step)
    lost = [name for name in requested if name not in possible]
    if lost:
        found = f"{', '.join(lost)} {'says' if len(lost) == 1 else 'say'} nothing at steps of "
        cure = f"possible are {', '.join(possible)}" if possible else "leave it out"
        raise DataError(Problem("features.calendar", f"{found}'{frequency.alias}'", cure))
    return tuple(dict.fromkeys(requested))


def build(timestamps: Timestamps, cycles: Sequence[str]) -> Floats32:
    """Sine and cosine of the place of local stamps `[X]` in each of the cycles, `[X, 2 * n]`.

    Hours count with their minutes, days of the year over the length of that year; all but weeks,
    months and quarters are told to the microsecond.
    """
    if not cycles:
        return np.zeros((len(timestamps), 0), dtype=np.float32)
    # Series share their stamps, mostly: each is looked at once.
    at, ticks = pd.factorize(ticks_of(timestamps).ravel())
    distinct = np.asarray(ticks).view("datetime64[us]")
    parts = []
    for cycle in cycles:
        angle = 2 * np.pi * _SHARE[cycle](distinct)
        parts += [np.sin(angle), np.cos(angle)]
    table: Floats32 = np.stack(parts, axis=-1).astype(np.float32)
    return table[at].reshape(*timestamps.shape, -1)


def age(steps: Ints) -> Floats32:
    """How long a series has run at its step number `steps [X]`: 0 at the first, 1 after `OLD`."""
    return np.asarray(np.log1p(steps) / np.log1p(OLD), dtype=np.float32)


def place_of(text: str) -> tuple[str, str | None]:
    """Country and region of ``DE`` or ``DE-BY``. ValueError, naming the nearest, for others."""
    import holidays  # a third of a second to import

    known = holidays.list_supported_countries()
    country, _, region = text.partition("-")
    if country not in known:
        raise ValueError(f"'{text}' has no holidays here{_near(country, list(known))}")
    if region and region not in known[country]:
        near = _near(region, known[country])
        raise ValueError(f"'{country}' has no region '{region}'{near}")
    return country, region or None


def holiday_names(frequency: Frequency, window: int) -> tuple[str, ...]:
    """What the columns of `holidays_of` are."""
    if _is_long(frequency):
        return ("holidays",)
    days = range(1, window + 1)
    return ("holiday", *(f"holiday_in_{d}" for d in days), *(f"holiday_{d}_ago" for d in days))


def holidays_of(timestamps: Timestamps, frequency: Frequency, location: str, window: int) -> Floats32:
    """Public holidays at local stamps `[X]`, `[X, n]` as `holiday_names` says.

    At steps of a day and finer whether the day is one, then whether one comes in 1 to `window`
    days or was so many days ago. At longer steps how many the period has that the stamp names.
    DataError where time is no calendar.
    """
    if frequency.kind == "integer":
        found = "time is a whole number, so that there are no dates to have holidays"
        raise DataError(Problem("features.holidays", found, "leave it out"))
    days = timestamps.astype("datetime64[D]")
    if len(days) == 0:
        return np.zeros((0, len(holiday_names(frequency, window))), dtype=np.float32)
    feasts = _feasts(days, location)
    if _is_long(frequency):
        first, stop = _period(days, timestamps, frequency)
        count = np.searchsorted(feasts, stop) - np.searchsorted(feasts, first)
        return np.asarray(count[:, None], dtype=np.float32)
    shifts = [0, *range(1, window + 1), *range(-1, -window - 1, -1)]
    return np.stack([np.isin(days + shift, feasts) for shift in shifts], axis=1).astype(np.float32)


def _feasts(days: Timestamps, location: str) -> Timestamps:
    """The holidays of all years of the days and of those next to them, in order."""
    import holidays

    country, region = place_of(location)
    first, last = (int(str(day)[:4]) for day in (days.min(), days.max()))
    found = holidays.country_holidays(country, subdiv=region, years=range(first - 1, last + 2))
    return np.array(sorted(found), dtype="datetime64[D]")


def _is_long(frequency: Frequency) -> bool:
    """Whether a step is longer than a day; business days are told one by one."""
    return _length(frequency) > DAY and frequency.kind != "business"


def _period(
    days: Timestamps, timestamps: Timestamps, frequency: Frequency
) -> tuple[Timestamps, Timestamps]:
    """First day of the period that each stamp names, and the one after its last."""
    if frequency.kind != "month":
        length = np.timedelta64(frequency.step, "us")
        if frequency.step % WEEK == 0:  # a week is named by its last day
            return days - length.astype("timedelta64[D]") + 1, days + 1
        return days, (timestamps + length).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    if frequency.anchor == "end":
        return (months - frequency.step + 1).astype("datetime64[D]"), (months + 1).astype(
            "datetime64[D]"
        )
    if frequency.anchor == "start":
        return months.astype("datetime64[D]"), (months + frequency.step).astype("datetime64[D]")
    # the same day of every month: up to that day
    inside = days - months.astype("datetime64[D]")
    last = (months + frequency.step).astype("datetime64[D]") + inside
    return days, last


def _chosen(step: int) -> tuple[str, ...]:
    """What suits steps of so many microseconds."""
    if step < DAY:
        fine = ["second_of_minute"] * (step < MINUTE) + ["minute_of_hour"] * (step < HOUR)
        return (*fine, "hour_of_day", "day_of_week", "day_of_year")
    if step < WEEK:
        return ("day_of_week", "day_of_year")
    if step < MONTH:
        return ("week_of_year",)
    if step < 3 * MONTH:
        return ("month_of_year",)
    return ("quarter_of_year",) if step < YEAR else ()


def _length(frequency: Frequency) -> int:
    """About how long a step is [microseconds]; 0 where time is no calendar."""
    if frequency.kind == "integer":
        return 0
    unit = {"fixed": 1, "business": DAY, "month": MONTH}[frequency.kind]
    return frequency.step * unit


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.upper(), known, 3, 0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _of_day(timestamps: Timestamps) -> npt.NDArray[np.float64]:
    return np.asarray((ticks_of(timestamps) % DAY) / DAY)


def _of_week(timestamps: Timestamps) -> npt.NDArray[np.float64]:
    """From Monday."""
    return np.asarray(((ticks_of(timestamps) + 3 * DAY) % WEEK) / WEEK)


def _within(timestamps: Timestamps, unit: str) -> npt.NDArray[np.float64]:
    """The share of the month or year of each stamp that has passed."""
    begins = timestamps.astype(f"datetime64[{unit}]")
    first, stop = (ticks_of(edge.astype("datetime64[us]")) for edge in (begins, begins + 1))
    return np.asarray((ticks_of(timestamps) - first) / (stop - first))


def _month(timestamps: Timestamps) -> Ints:
    return np.asarray(timestamps.astype("datetime64[M]").astype(np.int64) % 12)


def _week(timestamps: Timestamps) -> npt.NDArray[np.float64]:
    """Whole weeks since the year began, over the 52.18 of a year."""
    years = timestamps.astype("datetime64[Y]").astype("datetime64[us]")
    return np.asarray((ticks_of(timestamps) - ticks_of(years)) // WEEK / 52.18)


_SHARE: dict[str, Callable[[Any], npt.NDArray[Any]]] = {
    "second_of_minute": lambda stamps: (ticks_of(stamps) % MINUTE) / MINUTE,
    "minute_of_hour": lambda stamps: (ticks_of(stamps) % HOUR) / HOUR,
    "hour_of_day": _of_day,
    "day_of_week": _of_week,
    "day_of_month": lambda stamps: _within(stamps, "M"),
    "day_of_year": lambda stamps: _within(stamps, "Y"),
    "week_of_year": _week,
    "month_of_year": lambda stamps: _month(stamps) / 12,
    "quarter_of_year": lambda stamps: _month(stamps) // 3 / 4,
}
