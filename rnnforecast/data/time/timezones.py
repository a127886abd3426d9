"""Conversion between local time and UTC, across changes of the clock.

Series finer than a day are kept in UTC, where every step has the same length and an ambiguous local
hour is two instants. Series of days and coarser steps stay in local time, where every day is one
step, also those of 23 and 25 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.time.frequency import DAY, to_ticks
from rnnforecast.types import Bools, Timestamps

AmbiguousRule = Literal["error", "earlier", "later", "infer"]
NonexistentRule = Literal["error", "shift_forward", "drop"]
_MAX_TRANSITION_GAP = np.timedelta64(1, "D")
"""Timestamps of one change of the clock are less than this apart."""


@dataclass(frozen=True)
class LocalizedTimestamps:
    """Local timestamps converted to UTC, and the rows that needed a rule; all `[R]`."""

    utc: Timestamps
    """datetime64[us]; a placeholder where a row is dropped or unresolved."""
    dropped_mask: Bools
    """Rows at a nonexistent hour that the rule drops."""
    ambiguous_mask: Bools
    """Rows at an hour that comes twice."""
    nonexistent_mask: Bools
    """Rows at an hour that clocks skip."""
    unresolved_mask: Bools
    """Ambiguous and nonexistent rows that the rules do not resolve."""


@dataclass(frozen=True)
class NormalizedTime:
    """Timestamps that can be sorted and subtracted."""

    time: Timestamps
    """[R] UTC, or local time."""
    utc_offset: str
    """The fixed offset that `time` is local to; empty if there is none."""
    display_timezone: str
    """The time zone in which `time` is shown if it is UTC; empty if it is local."""
    localized: LocalizedTimestamps | None
    """None where `time` was not converted from local time to UTC."""


def normalize_timezone(
    time: Timestamps,
    utc_offset: str,
    timezone: str,
    *,
    ambiguous: AmbiguousRule,
    nonexistent: NonexistentRule,
    codes: npt.NDArray[np.integer[Any]],
) -> NormalizedTime:
    """UTC for rows finer than a day, local time for daily and coarser ones.

    Rows are daily or coarser if all have the same local time of day. Without a `timezone`, and
    where `time` [R] is a whole number, timestamps stay as they are.
    """
    if not timezone or time.dtype.kind != "M":
        return NormalizedTime(time, utc_offset, "", None)
    has_offset = utc_offset != ""  # UTC, or local to a fixed offset
    utc = time - parse_utc_offset(utc_offset) if has_offset else time
    local = to_local(utc, timezone) if has_offset else time
    if _has_single_time_of_day(local):
        return NormalizedTime(local, "", "", None)
    if has_offset:
        return NormalizedTime(utc, "", timezone, None)
    found = to_utc(local, timezone, ambiguous=ambiguous, nonexistent=nonexistent, codes=codes)
    return NormalizedTime(found.utc, "", timezone, found)


def to_utc(
    local: Timestamps,
    timezone: str,
    *,
    ambiguous: AmbiguousRule,
    nonexistent: NonexistentRule,
    codes: npt.NDArray[np.integer[Any]],
) -> LocalizedTimestamps:
    """Local timestamps `[R]` of series `codes` `[R]`, in the order of the files, as UTC.

    `ambiguous`: ``earlier`` or ``later`` is that of the two instants; ``infer`` goes by the
    order of the rows, in which each series must pass through the hour twice. `nonexistent`:
    ``shift_forward`` to the first instant after the skipped hour, as pandas does, or ``drop``. With
    ``error`` such rows are unresolved.
    """
    # Series share most timestamps: each is converted once.
    position, distinct = pd.factorize(np.asarray(local, dtype="datetime64[us]"))
    index = pd.DatetimeIndex(distinct)
    first, second = (_localize(index, timezone, is_dst) for is_dst in (True, False))
    twice = (first != second)[position]
    skipped = _is_nonexistent(index, timezone)[position]
    later = np.full(len(position), ambiguous == "later")
    unresolved = np.zeros(len(position), dtype=np.bool_)
    if ambiguous == "infer" and twice.any():
        later, unresolved = _resolve_by_order(first[position], second[position], codes)
    elif ambiguous == "error":
        unresolved = twice.copy()
    if nonexistent == "error":
        unresolved |= skipped
    return LocalizedTimestamps(
        utc=np.where(twice & later, second[position], first[position]),
        dropped_mask=skipped & (nonexistent == "drop"),
        ambiguous_mask=twice,
        nonexistent_mask=skipped,
        unresolved_mask=unresolved,
    )


def to_local(utc: Timestamps, timezone: str) -> Timestamps:
    """Timestamps `[R]` of UTC as local time in the zone: datetime64[us] without a zone."""
    instants = pd.DatetimeIndex(np.asarray(utc, dtype="datetime64[us]")).tz_localize("UTC")
    return np.asarray(instants.tz_convert(timezone).tz_localize(None), dtype="datetime64[us]")


def format_utc_offsets(utc: Timestamps, timezone: str) -> npt.NDArray[np.str_]:
    """The zone's offset at timestamps `[R]` of UTC: ``+02:00``; with seconds if it has some."""
    instants = np.asarray(utc, dtype="datetime64[us]")
    ahead = (to_local(instants, timezone) - instants).astype("timedelta64[s]").astype(np.int64)
    position, distinct = pd.factorize(ahead)
    return np.array([_format_utc_offset(int(seconds)) for seconds in distinct], dtype=np.str_)[
        position
    ]


def _has_single_time_of_day(local: Timestamps) -> bool:
    clock = to_ticks(local) % DAY
    return bool((clock == clock[:1]).all())


def parse_utc_offset(text: str) -> np.timedelta64:
    """How far a clock with this offset is ahead of UTC."""
    if text.strip().upper() in ("Z", "UTC"):
        return np.timedelta64(0, "us")
    digits = text.strip().replace(":", "")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return np.timedelta64(minutes if digits[0] == "+" else -minutes, "m")


def _localize(index: pd.DatetimeIndex, timezone: str, is_dst: bool) -> Timestamps:
    """Local timestamps as UTC; ambiguous ones as the earlier instant if `is_dst`, else later."""
    flags = np.full(len(index), is_dst)
    zoned = index.tz_localize(timezone, ambiguous=flags, nonexistent="shift_forward")
    return np.asarray(zoned.tz_convert("UTC").tz_localize(None), dtype="datetime64[us]")


def _is_nonexistent(index: pd.DatetimeIndex, timezone: str) -> Bools:
    flags = np.ones(len(index), dtype=np.bool_)
    return np.asarray(index.tz_localize(timezone, ambiguous=flags, nonexistent="NaT").isna())


def _resolve_by_order(
    first: Timestamps, second: Timestamps, codes: npt.NDArray[np.integer[Any]]
) -> tuple[Bools, Bools]:
    """Which ambiguous rows `[R]` are at the second instant, and which are unresolved.

    The rows of one series at one change of the clock are resolved if in their order the clock
    turns back exactly once and the instants increase.
    """
    order = np.argsort(codes, kind="stable")
    first, second, codes = first[order], second[order], codes[order]
    at = np.flatnonzero(first != second)
    starts = codes[at[1:]] != codes[at[:-1]]  # of the rows of one series at one change of the clock
    starts |= abs(first[at[1:]] - first[at[:-1]]) > _MAX_TRANSITION_GAP
    group = np.concatenate([[0], np.cumsum(starts)])
    turns_back = np.concatenate([[False], (first[at[1:]] <= first[at[:-1]]) & ~starts])
    turns = np.cumsum(turns_back)
    heads = np.flatnonzero(np.concatenate([[True], starts]))
    turns_so_far = turns - turns[heads][group]
    later = np.zeros(len(order), dtype=np.bool_)
    later[at] = turns_so_far > 0
    utc = np.where(later, second, first)
    decreasing = np.zeros(len(order), dtype=np.bool_)  # from a row to the next one
    decreasing[:-1] = (utc[1:] <= utc[:-1]) & (codes[1:] == codes[:-1])
    bad = decreasing[at] | np.where(at > 0, decreasing[at - 1], False)
    ends = np.append(heads[1:], len(at)) - 1
    faulty = (turns_so_far[ends] != 1) | (np.add.reduceat(bad.astype(np.int64), heads) > 0)
    unresolved = np.zeros(len(order), dtype=np.bool_)
    unresolved[at] = faulty[group]
    out = np.empty((2, len(order)), dtype=np.bool_)
    out[:, order] = later & ~unresolved, unresolved
    return out[0], out[1]


def _format_utc_offset(seconds: int) -> str:
    sign, size = "-" if seconds < 0 else "+", abs(seconds)
    text = f"{sign}{size // 3600:02d}:{size // 60 % 60:02d}"
    return f"{text}:{size % 60:02d}" if size % 60 else text
