"""Calendar features: sine and cosine of cycles such as the day of the week, holidays, and age."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.time.frequency import DAY, HOUR, MINUTE, WEEK, Frequency, to_ticks
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Floats32, Ints, Timestamps

MIN_MONTH = 28 * DAY
MIN_YEAR = 12 * MIN_MONTH
"""Lower bound of the length of a year [microseconds]; `MIN_MONTH` is that of a month."""
AGE_SCALE = 1000.0
"""The number of steps after which the age feature is 1."""

CYCLES = {
    "second_of_minute": MINUTE,
    "minute_of_hour": HOUR,
    "hour_of_day": DAY,
    "day_of_week": WEEK,
    "day_of_month": MIN_MONTH,
    "day_of_year": MIN_YEAR,
    "week_of_year": MIN_YEAR,
    "month_of_year": MIN_YEAR,
    "quarter_of_year": MIN_YEAR,
}
"""Each cycle and its length [microseconds], for months and years a lower bound."""


def select_cycles(frequency: Frequency, requested: str | Sequence[str]) -> tuple[str, ...]:
    """The requested cycles; ``auto`` selects those that suit the frequency.

    DataError for cycles not longer than a step, and for all cycles where time is an integer.
    """
    if requested == "none" or (requested == "auto" and frequency.kind == "integer"):
        return ()
    step = _step_length(frequency)
    possible = [name for name, cycle in CYCLES.items() if step and cycle > step]
    if isinstance(requested, str):
        return _default_cycles(step)
    invalid = [name for name in requested if name not in possible]
    if invalid:
        verb = "is" if len(invalid) == 1 else "are"
        found = f"{', '.join(invalid)} {verb} constant at steps of "
        cure = f"possible are {', '.join(possible)}" if possible else "leave it out"
        raise DataError(Problem("features.calendar", f"{found}'{frequency.alias}'", cure))
    return tuple(dict.fromkeys(requested))


def cycle_features(timestamps: Timestamps, cycles: Sequence[str]) -> Floats32:
    """Sine and cosine of the phase of local timestamps `[X]` in n cycles, `[X, 2 * n]`.

    Phases are exact to the microsecond, but that of the week, month and quarter of the year is
    constant within the week, month or quarter. The day of the year is relative to the length of
    that year.
    """
    if not cycles:
        return np.zeros((len(timestamps), 0), dtype=np.float32)
    # Series share most timestamps: each is computed once.
    position, ticks = pd.factorize(to_ticks(timestamps).ravel())
    distinct = np.asarray(ticks).view("datetime64[us]")
    parts = []
    for cycle in cycles:
        angle = 2 * np.pi * _CYCLE_FRACTIONS[cycle](distinct)
        parts += [np.sin(angle), np.cos(angle)]
    table: Floats32 = np.stack(parts, axis=-1).astype(np.float32)
    return table[position].reshape(*timestamps.shape, -1)


def age_feature(steps: Ints) -> Floats32:
    """`[X]` the age at steps `[X]` of a series, logarithmic: 0 at step 0, 1 at `AGE_SCALE`."""
    return np.asarray(np.log1p(steps) / np.log1p(AGE_SCALE), dtype=np.float32)


def parse_holiday_location(text: str) -> tuple[str, str | None]:
    """Country and region of ``DE`` or ``DE-BY``. ValueError with similar codes if unknown."""
    import holidays  # a third of a second to import

    known = holidays.list_supported_countries()
    country, _, region = text.partition("-")
    if country not in known:
        raise ValueError(f"'{text}' has no holidays here{_did_you_mean(country, list(known))}")
    if region and region not in known[country]:
        near = _did_you_mean(region, known[country])
        raise ValueError(f"'{country}' has no region '{region}'{near}")
    return country, region or None


def holiday_feature_names(frequency: Frequency, window: int) -> tuple[str, ...]:
    """Names of the columns of `holiday_features`."""
    if _is_longer_than_a_day(frequency):
        return ("holidays",)
    days = range(1, window + 1)
    return ("holiday", *(f"holiday_in_{d}" for d in days), *(f"holiday_{d}_ago" for d in days))


def holiday_features(
    timestamps: Timestamps, frequency: Frequency, location: str, window: int
) -> Floats32:
    """`[X, n]` public holidays at local timestamps `[X]`, columns as in `holiday_feature_names`.

    For steps of up to a day: 1 if the day (or the day 1 to `window` days ahead or ago) is a
    holiday, else 0. For longer steps: the number of holidays in the period. DataError where time is
    an integer.
    """
    if frequency.kind == "integer":
        found = "time is a whole number, which has no holidays"
        raise DataError(Problem("features.holidays", found, "leave it out"))
    days = timestamps.astype("datetime64[D]")
    if len(days) == 0:
        return np.zeros((0, len(holiday_feature_names(frequency, window))), dtype=np.float32)
    holiday_dates = _holiday_dates(days, location)
    if _is_longer_than_a_day(frequency):
        first, stop = _period_bounds(days, timestamps, frequency)
        count = np.searchsorted(holiday_dates, stop) - np.searchsorted(holiday_dates, first)
        return np.asarray(count[:, None], dtype=np.float32)
    shifts = [0, *range(1, window + 1), *range(-1, -window - 1, -1)]
    return np.stack([np.isin(days + shift, holiday_dates) for shift in shifts], axis=1).astype(
        np.float32
    )


def _holiday_dates(days: Timestamps, location: str) -> Timestamps:
    """The holidays from the year before the days to the year after them, sorted."""
    import holidays

    country, region = parse_holiday_location(location)
    first, last = (int(str(day)[:4]) for day in (days.min(), days.max()))
    found = holidays.country_holidays(country, subdiv=region, years=range(first - 1, last + 2))
    return np.array(sorted(found), dtype="datetime64[D]")


def _is_longer_than_a_day(frequency: Frequency) -> bool:
    """Whether a step is longer than a day; open days count as days."""
    return _step_length(frequency) > DAY and frequency.calendar is None


def _period_bounds(
    days: Timestamps, timestamps: Timestamps, frequency: Frequency
) -> tuple[Timestamps, Timestamps]:
    """The first day of the period of each timestamp, and the day after its last."""
    if frequency.kind != "month":
        length = np.timedelta64(frequency.step, "us")
        if frequency.step % WEEK == 0:  # weeks are labeled by their last day
            return days - length.astype("timedelta64[D]") + 1, days + 1
        return days, (timestamps + length).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    if frequency.is_month_end:
        return (months - frequency.step + 1).astype("datetime64[D]"), (months + 1).astype(
            "datetime64[D]"
        )
    if frequency.anchor in ("start", "business_start"):
        return months.astype("datetime64[D]"), (months + frequency.step).astype("datetime64[D]")
    # the same day of every month: until that day `step` months later
    inside = days - months.astype("datetime64[D]")
    last = (months + frequency.step).astype("datetime64[D]") + inside
    return days, last


def _default_cycles(step: int) -> tuple[str, ...]:
    """The cycles that suit a step [microseconds]."""
    if step < DAY:
        fine = ["second_of_minute"] * (step < MINUTE) + ["minute_of_hour"] * (step < HOUR)
        return (*fine, "hour_of_day", "day_of_week", "day_of_year")
    if step < WEEK:
        return ("day_of_week", "day_of_year")
    if step < MIN_MONTH:
        return ("week_of_year",)
    if step < 3 * MIN_MONTH:
        return ("month_of_year",)
    return ("quarter_of_year",) if step < MIN_YEAR else ()


def _step_length(frequency: Frequency) -> int:
    """The approximate length of a step [microseconds]; 0 where time is an integer."""
    if frequency.kind == "integer":
        return 0
    if frequency.calendar is not None:
        return frequency.step * frequency.calendar.unit
    return frequency.step * (MIN_MONTH if frequency.kind == "month" else 1)


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.upper(), known, 3, 0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def year_fraction(timestamps: Timestamps) -> npt.NDArray[np.float64]:
    """The elapsed share of the year of local timestamps `[X]`, from 0 to 1."""
    return _elapsed_fraction(timestamps, "Y")


def _elapsed_fraction(timestamps: Timestamps, unit: str) -> npt.NDArray[np.float64]:
    """The elapsed share of the month or year of each timestamp."""
    begins = timestamps.astype(f"datetime64[{unit}]")
    first, stop = (to_ticks(edge.astype("datetime64[us]")) for edge in (begins, begins + 1))
    return np.asarray((to_ticks(timestamps) - first) / (stop - first))


def _month_of_year(timestamps: Timestamps) -> Ints:
    return np.asarray(timestamps.astype("datetime64[M]").astype(np.int64) % 12)


def _week_of_year_fraction(timestamps: Timestamps) -> npt.NDArray[np.float64]:
    """Complete weeks since the year began, divided by 52.18, the mean number in a year."""
    years = timestamps.astype("datetime64[Y]").astype("datetime64[us]")
    return np.asarray((to_ticks(timestamps) - to_ticks(years)) // WEEK / 52.18)


_CYCLE_FRACTIONS: dict[str, Callable[[Any], npt.NDArray[Any]]] = {
    "second_of_minute": lambda time: (to_ticks(time) % MINUTE) / MINUTE,
    "minute_of_hour": lambda time: (to_ticks(time) % HOUR) / HOUR,
    "hour_of_day": lambda time: (to_ticks(time) % DAY) / DAY,
    "day_of_week": lambda time: ((to_ticks(time) + 3 * DAY) % WEEK) / WEEK,  # from Monday
    "day_of_month": lambda time: _elapsed_fraction(time, "M"),
    "day_of_year": lambda time: _elapsed_fraction(time, "Y"),
    "week_of_year": _week_of_year_fraction,
    "month_of_year": lambda time: _month_of_year(time) / 12,
    "quarter_of_year": lambda time: _month_of_year(time) // 3 / 4,
}
