"""Rows on the grid of their frequency: inferred, resampled, snapped or interpolated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.panel.calendar_notes import closed_step_notes, rare_day_notes
from rnnforecast.data.panel.grid_size import MAX_STEPS_PER_ROW, steps_per_series
from rnnforecast.data.panel.irregular import interpolate_to_grid, snap_to_grid
from rnnforecast.data.panel.problems import empty_result_problem
from rnnforecast.data.panel.regularize_state import RegularizeState
from rnnforecast.data.panel.resample import complete_periods, resample_rows
from rnnforecast.data.panel.rules import period_aggregations
from rnnforecast.data.panel.series_ends import set_values_by_rule
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import Frequency, parse_frequency
from rnnforecast.data.time.frequency_inference import InferredFrequency, infer_frequency
from rnnforecast.data.time.grid import Grid, fit_grid
from rnnforecast.data.time.jittered_frequency import infer_jittered_frequency
from rnnforecast.data.time.shared_frequency import infer_shared_frequency
from rnnforecast.data.time.timezones import to_local
from rnnforecast.errors import DataError, Problem, SpecError

MIN_AGREEMENT = 0.5
"""Rows have a native frequency if at least this share of their steps agrees with it."""
REGULAR_AGREEMENT = 0.95
"""If more of the steps agree, no day of the week is missing in most series."""


def align(state: RegularizeState) -> None:
    """Fits the grid, after rows are snapped, interpolated or resampled to it if requested."""
    if state.clean.resample:
        _resample(state)
    else:
        state.frequency = _choose_frequency(state)
        _use_local_time(state)
        if state.clean.irregular != "keep":
            _drop_blank_closed_rows(state)
        if state.clean.irregular == "snap":
            _snap(state)
        elif state.clean.irregular == "interpolate":
            _interpolate(state)
    state.grid = (
        _sequential_grid(state.rows)
        if state.clean.irregular == "keep"
        else fit_grid(state.frequency, state.rows.time, state.rows.offsets)
    )


def _choose_frequency(state: RegularizeState) -> Frequency:
    rows, clean = state.rows, state.clean
    if clean.frequency != "auto":
        return _parse_given_frequency(rows, clean.frequency)
    if clean.irregular != "error":
        return infer_jittered_frequency(rows.codes, rows.time)
    state.frequency_vote = vote = _vote(state)
    if vote.closed is not None:
        has_value, labels = state.has_value(), state.columns["label"]
        blank = rows.time[~has_value]
        if state.display_timezone and vote.frequency.is_local:
            blank = to_local(blank, state.display_timezone)
        at_closed = bool(vote.frequency.closed_mask(blank).any())
        state.notes += closed_step_notes(vote.closed, has_blank_rows=at_closed)
        if vote.agreement < REGULAR_AGREEMENT:
            state.notes += rare_day_notes(rows, has_value, vote.frequency, labels)
    return vote.frequency


def _vote(state: RegularizeState) -> InferredFrequency:
    """The inferred frequency; with values by rule, series need not have a row at each step."""
    rows = state.rows
    if state.has_rule:
        return infer_shared_frequency(rows.codes, rows.time)
    return infer_frequency(
        rows.codes,
        rows.time,
        has_value=state.has_value(),
        display_timezone=state.display_timezone,
    )


def _parse_given_frequency(rows: SortedRows, alias: str) -> Frequency:
    try:
        frequency = parse_frequency(alias)
    except ValueError as error:
        raise SpecError(Problem("clean.frequency", str(error))) from error
    is_integer = rows.time.dtype.kind != "M"
    if is_integer != (frequency.kind == "integer"):
        held, cure = ("whole numbers", "1") if is_integer else ("dates", "h, D, W-SUN or MS")
        found = f"'{alias}' does not fit a time column that holds {held}"
        raise DataError(Problem("clean.frequency", found, f"set it to {cure}, or to auto"))
    return frequency


def _use_local_time(state: RegularizeState) -> None:
    """Converts UTC to local time if steps are days or longer, or have closed times: a local day
    is one step, whether of 23, 24 or 25 hours."""
    if not state.display_timezone or not state.frequency.is_local:
        return
    rows = replace(state.rows, time=to_local(state.rows.time, state.display_timezone))
    turns_back = (rows.codes[1:] == rows.codes[:-1]) & (rows.time[1:] < rows.time[:-1])
    state.rows = rows.sort_by_time() if turns_back.any() else rows
    state.display_timezone = ""
    if state.frequency.calendar is not None and not state.clean.resample:
        state.combine_duplicates()  # an open hour that comes twice


def _drop_blank_closed_rows(state: RegularizeState) -> None:
    """Drops rows without a value of a target at closed days or times: a plan of every day."""
    empty = state.frequency.closed_mask(state.rows.time)
    if empty.any():
        empty &= ~state.has_value()
        state.counts["closed"] = state.count(state.rows.codes, empty)
        state.rows = state.rows.filter(~empty)


def _resample(state: RegularizeState) -> None:
    if state.clean.frequency == "auto":
        found = "resampling needs to know to which step"
        cure = "set it to D, W-SUN, MS or the like"
        raise SpecError(Problem("clean.frequency", found, cure))
    frequency = _parse_given_frequency(state.rows, state.clean.frequency)
    vote = _vote(state)
    is_clear = state.has_rule or vote.agreement >= MIN_AGREEMENT
    native = vote.frequency if is_clear else None
    state.frequency = frequency
    _use_local_time(state)
    if native is not None and native.calendar is not None and state.display_timezone:
        native = parse_frequency(native.base_alias)  # closed hours are those of local time
    partial_periods = state.clean.partial_periods
    # a value by rule is a value of the native steps: a mean over a period includes it
    if state.has_rule and not _fill_native_steps(state, native):
        native = None
        if partial_periods == "drop":
            # the periods are those of all series: the ends of one say nothing of its days
            state.complete_periods = complete_periods(state.rows, frequency, state.n_targets)
            partial_periods = "keep"
            if state.complete_periods is None and state.has_value().any():
                raise DataError(empty_result_problem(state.rows, frequency, state.display_timezone))
    rows = state.rows
    resampled = resample_rows(
        rows,
        frequency,
        aggregations=period_aggregations(state.clean, state.table),
        native_frequency=native,
        partial_periods=partial_periods,
        n_targets=state.n_targets,
    )
    state.rows, state.frequency, state.is_added = resampled.rows, frequency, None
    if (complete := state.complete_periods) is not None:
        state.rows = state.rows.filter(
            (state.rows.time >= complete[0]) & (state.rows.time <= complete[1])
        )
    if not state.has_value().any() and not np.isnan(rows.values[:, : state.n_targets]).all():
        raise DataError(empty_result_problem(rows, frequency, state.display_timezone))
    fewer = np.diff(rows.offsets) - np.diff(resampled.rows.offsets)
    state.counts["resampled"] = np.maximum(fewer, 0)
    state.counts["partial_periods"] = resampled.dropped_partial_periods
    state.counts["incomplete_periods"] = resampled.incomplete_periods


def _fill_native_steps(state: RegularizeState, native: Frequency | None) -> bool:
    """Sets values by rule at the steps of the rows before they are resampled; False if they
    have no usual step."""
    if native is None:
        return False
    grid = fit_grid(native, state.rows.time, state.rows.offsets)
    steps = int(steps_per_series(state.rows, grid.ordinals).sum())
    if not grid.on_grid.all() or steps > MAX_STEPS_PER_ROW * len(state.rows.codes):
        return False
    state.grid, state.frequency = grid, native
    set_values_by_rule(state)
    return True


def _snap(state: RegularizeState) -> None:
    grid = fit_grid(state.frequency, state.rows.time, state.rows.offsets)
    found = snap_to_grid(state.rows, grid, state.frequency, state.clean.tolerance)
    state.rows, state.counts["snapped"] = found.rows, found.moved_counts
    state.combine_duplicates()  # rows snapped to the same step


def _interpolate(state: RegularizeState) -> None:
    # covariates hold their last value: they may be categories
    linear = [column < state.n_targets for column in range(state.rows.values.shape[1])]
    found = interpolate_to_grid(
        state.rows, state.frequency, max_gap=state.clean.max_gap, linear=linear
    )
    rows, state.rows = state.rows, found.rows
    if not state.has_value().any() and not np.isnan(rows.values[:, : state.n_targets]).all():
        raise DataError(empty_result_problem(rows, state.frequency, state.display_timezone))
    state.counts["interpolated"] = found.off_grid_counts


def _sequential_grid(rows: SortedRows) -> Grid:
    """A grid in which every row is one step, whatever the time since the row before."""
    ordinals = np.arange(len(rows.codes)) - rows.offsets[rows.codes]
    phase = np.zeros(rows.n_series, dtype=np.int64)
    return Grid(ordinals, phase, np.ones(len(ordinals), dtype=np.bool_))
