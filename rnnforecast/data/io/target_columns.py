"""Inference of the columns to forecast among the numeric columns of a sample of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from rnnforecast.data.io.column_words import (
    CALENDAR_PREFIXES,
    CALENDAR_RANGES,
    CLOSING_PRICE_NAMES,
    CODE_WORDS,
    COVARIATE_WORDS,
    FLAG_WORDS,
    OPENING_PRICE_NAMES,
    PLACE_WORDS,
    PLAIN_TARGET_NAMES,
    POSSIBLE_COVARIATE_WORDS,
    ROW_NUMBER_NAMES,
    TARGET_NAMES,
    TRADED_NAMES,
    TRADED_VOLUME_WORDS,
    has_word,
    split_name,
)
from rnnforecast.data.io.series_columns import counts_rows
from rnnforecast.data.time.format_inference import infer_time_format, is_date_format
from rnnforecast.data.time.numeric_formats import EPOCH_UNITS

CANDIDATE = "could be a target or a covariate"
"""Why a column is not a target that might have been one."""


@dataclass(frozen=True)
class TargetChoice:
    """The columns to forecast, and why."""

    targets: tuple[str, ...]
    reason: str
    others: dict[str, str]
    """Why each of the other numeric columns is not a target."""
    is_doubtful: bool = False
    """Whether some of `others` would be as good."""


def choose_targets(
    head: pd.DataFrame, numeric: Sequence[str], series: Sequence[str]
) -> TargetChoice:
    """The targets among the columns `numeric`; none if all of these are ids or row numbers.

    A table of one series has all of them, except what only accompanies a target; series told apart
    by the ids `series` have one target, by its name or else the first that changes over time.
    """
    others = {c: why for c in numeric if (why := _why_no_target(c, head[c], len(numeric)))}
    columns = [column for column in numeric if column not in others]
    if not columns:  # better a latitude or a flag than nothing
        columns = [c for c in numeric if others[c] not in (ROW_NUMBER, DATES, ID)]
        others = {column: why for column, why in others.items() if column not in columns}
    if not columns:  # several columns that rise by one are values rather than row numbers
        row_numbers = [c for c in numeric if others[c] == ROW_NUMBER]
        columns = [c for c in row_numbers if c.lower() not in ROW_NUMBER_NAMES]
        others = {column: why for column, why in others.items() if column not in columns}
    if not columns:
        return TargetChoice((), "no numeric column", others)
    if len(columns) == 1:
        reason = (
            "the only other numeric column" if len(numeric) == 1 else "the only measured column"
        )
        return TargetChoice((columns[0],), reason, others)
    named = _by_name(columns, PLAIN_TARGET_NAMES, exact=True)
    reason = "named like a target"
    if not named and _is_traded(columns, series):
        named, reason = _by_name(columns, CLOSING_PRICE_NAMES), "the price of what is traded"
    if named:
        return _one_target(named[0], reason, columns, others)
    return (
        _choose_of_series(head, columns, series, others) if series else _choose_all(columns, others)
    )


def numeric_reasons(head: pd.DataFrame, numeric: Sequence[str]) -> dict[str, str]:
    """Why each column might not be a target, `CANDIDATE` for most."""
    return {
        column: _why_no_target(column, head[column], len(numeric)) or CANDIDATE
        for column in numeric
    }


ROW_NUMBER = "a row number"
DATES = "a second time"
CALENDAR = "a part of the time"
PLACE = "a place or a code"
ID = "an id by its name"
FLAG = "a flag of 0 and 1"
COVARIATE = "a covariate by its name"


def _why_no_target(column: str, cells: pd.Series[str], n_numeric: int) -> str:
    """Why a numeric column is not a target, "" if it may be one."""
    last = split_name(column)[-1]
    filled = cells[cells != ""]
    is_named = column.lower() in PLAIN_TARGET_NAMES
    if n_numeric > 1 and not is_named and counts_rows(column, filled):
        return ROW_NUMBER
    if has_word(column, PLACE_WORDS):
        return PLACE
    if last in CODE_WORDS and bool(filled.str.fullmatch(r"\d+(\.0+)?").all()):
        return ID
    if _is_calendar(column, filled):
        return CALENDAR
    if _is_time(column, filled):
        return DATES
    if has_word(column, FLAG_WORDS) and set(filled.unique()) <= {"0", "1", "0.0", "1.0"}:
        return FLAG
    return ""


def _is_calendar(column: str, cells: pd.Series[str]) -> bool:
    """Whether the column is named like a part of the time and holds whole numbers of its range."""
    words = [word for word in split_name(column) if word not in CALENDAR_PREFIXES]
    limits = CALENDAR_RANGES.get("".join(words))
    if limits is None or not bool(cells.str.fullmatch(r"\d{1,4}(\.0+)?").all()):
        return False
    numbers = cells.astype(float)
    return bool(numbers.between(*limits).all())


def _is_time(column: str, cells: pd.Series[str]) -> bool:
    """Whether the column holds dates written as numbers, such as 20240131 or seconds since 1970,
    and is named like a time or never falls."""
    found = infer_time_format(cells.iloc[:: len(cells) // 100 + 1].tolist())
    if found is None or not (is_date_format(found) or found.pattern in EPOCH_UNITS):
        return False
    named = any(word in split_name(column) for word in ("date", "time", "timestamp", "at", "on"))
    numbers = pd.to_numeric(cells, errors="coerce")
    return named or bool(numbers.is_monotonic_increasing and cells.nunique() > 1)


def _is_traded(columns: Sequence[str], series: Sequence[str]) -> bool:
    """Whether the columns are prices of what is traded, besides its volume."""
    is_bar = sum(has_word(column, OPENING_PRICE_NAMES) for column in columns) >= 2
    return is_bar or any(has_word(column, TRADED_NAMES) for column in series)


def _one_target(
    target: str,
    reason: str,
    columns: Sequence[str],
    others: dict[str, str],
    *,
    doubtful: bool = False,
) -> TargetChoice:
    rest = {column: CANDIDATE for column in columns if column != target}
    return TargetChoice((target,), reason, others | rest, is_doubtful=doubtful)


def _choose_of_series(
    head: pd.DataFrame, columns: Sequence[str], series: Sequence[str], others: dict[str, str]
) -> TargetChoice:
    """One target of a table with series ids."""
    possible = [c for c in columns if not has_word(c, COVARIATE_WORDS)] or columns
    measured = [c for c in possible if not has_word(c, POSSIBLE_COVARIATE_WORDS)] or possible
    if named := _by_name(measured, TARGET_NAMES) or _by_name(possible, TARGET_NAMES):
        is_volume = has_word(named[0], TRADED_VOLUME_WORDS) and len(columns) > 1
        return _one_target(named[0], "named like a target", columns, others, doubtful=is_volume)
    groups = head.groupby(list(series))
    changing = [column for column in measured if (groups[column].nunique() > 1).any()]
    reason = "the first numeric column that changes over time"
    target = (changing or measured)[0]
    return _one_target(target, reason, columns, others, doubtful=len(changing) > 1)


def _choose_all(columns: Sequence[str], others: dict[str, str]) -> TargetChoice:
    """All columns of a table of one series; only those named like targets where others are named
    like covariates or flags."""
    reason = "one series for each column"
    sure = [column for column in columns if is_surely_target(column)]
    if all(has_word(column, TRADED_VOLUME_WORDS) for column in sure) and any(
        has_word(column, CLOSING_PRICE_NAMES) for column in columns
    ):
        sure = []  # a price with its volume: neither comes first
    if not sure:
        return TargetChoice(tuple(columns), reason, others)
    accompany = [column for column in columns if has_word(column, COVARIATE_WORDS)]
    unknown = [c for c in columns if c not in sure and not may_be_covariate(c)]
    if not accompany and FLAG not in others.values() and unknown:
        return TargetChoice(tuple(columns), reason, others)
    rest = {
        column: COVARIATE if may_be_covariate(column) else CANDIDATE
        for column in columns
        if column not in sure
    }
    return TargetChoice(
        tuple(sure), "named like a target", others | rest, is_doubtful=bool(unknown)
    )


def is_surely_target(column: str) -> bool:
    """Whether the column is named like a target and not like a covariate."""
    return has_word(column, TARGET_NAMES) and not may_be_covariate(column)


def may_be_covariate(column: str) -> bool:
    """Whether the column is named like a covariate."""
    return has_word(column, COVARIATE_WORDS) or has_word(column, POSSIBLE_COVARIATE_WORDS)


def _by_name(columns: Sequence[str], words: Sequence[str], *, exact: bool = False) -> list[str]:
    """The columns named like one of `words`, the best first: by their name, their last word, or any
    word (`exact`: by their name only), then in the order of `words`."""
    ranks: dict[str, tuple[int, int]] = {}
    tests: list[Callable[[str], list[str]]] = [lambda column: [column.lower()]]
    if not exact:
        tests += [lambda column: split_name(column)[-1:], split_name]
    for quality, parts in enumerate(tests):
        for column in columns:
            places = [words.index(part) for part in parts(column) if part in words]
            if places and column not in ranks:
                ranks[column] = (quality, min(places))
    return sorted(ranks, key=lambda column: ranks[column])
