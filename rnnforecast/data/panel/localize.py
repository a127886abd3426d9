"""Local time made unmistakable: a table whose stamps can be sorted and subtracted.

In a time zone a step of an hour is an hour only in UTC: where clocks change, local hours come
twice or not at all. So rows finer than a day become instants of UTC, and days of 23 and 25 hours
have as many steps. Rows of a day or more, all at one time of the day, stay on the local calendar,
where every day is one step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.time.frequency import DAY, to_ticks
from rnnforecast.data.time.timezones import timezone_problems, to_local, to_utc
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


def normalize_timezone(
    table: Table, timezone: str, *, ambiguous: str, nonexistent: str, labels: npt.NDArray[Any]
) -> tuple[Table, str, dict[str, Any], list[Problem]]:
    """The table with stamps of one meaning, the zone they are to be shown in ("" where they stand
    for themselves), `[S]` counts of the rows that needed a rule and of those for which there is
    none (``unsettled``), and faults for the latter."""
    size = len(labels)
    none = np.zeros(size, dtype=np.int64)
    counts: dict[str, Any] = {"ambiguous": none, "nonexistent_hour": none, "unsettled": none}
    if not timezone or table.time.dtype.kind != "M":
        return table, "", counts, []
    known = table.utc_offset != ""  # instants, or local to a fixed offset
    instants = table.time - _parse_utc_offset(table.utc_offset) if known else table.time
    local = to_local(instants, timezone) if known else table.time
    if _has_single_time_of_day(local):
        return replace(table, time=local, utc_offset=""), "", counts, []
    if known:
        return replace(table, time=instants, utc_offset=""), timezone, counts, []
    found = to_utc(local, timezone, ambiguous=ambiguous, nonexistent=nonexistent, codes=table.codes)
    faults = timezone_problems(table, found, timezone)
    counts["ambiguous"] = np.bincount(table.codes[found.ambiguous_mask], minlength=size)
    counts["unsettled"] = np.bincount(table.codes[found.unresolved_mask], minlength=size)
    counts["nonexistent_hour"] = np.bincount(table.codes[found.nonexistent_mask], minlength=size)
    table = replace(table, time=found.utc, utc_offset="")
    return (
        (table.filter(~found.dropped_mask) if found.dropped_mask.any() else table),
        timezone,
        counts,
        faults,
    )


def _has_single_time_of_day(local: npt.NDArray[Any]) -> bool:
    clock = to_ticks(local) % DAY
    return bool((clock == clock[:1]).all())


def _parse_utc_offset(text: str) -> np.timedelta64:
    """What a stamp with this offset is ahead of UTC."""
    if text.strip().upper() in ("Z", "UTC"):
        return np.timedelta64(0, "us")
    digits = text.strip().replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return np.timedelta64(minutes if digits[0] == "+" else -minutes, "m")
