"""Conversion of a table with rows in any order to a panel on a regular grid, with gaps as NaN.

Nothing is repaired silently: `CleaningChanges` counts the changes of each series, and what only the
user can decide is a problem. :func:`preview_changes` lists problems, :func:`regularize` raises
them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.calendar_notes import (
    closed_step_notes,
    coarser_series_notes,
    rare_day_notes,
)
from rnnforecast.data.panel.changes import CleaningChanges, summarize_changes
from rnnforecast.data.panel.far_rows import far_row_places, far_row_problems, far_rows_mask
from rnnforecast.data.panel.fill_by_rule import SeriesBounds, fill_by_rule, find_bounds
from rnnforecast.data.panel.grid_size import (
    MAX_STEPS_PER_ROW,
    sparse_series_mask,
    steps_per_series,
)
from rnnforecast.data.panel.implausible import treat_implausible
from rnnforecast.data.panel.irregular import interpolate_to_grid, snap_to_grid
from rnnforecast.data.panel.panel import Panel, build_panel, series_labels
from rnnforecast.data.panel.problems import (
    check_panel_size,
    duplicate_problems,
    empty_panel_problems,
    empty_result_problem,
    finer_frequency_problems,
    late_end_problems,
    off_grid_problems,
    sparse_grid_problems,
    timezone_problems,
)
from rnnforecast.data.panel.resample import complete_periods, resample_rows
from rnnforecast.data.panel.rules import (
    duplicate_aggregations,
    period_aggregations,
    values_by_rule,
)
from rnnforecast.data.panel.sorted_rows import (
    SortedRows,
    combine_duplicates,
    find_duplicates,
    observed_range,
    sort_table,
)
from rnnforecast.data.panel.sparse_notes import sparse_count_notes
from rnnforecast.data.time.frequency import Frequency, parse_frequency
from rnnforecast.data.time.frequency_inference import InferredFrequency, infer_frequency
from rnnforecast.data.time.grid import Grid, fit_grid, one_step_mask, reduce_per_series
from rnnforecast.data.time.jittered_frequency import infer_jittered_frequency
from rnnforecast.data.time.shared_frequency import infer_shared_frequency
from rnnforecast.data.time.timezones import normalize_timezone, to_local
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Ints, Timestamps

MIN_AGREEMENT = 0.5
"""Rows have a native frequency if at least this share of their steps agrees with it."""
REGULAR_AGREEMENT = 0.95
"""If more of the steps agree, no day of the week is missing in most series."""
DEFAULT_CLEANING = CleanSpec()


def regularize(
    table: Table,
    clean: CleanSpec = DEFAULT_CLEANING,
    *,
    timezone: str | None = None,
    keep_future_rows: bool = False,
    skip_invalid_series: bool = False,
) -> tuple[Panel, CleaningChanges]:
    """The table as a regular panel, and what was changed.

    `timezone` is that of local timestamps. With `keep_future_rows`, rows after the last value of
    the targets stay: their covariates are known ahead. With `skip_invalid_series`, series with a
    problem (repeated timestamps, timestamps off the grid, unresolved hours, a nearly empty grid)
    are left out, like those that are too short. Raises DataError with every problem at once, and
    SpecError for an unknown frequency alias.
    """
    regularizer = _Regularizer(table, clean, timezone or "", keep_future_rows)
    changes = regularizer.run(skip_invalid_series=skip_invalid_series)
    if changes.problems:
        raise DataError(*changes.problems)
    panel = build_panel(
        regularizer.table,
        regularizer.rows,
        regularizer.grid,
        regularizer.columns["steps"],
        frequency=regularizer.frequency,
        display_timezone=regularizer.display_timezone,
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
    return _Regularizer(table, clean, timezone or "", keep_future_rows).run()


class _Regularizer:
    """The steps from a table to a regular panel; each changes `rows` and counts its changes."""

    table: Table
    """The table with normalized time, see `NormalizedTime`."""
    rows: SortedRows
    grid: Grid
    frequency: Frequency
    display_timezone: str
    columns: dict[str, npt.NDArray[Any]]
    """[S] the columns of `CleaningChanges.series` that are not in `CHANGE_COUNTS`."""

    def __init__(
        self, table: Table, clean: CleanSpec, timezone: str, keep_future_rows: bool
    ) -> None:
        self.table, self._clean, self._timezone = table, clean, timezone
        self._keep_future_rows = keep_future_rows
        self._n_series, self._n_targets = len(table.keys), len(table.roles.targets)
        self.columns = {"label": series_labels(table.keys)}
        self._counts: dict[str, Ints] = {}
        self._problems: list[Problem] = []
        self._notes: tuple[ReadingNote, ...] = ()
        self._taken_as_missing = np.zeros(self._n_series, dtype=np.int64)
        self._frequency_vote: InferredFrequency | None = None
        self._has_unresolved_hours = np.zeros(self._n_series, dtype=np.bool_)
        self._has_refused_duplicates = self._has_unresolved_hours.copy()
        self._has_late_end = self._has_unresolved_hours.copy()
        self._fill_values = values_by_rule(clean, table.roles.targets)
        self._is_added: Bools | None = None
        self._complete_periods: Timestamps | None = None
        none = np.empty(0, dtype=np.int64)
        self._unknown_cells: tuple[Ints, Ints] = none, none
        self._has_far_rows = self._has_unresolved_hours.copy()
        self._far_places: dict[int, str] = {}

    def run(self, *, skip_invalid_series: bool = False) -> CleaningChanges:
        """Runs all steps and returns their changes."""
        infinite_count = self.table.infinite_count
        self._resolve_timezone()
        timezone_problems = list(self._problems)
        self._sort()
        self._treat_implausible()
        self._combine_duplicates()
        self._align()
        agreement = self._measure_agreement()
        self._find_far_rows()
        last = self._drop_unobserved_ends(self._fill_by_rule())
        self._keep_last_steps(last)
        self._count_values(last)
        self._skip_short_series()
        self._find_off_grid_rows()
        if skip_invalid_series:
            self._skip_invalid_series()
        elif self._clean.irregular in ("error", "snap") and not self._has_rule:
            self._problems += finer_frequency_problems(self.rows, self.grid, self.frequency)
        if self.grid.on_grid.all() and not self._has_far_rows.any():
            self._add_sparse_grid_problems()
        self._problems += empty_panel_problems(
            self.columns["observed"], self._clean.min_observed_values
        )
        if timezone_problems and not skip_invalid_series:
            # rows at an unresolved hour cause many other problems
            self._problems = timezone_problems
        self._count_steps(last)
        self._note_sparse_counts()
        return summarize_changes(
            self.frequency,
            self._frequency_vote,
            self._problems,
            agreement=agreement,
            infinite_count=infinite_count,
            columns=self.columns,
            counts=self._counts,
            notes=self._notes,
        )

    def _resolve_timezone(self) -> None:
        """Timestamps become UTC, or stay local if they are daily or coarser."""
        table, clean = self.table, self._clean
        found = normalize_timezone(
            table.time,
            table.utc_offset,
            self._timezone,
            ambiguous=clean.ambiguous_hour,
            nonexistent=clean.nonexistent_hour,
            codes=table.codes,
        )
        self.display_timezone = found.display_timezone
        self.table = replace(table, time=found.time, utc_offset=found.utc_offset)
        if (localized := found.localized) is None:
            return
        by_order = clean.ambiguous_hour == "infer"
        self._problems += timezone_problems(
            table, localized, self._timezone, inferred_from_order=by_order
        )
        self._counts["ambiguous_hour"] = self._count(table.codes, localized.ambiguous_mask)
        self._counts["nonexistent_hour"] = self._count(table.codes, localized.nonexistent_mask)
        self._has_unresolved_hours = self._count(table.codes, localized.unresolved_mask) > 0
        if localized.dropped_mask.any():
            self.table = self.table.filter(~localized.dropped_mask)

    def _sort(self) -> None:
        """Sorts the rows by series and time."""
        rows, self._counts["out_of_order"] = sort_table(self.table)
        self.rows = rows
        self.columns["rows"] = np.diff(rows.offsets)
        zero = np.zeros((), dtype=rows.time.dtype)
        for name, extreme in (("start", np.minimum), ("end", np.maximum)):
            time = reduce_per_series(extreme, rows.time, rows.offsets, zero)
            self.columns[name] = (
                to_local(time, self.display_timezone) if self.display_timezone else time
            )

    def _treat_implausible(self) -> None:
        """Takes implausible values out, before they are combined with others."""
        before = self.rows
        self.rows, self._counts["implausible"], self._notes = treat_implausible(
            self.table,
            before,
            self.columns["label"],
            self._clean.implausible,
            timezone=self.display_timezone,
        )
        if self._counts["implausible"].any():
            row, column = np.nonzero(np.isnan(self.rows.values) & ~np.isnan(before.values))
            self._unknown_cells = before.table_rows[row], column
            in_targets = column < self._n_targets
            self._taken_as_missing = np.bincount(
                before.codes[row[in_targets]], minlength=self._n_series
            )

    def _combine_duplicates(self) -> None:
        """Combines rows of the same series and timestamp."""
        mask = find_duplicates(self.rows)
        repeats = self._count(self.rows.codes, mask)
        self._counts["duplicates"] = self._counts.get("duplicates", 0) + repeats
        if self._clean.duplicates == "error":
            self._has_refused_duplicates |= repeats > 0
            self._problems += duplicate_problems(
                self.table, self.rows, mask, self.columns["label"], self.display_timezone
            )
        self.rows = combine_duplicates(
            self.rows, mask, duplicate_aggregations(self._clean, self.table)
        )

    def _align(self) -> None:
        """Fits the grid, after rows are snapped, interpolated or resampled to it if requested."""
        if self._clean.resample:
            self._resample()
        else:
            self.frequency = self._choose_frequency()
            self._use_local_time()
            if self._clean.irregular != "keep":
                self._drop_blank_closed_rows()
            if self._clean.irregular == "snap":
                self._snap()
            elif self._clean.irregular == "interpolate":
                self._interpolate()
        self.grid = (
            _sequential_grid(self.rows)
            if self._clean.irregular == "keep"
            else fit_grid(self.frequency, self.rows.time, self.rows.offsets)
        )

    def _use_local_time(self) -> None:
        """Converts UTC to local time if steps are days or longer, or have closed times: a local day
        is one step, whether of 23, 24 or 25 hours."""
        if not self.display_timezone or not self.frequency.is_local:
            return
        rows = replace(self.rows, time=to_local(self.rows.time, self.display_timezone))
        turns_back = (rows.codes[1:] == rows.codes[:-1]) & (rows.time[1:] < rows.time[:-1])
        self.rows = rows.sort_by_time() if turns_back.any() else rows
        self.display_timezone = ""
        if self.frequency.calendar is not None and not self._clean.resample:
            self._combine_duplicates()  # an open hour that comes twice

    def _drop_blank_closed_rows(self) -> None:
        """Drops rows without a value of a target at closed days or times: a plan of every day."""
        empty = self.frequency.closed_mask(self.rows.time)
        if empty.any():
            empty &= ~self._has_value()
            self._counts["closed"] = self._count(self.rows.codes, empty)
            self.rows = self.rows.filter(~empty)

    def _has_value(self) -> Bools:
        """[R] whether a row has a value of a target."""
        return np.asarray(~np.isnan(self.rows.values[:, : self._n_targets]).all(axis=1))

    def _resample(self) -> None:
        if self._clean.frequency == "auto":
            found = "resampling needs to know to which step"
            cure = "set it to D, W-SUN, MS or the like"
            raise SpecError(Problem("clean.frequency", found, cure))
        frequency = _parse_given_frequency(self.rows, self._clean.frequency)
        vote = self._vote()
        is_clear = self._has_rule or vote.agreement >= MIN_AGREEMENT
        native = vote.frequency if is_clear else None
        self.frequency = frequency
        self._use_local_time()
        if native is not None and native.calendar is not None and self.display_timezone:
            native = parse_frequency(native.base_alias)  # closed hours are those of local time
        partial_periods = self._clean.partial_periods
        # a value by rule is a value of the native steps: a mean over a period includes it
        if self._has_rule and not self._fill_native_steps(native):
            native = None
            if partial_periods == "drop":
                # the periods are those of all series: the ends of one say nothing of its days
                self._complete_periods = complete_periods(self.rows, frequency, self._n_targets)
                partial_periods = "keep"
                if self._complete_periods is None and self._has_value().any():
                    raise DataError(
                        empty_result_problem(self.rows, frequency, self.display_timezone)
                    )
        rows = self.rows
        resampled = resample_rows(
            rows,
            frequency,
            aggregations=period_aggregations(self._clean, self.table),
            native_frequency=native,
            partial_periods=partial_periods,
            n_targets=self._n_targets,
        )
        self.rows, self.frequency, self._is_added = resampled.rows, frequency, None
        if (complete := self._complete_periods) is not None:
            self.rows = self.rows.filter(
                (self.rows.time >= complete[0]) & (self.rows.time <= complete[1])
            )
        if not self._has_value().any() and not np.isnan(rows.values[:, : self._n_targets]).all():
            raise DataError(empty_result_problem(rows, frequency, self.display_timezone))
        fewer = np.diff(rows.offsets) - np.diff(resampled.rows.offsets)
        self._counts["resampled"] = np.maximum(fewer, 0)
        self._counts["partial_periods"] = resampled.dropped_partial_periods
        self._counts["incomplete_periods"] = resampled.incomplete_periods

    def _choose_frequency(self) -> Frequency:
        rows, clean = self.rows, self._clean
        if clean.frequency != "auto":
            return _parse_given_frequency(rows, clean.frequency)
        if clean.irregular != "error":
            return infer_jittered_frequency(rows.codes, rows.time)
        self._frequency_vote = vote = self._vote()
        if vote.closed is not None:
            has_value, labels = self._has_value(), self.columns["label"]
            blank = rows.time[~has_value]
            if self.display_timezone and vote.frequency.is_local:
                blank = to_local(blank, self.display_timezone)
            at_closed = bool(vote.frequency.closed_mask(blank).any())
            self._notes += closed_step_notes(vote.closed, has_blank_rows=at_closed)
            if vote.agreement < REGULAR_AGREEMENT:
                self._notes += rare_day_notes(rows, has_value, vote.frequency, labels)
        return vote.frequency

    def _vote(self) -> InferredFrequency:
        """The inferred frequency; with values by rule, series need not have a row at each step."""
        rows = self.rows
        if self._has_rule:
            return infer_shared_frequency(rows.codes, rows.time)
        return infer_frequency(
            rows.codes,
            rows.time,
            has_value=self._has_value(),
            display_timezone=self.display_timezone,
        )

    def _fill_native_steps(self, native: Frequency | None) -> bool:
        """Sets values by rule at the steps of the rows before they are resampled; False if they
        have no usual step."""
        if native is None:
            return False
        grid = fit_grid(native, self.rows.time, self.rows.offsets)
        steps = int(steps_per_series(self.rows, grid.ordinals).sum())
        if not grid.on_grid.all() or steps > MAX_STEPS_PER_ROW * len(self.rows.codes):
            return False
        self.grid, self.frequency = grid, native
        self._fill_by_rule()
        return True

    def _snap(self) -> None:
        grid = fit_grid(self.frequency, self.rows.time, self.rows.offsets)
        found = snap_to_grid(self.rows, grid, self.frequency, self._clean.tolerance)
        self.rows, self._counts["snapped"] = found.rows, found.moved_counts
        self._combine_duplicates()  # rows snapped to the same step

    def _interpolate(self) -> None:
        # covariates hold their last value: they may be categories
        linear = [column < self._n_targets for column in range(self.rows.values.shape[1])]
        found = interpolate_to_grid(
            self.rows, self.frequency, max_gap=self._clean.max_gap, linear=linear
        )
        rows, self.rows = self.rows, found.rows
        if not self._has_value().any() and not np.isnan(rows.values[:, : self._n_targets]).all():
            raise DataError(empty_result_problem(rows, self.frequency, self.display_timezone))
        self._counts["interpolated"] = found.off_grid_counts

    def _measure_agreement(self) -> float:
        """The share of differences between a series' timestamps that are one step."""
        codes = self.rows.codes
        inside = codes[1:] == codes[:-1]
        regular = self._count(codes[1:], inside & one_step_mask(self.grid))
        every = self._count(codes[1:], inside)
        if self._clean.irregular != "keep" and not self._has_rule:
            labels = self.columns["label"]
            self._notes += coarser_series_notes(self.rows, regular, self.frequency, labels)
        self.columns["agreement"] = np.where(every > 0, regular / np.maximum(every, 1), np.nan)
        return float(regular.sum() / every.sum()) if every.any() else float("nan")

    @property
    def _has_rule(self) -> bool:
        """Whether a target has a value by rule."""
        return not np.isnan(self._fill_values).all()

    def _fill_by_rule(self) -> SeriesBounds | None:
        """Sets values by rule, and adds the rows up to the bounds of the series; None if series
        begin and end on their own and no value is set."""
        start, end = self._clean.start, self._clean.end
        if self._clean.irregular == "keep" or (not self._has_rule and start == "auto"):
            start = "each"
        if end == "auto":
            end = "latest" if self._has_rule and self._clean.irregular != "keep" else "each"
        if (not self._has_rule and start == end == "each") or not len(self.rows.codes):
            return None
        rows, grid = self.rows, self.grid
        invalid = self._count(rows.codes, ~grid.on_grid) > 0
        invalid |= sparse_series_mask(rows, grid.ordinals)
        invalid |= self._has_far_rows
        if self._clean.end == "auto" and end == "latest" and not self._has_far_rows.any():
            late_end, problems = late_end_problems(
                self.table, rows, grid, self.frequency, self.columns["label"], self._n_targets
            )
            self._problems += problems
            self._has_late_end |= late_end
            invalid |= late_end
        span = self._complete_periods
        bounds = find_bounds(
            rows,
            grid,
            self._fill_values,
            start=start,
            end=end,
            usable=~invalid,
            span=None if span is None else self.frequency.ordinals(span),
        )
        check_panel_size(rows, bounds)
        found = fill_by_rule(
            rows,
            grid,
            self.frequency,
            bounds,
            self._fill_values,
            max_gap=self._clean.max_gap,
            unknown_cells=self._unknown_cells,
        )
        self.rows, self.grid = found.rows, found.grid
        self._is_added = found.is_added
        for name, counts in (
            ("set_values", found.set_values),
            ("before_start", found.dropped_rows),
            ("ended_early", bounds.ended_early.astype(np.int64) * (end == "latest")),
        ):
            self._counts[name] = self._counts.get(name, 0) + counts
        return bounds

    def _drop_unobserved_ends(self, bounds: SeriesBounds | None) -> Ints:
        """Drops rows before the first and after the last value of a series' targets, or those
        outside `bounds`.

        With `keep_future_rows` those after the last value stay. Returns the ordinals [S] of the
        last steps, -1 for a series without values.
        """
        rows, ordinals = self.rows, self.grid.ordinals
        begin, stop = observed_range(rows, self._n_targets)
        first, last = np.full((2, self._n_series), -1, dtype=np.int64)
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
        if self._keep_future_rows:  # also rows with blank covariates: blank may mean "no event"
            after = np.zeros_like(after)
        self._counts["leading"] = self._count(rows.codes, before)
        self._counts["trailing"] = self._count(rows.codes, after)
        self._filter(~before & ~after)
        return last

    def _keep_last_steps(self, last_ordinals: Ints) -> None:
        if self._clean.max_length is None:
            return
        early = self.grid.ordinals <= last_ordinals[self.rows.codes] - self._clean.max_length
        self._counts["truncated"] = self._count(self.rows.codes, early)
        self._filter(~early)

    def _count_values(self, last_ordinals: Ints) -> None:
        rows = self.rows
        values = rows.values[:, : self._n_targets]
        blank = np.isnan(values)
        if blank.any():
            not_blank = self.grid.ordinals > last_ordinals[rows.codes]  # known ahead
            if self._is_added is not None:  # counted as gaps
                not_blank |= self._is_added
            self.columns["observed"] = self._count(rows.codes, np.asarray(~blank.all(axis=1)))
            inside = np.where(not_blank, 0, blank.sum(axis=1))
            missing = reduce_per_series(np.add, inside, rows.offsets, 0)
            self._counts["missing"] = np.maximum(missing - self._taken_as_missing, 0)
        else:
            self.columns["observed"] = np.diff(rows.offsets)
        low = reduce_per_series(np.fmin, values, rows.offsets, np.nan)  # [S, C]
        high = reduce_per_series(np.fmax, values, rows.offsets, np.nan)
        self.columns["constant"] = ((low == high) | np.isnan(low)).sum(axis=1)

    def _skip_short_series(self) -> None:
        observed, min_length = self.columns["observed"], self._clean.min_observed_values
        reasons = np.full(len(observed), "", dtype=object)
        reasons[observed < min_length] = f"fewer than {min_length:,} observed values"
        reasons[observed == 0] = "no observed value"
        for code, reason in self.table.invalid_series.items():
            reasons[code] = reason
        self.columns["too_short"] = observed < min_length
        self.columns["skipped"] = reasons
        self._skip(self.columns["too_short"], "")

    def _find_off_grid_rows(self) -> None:
        self._counts["off_grid"] = self._count(self.rows.codes, ~self.grid.on_grid)
        self._problems += off_grid_problems(
            self.table,
            self.rows,
            self.grid,
            self.frequency,
            self.columns["label"],
            self.display_timezone,
        )

    def _find_far_rows(self) -> None:
        """Rows whose date is likely wrong: their problems take the place of those of the grid."""
        if self._clean.far_rows == "keep" or self._clean.irregular == "keep":
            return
        far = far_rows_mask(self.rows, self.grid.ordinals, self.frequency)
        far &= ~np.isnan(self.rows.values[:, : self._n_targets]).all(axis=1)
        self._has_far_rows = self._count(self.rows.codes, far) > 0
        self._far_places = far_row_places(self.table, self.rows, far, self.display_timezone)
        self._problems += far_row_problems(
            self.table,
            self.rows,
            far,
            self.frequency,
            self.columns["label"],
            self.display_timezone,
        )

    def _add_sparse_grid_problems(self) -> None:
        self._problems += sparse_grid_problems(
            self.table,
            self.rows,
            self.grid.ordinals,
            self.frequency,
            self.columns["label"],
            self.display_timezone,
        )

    def _skip_invalid_series(self) -> None:
        """Leaves out series with a problem; the problems are kept only if no series is left."""
        self._skip(self._has_unresolved_hours, "local hours that come twice or not at all")
        self._skip(self._has_refused_duplicates, "repeated timestamps")
        at_closed = self._count(self.rows.codes, self.frequency.closed_mask(self.rows.time)) > 0
        closed = f"rows at days or times closed in {self.frequency.alias}"
        self._skip(at_closed & (self._counts["off_grid"] > 0), closed)
        self._skip(self._counts["off_grid"] > 0, "timestamps off the grid")
        self._skip(self._has_late_end, "a timestamp long after all others")
        for series, place in self._far_places.items():
            alone = np.arange(self._n_series) == series
            self._skip(alone, f"a date far from all others: {place}")
        self._skip(self._has_far_rows, "a date far from all others")
        self._add_sparse_grid_problems()
        sparse = sparse_series_mask(self.rows, self.grid.ordinals)
        self._skip(sparse, "a gap of very many steps")
        if len(self.rows.codes):
            self._problems = []

    def _count_steps(self, last_ordinals: Ints) -> None:
        rows, ordinals = self.rows, self.grid.ordinals
        first = reduce_per_series(np.minimum, ordinals, rows.offsets, 0)
        steps = np.where(np.diff(rows.offsets) > 0, last_ordinals - first + 1, 0)
        own = ordinals <= last_ordinals[rows.codes]
        if self._is_added is not None:
            blank = np.isnan(rows.values[:, : self._n_targets])
            own &= ~self._is_added | ~blank.any(axis=1)
            is_set = self._is_added & ~blank.all(axis=1)
            self._counts["set_steps"] = self._count(rows.codes, is_set)
        self.columns["steps"] = steps
        self._counts["gaps"] = np.maximum(steps - self._count(rows.codes, own), 0)

    def _note_sparse_counts(self) -> None:
        if self._has_rule or self._clean.irregular in ("keep", "interpolate"):
            return
        own = self.rows.values[:, : self._n_targets]
        names, steps = list(self.table.roles.targets), int(self.columns["steps"].sum())
        self._notes += sparse_count_notes(own, steps, names)

    def _count(self, codes: npt.NDArray[np.integer[Any]], mask: Bools) -> Ints:
        """[S] the number of rows of each series where `mask` is true."""
        return np.bincount(codes[mask], minlength=self._n_series)

    def _skip(self, drop_mask: Bools, reason: str) -> None:
        """Drops the series of `drop_mask` [S], with this reason unless they have one already."""
        reasons = self.columns["skipped"]
        reasons[drop_mask & (reasons == "")] = reason
        self._filter(~drop_mask[self.rows.codes])

    def _filter(self, mask: Bools) -> None:
        if not mask.all():
            grid = self.grid
            self.rows = self.rows.filter(mask)
            self.grid = Grid(grid.ordinals[mask], grid.phase, grid.on_grid[mask])
            if self._is_added is not None:
                self._is_added = self._is_added[mask]


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


def _sequential_grid(rows: SortedRows) -> Grid:
    """A grid in which every row is one step, whatever the time since the row before."""
    ordinals = np.arange(len(rows.codes)) - rows.offsets[rows.codes]
    phase = np.zeros(rows.n_series, dtype=np.int64)
    return Grid(ordinals, phase, np.ones(len(ordinals), dtype=np.bool_))
