"""Inference of column roles: the time, the series ids and the targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from rnnforecast.data.io.column_content import is_numeric_column
from rnnforecast.data.io.column_names import missing_column_problems
from rnnforecast.data.io.column_words import TARGET_NAMES, is_named_like_id
from rnnforecast.data.io.joined_columns import join_cells
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.series_columns import find_series, possible_series
from rnnforecast.data.io.target_columns import CANDIDATE, choose_targets, numeric_reasons
from rnnforecast.data.io.time_columns import TimeColumns, find_time_columns
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import JOINED_TIME
from rnnforecast.wording import join_names

MAX_NAMED_COLUMNS = 8
"""Most columns that a note names."""


@dataclass(frozen=True)
class ColumnRoles:
    """The role of each column."""

    time: str
    series: tuple[str, ...]
    """Columns of ids; empty if the table is one series."""
    targets: tuple[str, ...]
    unused: tuple[str, ...]
    reasons: dict[str, str]
    """Why the columns of "time", "series" and "targets" were chosen."""
    covariates: tuple[str, ...] = ()
    """In the order of the options."""
    time_columns: tuple[str, ...] = ()
    """The columns that make the time together; empty if it is the column `time`."""
    time_format: str | None = None
    """The value of data.time_format that was chosen among several; None if there is no choice."""
    known_time_format: str | None = None
    """The value of data.time_format that means the inferred format; None for ISO 8601."""
    known_marks: tuple[str, str] | None = None
    """See `ReadOptions.known_marks`."""
    clock_pattern: str = ""
    """The format of hours and minutes that are columns behind a date; "" if there are none."""
    categorical: tuple[str, ...] = ()
    """The covariates that are read as text; the others are numbers."""
    unused_reasons: dict[str, str] = field(default_factory=dict)
    """Why each numeric column of `unused` is not a target."""
    notes: tuple[ReadingNote, ...] = ()
    """Columns that might have another role."""
    has_dates_as_columns: bool = False
    """Whether the files have one row a series and one column a date."""

    @property
    def layout(self) -> Literal["long", "wide", "single"]:
        """Series told apart by ids, several targets without ids, or one target without ids."""
        return "long" if self.series else "wide" if len(self.targets) > 1 else "single"

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that are read as text: ids, then categories."""
        return (*self.series, *self.categorical)

    @property
    def numeric_columns(self) -> tuple[str, ...]:
        """The numeric columns: targets, then covariates."""
        return (*self.targets, *self._numeric_covariates)

    @property
    def _numeric_covariates(self) -> tuple[str, ...]:
        return tuple(name for name in self.covariates if name not in self.categorical)

    def resolve(self, options: ReadOptions) -> ReadOptions:
        """The options with these columns instead of "auto" and patterns."""
        columns: dict[str, object] = {
            "time": self.time_columns or self.time,
            "series": self.series,
            "targets": self.targets,
        }
        if self.has_dates_as_columns:
            columns["layout"] = "dates_as_columns"
        return ReadOptions(
            options.data.model_copy(update=columns),
            self.covariates,
            self.categorical,
            self._numeric_covariates,
            self.known_time_format,
            self.known_marks,
        )


def infer_column_roles(
    head: pd.DataFrame, options: ReadOptions, source_name: str = "the data"
) -> ColumnRoles:
    """The role of every column: names in the options are kept, "auto" is inferred from the rows.

    `options.covariates` holds names, not patterns; whether they are categorical is inferred if
    they are in neither `categorical` nor `numeric`. `head` holds rows as text, blank cells as "".
    Raises DataError if no column or more than one could be the time, no column is numeric, or a
    given column does not exist or is given two roles.
    """
    data = options.data
    series, targets = data.series, data.targets
    head = head.fillna("").astype(object).map(str.strip)
    fixed = list(data.time_columns)
    fixed += [column for names in (series, targets) if names != "auto" for column in names]
    fixed += options.covariates
    _check_given_columns(fixed, head, source_name)
    blank = {*DEFAULT_MISSING_VALUES, *data.missing_values}
    cells = {
        str(column): [cell for cell in head[column] if cell not in blank]
        for column in head.columns
        if column
    }
    listed = (*options.categorical, *options.numeric)
    unlisted = [column for column in options.covariates if column not in listed]
    categorical = {c for c in unlisted if not _looks_numeric(cells[c])} | {*options.categorical}
    reasons = dict.fromkeys(("time", "series", "targets"), "given")
    columns = [str(column) for column in head.columns if column]
    known = set(fixed)
    free = [column for column in columns if column not in known]
    numeric = {column for column in free if _is_numeric(column, cells[column])}
    found = find_time_columns(head, free, data, source_name)
    reasons["time"], time = found.reason, found.columns[0]
    if len(found.columns) > 1:
        if JOINED_TIME in columns:
            names = ", ".join(found.columns)
            said = f"columns {names} make the time, whose name {JOINED_TIME} another column has"
            cure = f"rename the column {JOINED_TIME}, or set data.time to it if it is the time"
            raise DataError(Problem(source_name, said, cure))
        time, head = JOINED_TIME, head.assign(**{JOINED_TIME: join_cells(head[[*found.columns]])})
    free = [column for column in free if column not in found.columns]
    notes: list[ReadingNote] = []
    if series == "auto":
        series, reasons["series"] = find_series(head, [time], free, numeric)
        notes += possible_series_notes(source_name, possible_series(head, [time], free), series)
    free = [column for column in free if column not in series and column in numeric]
    if targets == "auto":
        choice = choose_targets(head, free, series)
        if not choice.targets:
            raise DataError(_no_target_problem(source_name, columns, choice.others))
        targets, reasons["targets"] = choice.targets, choice.reason
        others, is_doubtful = choice.others, choice.is_doubtful
    else:
        others, is_doubtful = numeric_reasons(head, free), False
    used = {*found.columns, *series, *targets, *options.covariates}
    return ColumnRoles(
        time,
        tuple(series),
        tuple(targets),
        tuple(column for column in columns if column not in used),
        reasons,
        covariates=options.covariates,
        time_columns=found.columns if len(found.columns) > 1 else (),
        time_format=found.time_format,
        known_time_format=options.known_time_format,
        known_marks=options.known_marks,
        clock_pattern=found.clock_pattern,
        categorical=tuple(column for column in options.covariates if column in categorical),
        unused_reasons=others,
        notes=(
            *_time_notes(source_name, found),
            *notes,
            *unused_columns_note(source_name, others, is_doubtful=is_doubtful),
        ),
    )


def _no_target_problem(
    source_name: str, columns: Sequence[str], others: Mapping[str, str]
) -> Problem:
    found = "no numeric column is left to forecast"
    if others:
        found += f": {', '.join(f'{column} is {why}' for column, why in others.items())}"
    cure = f"set data.targets; the columns are {', '.join(map(repr, columns))}"
    return Problem(source_name, found, cure)


def _check_given_columns(names: list[str], head: pd.DataFrame, location: str) -> None:
    problems = missing_column_problems(names, [str(c) for c in head.columns], location)
    for column, count in Counter(names).items():
        if count > 1:
            found = f"column {column!r} is given more than one role"
            cure = "name it once among data.time, data.series, data.targets and features"
            problems.append(Problem(location, found, cure))
    if problems:
        raise DataError(*problems)


def _is_numeric(column: str, cells: list[str]) -> bool:
    """Whether the cells are numbers but for some, which are reported when the file is read."""
    share = 0.5 if column.lower() in TARGET_NAMES else 0.9
    return is_numeric_column(cells, min_share=share, is_named_like_id=is_named_like_id(column))


def _looks_numeric(cells: list[str]) -> bool:
    """The same for a covariate, which is numeric in doubt: text further down is then reported,
    whereas numbers in a categorical column would go unnoticed."""
    return not cells or is_numeric_column(cells, min_share=0.5)


def possible_series_notes(
    source_name: str, ids: Mapping[str, int], series: Sequence[str]
) -> list[ReadingNote]:
    """A doubtful note for each column of `ids` (with the number of its ids) that was not taken for
    one of `series`, as no timestamp is repeated."""
    return [
        ReadingNote(
            Problem(
                f"{source_name}, column {column!r}",
                f"the rows have {n_ids:,} ids, but no timestamp comes twice: read as one series",
                f"set data.series to [{column}] if each id has a series of its own",
            ),
            is_doubtful=True,
        )
        for column, n_ids in ids.items()
        if column not in series
    ]


def _time_notes(source_name: str, time: TimeColumns) -> list[ReadingNote]:
    if not time.doubt:
        return []
    found = f"{time.doubt}: it is read as the time"
    return [ReadingNote(Problem(source_name, found, "set data.time"), is_doubtful=True)]


def unused_columns_note(
    source_name: str, others: Mapping[str, str], *, is_doubtful: bool
) -> list[ReadingNote]:
    """A note that names numeric columns without a role, each with the reason why it is no target,
    if there are any."""
    if not others:
        return []
    first = sorted(others.items(), key=lambda item: item[1] != CANDIDATE)
    named = [column if why == CANDIDATE else f"{column} ({why})" for column, why in first]
    found = f"numeric columns without a role: {join_names(named, MAX_NAMED_COLUMNS)}"
    cure = "list them in data.targets to forecast them, or under features as covariates"
    return [ReadingNote(Problem(source_name, found, cure), is_doubtful)]
