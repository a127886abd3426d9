"""From a table of rows in any order to a panel: each series on a regular calendar, gaps as NaN.

Nothing is repaired silently: `Changes` counts all that was done, a series at a time, and what
cannot be decided without the user is a fault. :func:`inspect` lists the faults, :func:`regularize`
raises them. The work grows with the rows, never with the series.

The order: local time becomes unmistakable, rows are sorted, rows of one time become one, stamps
come on to a grid (as they are, moved, drawn or resampled), ends without a value are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.changes import CleaningChanges, summarize_changes
from rnnforecast.data.panel.layout import RowPositions, panel_timestamps, scatter_covariates
from rnnforecast.data.panel.localize import normalize_timezone
from rnnforecast.data.panel.panel import Panel, series_labels
from rnnforecast.data.panel.placing import AlignedRows, align_to_grid
from rnnforecast.data.panel.problems import (
    duplicate_problems,
    empty_panel_problems,
    off_grid_problems,
    sparse_grid_problems,
    sparse_series_mask,
)
from rnnforecast.data.panel.rules import duplicate_aggregations, period_aggregations
from rnnforecast.data.panel.sorted_rows import (
    SortedRows,
    combine_duplicates,
    find_duplicates,
    observed_range,
    sort_table,
)
from rnnforecast.data.time.grid import Grid, fit_grid, one_step_mask, reduce_per_series
from rnnforecast.data.time.timezones import to_local
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


DEFAULT_CLEANING = CleanSpec()


def regularize(
    table: Table,
    clean: CleanSpec = DEFAULT_CLEANING,
    *,
    timezone: str | None = None,
    keep_future_rows: bool = False,
    skip_invalid_series: bool = False,
) -> tuple[Panel, CleaningChanges]:
    """The table as a regular panel, and what had to be changed for it.

    With ``skip_faulty`` a series with a fault (refused duplicates, stamps off the grid, a calendar
    that is nearly empty) is left out by name like one that is too short. Raises DataError with
    every fault at once, and SpecError for an alias that is none.
    """
    options = _Options(clean, timezone or "", keep_future_rows, skip_invalid_series)
    found = _regularize_rows(table, options)
    if found.changes.problems:
        raise DataError(*found.changes.problems)
    return _build_panel(options, found), found.changes


def preview_changes(
    table: Table,
    clean: CleanSpec = DEFAULT_CLEANING,
    *,
    timezone: str | None = None,
    keep_future_rows: bool = False,
) -> CleaningChanges:
    """What :func:`regularize` would find and change, with its faults listed instead of raised.

    Refused duplicates are counted and the first of them used for the other numbers. Raises only
    where there is no frequency to count with: DataError if it cannot be inferred or does not fit
    the kind of time, SpecError for an alias that is none.
    """
    options = _Options(clean, timezone or "", keep_future_rows)
    return _regularize_rows(table, options).changes


@dataclass(frozen=True)
class _Options:
    clean: CleanSpec
    timezone: str
    keep_future_rows: bool
    skip_invalid_series: bool = False


@dataclass(frozen=True)
class _RegularizedRows:
    """The rows of the panel, and the counts."""

    table: Table  # with stamps of one meaning
    rows: SortedRows
    grid: Grid
    last_ordinals: Ints  # [S] the ordinal of the last row with a value of a target
    aligned: AlignedRows
    display_timezone: str
    changes: CleaningChanges


def _regularize_rows(table: Table, options: _Options) -> _RegularizedRows:
    clean, skip_invalid_series = options.clean, options.skip_invalid_series
    min_length = clean.min_observed_values
    names = series_labels(table.keys)
    targets = len(table.roles.targets)
    table, zone, found, faults = normalize_timezone(
        table,
        options.timezone,
        ambiguous=clean.ambiguous_hour,
        nonexistent=clean.nonexistent_hour,
        labels=names,
    )
    unsettled, hours = found.pop("unsettled") > 0, list(faults)
    rows, found["out_of_order"] = sort_table(table)
    found |= {"label": names, "rows": np.diff(rows.offsets)}
    zero = np.zeros((), dtype=rows.time.dtype)
    for name, extreme in (("start", np.minimum), ("end", np.maximum)):
        stamp = reduce_per_series(extreme, rows.time, rows.offsets, zero)
        found[name] = to_local(stamp, zone) if zone else stamp

    rows, twice = _merge_duplicates(table, rows, clean, names, found, faults, zone)
    placed = align_to_grid(
        rows,
        clean,
        timezone=zone,
        n_targets=targets,
        aggregations=period_aggregations(clean, table),
    )
    found |= placed.counts
    rows = placed.rows
    if placed.may_have_duplicates:  # rows that were close to one step are on it now
        rows, again = _merge_duplicates(table, rows, clean, names, found, faults, zone)
        twice |= again
    grid = (
        _sequential_grid(rows)
        if clean.irregular == "keep"
        else fit_grid(placed.frequency, rows.time, rows.offsets)
    )
    found["agreement"], agreement = _step_agreement(rows, grid)
    rows, grid, last = _trim_to_observed(
        rows, grid, found, targets, keep_future_rows=options.keep_future_rows
    )
    rows, grid = _keep_last_steps(rows, grid, last, found, clean.max_length)
    _count_values(rows, found, targets)
    observed = found["observed"]
    found["too_short"] = observed < max(min_length, 1)
    found["skipped"] = _skip_reasons(observed, min_length)
    rows, grid = _drop_series(rows, grid, found["skipped"], found["too_short"], "")

    found["off_grid"] = np.bincount(rows.codes[~grid.on_grid], minlength=rows.n_series)
    faults += off_grid_problems(table, rows, grid, placed.frequency, names, placed.display_timezone)
    if skip_invalid_series:
        reason = "local hours that come twice or not at all"
        rows, grid = _drop_series(rows, grid, found["skipped"], unsettled, reason)
        rows, grid = _drop_series(rows, grid, found["skipped"], twice, "repeated stamps")
        off = found["off_grid"] > 0
        rows, grid = _drop_series(rows, grid, found["skipped"], off, "stamps off the grid")
        faults += sparse_grid_problems(
            table, rows, grid.ordinals, placed.frequency, names, placed.display_timezone
        )
        sparse = sparse_series_mask(rows, grid.ordinals)
        rows, grid = _drop_series(rows, grid, found["skipped"], sparse, "a gap of very many steps")
        faults = [] if len(rows.codes) else faults
    if grid.on_grid.all():
        faults += sparse_grid_problems(
            table, rows, grid.ordinals, placed.frequency, names, placed.display_timezone
        )
    faults += empty_panel_problems(observed, min_length)
    if (
        hours and not skip_invalid_series
    ):  # rows that are not told apart look like many other faults
        faults = hours
    first = reduce_per_series(np.minimum, grid.ordinals, rows.offsets, 0)
    found["steps"] = np.where(np.diff(rows.offsets) > 0, last - first + 1, 0)
    of_targets = np.diff(rows.offsets)
    if options.keep_future_rows:
        inside = rows.codes[grid.ordinals <= last[rows.codes]]
        of_targets = np.bincount(inside, minlength=rows.n_series)
    found["gaps"] = np.maximum(found["steps"] - of_targets, 0)
    changes = summarize_changes(table, placed.frequency, placed.inferred, agreement, found, faults)
    return _RegularizedRows(table, rows, grid, last, placed, placed.display_timezone, changes)


def _sequential_grid(rows: SortedRows) -> Grid:
    """Every row is a step, whatever time has passed since the one before."""
    place = np.arange(len(rows.codes)) - rows.offsets[rows.codes]
    none = np.zeros(rows.n_series, dtype=np.int64)
    return Grid(place, none, np.ones(len(place), dtype=np.bool_))


def _merge_duplicates(
    table: Table,
    rows: SortedRows,
    clean: CleanSpec,
    labels: npt.NDArray[Any],
    findings: dict[str, Any],
    problems: list[Problem],
    timezone: str,
) -> tuple[SortedRows, Bools]:
    """One row a series and time, and the series `[S]` in which that is a fault; counted."""
    again = find_duplicates(rows)
    repeats = np.bincount(rows.codes[again], minlength=rows.n_series)
    findings["duplicates"] = findings.get("duplicates", 0) + repeats
    refuse = clean.duplicates == "error"
    if refuse:
        problems += duplicate_problems(table, rows, again, labels, timezone)
    return combine_duplicates(rows, again, duplicate_aggregations(clean, table)), (
        repeats > 0
    ) & refuse


def _build_panel(options: _Options, regularized: _RegularizedRows) -> Panel:
    """The panel of the kept series' rows, every step between the first and the last one there."""
    table, rows, grid, changes = (
        regularized.table,
        regularized.rows,
        regularized.grid,
        regularized.changes,
    )
    channels = len(table.roles.targets)
    keep = (changes.series["steps"] > 0).to_numpy()
    lengths = changes.series["steps"].to_numpy()[keep]
    offsets = np.r_[0, np.cumsum(lengths)]  # [S + 1] of the panel
    start = reduce_per_series(np.minimum, grid.ordinals, rows.offsets, 0)[keep]
    end = reduce_per_series(np.maximum, grid.ordinals, rows.offsets, 0)[keep]
    ahead = end - start + 1 - lengths if options.keep_future_rows else None
    if (
        int(offsets[-1]) == len(rows.codes)
        and rows.available_after is None
        and not table.covariates
    ):
        targets, settled, covariates = rows.values, None, None  # the rows are the panel
    else:
        place = RowPositions.from_rows(rows, grid, keep, offsets, start)
        targets = place.scatter(rows.values[:, :channels], np.nan)  # [N, C]
        settled = place.available_after(rows, channels, offsets[:-1] - start)
        covariates = scatter_covariates(rows, channels, place, offsets, ahead)
    return Panel(
        keys=table.keys.loc[keep].reset_index(drop=True),
        offsets=offsets,
        start=start,
        phase=grid.phase[keep],
        frequency=changes.frequency,
        utc_offset=table.utc_offset,
        target_names=tuple(table.roles.targets),
        targets=targets,
        observed_mask=~np.isnan(targets),
        display_timezone=regularized.display_timezone,
        irregular_timestamps=panel_timestamps(rows, offsets)
        if options.clean.irregular == "keep"
        else None,
        available_after=settled,
        future_steps=ahead,
        covariates=covariates,
        covariate_names=tuple(table.covariates),
    )


def _trim_to_observed(
    rows: SortedRows,
    grid: Grid,
    findings: dict[str, Any],
    n_targets: int,
    *,
    keep_future_rows: bool,
) -> tuple[SortedRows, Grid, Ints]:
    """Without the rows before a series' first and after its last value of a target; counts them.

    With `ahead` rows after the last value stay. The third result [S] is that value's ordinal.
    """
    first, stop = observed_range(rows, n_targets)
    if (first == rows.offsets[:-1]).all() and (stop == rows.offsets[1:]).all():  # the usual case
        findings["leading"] = findings["trailing"] = np.zeros(rows.n_series, dtype=np.int64)
        ends = np.where(stop > first, grid.ordinals[np.maximum(stop, 1) - 1], -1)
        return rows, grid, ends
    row = np.arange(len(rows.codes))
    after = row >= stop[rows.codes]
    dropped = (
        np.zeros_like(after) if keep_future_rows else after
    )  # a blank event ahead means "none"
    findings["leading"] = first - rows.offsets[:-1]
    findings["trailing"] = np.bincount(rows.codes[dropped], minlength=rows.n_series)
    last = np.full(rows.n_series, -1, dtype=np.int64)
    some = stop > first
    last[some] = grid.ordinals[stop[some] - 1]
    kept = (row >= first[rows.codes]) & ~dropped & some[rows.codes]
    return *_filter_rows(rows, grid, kept), last


def _keep_last_steps(
    rows: SortedRows,
    grid: Grid,
    last_ordinals: Ints,
    findings: dict[str, Any],
    max_steps: int | None,
) -> tuple[SortedRows, Grid]:
    """Without the rows before the last `most` steps of a series; counts them."""
    if max_steps is None:
        return rows, grid
    early = grid.ordinals <= last_ordinals[rows.codes] - max_steps
    findings["truncated"] = np.bincount(rows.codes[early], minlength=rows.n_series)
    return _filter_rows(rows, grid, ~early)


def _filter_rows(rows: SortedRows, grid: Grid, mask: Bools) -> tuple[SortedRows, Grid]:
    if mask.all():
        return rows, grid
    return rows.filter(mask), Grid(grid.ordinals[mask], grid.phase, grid.on_grid[mask])


def _step_agreement(rows: SortedRows, grid: Grid) -> tuple[Floats, float]:
    """[S] and in all: the share of steps between a series' stamps that are one step long."""
    inside = rows.codes[1:] == rows.codes[:-1]
    right = np.bincount(rows.codes[1:][inside & one_step_mask(grid)], minlength=rows.n_series)
    every = np.bincount(rows.codes[1:][inside], minlength=rows.n_series)
    share = np.where(every > 0, right / np.maximum(every, 1), np.nan)
    return share, float(right.sum() / every.sum()) if every.any() else float("nan")


def _drop_series(
    rows: SortedRows, grid: Grid, reasons: npt.NDArray[Any], drop_mask: Bools, reason: str
) -> tuple[SortedRows, Grid]:
    """Without the series ``out`` [S]; those that had no reason in ``reasons`` [S] get this one."""
    reasons[drop_mask & (reasons == "")] = reason
    return _filter_rows(rows, grid, ~drop_mask[rows.codes])


def _count_values(rows: SortedRows, findings: dict[str, Any], n_targets: int) -> None:
    values = rows.values[:, :n_targets]
    blank = np.isnan(values)
    if blank.any():
        known_ahead = blank.all(axis=1) & _after_last_value(rows, blank)
        findings["observed"] = np.bincount(rows.codes[~blank.all(axis=1)], minlength=rows.n_series)
        inside = np.where(known_ahead, 0, blank.sum(axis=1))
        findings["missing"] = reduce_per_series(np.add, inside, rows.offsets, 0)
    else:
        findings["observed"] = np.diff(rows.offsets)
        findings["missing"] = np.zeros(rows.n_series, dtype=np.int64)
    low = reduce_per_series(np.fmin, values, rows.offsets, np.nan)  # [S, C]
    high = reduce_per_series(np.fmax, values, rows.offsets, np.nan)
    findings["constant"] = ((low == high) | np.isnan(low)).sum(axis=1)


def _after_last_value(rows: SortedRows, blank: Bools) -> Bools:
    """[R] whether neither the row nor a later one of its series has a value of a target."""
    row = np.arange(len(blank))
    last = reduce_per_series(np.maximum, np.where(blank.all(axis=1), -1, row), rows.offsets, -1)
    return np.asarray(row > last[rows.codes])


def _skip_reasons(observed: Ints, min_length: int) -> npt.NDArray[Any]:
    """[S] why a series is not in the panel, "" where it is."""
    reasons = np.full(len(observed), "", dtype=object)
    reasons[observed < min_length] = f"fewer than {min_length:,} observed values"
    reasons[observed == 0] = "no observed value"
    return reasons
