"""Inference of column roles: the time, the series ids and the targets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from rnnforecast.data.io.column_content import is_numeric_column
from rnnforecast.data.io.column_names import missing_column_problems
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.time_columns import find_time_column, is_date_column
from rnnforecast.errors import DataError, Problem

# In order of preference.
_TARGET_NAMES = (
    *("y", "target", "value", "values", "sales", "demand", "quantity", "qty", "volume", "load"),
    *("consumption", "count", "cnt", "amount", "units", "price", "close", "traffic", "revenue"),
)
_SERIES_NAMES = {"unique_id", "series_id", "series", "item_id", "ts_id", "time_series_id", "key"}
_ID_WORDS = {
    *("id", "uid", "key", "code", "nbr", "number", "name", "series", "group", "category"),
    *("store", "shop", "item", "product", "sku", "article", "brand", "family", "dept"),
    *("department", "sensor", "station", "meter", "device", "machine", "line", "plant", "site"),
    *("location", "zone", "region", "country", "state", "city", "route", "channel", "household"),
    *("customer", "client", "symbol", "ticker", "variable", "metric"),
}


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
    categorical: tuple[str, ...] = ()
    """The covariates that are read as text; the others are numbers."""

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
        columns = {"time": self.time, "series": self.series, "targets": self.targets}
        return ReadOptions(
            options.data.model_copy(update=columns),
            self.covariates,
            self.categorical,
            self._numeric_covariates,
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
    time, series, targets = data.time, data.series, data.targets
    head = head.fillna("").astype(object).map(str.strip)
    fixed = [] if time == "auto" else [time]
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
    if time == "auto":
        time, reasons["time"] = find_time_column(head, free, source_name)
    free = [column for column in free if column != time]
    if series == "auto":
        series, reasons["series"] = _find_series(head, time, free, numeric)
    free = [column for column in free if column not in series]
    if targets == "auto":
        choice = [column for column in free if column in numeric]
        targets, reasons["targets"] = _find_targets(head, choice, list(series), source_name)
    used = {time, *series, *targets, *options.covariates}
    return ColumnRoles(
        time,
        tuple(series),
        tuple(targets),
        tuple(column for column in columns if column not in used),
        reasons,
        covariates=options.covariates,
        categorical=tuple(column for column in options.covariates if column in categorical),
    )


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
    share = 0.5 if column.lower() in _TARGET_NAMES else 0.9
    return is_numeric_column(cells, min_share=share, is_named_like_id=_is_named_like_id(column))


def _looks_numeric(cells: list[str]) -> bool:
    """The same for a covariate, which is numeric in doubt: text further down is then reported,
    whereas numbers in a categorical column would go unnoticed."""
    return not cells or is_numeric_column(cells, min_share=0.5)


def _find_series(
    head: pd.DataFrame, time: str, candidates: list[str], numeric: set[str]
) -> tuple[tuple[str, ...], str]:
    """The columns that, with the time, identify rows, without unneeded ones; those named like ids
    are tried first."""
    filled = [
        column for column in candidates if not head[column].isin(DEFAULT_MISSING_VALUES).all()
    ]
    ids = [column for column in filled if _is_id(column, head[column], column in numeric)]
    texts = [c for c in filled if c not in ids and c not in numeric and not is_date_column(head[c])]
    if not head[time].duplicated().any():
        # The head of a file sorted by series may hold one series only: names decide.
        named = (c for c in ids if c.lower() in _SERIES_NAMES or head[c].nunique() == 1)
        chosen = tuple(column for column in candidates if column in set(named))
        return chosen, "named like ids" if chosen else "no timestamp is repeated: one series"
    max_rows = int(head[time].value_counts().iloc[0])
    found: list[str] = []
    for column in ids + texts:
        if _count_distinct(head, [time, *found]) == len(head):
            break
        is_finer = _count_distinct(head, [time, *found, column]) > _count_distinct(
            head, [time, *found]
        )
        # A comment or row number identifies rows, too, but makes too many "series".
        if is_finer and _count_distinct(head, [*found, column]) <= 10 * max_rows:
            found.append(column)
    for column in reversed(found.copy()):
        others = [other for other in found if other != column]
        if _count_distinct(head, [time, *others]) == _count_distinct(head, [time, *found]):
            found = others
    chosen = tuple(column for column in candidates if column in found)
    if not chosen:
        return (), "no column identifies rows of one timestamp: one series"
    reason = "timestamps are unique in each"
    if _count_distinct(head, [time, *chosen]) < len(head):
        reason += ", but for some repeated rows"
    return chosen, reason


def _find_targets(
    head: pd.DataFrame, numeric: list[str], series: list[str], source_name: str
) -> tuple[tuple[str, ...], str]:
    if not numeric:
        listed = ", ".join(repr(column) for column in head if column != "")
        cure = f"set data.targets; the columns are {listed}"
        raise DataError(Problem(source_name, "no numeric column is left to forecast", cure))
    if len(numeric) == 1:
        return (numeric[0],), "the only other numeric column"
    if named := sorted(
        (c for c in numeric if c.lower() in _TARGET_NAMES), key=_preference_key(_TARGET_NAMES)
    ):
        return (named[0],), "named like a target"
    if ending := [column for column in numeric if _split_name(column)[-1] in _TARGET_NAMES]:
        return (ending[0],), "named like a target"
    if not series:
        return tuple(numeric), "one series for each column"
    changing = (c for c in numeric if (head.groupby(series)[c].nunique() > 1).any())
    return (next(changing, numeric[0]),), "the first numeric column that changes over time"


def _is_id(column: str, cells: pd.Series[str], numeric: bool) -> bool:
    return _is_named_like_id(column) and (not numeric or bool(cells.str.fullmatch(r"\d*").all()))


def _is_named_like_id(column: str) -> bool:
    return column.lower() in _SERIES_NAMES or _split_name(column)[-1] in _ID_WORDS


def _split_name(column: str) -> list[str]:
    """The words of a name in lower case: item and id for itemId, item_id and "item id"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    return re.findall(r"[^\W_]+", spaced.lower()) or [""]


def _count_distinct(head: pd.DataFrame, columns: list[str]) -> int:
    return len(head) - int(head.duplicated(columns).sum())


def _preference_key(preferred: Sequence[str]) -> Callable[[str], int]:
    return lambda column: preferred.index(column.lower())
