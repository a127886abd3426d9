"""Notes on the steps of a panel: closed days and times, and series of another frequency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.panel.cures import MIN_AGREEMENT
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.closed_steps import ClosedSteps
from rnnforecast.data.time.frequency import DAY, Frequency, calendar_frequency, to_ticks, weekdays
from rnnforecast.data.time.frequency_inference import infer_frequency
from rnnforecast.data.time.week_calendar import FULL_DAY_NAMES, WeekCalendar
from rnnforecast.errors import Problem
from rnnforecast.types import Bools, Ints
from rnnforecast.wording import join_names, join_words

"""So many series are named."""
MIN_DAYS = 8
"""A day of the week must come at least this often, and a series have so many steps."""
MAX_RARE_SHARE = 0.2
"""A day of the week is rare if it has a row at most at this share of its dates."""


def closed_step_notes(closed: ClosedSteps, *, has_blank_rows: bool) -> tuple[ReadingNote, ...]:
    """What was found about closed days and times, and the keys of the other readings."""
    what = "value" if has_blank_rows else "row"
    frequency = closed.frequency
    if closed.counts:
        found = (
            f"no {what} {_join(closed.counts, frequency)}: closed, no steps of the frequency"
            f" {frequency.alias}"
        )
        cure = (
            f"set clean.frequency to {frequency.base_alias} if they are unknown, and clean.missing"
            " to zero too if they mean zero"
        )
        return (ReadingNote(Problem("", found, cure)),)
    if closed.suspected:
        days = [f"{day}s" in closed.suspected for day in FULL_DAY_NAMES]
        calendar = WeekCalendar(DAY, tuple(k for k in range(7) if not days[k]))
        found = f"no {what} {_join(closed.suspected, frequency)}, too few to be taken as closed"
        alias = calendar_frequency(calendar).alias
        cure = f"set clean.frequency to {alias} if they are" if frequency.alias == "D" else ""
        return (ReadingNote(Problem("", found, cure)),)
    return ()


def rare_day_notes(
    rows: SortedRows, has_value: Bools, frequency: Frequency, labels: npt.NDArray[np.object_]
) -> tuple[ReadingNote, ...]:
    """A note on days of the week of daily data at which most series, or most weeks, have no row.

    They are steps nevertheless, as some have; `has_value` [R] are the rows that count.
    """
    if frequency.base_alias != "D" or not has_value.any():
        return ()
    is_open = np.ones(7, dtype=np.bool_)
    if frequency.calendar is not None:
        is_open = np.isin(np.arange(7), frequency.calendar.open_slots)
    day_number = to_ticks(rows.time[has_value]) // DAY
    day, codes = weekdays(to_ticks(rows.time[has_value])), rows.codes[has_value]
    per_series = np.bincount(codes * 7 + day, minlength=rows.n_series * 7).reshape(-1, 7)  # [S, 7]
    long = per_series.sum(axis=1) >= 3 * MIN_DAYS
    without = (per_series[long] == 0).sum(axis=0)  # [7]
    dates = np.unique(day_number)
    span = np.arange(dates[0], dates[-1] + 1)
    came = np.bincount((span + 3) % 7, minlength=7)
    share = np.bincount((dates + 3) % 7, minlength=7) / np.maximum(came, 1)
    is_rare = share <= MAX_RARE_SHARE * np.median(share[is_open])
    is_rare |= (2 * without >= long.sum()) & (per_series[long] > 0).any(axis=0)
    is_rare &= is_open & (share > 0) & (came >= MIN_DAYS)
    if not is_rare.any() or (is_rare == is_open).all():
        return ()
    name = join_words([f"{FULL_DAY_NAMES[k]}s" for k in np.flatnonzero(is_rare)])
    most = int(without[is_rare].max(initial=0))
    some = np.flatnonzero(per_series[:, is_rare].any(axis=1))
    n_dates = round(float((share * came)[is_rare].sum()))
    found = f"{name} are steps, as {n_dates:,} of {int(came[is_rare].sum()):,} have a row"
    if rows.n_series > 1:
        found += f" in {len(some):,} of {rows.n_series:,} series ({join_names(list(labels[some]))})"
        same = " on the same day of the week" if is_rare.sum() > 1 else ""
        found += f", though never in {most:,}{same}" if most else ""
    calendar = WeekCalendar(DAY, tuple(np.flatnonzero(is_open & ~is_rare).tolist()))
    cure = (
        "set clean.missing to zero if no row means zero; or clean.frequency to"
        f" {calendar_frequency(calendar).alias} and clean.resample to sum, to add these rows to the"
        " open day before"
    )
    return (ReadingNote(Problem("", found, cure), is_doubtful=True),)


def coarser_series_notes(
    rows: SortedRows, regular_steps: Ints, frequency: Frequency, labels: npt.NDArray[np.object_]
) -> tuple[ReadingNote, ...]:
    """A note on series of a coarser frequency than that of the panel.

    `regular_steps` [S] counts the differences between rows of a series that are one step.
    """
    coarser = (regular_steps == 0) & (np.diff(rows.offsets) > MIN_DAYS)
    if not coarser.any() or not regular_steps.any():
        return ()
    own = rows.filter(coarser[rows.codes])
    vote = infer_frequency(own.codes, own.time)
    is_coarser = vote.frequency.approximate_length() > frequency.approximate_length()
    if vote.agreement < MIN_AGREEMENT or not is_coarser:
        return ()
    series = vote.voters[vote.frequency.alias]
    found = (
        f"{len(series):,} of {rows.n_series:,} series have rows at {vote.frequency.alias} only:"
        f" {join_names(list(labels[series]))}; at {frequency.alias} most of their steps are missing"
    )
    cure = (
        f"give them a file and a spec of their own, or set clean.frequency to"
        f" {vote.frequency.alias} and clean.resample to mean or sum for all"
    )
    return (ReadingNote(Problem("", found, cure), is_doubtful=True),)


def _join(counts: dict[str, int], frequency: Frequency) -> str:
    """``on any of 148 Sundays and at 1,200 times of day outside h:08-18``."""
    days = [f"{count:,} {name}" for name, count in counts.items() if name in _DAYS]
    parts = [f"on any of {join_words(days)}"] if days else []
    if others := sum(count for name, count in counts.items() if name not in _DAYS):
        parts.append(f"at any of {others:,} times of day outside {frequency.alias}")
    return " and ".join(parts)


_DAYS = tuple(f"{day}s" for day in FULL_DAY_NAMES)
