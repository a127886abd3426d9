"""First and last step of each series: values by rule up to them, rows outside them dropped."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.panel.fill_by_rule import SeriesBounds, fill_by_rule, find_bounds
from rnnforecast.data.panel.grid_size import sparse_series_mask
from rnnforecast.data.panel.problems import check_panel_size, late_end_problems
from rnnforecast.data.panel.regularize_state import RegularizeState
from rnnforecast.data.panel.sorted_rows import observed_range
from rnnforecast.types import Bools, Ints

LATE_END = "far_date", "a timestamp long after all others"


def set_values_by_rule(state: RegularizeState) -> SeriesBounds | None:
    """Sets values by rule, and adds the rows up to the bounds of the series; None if series
    begin and end on their own and no value is set."""
    start, end = state.clean.start, state.clean.end
    if state.clean.irregular == "keep" or (not state.has_rule and start == "auto"):
        start = "each"
    if end == "auto":
        end = "latest" if state.has_rule and state.clean.irregular != "keep" else "each"
    if (not state.has_rule and start == end == "each") or not len(state.rows.codes):
        return None
    invalid = state.count(state.rows.codes, ~state.grid.on_grid) > 0
    invalid |= sparse_series_mask(state.rows, state.grid.ordinals)
    invalid |= state.has_far_rows
    if state.clean.end == "auto" and end == "latest" and not state.has_far_rows.any():
        invalid |= _find_late_end(state)
    if state.repairs_series:  # they say nothing of the common bounds
        invalid |= state.columns["error_code"] != ""
    rows, grid = state.rows, state.grid
    span = state.complete_periods
    bounds = find_bounds(
        rows,
        grid,
        state.fill_values,
        start=start,
        end=end,
        usable=~invalid,
        span=None if span is None else state.frequency.ordinals(span),
    )
    check_panel_size(rows, bounds)
    found = fill_by_rule(
        rows,
        grid,
        state.frequency,
        bounds,
        state.fill_values,
        max_gap=state.clean.max_gap,
        unknown_cells=state.unknown_cells,
    )
    state.rows, state.grid = found.rows, found.grid
    state.is_added = found.is_added
    for name, counts in (
        ("set_values", found.set_values),
        ("before_start", found.dropped_rows),
        ("ended_early", bounds.ended_early.astype(np.int64) * (end == "latest")),
    ):
        state.counts[name] = state.counts.get(name, 0) + counts
    return bounds


def _find_late_end(state: RegularizeState) -> Bools:
    """[S] the series with a last row so late that its timestamp is likely wrong, see
    `late_end_problems`; where series are repaired, the row is dropped."""
    late_end, problems = late_end_problems(
        state.table,
        state.rows,
        state.grid,
        state.frequency,
        state.columns["label"],
        state.n_targets,
    )
    if state.repairs_series and late_end.any():
        is_other = ~late_end[state.rows.codes]
        late = ~is_other & (state.grid.ordinals > state.grid.ordinals[is_other].max(initial=0))
        state.drop_rows(late, *LATE_END)
    else:
        state.problems += problems
        state.has_late_end |= late_end
    return late_end


def drop_unobserved_ends(state: RegularizeState, bounds: SeriesBounds | None) -> Ints:
    """Drops rows before the first and after the last value of a series' targets, or those
    outside `bounds`.

    With `keep_future_rows` those after the last value stay. Returns the ordinals [S] of the
    last steps, -1 for a series without values.
    """
    rows, ordinals = state.rows, state.grid.ordinals
    begin, stop = observed_range(rows, state.n_targets)
    first, last = np.full((2, state.n_series), -1, dtype=np.int64)
    observed = stop > begin
    first[observed] = ordinals[begin[observed]]
    last[observed] = ordinals[stop[observed] - 1]
    if bounds is not None:
        within = bounds.has_bounds
        first[within] = np.minimum(first, bounds.first)[within]
        last[within] = np.maximum(last, bounds.last)[within]
    elif (begin == rows.offsets[:-1]).all() and (stop == rows.offsets[1:]).all():
        return last  # the usual case
    has_value = observed[rows.codes]
    before = (ordinals < first[rows.codes]) | ~has_value
    after = (ordinals > last[rows.codes]) & has_value
    if state.keep_future_rows:  # also rows with blank covariates: blank may mean "no event"
        after = np.zeros_like(after)
    state.counts["leading"] = state.count(rows.codes, before)
    state.counts["trailing"] = state.count(rows.codes, after)
    state.filter(~before & ~after)
    return last


def keep_last_steps(state: RegularizeState, last_ordinals: Ints) -> None:
    if state.clean.max_length is None:
        return
    early = state.grid.ordinals <= last_ordinals[state.rows.codes] - state.clean.max_length
    state.counts["truncated"] = state.count(state.rows.codes, early)
    state.filter(~early)
