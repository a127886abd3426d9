"""Between local time and instants, where clocks are put forward and back.

Sub-daily series in a time zone live on a grid of UTC: there every step is equally long, an hour
that a clock shows twice is two instants, and the days of 23 and 25 hours come out with as many
steps. `to_utc` takes local stamps there once, on the way in; `to_local` and `offset_texts` show
the results again. Series of days and coarser steps stay on the local calendar, where every day is
one step however long it lasts; `local_days` says to which of them an instant belongs. Whatever
has neither a clock nor a zone is left alone.

pandas knows the zones and is what every conversion here is done by and held to.
"""

from __future__ import annotations

import difflib
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.panel.problems import MAX_SHOWN_PROBLEMS, format_timestamp
from rnnforecast.errors import Problem
from rnnforecast.types import Bools, Timestamps

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


AMBIGUOUS_RULES = ("error", "earlier", "later", "infer")
NONEXISTENT_RULES = ("error", "shift_forward", "drop")

_MAX_TRANSITION_GAP = np.timedelta64(
    1, "D"
)  # stamps of one change of the clock are less than this apart


@dataclass(frozen=True)
class LocalizedTimestamps:
    """Local stamps as instants, and what had to be decided on the way; masks are `[R]`."""

    utc: Timestamps
    """`[R]` datetime64[us]; a stand-in where a row is `dropped` or `unsettled`."""
    dropped_mask: Bools
    """Rows that are to be left out, their hour being skipped."""
    ambiguous_mask: Bools
    """Rows whose hour comes twice."""
    nonexistent_mask: Bools
    """Rows whose hour is skipped."""
    unresolved_mask: Bools
    """Those of both for which no rule says what they mean: `zone_faults` names them."""
    inferred_from_order: bool
    """Whether hours that come twice were to be told by the order of the rows."""

    @property
    def ambiguous_count(self) -> int:
        """How many rows are at an hour that comes twice."""
        return int(self.ambiguous_mask.sum())

    @property
    def nonexistent_count(self) -> int:
        """How many rows are at an hour that is skipped."""
        return int(self.nonexistent_mask.sum())


def check_timezone(name: str) -> None:
    """Raises ValueError, naming the most similar ones, unless there is a time zone of this name."""
    known = zoneinfo.available_timezones()
    if name in known:
        return
    folded = {zone.casefold(): zone for zone in sorted(known)}
    folded |= {zone.rsplit("/", 1)[1]: folded[zone] for zone in sorted(folded) if "/" in zone}
    asked = name.strip().casefold().replace(" ", "_")
    alike = [asked] if asked in folded else difflib.get_close_matches(asked, folded, 3, 0.7)
    near = " or ".join(dict.fromkeys(folded[one] for one in alike))
    hint = f"; did you mean {near}?" if near else "; expected one such as Europe/Berlin"
    raise ValueError(f"{name!r} is not a time zone{hint}")


def to_utc(
    local: Timestamps,
    timezone: str,
    *,
    ambiguous: str,
    nonexistent: str,
    codes: npt.NDArray[np.integer[Any]],
) -> LocalizedTimestamps:
    """The instants of local stamps `[R]` of series `codes` `[R]`, in the order of the files.

    ``ambiguous`` is one of `AMBIGUOUS` and says what an hour that comes twice is taken for;
    ``infer`` goes through the rows of each series, which must go through the hour twice, one time
    after the other. ``missing`` is one of `MISSING`: a stamp in a skipped hour becomes the first
    instant after it (``forward``, as pandas' ``shift_forward``: all rows of the hour meet there)
    or is `dropped`. Raises ValueError for an unknown zone or rule.
    """
    for rule, rules in ((ambiguous, AMBIGUOUS_RULES), (nonexistent, NONEXISTENT_RULES)):
        if rule not in rules:
            raise ValueError(f"{rule!r} is none of {', '.join(rules)}")
    check_timezone(timezone)
    # Series share their stamps, mostly: each is converted once.
    at, distinct = pd.factorize(np.asarray(local, dtype="datetime64[us]"))
    index = pd.DatetimeIndex(distinct)
    first, second = (_localize(index, timezone, daylight) for daylight in (True, False))
    twice, skipped = (first != second)[at], _is_nonexistent(index, timezone)[at]
    by_order = ambiguous == "infer"
    later = np.full(len(at), ambiguous == "later")
    unsettled = np.zeros(len(at), dtype=np.bool_)
    if by_order and twice.any():
        later, unsettled = _resolve_by_order(first[at], second[at], codes)
    elif ambiguous == "error":
        unsettled = twice.copy()
    if nonexistent == "error":
        unsettled |= skipped
    return LocalizedTimestamps(
        utc=np.where(twice & later, second[at], first[at]),
        dropped_mask=skipped & (nonexistent == "drop"),
        ambiguous_mask=twice,
        nonexistent_mask=skipped,
        unresolved_mask=unsettled,
        inferred_from_order=by_order,
    )


def to_local(utc: Timestamps, timezone: str) -> Timestamps:
    """What a clock in the zone shows at instants `[R]`: datetime64[us] without a zone."""
    instants = pd.DatetimeIndex(np.asarray(utc, dtype="datetime64[us]")).tz_localize("UTC")
    return np.asarray(instants.tz_convert(timezone).tz_localize(None), dtype="datetime64[us]")


def local_days(utc: Timestamps, timezone: str) -> Timestamps:
    """The day in the zone that each of the instants `[R]` is in, as its local midnight:
    datetime64[us]. A day has 23, 24 or 25 hours, and all of them come here under one stamp."""
    return to_local(utc, timezone).astype("datetime64[D]").astype("datetime64[us]")


def format_utc_offsets(utc: Timestamps, timezone: str) -> npt.NDArray[np.str_]:
    """How far the zone's clocks are ahead of each of the instants `[R]`: ``+02:00``; with seconds
    where local mean time had them."""
    instants = np.asarray(utc, dtype="datetime64[us]")
    ahead = (to_local(instants, timezone) - instants).astype("timedelta64[s]").astype(np.int64)
    at, distinct = pd.factorize(ahead)
    return np.array([_format_utc_offset(int(seconds)) for seconds in distinct], dtype=np.str_)[at]


def timezone_problems(table: Table, localized: LocalizedTimestamps, timezone: str) -> list[Problem]:
    """A problem each for the first of the `unsettled` rows, and how many more there are."""
    name = "an hour that comes twice"
    says = f"comes twice in {timezone}, as clocks go back"
    cure = "set clean.ambiguous_hour to earlier, later or infer (by the order of the rows)"
    if localized.inferred_from_order:
        says += ", and the order of its series' rows does not tell which one it is"
        cure = "put the rows in the order of time or set clean.ambiguous_hour to earlier or later"
    problems = _row_problems(
        table, localized.unresolved_mask & localized.ambiguous_mask, says, cure, name
    )
    says = f"does not exist in {timezone}, as clocks go forward"
    cure = "correct data.timezone or set clean.nonexistent_hour to forward or drop"
    name = "an hour that does not exist"
    return problems + _row_problems(
        table, localized.unresolved_mask & localized.nonexistent_mask, says, cure, name
    )


def _row_problems(table: Table, mask: Bools, finding: str, cure: str, kind: str) -> list[Problem]:
    at = np.flatnonzero(mask)
    problems = [
        Problem(
            table.line_index.location(int(row), table.roles.time),
            f"{format_timestamp(table.time[row])} {finding}",
            cure if number == 0 else "",
        )
        for number, row in enumerate(at[:MAX_SHOWN_PROBLEMS])
    ]
    if len(at) > MAX_SHOWN_PROBLEMS:
        problems.append(Problem("", f"… and {len(at) - MAX_SHOWN_PROBLEMS:,} more rows at {kind}"))
    return problems


def _localize(index: pd.DatetimeIndex, timezone: str, is_dst: bool) -> Timestamps:
    """UTC of local stamps; of two instants the first with ``daylight``, else the second."""
    flags = np.full(len(index), is_dst)
    zoned = index.tz_localize(timezone, ambiguous=flags, nonexistent="shift_forward")
    return np.asarray(zoned.tz_convert("UTC").tz_localize(None), dtype="datetime64[us]")


def _is_nonexistent(index: pd.DatetimeIndex, timezone: str) -> Bools:
    flags = np.ones(len(index), dtype=np.bool_)
    return np.asarray(index.tz_localize(timezone, ambiguous=flags, nonexistent="NaT").isna())


def _resolve_by_order(
    first: Timestamps, second: Timestamps, codes: npt.NDArray[np.integer[Any]]
) -> tuple[Bools, Bools]:
    """Of rows `[R]` with two instants: which ones are the second, and which ones are unsettled.

    The rows of one series at one change of the clock are settled if in their order the clock
    turns back exactly once and no instant comes before an earlier row's.
    """
    order = np.argsort(codes, kind="stable")
    first, second, codes = first[order], second[order], codes[order]
    at = np.flatnonzero(first != second)
    starts = codes[at[1:]] != codes[at[:-1]]
    starts |= abs(first[at[1:]] - first[at[:-1]]) > _MAX_TRANSITION_GAP
    group = np.concatenate([[0], np.cumsum(starts)])
    back = np.concatenate([[False], (first[at[1:]] <= first[at[:-1]]) & ~starts])
    turns = np.cumsum(back)
    heads = np.flatnonzero(np.concatenate([[True], starts]))
    since = turns - turns[heads][group]  # how often the clock was turned back so far
    later = np.zeros(len(order), dtype=np.bool_)
    later[at] = since > 0
    utc = np.where(later, second, first)
    wrong = np.zeros(len(order), dtype=np.bool_)  # between a row and the next one
    wrong[:-1] = (utc[1:] <= utc[:-1]) & (codes[1:] == codes[:-1])
    bad = wrong[at] | np.where(at > 0, wrong[at - 1], False)
    ends = np.append(heads[1:], len(at)) - 1
    faulty = (since[ends] != 1) | (np.add.reduceat(bad.astype(np.int64), heads) > 0)
    unsettled = np.zeros(len(order), dtype=np.bool_)
    unsettled[at] = faulty[group]
    out = np.empty((2, len(order)), dtype=np.bool_)
    out[:, order] = later & ~unsettled, unsettled
    return out[0], out[1]


def _format_utc_offset(seconds: int) -> str:
    sign, size = "-" if seconds < 0 else "+", abs(seconds)
    text = f"{sign}{size // 3600:02d}:{size // 60 % 60:02d}"
    return f"{text}:{size % 60:02d}" if size % 60 else text
