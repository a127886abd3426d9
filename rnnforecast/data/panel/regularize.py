"""Conversion of a table with rows in any order to a panel on a regular grid, with gaps as NaN.

Nothing is repaired silently: `CleaningChanges` counts the changes of each series, and what only the
user can decide is a problem. :func:`preview_changes` lists problems, :func:`regularize` raises
them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.align import align
from rnnforecast.data.panel.changes import CleaningChanges, summarize_changes
from rnnforecast.data.panel.implausible import treat_implausible
from rnnforecast.data.panel.panel import Panel, build_panel
from rnnforecast.data.panel.problems import (
    empty_panel_problems,
    finer_frequency_problems,
    timezone_problems,
)
from rnnforecast.data.panel.regularize_state import RegularizeState
from rnnforecast.data.panel.series_counts import (
    count_steps,
    count_values,
    measure_agreement,
    note_sparse_counts,
)
from rnnforecast.data.panel.series_ends import (
    drop_unobserved_ends,
    keep_last_steps,
    set_values_by_rule,
)
from rnnforecast.data.panel.skip_series import (
    UNRESOLVED_HOURS,
    add_sparse_grid_problems,
    drop_off_grid_rows,
    find_far_rows,
    find_off_grid_rows,
    mark_unreadable_series,
    skip_invalid_series,
    skip_short_series,
    skip_sparse_series,
)
from rnnforecast.data.panel.sorted_rows import sort_table
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.data.time.timezones import normalize_timezone, to_local
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec

DEFAULT_CLEANING = CleanSpec()


def regularize(
    table: Table,
    clean: CleanSpec = DEFAULT_CLEANING,
    *,
    timezone: str | None = None,
    keep_future_rows: bool = False,
    skip_invalid_series: bool = False,
    repair_invalid_series: bool = False,
) -> tuple[Panel, CleaningChanges]:
    """The table as a regular panel, and what was changed.

    `timezone` is that of local timestamps. With `keep_future_rows`, rows after the last value of
    the targets stay: their covariates are known ahead. With `skip_invalid_series`, series with a
    problem (repeated timestamps, timestamps off the grid, unresolved hours, a nearly empty grid)
    are left out, like those that are too short; with `repair_invalid_series` they lose the rows
    that have it only (of repeated timestamps the last row stays), and those that are too short
    stay. Raises DataError with every problem at once, and SpecError for an unknown frequency alias.
    """
    state = RegularizeState(
        table,
        clean,
        timezone or "",
        keep_future_rows=keep_future_rows,
        repairs_series=repair_invalid_series,
    )
    changes = _run_steps(state, skip_invalid=skip_invalid_series)
    if changes.problems:
        raise DataError(*changes.problems)
    panel = build_panel(
        state.table,
        state.rows,
        state.grid,
        state.columns["steps"],
        frequency=state.frequency,
        display_timezone=state.display_timezone,
        is_irregular=clean.irregular == "keep",
        keep_future_rows=keep_future_rows,
    )
    return panel, changes


def preview_changes(
    table: Table,
    clean: CleanSpec = DEFAULT_CLEANING,
    *,
    timezone: str | None = None,
    keep_future_rows: bool = False,
) -> CleaningChanges:
    """What :func:`regularize` would find and change, with problems listed instead of raised.

    Of refused duplicates the first row is used for the other counts. Raises only without a usable
    frequency: DataError if it cannot be inferred or does not fit the kind of time, SpecError for an
    unknown alias, or if there is none to resample to.
    """
    state = RegularizeState(table, clean, timezone or "", keep_future_rows=keep_future_rows)
    return _run_steps(state, skip_invalid=False)


def _run_steps(state: RegularizeState, *, skip_invalid: bool) -> CleaningChanges:
    """Runs all steps and returns their changes."""
    infinite_count = state.table.infinite_count
    mark_unreadable_series(state)
    _resolve_timezone(state)
    hour_problems = list(state.problems)
    _sort_rows(state)
    _remove_implausible(state)
    state.combine_duplicates()
    align(state)
    agreement = measure_agreement(state)
    find_far_rows(state)
    if state.repairs_series:
        drop_off_grid_rows(state)
    last = drop_unobserved_ends(state, set_values_by_rule(state))
    keep_last_steps(state, last)
    count_values(state, last)
    skip_short_series(state)
    find_off_grid_rows(state)
    if state.repairs_series:
        skip_sparse_series(state)
    elif skip_invalid:
        skip_invalid_series(state)
    elif (
        state.clean.irregular in ("error", "snap")
        and not state.has_rule
        # an inferred frequency that does not fit is a problem of the grid, and was no choice
        and not (state.problems and state.frequency_vote)
    ):
        state.problems += finer_frequency_problems(state.rows, state.grid, state.frequency)
    if state.grid.on_grid.all() and not state.has_far_rows.any():
        add_sparse_grid_problems(state)
    min_length = 1 if state.repairs_series else state.clean.min_observed_values
    state.problems += empty_panel_problems(state.columns["observed"], min_length)
    if hour_problems and not skip_invalid and not state.repairs_series:
        # rows at an unresolved hour cause many other problems
        state.problems = hour_problems
    count_steps(state, last)
    note_sparse_counts(state)
    return summarize_changes(
        state.frequency,
        state.frequency_vote,
        state.problems,
        agreement=agreement,
        infinite_count=infinite_count,
        columns=state.columns,
        counts=state.counts,
        notes=state.notes,
    )


def _resolve_timezone(state: RegularizeState) -> None:
    """Timestamps become UTC, or stay local if they are daily or coarser."""
    table, clean = state.table, state.clean
    found = normalize_timezone(
        table.time,
        table.utc_offset,
        state.timezone,
        ambiguous=clean.ambiguous_hour,
        nonexistent=clean.nonexistent_hour,
        codes=table.codes,
    )
    state.display_timezone = found.display_timezone
    state.table = replace(table, time=found.time, utc_offset=found.utc_offset)
    if (localized := found.localized) is None:
        return
    by_order = clean.ambiguous_hour == "infer"
    state.problems += timezone_problems(
        table, localized, state.timezone, inferred_from_order=by_order
    )
    state.counts["ambiguous_hour"] = state.count(table.codes, localized.ambiguous_mask)
    state.counts["nonexistent_hour"] = state.count(table.codes, localized.nonexistent_mask)
    state.has_unresolved_hours = state.count(table.codes, localized.unresolved_mask) > 0
    dropped = localized.dropped_mask
    if state.repairs_series:
        state.mark(state.has_unresolved_hours, *UNRESOLVED_HOURS)
        dropped = dropped | localized.unresolved_mask
    if dropped.any():
        state.table = state.table.filter(~dropped)


def _sort_rows(state: RegularizeState) -> None:
    """Sorts the rows by series and time."""
    rows, state.counts["out_of_order"] = sort_table(state.table)
    state.rows = rows
    state.columns["rows"] = np.diff(rows.offsets)
    zero = np.zeros((), dtype=rows.time.dtype)
    for name, extreme in (("start", np.minimum), ("end", np.maximum)):
        time = reduce_per_series(extreme, rows.time, rows.offsets, zero)
        state.columns[name] = (
            to_local(time, state.display_timezone) if state.display_timezone else time
        )


def _remove_implausible(state: RegularizeState) -> None:
    """Takes implausible values out, before they are combined with others."""
    before = state.rows
    state.rows, state.counts["implausible"], state.notes = treat_implausible(
        state.table,
        before,
        state.columns["label"],
        state.clean.implausible,
        timezone=state.display_timezone,
        compare_series=not state.repairs_series,
    )
    if state.counts["implausible"].any():
        row, column = np.nonzero(np.isnan(state.rows.values) & ~np.isnan(before.values))
        state.unknown_cells = before.table_rows[row], column
        in_targets = column < state.n_targets
        state.taken_as_missing = np.bincount(
            before.codes[row[in_targets]], minlength=state.n_series
        )
