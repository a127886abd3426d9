"""Series that cannot be used as they are: too short, off the grid, or nearly empty."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.panel.far_rows import far_row_places, far_row_problems, far_rows_mask
from rnnforecast.data.panel.grid_size import sparse_series_mask
from rnnforecast.data.panel.problems import off_grid_problems, sparse_grid_problems
from rnnforecast.data.panel.regularize_state import RegularizeState
from rnnforecast.data.panel.series_ends import LATE_END

UNRESOLVED_HOURS = "unresolved_hour", "local hours that come twice or not at all"


def mark_unreadable_series(state: RegularizeState) -> None:
    series = list(state.table.invalid_series)
    state.columns["error_code"][series] = "unreadable_cell"
    state.columns["skipped"][series] = list(state.table.invalid_series.values())


def skip_short_series(state: RegularizeState) -> None:
    observed, min_length = state.columns["observed"], state.clean.min_observed_values
    state.columns["too_short"] = too_short = observed < min_length
    state.skip(observed == 0, "no_values", "no observed value")
    reason = f"fewer than {min_length:,} observed values"
    state.mark(too_short, "too_short", reason)
    if not state.repairs_series:
        state.filter(~too_short[state.rows.codes])


def find_off_grid_rows(state: RegularizeState) -> None:
    if state.repairs_series:
        return
    state.counts["off_grid"] = state.count(state.rows.codes, ~state.grid.on_grid)
    state.problems += off_grid_problems(
        state.table,
        state.rows,
        state.grid,
        state.frequency,
        state.columns["label"],
        state.display_timezone,
    )


def find_far_rows(state: RegularizeState) -> None:
    """Rows whose date is likely wrong: their problems take the place of those of the grid."""
    if state.clean.far_rows == "keep" or state.clean.irregular == "keep":
        return
    far = far_rows_mask(state.rows, state.grid.ordinals, state.frequency)
    far &= ~np.isnan(state.rows.values[:, : state.n_targets]).all(axis=1)
    state.has_far_rows = state.count(state.rows.codes, far) > 0
    state.far_places = far_row_places(state.table, state.rows, far, state.display_timezone)
    if state.repairs_series:
        _mark_far_rows(state)
        state.filter(~far)
        state.has_far_rows = np.zeros_like(state.has_far_rows)
        return
    state.problems += far_row_problems(
        state.table,
        state.rows,
        far,
        state.frequency,
        state.columns["label"],
        state.display_timezone,
    )


def add_sparse_grid_problems(state: RegularizeState) -> None:
    state.problems += sparse_grid_problems(
        state.table,
        state.rows,
        state.grid.ordinals,
        state.frequency,
        state.columns["label"],
        state.display_timezone,
    )


def _mark_far_rows(state: RegularizeState) -> None:
    for series, place in state.far_places.items():
        alone = np.arange(state.n_series) == series
        state.mark(alone, "far_date", f"a date far from all others: {place}")
    state.mark(state.has_far_rows, "far_date", "a date far from all others")


def _closed_reason(state: RegularizeState) -> str:
    return f"rows at days or times closed in {state.frequency.alias}"


def drop_off_grid_rows(state: RegularizeState) -> None:
    """Drops the rows between two steps, and gives their series an error."""
    off_grid = ~state.grid.on_grid
    if not off_grid.any():
        return
    state.counts["off_grid"] = state.count(state.rows.codes, off_grid)
    closed = state.frequency.closed_mask(state.rows.time) & off_grid
    state.drop_rows(closed, "closed_time", _closed_reason(state))
    state.drop_rows(~state.grid.on_grid, "off_grid", "timestamps off the grid")


def skip_invalid_series(state: RegularizeState) -> None:
    """Leaves out series with a problem; the problems are kept only if no series is left."""
    state.skip(state.has_unresolved_hours, *UNRESOLVED_HOURS)
    state.skip(state.has_refused_duplicates, "repeated_timestamps", "repeated timestamps")
    at_closed = state.count(state.rows.codes, state.frequency.closed_mask(state.rows.time)) > 0
    at_closed &= state.counts["off_grid"] > 0
    state.skip(at_closed, "closed_time", _closed_reason(state))
    state.skip(state.counts["off_grid"] > 0, "off_grid", "timestamps off the grid")
    state.skip(state.has_late_end, *LATE_END)
    _mark_far_rows(state)
    state.skip(state.has_far_rows, "far_date", "")
    skip_sparse_series(state)


def skip_sparse_series(state: RegularizeState) -> None:
    """Leaves out series with a nearly empty grid; problems are kept only if no series is left."""
    add_sparse_grid_problems(state)
    sparse = sparse_series_mask(state.rows, state.grid.ordinals)
    state.skip(sparse, "huge_gap", "a gap of very many steps")
    if len(state.rows.codes):
        state.problems = []
