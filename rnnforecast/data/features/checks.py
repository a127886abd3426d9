"""Checks of feature columns against the data, each with all problems at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.data.features.covariate_rows import CovariateRows
from rnnforecast.data.features.covariates import (
    CovariateGroup,
    column_categories,
    raw_covariates,
)
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.io.diagnostics import MAX_SHOWN_PROBLEMS
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Ints

RELATIVE_TOLERANCE = 1e-9
"""Numbers of a static column whose relative difference is no larger are taken as equal."""


def check_holidays(region: str, panel: Panel) -> None:
    """DataError if the panel has no dates, or if there is no such country or region."""
    if panel.frequency.kind == "integer":
        found = "time is a whole number, so that there are no dates to have holidays"
        raise DataError(Problem("features.holidays", found, "leave it out"))
    try:
        calendar.parse_holiday_location(region)
    except ValueError as error:
        cure = "name a country such as DE, or a region such as DE-BY"
        raise DataError(Problem("features.holidays", str(error), cure)) from None


def check_static(group: CovariateGroup, table: Table, panel: Panel) -> None:
    """DataError if a series has several values of a static column."""
    raw = raw_covariates(panel, group.columns)
    offsets = panel.wide_offsets[:-1]
    low, high = np.fmin.reduceat(raw, offsets), np.fmax.reduceat(raw, offsets)  # [S, D]
    # the mean of equal numbers, such as resampled rows, may differ from them in its last digits
    tolerance = RELATIVE_TOLERANCE * np.maximum(np.abs(low), np.abs(high))
    problems = []
    for column, name in enumerate(group.columns):
        changing = np.flatnonzero(high[:, column] - low[:, column] > tolerance[:, column])
        if len(changing):
            categories = column_categories(table, name)
            two = (low[changing[0], column], high[changing[0], column])
            shown = " and ".join(f"'{categories[int(v)]}'" if categories else f"{v:g}" for v in two)
            found = (
                f"the column changes within {len(changing):,} series, such as "
                f"'{panel.labels()[changing[0]]}', which has {shown}"
            )
            cure = "list it under features.past, or under features.future if it is known ahead"
            problems.append(Problem(f"features.static: {name}", found, cure))
    if problems:
        raise DataError(*problems)


def check_future_known(
    plan: FeaturePlan, table: Table, panel: Panel, required_steps: int, *, for_all: bool = True
) -> None:
    """DataError for series without a future covariate at some of the first `required_steps` steps
    ahead, unless the spec replaces missing values; unless `for_all`, only if no series has all."""
    if not for_all and not unknown_future_mask(plan, table, panel, required_steps).all():
        return
    problems = unknown_future_problems(plan, table, panel, required_steps)
    if problems:
        raise DataError(*problems)


def unknown_future_mask(
    plan: FeaturePlan, table: Table, panel: Panel, required_steps: int
) -> Bools:
    """[S] the series of `check_future_known`."""
    mask = np.zeros(panel.n_series, dtype=np.bool_)
    names = plan.future_columns
    if names and required_steps and plan.spec.missing_future == "error":
        rows, blank = _unknown_ahead(table, panel, names, required_steps)
        mask[rows.series[blank.any(axis=1)]] = True
    return mask


def unknown_future_problems(
    plan: FeaturePlan,
    table: Table,
    panel: Panel,
    required_steps: int,
    *,
    horizon_key: str = "--horizon",
) -> list[Problem]:
    """The problems of `check_future_known`; `horizon_key` is where a shorter horizon is set."""
    names = plan.future_columns
    if not names or not required_steps or plan.spec.missing_future != "error":
        return []
    rows, blank = _unknown_ahead(table, panel, names, required_steps)
    missing = blank.any(axis=1)
    incomplete = np.unique(rows.series[missing])
    if not len(incomplete):
        return []
    n_known = int((rows.step - rows.lengths[rows.series])[missing].min())
    problems: list[Problem] = []
    for series in incomplete[:MAX_SHOWN_PROBLEMS]:
        own = missing & (rows.series == series)
        columns = [name for name, some in zip(names, blank[own].any(axis=0), strict=True) if some]
        first, last = (
            _format_step(panel, series, step)
            for step in (rows.step[own].min(), rows.step[own].max())
        )
        n_known_here = int(rows.step[own].min() - panel.lengths[series])
        found = (
            f"{', '.join(columns)} not known at {own.sum():,} of the steps to forecast, from "
            f"{first} to {last}: known for the first {n_known_here:,} steps, needed for "
            f"{required_steps:,}"
        )
        cure = "" if problems else _future_cure(n_known, horizon_key)
        problems.append(Problem(f"series '{panel.labels()[series]}'", found, cure))
    if len(incomplete) > MAX_SHOWN_PROBLEMS:
        problems.append(Problem("", f"… and {len(incomplete) - MAX_SHOWN_PROBLEMS:,} more series"))
    return problems


def known_steps_ahead(table: Table, panel: Panel, names: Sequence[str]) -> Ints:
    """[S, len(names)] the steps after the end of each series at which a covariate is known, up to
    the first at which it is not."""
    longest = 0 if panel.future_steps is None else int(panel.future_steps.max())
    if not longest:
        return np.zeros((panel.n_series, len(names)), dtype=np.int64)
    rows, blank = _unknown_ahead(table, panel, names, longest)
    ahead = (rows.step - rows.lengths[rows.series])[:, None]
    first = np.where(blank, ahead, longest)
    return np.minimum.reduceat(first, rows.horizon_offsets[:-1], axis=0)


def _unknown_ahead(
    table: Table, panel: Panel, names: Sequence[str], steps: int
) -> tuple[CovariateRows, Bools]:
    """The rows with `steps` more of each series, and where [rows, len(names)] a column is unknown
    in these steps; a blank category in the file is valid."""
    rows = CovariateRows.from_panel(panel, steps)
    blank = np.isnan(rows.expand_to_horizon(raw_covariates(panel, names)))
    is_categorical = np.array([column_categories(table, name) is not None for name in names])
    blank &= ~(is_categorical & rows.has_row[:, None])
    blank &= (rows.step >= rows.lengths[rows.series])[:, None]
    return rows, blank


def _future_cure(n_known: int, horizon_key: str) -> str:
    shorter = f"set {horizon_key} to {n_known} or less, " if n_known else ""
    return (
        f"add rows with these columns, {shorter}set features.missing_future to last or seasonal, "
        "or list them under features.past"
    )


def _format_step(panel: Panel, series: int, step: int) -> str:
    """The timestamp of a step of a series."""
    steps = np.full(panel.n_series, step, dtype=np.int64)
    return format_timestamp(panel.window_timestamps(steps, 1)[series, 0], panel.display_timezone)
