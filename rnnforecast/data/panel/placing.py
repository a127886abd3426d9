"""How stamps come on to a calendar: as they are, moved, drawn on to it, or resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.panel.irregular import (
    infer_jittered_frequency,
    interpolate_to_grid,
    snap_to_grid,
)
from rnnforecast.data.panel.resample import resample_rows
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import (
    Frequency,
    parse_frequency,
)
from rnnforecast.data.time.grid import InferredFrequency, fit_grid, infer_frequency
from rnnforecast.data.time.timezones import to_local
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Ints

MIN_AGREEMENT = 0.5
"""Rows of which fewer steps are alike have no step of their own."""


@dataclass(frozen=True)
class AlignedRows:
    """Rows on their way to a grid."""

    rows: SortedRows
    frequency: Frequency
    inferred: InferredFrequency | None
    display_timezone: str
    """Where the stamps are instants of UTC: the time zone to show them in."""
    may_have_duplicates: bool
    """Whether rows may share a stamp now."""
    counts: dict[str, Ints]
    """[S] what was done, by the names of `changes.COUNTS`."""


def align_to_grid(
    rows: SortedRows,
    clean: CleanSpec,
    *,
    timezone: str,
    n_targets: int,
    aggregations: Sequence[str],
) -> AlignedRows:
    """The rows with their frequency; resampled, moved or drawn where the rules say so.

    The first `targets` columns are targets, the others covariates; `how` says how the rows of a
    period become one, a rule a column. Raises DataError where the
    frequency cannot be inferred or does not fit the kind of time, SpecError for an alias that is
    none and for resampling without a frequency to resample to.
    """
    if clean.resample:
        return _resample_to_grid(rows, clean, timezone, n_targets, aggregations)
    frequency, vote = _choose_frequency(rows, clean)
    if timezone and frequency.is_daily_or_coarser:
        rows, timezone = replace(rows, time=to_local(rows.time, timezone)), ""
    plain = AlignedRows(rows, frequency, vote, timezone, may_have_duplicates=False, counts={})
    if clean.irregular == "snap":
        found = snap_to_grid(
            rows, fit_grid(frequency, rows.time, rows.offsets), frequency, clean.tolerance
        )
        return replace(
            plain, rows=found.rows, may_have_duplicates=True, counts={"snapped": found.moved_counts}
        )
    if clean.irregular == "interpolate":
        # a covariate holds its last value: it may be a word, and is then known at once
        lines = [column < n_targets for column in range(rows.values.shape[1])]
        drawn = interpolate_to_grid(rows, frequency, max_gap=clean.max_gap, linear=lines)
        return replace(plain, rows=drawn.rows, counts={"interpolated": drawn.off_grid_counts})
    return plain


def _resample_to_grid(
    rows: SortedRows, clean: CleanSpec, timezone: str, n_targets: int, aggregations: Sequence[str]
) -> AlignedRows:
    if clean.frequency == "auto":
        found, cure = "resampling needs to know to which step", "set it to D, W-SUN, MS or the like"
        raise SpecError(Problem("clean.frequency", found, cure))
    frequency = _parse_given_frequency(rows, clean.frequency)
    vote = infer_frequency(rows.codes, rows.time)
    native = vote.frequency if vote.agreement >= MIN_AGREEMENT else None
    if timezone and frequency.is_daily_or_coarser:
        # a local day is one period, whether it has 23, 24 or 25 hours
        rows, timezone = replace(rows, time=to_local(rows.time, timezone)), ""
    done = resample_rows(
        rows,
        frequency,
        aggregations=aggregations,
        native_frequency=native,
        partial_periods=clean.partial_periods,
        n_targets=n_targets,
    )
    fewer = np.diff(rows.offsets) - np.diff(done.rows.offsets)
    counts = {
        "resampled": np.maximum(fewer, 0),
        "partial": done.dropped_partial_periods,
        "incomplete": done.incomplete_periods,
    }
    return AlignedRows(
        done.rows, frequency, None, timezone, may_have_duplicates=False, counts=counts
    )


def _choose_frequency(
    rows: SortedRows, clean: CleanSpec
) -> tuple[Frequency, InferredFrequency | None]:
    if clean.frequency != "auto":
        return _parse_given_frequency(rows, clean.frequency), None
    if clean.irregular == "error":
        vote = infer_frequency(rows.codes, rows.time)
        return vote.frequency, vote
    return infer_jittered_frequency(rows.codes, rows.time), None


def _parse_given_frequency(rows: SortedRows, alias: str) -> Frequency:
    try:
        frequency = parse_frequency(alias)
    except ValueError as error:
        raise SpecError(Problem("clean.frequency", str(error))) from error
    whole = rows.time.dtype.kind != "M"
    if whole != (frequency.kind == "integer"):
        held, cure = ("whole numbers", "1") if whole else ("dates", "h, D, W-SUN or MS")
        found = f"'{alias}' does not fit a time column that holds {held}"
        raise DataError(Problem("clean.frequency", found, f"set it to {cure}, or to auto"))
    return frequency
