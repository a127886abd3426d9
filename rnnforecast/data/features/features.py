"""Features of the network besides the targets: covariates from columns, and the calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.features.checks import check_holidays, check_static
from rnnforecast.data.features.covariate_rows import CovariateRows
from rnnforecast.data.features.covariates import (
    CovariateGroup,
    CovariateRole,
    EncodedCovariate,
    column_categories,
    encode_covariate,
    fit_covariates,
)
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.io.column_names import expand_patterns
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.irregular import time_since_previous
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.types import Bools, Floats32, Ints


@dataclass(frozen=True)
class FeatureTables:
    """Covariates and calendar features as flat tables: numbers and category codes.

    A table without features has no columns.
    """

    past: Floats32
    """[N, P] scaled."""
    past_codes: Ints
    """[N, number of past categories]."""
    future: Floats32
    """[N + S * horizon, F]: each series continues for `horizon` steps."""
    future_codes: Ints
    static: Floats32
    """[S, R]."""
    static_codes: Ints
    horizon: int
    past_cardinalities: tuple[int, ...] = ()
    """The number of codes in each column of `past_codes`: 0 to cardinality - 1."""
    future_cardinalities: tuple[int, ...] = ()
    static_cardinalities: tuple[int, ...] = ()
    unseen_count: int = 0
    """Cells whose category has no code."""

    def tables(self) -> list[npt.NDArray[Any]]:
        """All tables, in the order of `input_columns.TABLES`."""
        return [
            self.past,
            self.past_codes,
            self.future,
            self.future_codes,
            self.static,
            self.static_codes,
        ]


def fit_features(plan: FeaturePlan, table: Table, panel: Panel, train_mask: Bools) -> FeaturePlan:
    """The plan fitted to the rows `train_mask [N]`.

    DataError for a cycle that is no longer than a step, a region without holidays, and a static
    column that changes within a series.
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
            check_static(group, table, panel)
    if spec.holidays:
        check_holidays(spec.holidays, panel)
    covariates = fit_covariates(
        groups, table, panel, train_mask, text_size=spec.text_size, vector_size=spec.vector_size
    )
    given = "none" if spec.calendar == "auto" else spec.calendar  # chosen once there are inputs
    cycles = calendar.select_cycles(panel.frequency, given)
    return replace(plan, calendar=cycles, covariates=covariates)


def build_features(
    plan: FeaturePlan, table: Table, panel: Panel, *, horizon: int, season: int
) -> FeatureTables:
    """The features of a panel by a fitted plan, for `horizon` steps beyond each series' end."""
    rows = CovariateRows.from_panel(panel, horizon)
    encoded: dict[str, list[EncodedCovariate]] = {"past": [], "future": [], "static": []}
    cardinalities: dict[str, list[int]] = {role: [] for role in encoded}
    for position, covariate in enumerate(plan.covariates.covariates):
        categories = column_categories(table, covariate.columns[0])
        raw, offsets = rows.gather(
            covariate, panel, season, plan.spec.missing_future, categories is not None
        )
        reduction = plan.covariates.reductions.get(position, {})
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


def _hstack_columns(
    parts: Sequence[npt.NDArray[Any] | None], n_rows: int, dtype: type[np.generic]
) -> npt.NDArray[Any]:
    """The parts side by side, `[n_rows, columns]`."""
    columns = [part.reshape(n_rows, -1) for part in parts if part is not None]
    return np.hstack([np.zeros((n_rows, 0)), *columns]).astype(dtype)


def _gap_features(panel: Panel) -> list[Floats32]:
    """The log of the time since the previous row, if the rows are irregular; `[N]`."""
    if panel.irregular_timestamps is None:
        return []
    gap = time_since_previous(panel.irregular_timestamps, panel.offsets, panel.frequency)
    return [np.log1p(np.maximum(gap, 0.0)).astype(np.float32)]


def _time_features(plan: FeaturePlan, panel: Panel, rows: CovariateRows) -> list[Floats32]:
    """Cycles of the calendar, holidays and age, each with N + S * horizon rows."""
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
    """Groups of columns that are encoded together: the columns of numbers of a pattern if they are
    more than `vector_size`, and every other column by itself."""
    groups: list[tuple[str, ...]] = []
    for pattern in patterns:
        columns = _expand_patterns([pattern], list(table.covariates))
        numbers = [column for column in columns if column_categories(table, column) is None]
        together = len(numbers) > vector_size
        groups += [tuple(numbers)] if together else []
        groups += [(column,) for column in columns if not (together and column in numbers)]
    return groups
