"""How stamps come on to a calendar: as they are, moved, drawn on to it, or resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.panel.irregular import interpolate, jitter_frequency, snap
from rnnforecast.data.panel.resample import resample
from rnnforecast.data.panel.sorted_rows import Rows
from rnnforecast.data.time.frequency import (
    Frequency,
    parse,
)
from rnnforecast.data.time.grid import Vote, infer, lay
from rnnforecast.data.time.timezones import to_local
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.types import Ints

if TYPE_CHECKING:
    from rnnforecast.data.panel.regularize import Rules

AGREED = 0.5
"""Rows of which fewer steps are alike have no step of their own."""


@dataclass(frozen=True)
class Placed:
    """Rows on their way to a grid."""

    rows: Rows
    frequency: Frequency
    vote: Vote | None
    zone: str
    """Where the stamps are instants of UTC: the time zone to show them in."""
    moved: bool
    """Whether rows may share a stamp now."""
    counts: dict[str, Ints]
    """[S] what was done, by the names of `changes.COUNTS`."""


def place(rows: Rows, rules: Rules, *, timezone: str, n_targets: int, aggregations: Sequence[str]) -> Placed:
    """The rows with their frequency; resampled, moved or drawn where the rules say so.

    The first `targets` columns are targets, the others covariates; `how` says how the rows of a
    period become one, a rule a column. Raises DataError where the
    frequency cannot be inferred or does not fit the kind of time, SpecError for an alias that is
    none and for resampling without a frequency to resample to.
    """
    if rules.resample or rules.resample_columns:
        return _resampled(rows, rules, timezone, n_targets, aggregations)
    frequency, vote = _frequency(rows, rules)
    if timezone and frequency.coarser_than_a_day:
        rows, timezone = replace(rows, time=to_local(rows.time, timezone)), ""
    plain = Placed(rows, frequency, vote, timezone, moved=False, counts={})
    if rules.irregular == "snap":
        found = snap(rows, lay(frequency, rows.time, rows.offsets), frequency, rules.tolerance)
        return replace(plain, rows=found.rows, moved=True, counts={"snapped": found.moved})
    if rules.irregular == "interpolate":
        # a covariate holds its last value: it may be a word, and is then known at once
        lines = [column < n_targets for column in range(rows.values.shape[1])]
        drawn = interpolate(rows, frequency, max_gap=rules.longest_gap, linear=lines)
        return replace(plain, rows=drawn.rows, counts={"interpolated": drawn.drawn})
    return plain


def _resampled(rows: Rows, rules: Rules, timezone: str, n_targets: int, aggregations: Sequence[str]) -> Placed:
    if rules.frequency == "auto":
        found, cure = "resampling needs to know to which step", "set it to D, W-SUN, MS or the like"
        raise SpecError(Problem("clean.frequency", found, cure))
    frequency = _given(rows, rules.frequency)
    vote = infer(rows.codes, rows.time)
    native = vote.frequency if vote.agreement >= AGREED else None
    if timezone and frequency.coarser_than_a_day:
        # a local day is one period, whether it has 23, 24 or 25 hours
        rows, timezone = replace(rows, time=to_local(rows.time, timezone)), ""
    done = resample(
        rows, frequency, aggregations=aggregations, native_frequency=native, partial_periods=rules.partial, n_targets=n_targets
    )
    fewer = np.diff(rows.offsets) - np.diff(done.rows.offsets)
    counts = {
        "resampled": np.maximum(fewer, 0),
        "partial": done.partial_dropped,
        "incomplete": done.incomplete,
    }
    return Placed(done.rows, frequency, None, timezone, moved=False, counts=counts)


def _frequency(rows: Rows, rules: Rules) -> tuple[Frequency, Vote | None]:
    if rules.frequency != "auto":
        return _given(rows, rules.frequency), None
    if rules.irregular == "error":
        vote = infer(rows.codes, rows.time)
        return vote.frequency, vote
    return jitter_frequency(rows.codes, rows.time), None


def _given(rows: Rows, alias: str) -> Frequency:
    try:
        frequency = parse(alias)
    except ValueError as error:
        raise SpecError(Problem("clean.frequency", str(error))) from error
    whole = rows.time.dtype.kind != "M"
    if whole != (frequency.kind == "integer"):
        held, cure = ("whole numbers", "1") if whole else ("dates", "h, D, W-SUN or MS")
        found = f"'{alias}' does not fit a time column that holds {held}"
        raise DataError(Problem("clean.frequency", found, f"set it to {cure}, or to auto"))
    return frequency
