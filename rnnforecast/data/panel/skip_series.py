"""Series that cannot be used: too short, off the grid, or nearly empty."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.panel.far_rows import far_row_places, far_row_problems, far_rows_mask
from rnnforecast.data.panel.grid_size import sparse_series_mask
from rnnforecast.data.panel.problems import off_grid_problems, sparse_grid_problems
from rnnforecast.data.panel.regularize_state import RegularizeState


def skip_short_series(state: RegularizeState) -> None:
    observed, min_length = state.columns["observed"], state.clean.min_observed_values
    reasons = np.full(len(observed), "", dtype=object)
    reasons[observed < min_length] = f"fewer than {min_length:,} observed values"
    reasons[observed == 0] = "no observed value"
    for code, reason in state.table.invalid_series.items():
        reasons[code] = reason
    state.columns["too_short"] = observed < min_length
    state.columns["skipped"] = reasons
    state.skip(state.columns["too_short"], "")


def find_off_grid_rows(state: RegularizeState) -> None:
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


def skip_invalid_series(state: RegularizeState) -> None:
    """Leaves out series with a problem; the problems are kept only if no series is left."""
    state.skip(state.has_unresolved_hours, "local hours that come twice or not at all")
    state.skip(state.has_refused_duplicates, "repeated timestamps")
    at_closed = state.count(state.rows.codes, state.frequency.closed_mask(state.rows.time)) > 0
    closed = f"rows at days or times closed in {state.frequency.alias}"
    state.skip(at_closed & (state.counts["off_grid"] > 0), closed)
    state.skip(state.counts["off_grid"] > 0, "timestamps off the grid")
    state.skip(state.has_late_end, "a timestamp long after all others")
    for series, place in state.far_places.items():
        alone = np.arange(state.n_series) == series
        state.skip(alone, f"a date far from all others: {place}")
    state.skip(state.has_far_rows, "a date far from all others")
    add_sparse_grid_problems(state)
    sparse = sparse_series_mask(state.rows, state.grid.ordinals)
    state.skip(sparse, "a gap of very many steps")
    if len(state.rows.codes):
        state.problems = []
