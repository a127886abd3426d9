"""Features of the network besides the targets: covariates from columns, and the calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.imputation import ImputerOptions, impute
from rnnforecast.data.features.covariates import (
    Covariate,
    CovariateGroup,
    CovariatePlan,
    CovariateRole,
    EncodedCovariate,
    column_categories,
    encode_covariate,
    fit_covariates,
    raw_covariates,
)
from rnnforecast.data.io.column_roles import expand_patterns
from rnnforecast.data.panel.irregular import time_since_previous
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.problems import MAX_SHOWN_PROBLEMS
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.features import FeaturesSpec
from rnnforecast.types import Bools, Floats, Floats32, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


RELATIVE_TOLERANCE = 1e-9
"""Numbers of a static column that differ by no more than this share are equal."""


@dataclass(frozen=True)
class FeaturePlan:
    """Columns and calendar features by spec, and what is fitted of them."""

    spec: FeaturesSpec = field(default_factory=FeaturesSpec)
    calendar: tuple[str, ...] = ()
    """Cycles; those of the frequency where the spec leaves it to us."""
    covariates: CovariatePlan = field(default_factory=CovariatePlan)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is too large for them is in `arrays`."""
        return {
            "spec": self.spec.model_dump(),
            "calendar": list(self.calendar),
            "covariates": self.covariates.to_json(),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The reductions of texts and vectors."""
        return dict(self.covariates.arrays())

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FeaturePlan:
        """The plan that `to_json` and `arrays` wrote."""
        return cls(
            FeaturesSpec.model_validate(stored["spec"]),
            tuple(stored["calendar"]),
            CovariatePlan.from_json(stored["covariates"], arrays),
        )


@dataclass(frozen=True)
class FeatureTables:
    """Covariates and calendar features as flat tables, numbers and category codes apart.

    A table without features has no column.
    """

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
    """Of each column of `past_codes`, the number of codes: 0 to cardinality - 1."""
    future_cardinalities: tuple[int, ...] = ()
    static_cardinalities: tuple[int, ...] = ()
    unseen_count: int = 0
    """Cells with a category that the training part does not have."""

    def tables(self) -> list[npt.NDArray[Any]]:
        """All tables, for a hash of the data."""
        return [
            self.past,
            self.past_codes,
            self.future,
            self.future_codes,
            self.static,
            self.static_codes,
        ]


def fit_features(plan: FeaturePlan, table: Table, panel: Panel, train_mask: Bools) -> FeaturePlan:
    """The plan with columns in place of patterns, fitted to the rows `train_mask [N]`.

    DataError for a cycle that the frequency does not have, a region without holidays, and a static
    column that changes.
    """
    spec, names = plan.spec, list(table.covariates)
    text = _expand_patterns(spec.text, names)
    roles: dict[CovariateRole, tuple[str, ...]] = {
        "past": spec.past,
        "future": spec.future,
        "static": spec.static,
    }
    groups = [
        CovariateGroup(columns, role, is_text=any(name in columns for name in text))
        for role, patterns in roles.items()
        for columns in _group_columns(patterns, table, spec.vector_size)
    ]
    for group in groups:
        if group.role == "static":
            _check_static(group, table, panel)
    if spec.holidays:
        _check_holidays(spec.holidays, panel)
    covariates = fit_covariates(
        groups, table, panel, train_mask, text_size=spec.text_size, vector_size=spec.vector_size
    )
    cycles = calendar.select_cycles(panel.frequency, spec.calendar)
    return replace(plan, calendar=cycles, covariates=covariates)


def build_features(
    plan: FeaturePlan, table: Table, panel: Panel, *, horizon: int, season: int
) -> FeatureTables:
    """The features of a panel by a fitted plan, for `horizon` steps beyond each series' end."""
    rows = _CovariateRows.from_panel(panel, horizon)
    encoded: dict[str, list[EncodedCovariate]] = {"past": [], "future": [], "static": []}
    cardinalities: dict[str, list[int]] = {role: [] for role in encoded}
    for place, covariate in enumerate(plan.covariates.covariates):
        categories = column_categories(table, covariate.columns[0])
        raw, offsets = rows.gather(
            covariate, panel, season, plan.spec.missing_future, categories is not None
        )
        reduction = plan.covariates.reductions.get(place, {})
        encoded[covariate.role].append(
            encode_covariate(covariate, reduction, raw, offsets, categories)
        )
        if covariate.kind == "category":
            cardinalities[covariate.role].append(len(covariate.vocabulary) + 1)
    n_rows = {"past": len(panel.targets), "future": rows.size, "static": panel.n_series}
    calendar_features = {
        "past": _gap_features(panel),
        "future": _time_features(plan, panel, rows),
        "static": [],
    }

    def numbers(role: str) -> Floats32:
        columns = [*(part.numbers for part in encoded[role]), *calendar_features[role]]
        return _hstack_columns(columns, n_rows[role], np.float32)

    def codes(role: str) -> Ints:
        return _hstack_columns([part.codes for part in encoded[role]], n_rows[role], np.int64)

    return FeatureTables(
        past=numbers("past"),
        past_codes=codes("past"),
        future=numbers("future"),
        future_codes=codes("future"),
        static=numbers("static"),
        static_codes=codes("static"),
        horizon=horizon,
        past_cardinalities=tuple(cardinalities["past"]),
        future_cardinalities=tuple(cardinalities["future"]),
        static_cardinalities=tuple(cardinalities["static"]),
        unseen_count=sum(part.unseen_count for parts in encoded.values() for part in parts),
    )


@dataclass(frozen=True)
class _CovariateRows:
    """Rows of covariates: as read, of the panel alone, and with `horizon` steps more."""

    wide_offsets: Ints  # [S + 1] as read
    horizon_offsets: Ints  # [S + 1] with the horizon
    lengths: Ints  # [S]
    horizon: int

    @classmethod
    def from_panel(cls, panel: Panel, horizon: int) -> _CovariateRows:
        horizon_offsets = np.r_[0, np.cumsum(panel.lengths + horizon)]
        return cls(panel.wide_offsets, horizon_offsets, panel.lengths, horizon)

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
        """[size] whether the file has the row."""
        stop = self.wide_offsets[self.series + 1]
        result: Bools = self.wide_offsets[self.series] + self.step < stop
        return result

    def expand_to_horizon(self, raw: Floats) -> Floats:
        """`raw [M, D]` at the rows with the horizon, NaN where the file has no row."""
        row, has_row = self.wide_offsets[self.series] + self.step, self.has_row
        return np.where(has_row[:, None], raw[np.where(has_row, row, 0)], np.nan)

    def gather(
        self,
        covariate: Covariate,
        panel: Panel,
        season: int,
        missing_future: str,
        blank_is_value: bool,
    ) -> tuple[Floats, Ints]:
        """The raw rows of a covariate, and the row at which each series begins.

        Where a blank has a meaning (no event, no text), only missing rows are filled.
        """
        raw = raw_covariates(panel, covariate.columns)
        if covariate.role == "static":
            last = impute(raw, ~np.isnan(raw), self.wide_offsets, "ffill")
            end = self.wide_offsets[1:] - 1
            value = np.where(last.value_mask[end], last.inputs[end], np.nan)
            return value, np.arange(len(end) + 1)
        raw = self.expand_to_horizon(raw)
        beyond = self.step >= self.lengths[self.series]
        if covariate.role == "past":
            return raw[~beyond], panel.offsets
        known = ~np.isnan(raw)
        if blank_is_value:
            known = np.broadcast_to(self.has_row[:, None], raw.shape)
        missing = beyond[:, None] & ~known
        if missing.any():
            method = "seasonal" if missing_future == "seasonal" and season > 1 else "ffill"
            filled = impute(
                raw, known, self.horizon_offsets, method, options=ImputerOptions(season=season)
            )
            raw = np.where(missing & filled.value_mask, filled.inputs, raw)
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


def _time_features(plan: FeaturePlan, panel: Panel, rows: _CovariateRows) -> list[Floats32]:
    """Cycles of the calendar, holidays and age, `[N + S * horizon, X]` each."""
    spec, parts = plan.spec, []
    if plan.calendar or spec.holidays:
        local = panel.to_display_timezone(panel.flat_timestamps(rows.horizon))
        if plan.calendar:
            parts.append(calendar.cycle_features(local, plan.calendar))
        if spec.holidays:
            parts.append(
                calendar.holiday_features(
                    local, panel.frequency, spec.holidays, spec.holiday_window
                )
            )
    if spec.age:
        parts.append(calendar.age_feature(rows.step))
    return parts


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


def check_future_known(plan: FeaturePlan, table: Table, panel: Panel, required_steps: int) -> None:
    """DataError with series and dates for which a future covariate is not known at the first
    `required_steps` steps ahead, unless the spec replaces missing ones."""
    names = [
        name
        for covariate in plan.covariates.covariates
        if covariate.role == "future"
        for name in covariate.columns
    ]
    if not names or not required_steps or plan.spec.missing_future != "error":
        return
    rows = _CovariateRows.from_panel(panel, required_steps)
    blank = np.isnan(rows.expand_to_horizon(raw_covariates(panel, names)))
    is_categorical = np.array([column_categories(table, name) is not None for name in names])
    blank &= ~(is_categorical & rows.has_row[:, None])  # there a blank is a category too
    blank &= (rows.step >= rows.lengths[rows.series])[:, None]
    missing = blank.any(axis=1)
    incomplete = np.unique(rows.series[missing])
    problems: list[Problem] = []
    for series in incomplete[:MAX_SHOWN_PROBLEMS]:
        own = missing & (rows.series == series)
        columns = [name for name, some in zip(names, blank[own].any(axis=0), strict=True) if some]
        first, last = (
            _format_step(panel, series, step)
            for step in (rows.step[own].min(), rows.step[own].max())
        )
        found = (
            f"{', '.join(columns)} not known at {own.sum():,} of the steps to forecast, from "
            f"{first} to {last}"
        )
        cure = "add rows with these columns, or set features.missing_future to last or seasonal"
        problems.append(
            Problem(f"series '{panel.labels()[series]}'", found, "" if problems else cure)
        )
    if len(incomplete) > MAX_SHOWN_PROBLEMS:
        problems.append(Problem("", f"… and {len(incomplete) - MAX_SHOWN_PROBLEMS:,} more series"))
    if problems:
        raise DataError(*problems)


def _format_step(panel: Panel, series: int, step: int) -> str:
    """The timestamp of a step of a series."""
    steps = np.full(panel.n_series, step, dtype=np.int64)
    return format_timestamp(panel.window_timestamps(steps, 1)[series, 0], panel.display_timezone)
