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

from rnnforecast.data.time.frequency import DAY, ticks_of
from rnnforecast.data.time.timezones import to_local, to_utc, zone_faults
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


def unmistakable(
    table: Table, timezone: str, *, ambiguous: str, nonexistent: str, labels: npt.NDArray[Any]
) -> tuple[Table, str, dict[str, Any], list[Problem]]:
    """The table with stamps of one meaning, the zone they are to be shown in ("" where they stand
    for themselves), `[S]` counts of the rows that needed a rule and of those for which there is
    none (``unsettled``), and faults for the latter."""
    size = len(labels)
    none = np.zeros(size, dtype=np.int64)
    counts: dict[str, Any] = {"ambiguous": none, "skipped_hour": none, "unsettled": none}
    if not timezone or table.time.dtype.kind != "M":
        return table, "", counts, []
    known = table.timezone != ""  # instants, or local to a fixed offset
    instants = table.time - _offset(table.timezone) if known else table.time
    local = to_local(instants, timezone) if known else table.time
    if _one_clock_time(local):
        return replace(table, time=local, timezone=""), "", counts, []
    if known:
        return replace(table, time=instants, timezone=""), timezone, counts, []
    found = to_utc(local, timezone, ambiguous=ambiguous, nonexistent=nonexistent, codes=table.codes)
    faults = zone_faults(table, found, timezone)
    counts["ambiguous"] = np.bincount(table.codes[found.ambiguous_rows], minlength=size)
    counts["unsettled"] = np.bincount(table.codes[found.unsettled], minlength=size)
    counts["skipped_hour"] = np.bincount(table.codes[found.missing_rows], minlength=size)
    table = replace(table, time=found.utc, timezone="")
    return (table.take(~found.dropped) if found.dropped.any() else table), timezone, counts, faults


def _one_clock_time(local: npt.NDArray[Any]) -> bool:
    clock = ticks_of(local) % DAY
    return bool((clock == clock[:1]).all())


def _offset(text: str) -> np.timedelta64:
    """What a stamp with this offset is ahead of UTC."""
    if text.strip().upper() in ("Z", "UTC"):
        return np.timedelta64(0, "us")
    digits = text.strip().replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return np.timedelta64(minutes if digits[0] == "+" else -minutes, "m")
