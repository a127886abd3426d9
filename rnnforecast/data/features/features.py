"""What the network reads besides the targets: covariates from columns, and the calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.imputation import fill_missing
from rnnforecast.data.features.covariates import (
    Covariate,
    CovariateGroup,
    CovariatePlan,
    EncodedCovariate,
    column_categories,
    encode_covariate,
    raw_covariates,
)
from rnnforecast.data.features.covariates import fit_covariates as learn_covariates
from rnnforecast.data.io.column_roles import expand_patterns
from rnnforecast.data.panel.irregular import time_since_previous
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.problems import MAX_SHOWN_PROBLEMS
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Floats, Floats32, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


RELATIVE_TOLERANCE = 1e-9
"""Numbers that differ by no more than this share of them are the same value of a series."""


@dataclass(frozen=True)
class FeaturePlan:
    """Which columns and which parts of the calendar; settled once `learn` has been there."""

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    """Column names and patterns."""
    text: tuple[str, ...] = ()
    text_size: int = 8
    vector_size: int = 16
    calendar: str | tuple[str, ...] = "none"
    age: bool = False
    holidays: str = ""
    holiday_window: int = 1
    missing_future: str = "error"
    covariates: CovariatePlan = field(default_factory=CovariatePlan)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is too large for them is in `arrays`."""
        return asdict(replace(self, covariates=CovariatePlan())) | {
            "covariates": self.covariates.to_json()
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The reductions of texts and vectors."""
        return dict(self.covariates.arrays())

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FeaturePlan:
        """The plan that `to_json` and `arrays` wrote."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
        }
        plain["covariates"] = CovariatePlan.from_json(stored["covariates"], arrays)
        return cls(**plain)


@dataclass(frozen=True)
class FeatureTables:
    """All of it as flat tables; what there is none of has no column."""

    past: Floats32
    """[N, P] scaled."""
    past_codes: Ints
    """[N, Pc]."""
    future: Floats32
    """[N + S * horizon, F]: each series goes on for `horizon` steps."""
    future_codes: Ints
    static: Floats32
    """[S, R]."""
    static_codes: Ints
    horizon: int
    past_cardinalities: tuple[int, ...] = ()
    """Codes of each column of `past_codes`: 0 to size - 1."""
    future_cardinalities: tuple[int, ...] = ()
    static_cardinalities: tuple[int, ...] = ()
    unseen_count: int = 0
    """Cells with a category that there was none of in training."""

    def tables(self) -> list[npt.NDArray[Any]]:
        """All tables, for a hash of what was read."""
        return [
            self.past,
            self.past_codes,
            self.future,
            self.future_codes,
            self.static,
            self.static_codes,
        ]


def fit_features(plan: FeaturePlan, table: Table, panel: Panel, train_mask: Bools) -> FeaturePlan:
    """The plan with names for patterns, and with what the rows `told [N]` say of the columns.

    DataError for a cycle that the frequency does not have, a place without holidays, and a static
    column that changes.
    """
    names = list(table.covariates)
    groups = [
        CovariateGroup(
            columns,
            role,
            is_text=any(name in columns for name in _expand_patterns(plan.text, names)),
        )
        for role, patterns in _patterns_by_role(plan)
        for columns in _group_columns(patterns, table, plan.vector_size)
    ]
    for group in groups:
        if group.role == "static":
            _check_static(group, table, panel)
    if plan.holidays:
        _check_holidays(plan.holidays, panel)
    found = learn_covariates(
        groups, table, panel, train_mask, text_size=plan.text_size, vector_size=plan.vector_size
    )
    return replace(
        plan, calendar=calendar.select_cycles(panel.frequency, plan.calendar), covariates=found
    )


def build_features(
    plan: FeaturePlan, table: Table, panel: Panel, *, horizon: int, season: int, required_steps: int
) -> FeatureTables:
    """The features of a panel with a settled plan, for `horizon` steps beyond each series' end.

    DataError where a column is not known for the `needed` first of them and nothing may stand in.
    """
    parts: dict[str, list[EncodedCovariate]] = {"past": [], "future": [], "static": []}
    sizes: dict[str, list[int]] = {"past": [], "future": [], "static": []}
    rows = _CovariateRows.from_panel(panel, horizon)
    if required_steps and plan.missing_future == "error":
        _check_future_known(plan.covariates.covariates, table, panel, rows, required_steps)
    for place, covariate in enumerate(plan.covariates.covariates):
        words = column_categories(table, covariate.columns[0])
        blank = words is not None
        raw, offsets = rows.gather(covariate, panel, season, plan.missing_future, blank)
        reduction = plan.covariates.reductions.get(place, {})
        parts[covariate.role].append(encode_covariate(covariate, reduction, raw, offsets, words))
        if covariate.kind == "category":
            sizes[covariate.role].append(len(covariate.vocabulary) + 1)
    more = {
        "past": _gap_features(panel),
        "future": _time_features(plan, panel, horizon),
        "static": [],
    }
    length = {"past": len(panel.targets), "future": rows.size, "static": panel.n_series}
    tables = {
        role: (
            _hstack_columns(
                [*(part.numbers for part in found), *more[role]], length[role], np.float32
            ),
            _hstack_columns([part.codes for part in found], length[role], np.int64),
        )
        for role, found in parts.items()
    }
    return FeatureTables(
        *tables["past"],
        *tables["future"],
        *tables["static"],
        horizon=horizon,
        past_cardinalities=tuple(sizes["past"]),
        future_cardinalities=tuple(sizes["future"]),
        static_cardinalities=tuple(sizes["static"]),
        unseen_count=sum(part.unseen_count for found in parts.values() for part in found),
    )


@dataclass(frozen=True)
class _CovariateRows:
    """Where the rows of covariates lie: as read, of the panel, and with `horizon` steps more."""

    wide_offsets: Ints  # [S + 1] as read
    horizon_offsets: Ints  # [S + 1] with the horizon
    lengths: Ints  # [S]

    @classmethod
    def from_panel(cls, panel: Panel, horizon: int) -> _CovariateRows:
        known = np.zeros_like(panel.lengths) if panel.future_steps is None else panel.future_steps
        wide = np.r_[0, np.cumsum(panel.lengths + known)]
        return cls(wide, np.r_[0, np.cumsum(panel.lengths + horizon)], panel.lengths)

    @cached_property
    def series(self) -> Ints:
        """[size] the series of each row with the horizon."""
        return np.repeat(np.arange(len(self.lengths)), np.diff(self.horizon_offsets))

    @cached_property
    def step(self) -> Ints:
        """[size] the step of each row with the horizon."""
        steps: Ints = np.arange(self.size) - self.horizon_offsets[self.series]
        return steps

    @property
    def size(self) -> int:
        return int(self.horizon_offsets[-1])

    @property
    def has_row(self) -> Bools:
        """[size] whether there was a row."""
        found: Bools = (
            self.wide_offsets[self.series] + self.step < self.wide_offsets[self.series + 1]
        )
        return found

    def expand_to_horizon(self, raw: Floats) -> Floats:
        """What was read, `[M, D]`, at the rows with the horizon, NaN where nothing was."""
        place, there = self.wide_offsets[self.series] + self.step, self.has_row
        return np.where(there[:, None], raw[np.where(there, place, 0)], np.nan)

    def gather(
        self,
        covariate: Covariate,
        panel: Panel,
        season: int,
        missing_future: str,
        blank_is_value: bool,
    ) -> tuple[Floats, Ints]:
        """The raw rows of a covariate and where each series begins in them.

        Where a `blank` says something (no event, no text), it is not filled but for whole rows.
        """
        raw = raw_covariates(panel, covariate.columns)
        if covariate.role == "static":
            last = fill_missing(raw, ~np.isnan(raw), self.wide_offsets, "ffill")
            end = self.wide_offsets[1:] - 1
            value = np.where(last.value_mask[end], last.inputs[end], np.nan)
            return value, np.arange(len(end) + 1)
        raw = self.expand_to_horizon(raw)
        if covariate.role == "past":
            own = self.step < self.lengths[self.series]
            return raw[own], panel.offsets
        known = (
            np.broadcast_to(self.has_row[:, None], raw.shape) if blank_is_value else ~np.isnan(raw)
        )
        beyond = (self.step >= self.lengths[self.series])[:, None] & ~known
        if beyond.any():
            how = "seasonal" if missing_future == "seasonal" and season > 1 else "ffill"
            found = fill_missing(raw, known, self.horizon_offsets, how, season=season)  # type: ignore[arg-type]
            raw = np.where(beyond & found.value_mask, found.inputs, raw)
        return raw, self.horizon_offsets


def _hstack_columns(
    parts: Sequence[npt.NDArray[Any] | None], n_rows: int, dtype: type[np.generic]
) -> npt.NDArray[Any]:
    """The columns side by side, `[rows, X]`."""
    columns = [part.reshape(n_rows, -1) for part in parts if part is not None]
    return np.hstack([np.zeros((n_rows, 0)), *columns]).astype(dtype)


def _gap_features(panel: Panel) -> list[Floats32]:
    """The time since the row before, where rows are not regular."""
    if panel.irregular_timestamps is None:
        return []
    gap = time_since_previous(panel.irregular_timestamps, panel.offsets, panel.frequency)
    return [np.log1p(np.maximum(gap, 0.0)).astype(np.float32)]


def _time_features(plan: FeaturePlan, panel: Panel, horizon: int) -> list[Floats32]:
    """Cycles of the calendar, holidays and age, `[N + S * horizon, X]` each."""
    parts: list[Floats32] = []
    if plan.calendar or plan.holidays:
        stamps = panel.flat_timestamps(horizon)
        local = panel.to_display_timezone(stamps)
        if plan.calendar:
            parts.append(calendar.cycle_features(local, plan.calendar))
        if plan.holidays:
            window = plan.holiday_window
            parts.append(calendar.holiday_features(local, panel.frequency, plan.holidays, window))
    if plan.age:
        rows = _CovariateRows.from_panel(panel, horizon)
        parts.append(calendar.age_feature(rows.step))
    return parts


def _patterns_by_role(plan: FeaturePlan) -> list[tuple[Any, tuple[str, ...]]]:
    return [("past", plan.past), ("future", plan.future), ("static", plan.static)]


def _expand_patterns(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    return expand_patterns(patterns, names, "features") if patterns else []


def _group_columns(
    patterns: Sequence[str], table: Table, vector_size: int
) -> list[tuple[str, ...]]:
    """The numbers of a pattern that is a vector together, other columns one by one."""
    groups: list[tuple[str, ...]] = []
    for pattern in patterns:
        columns = _expand_patterns([pattern], list(table.covariates))
        numbers = [column for column in columns if column_categories(table, column) is None]
        together = len(numbers) > vector_size
        groups += [tuple(numbers)] if together else []
        groups += [(column,) for column in columns if not (together and column in numbers)]
    return groups


def _check_holidays(region: str, panel: Panel) -> None:
    if panel.frequency.kind == "integer":
        found = "time is a whole number, so that there are no dates to have holidays"
        raise DataError(Problem("features.holidays", found, "leave it out"))
    try:
        calendar.parse_holiday_location(region)
    except ValueError as error:
        cure = "name a country such as DE, or a region such as DE-BY"
        raise DataError(Problem("features.holidays", str(error), cure)) from None


def _check_static(group: CovariateGroup, table: Table, panel: Panel) -> None:
    """DataError where a series has several values of a column that is to have one."""
    raw = raw_covariates(panel, group.columns)
    offsets = _CovariateRows.from_panel(panel, 0).wide_offsets[:-1]
    low, high = np.fmin.reduceat(raw, offsets), np.fmax.reduceat(raw, offsets)  # [S, D]
    # a mean of equal numbers, as of resampled rows, differs from them in its last digits
    alike = RELATIVE_TOLERANCE * np.maximum(np.abs(low), np.abs(high))
    problems = []
    for column, name in enumerate(group.columns):
        changing = np.flatnonzero(high[:, column] - low[:, column] > alike[:, column])
        if len(changing):
            words = column_categories(table, name)
            two = (low[changing[0], column], high[changing[0], column])
            shown = " and ".join(f"'{words[int(v)]}'" if words else f"{v:g}" for v in two)
            found = (
                f"the column changes within {len(changing):,} series, such as "
                f"'{panel.labels()[changing[0]]}', which has {shown}"
            )
            cure = "list it under features.past, or under features.future if it is known ahead"
            problems.append(Problem(f"features.static: {name}", found, cure))
    if problems:
        raise DataError(*problems)


def _check_future_known(
    covariates: Sequence[Covariate],
    table: Table,
    panel: Panel,
    rows: _CovariateRows,
    required_steps: int,
) -> None:
    """DataError naming series and dates whose covariates are not known for the `needed` steps."""
    problems: list[Problem] = []
    names = [name for one in covariates if one.role == "future" for name in one.columns]
    if not names:
        return
    blank = np.isnan(rows.expand_to_horizon(raw_covariates(panel, names)))
    words = np.array([column_categories(table, name) is not None for name in names])
    blank &= ~(words & rows.has_row[:, None])  # a blank category or text says something
    beyond = rows.step - rows.lengths[rows.series]
    blank &= ((beyond >= 0) & (beyond < required_steps))[:, None]
    missing = blank.any(axis=1)
    lacking = np.unique(rows.series[missing])
    labels = panel.labels()
    for series in lacking[:MAX_SHOWN_PROBLEMS]:
        own = missing & (rows.series == series)
        at = np.array([rows.step[own].min(), rows.step[own].max()])
        first = np.zeros(panel.n_series, dtype=np.int64)
        days = []
        for step in at:
            first[series] = step
            days.append(
                format_timestamp(
                    panel.window_timestamps(first, 1)[series, 0], panel.display_timezone
                )
            )
        columns = [name for name, some in zip(names, blank[own].any(axis=0), strict=True) if some]
        found = (
            f"{', '.join(columns)} not known at {own.sum():,} of the steps to forecast, from "
            f"{days[0]} to {days[1]}"
        )
        cure = "add rows with these columns, or set features.missing_future to last or seasonal"
        problems.append(Problem(f"series '{labels[series]}'", found, "" if problems else cure))
    if len(lacking) > MAX_SHOWN_PROBLEMS:
        problems.append(Problem("", f"… and {len(lacking) - MAX_SHOWN_PROBLEMS:,} more series"))
    if problems:
        raise DataError(*problems)
