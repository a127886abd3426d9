"""The choice of `features.calendar`: the cycles that make simple forecasts better, or none.

Values some steps ahead are forecast by ridge regression from values one and more seasons before,
from covariates that are known ahead, and from the cycles of the calendar. Each part of the time is
forecast by a fit to the others. All series share the coefficients, as they share a network: series
with phases of their own have no use for a common calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.data.cleaning_plan import AlignedData, CleanedData, CleaningPlan
from rnnforecast.data.features.features import build_features
from rnnforecast.data.time.calendar_features import cycle_features, select_cycles
from rnnforecast.data.windows.split import Split
from rnnforecast.pipeline.auto import AutoChoice
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import join_names

KEY = "features.calendar"

MIN_GAIN = 0.03
"""The share by which cycles must lower the error."""
MIN_ROWS = 1_000
MAX_ROWS = 6_000
"""Values that are forecast, evenly spaced; with fewer the choice is left to chance."""
MAX_TARGETS = 4
MAX_COVARIATES = 12
FOLDS = 6
LEADS = 3
"""Steps ahead that are forecast, from the first one to the horizon."""
LAGS = 14
"""Seasons that a forecast reads."""
HARMONICS = 4
"""Harmonics of each cycle: a network makes such functions of its sine and cosine."""
PENALTIES = (1e-4, 1e-3, 1e-2)
"""Penalties of the regression in shares of the rows; the best is taken."""
OUTLIERS = 0.005
"""Share of the values at each end that are clipped."""


def choose_calendar(
    spec: Spec, plan: CleaningPlan, aligned: AlignedData, cleaned: CleanedData, split: Split
) -> tuple[CleaningPlan, CleanedData, list[AutoChoice]]:
    """The plan and the data with the chosen cycles, and the choice; unchanged unless it is `auto`.

    The data are read up to the held-out horizon, without its values.
    """
    panel, horizon = cleaned.panel, spec.window.horizon
    if spec.features.calendar != "auto":
        return plan, cleaned, []
    usual = select_cycles(panel.frequency, "auto")
    plan = _with_cycles(plan, ())
    if not usual or panel.irregular_timestamps is not None:
        return plan, cleaned, []
    candidates = [tuple(name for name in usual if name != "day_of_year"), usual]
    errors = _relative_errors(
        cleaned,
        list(dict.fromkeys(each for each in candidates if each)),
        split.test_origin,
        season=int(spec.window.season),
        horizon=horizon,
    )
    if not errors:
        return plan, cleaned, [AutoChoice(KEY, "none", "too few values to choose by")]
    cycles = min(errors, key=lambda names: errors[names])
    if errors[cycles] > 1 - MIN_GAIN:
        reason = "the calendar makes simple forecasts of the training part no better"
        return plan, cleaned, [AutoChoice(KEY, "none", reason)]
    plan = _with_cycles(plan, cycles)
    features = build_features(
        plan.features, aligned.table, panel, horizon=horizon, season=plan.season
    )
    reason = (
        f"in the training part they lower the error of simple forecasts by {1 - errors[cycles]:.0%}"
    )
    choice = AutoChoice(KEY, join_names(cycles), reason)
    return plan, replace(cleaned, features=features), [choice]


def _with_cycles(plan: CleaningPlan, cycles: tuple[str, ...]) -> CleaningPlan:
    spec = plan.features.spec.model_copy(update={"calendar": cycles or "none"})
    return replace(plan, features=replace(plan.features, spec=spec, calendar=cycles))


def _relative_errors(
    cleaned: CleanedData,
    candidates: Sequence[tuple[str, ...]],
    ends: Ints,
    *,
    season: int,
    horizon: int,
) -> dict[tuple[str, ...], float]:
    """The error with each candidate, relative to that without a calendar; empty for few values."""
    sums: dict[tuple[str, ...], list[float]] = {names: [] for names in candidates}
    for lead in np.unique(np.linspace(1, horizon, LEADS).round().astype(np.int64)):
        sample = _Sample(cleaned, ends, _lags(int(lead), season, int(ends.max())))
        if len(sample.y) < MIN_ROWS:
            continue
        without = sample.error(())
        for names, found in sums.items():
            found.append(sample.error(names) / without if without > 0 else 1.0)
    return {names: float(np.mean(found)) for names, found in sums.items() if found}


def _lags(lead: int, season: int, longest: int) -> Ints:
    """Steps back from the value that is forecast: whole seasons, and the last values known."""
    if season == 1:
        lags = lead + np.arange(LAGS)
    else:
        first = -(-lead // season)
        seasons = (first + np.arange(LAGS)) * season
        lags = np.unique([lead, lead + 1, lead + season // 2, *seasons])
    return lags[lags <= max(longest // 2, lead)]


class _Sample:
    """Values of the training part with what they are forecast from; R rows."""

    def __init__(self, cleaned: CleanedData, ends: Ints, lags: Ints) -> None:
        """Values of series with all `lags` before them, and before the steps `ends [S]`."""
        panel = cleaned.panel
        rows = np.flatnonzero(
            panel.mask_before(ends) & ~panel.mask_before(np.full(panel.n_series, lags.max()))
        )
        targets = _evenly_spaced(np.arange(cleaned.values.shape[1]), MAX_TARGETS)
        rows = _evenly_spaced(rows, MAX_ROWS // len(targets))
        row, column = np.repeat(rows, len(targets)), np.tile(targets, len(rows))
        known = cleaned.target_mask[row, column]
        row, column = row[known], column[known]
        past = cleaned.filled.inputs[row[:, None] - lags, column[:, None]]  # [R, lags]
        level = past.mean(1, keepdims=True)
        size = np.abs(past - level).mean(1, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        y = (cleaned.values[row, column] - level[:, 0]) / size[:, 0]
        self.y = np.clip(y, *np.quantile(y, [OUTLIERS, 1 - OUTLIERS])) if len(y) else y
        series = np.searchsorted(panel.offsets, row, side="right") - 1
        ordinals = panel.start[series] + row - panel.offsets[series]
        self.covariates = _covariates(cleaned, row, series)
        ones = np.ones((len(row), 1))
        self.x = np.hstack([ones, (past - level) / size, self.covariates])
        timestamps = panel.frequency.timestamps(ordinals, panel.phase[series])
        self.local = panel.to_display_timezone(timestamps)
        self.fold = _folds(ordinals)

    def error(self, cycles: tuple[str, ...]) -> float:
        """The mean absolute error of values forecast by a fit to the other parts of the time."""
        x = self.x
        if cycles:
            calendar = self._calendar(cycles)
            # covariates may count by the time of the day
            products = calendar[:, : 4 * HARMONICS, None] * self.covariates[:, None]
            x = np.hstack([x, calendar, products.reshape(len(x), -1)])
        parts = [(x[self.fold == fold], self.y[self.fold == fold]) for fold in range(FOLDS)]
        grams = np.stack([part.T @ part for part, _ in parts])
        crosses = np.stack([part.T @ y for part, y in parts])
        errors = np.zeros(len(PENALTIES))
        for left_out, (part, y) in enumerate(parts):
            gram = grams.sum(0) - grams[left_out]
            cross = crosses.sum(0) - crosses[left_out]
            for index, penalty in enumerate(PENALTIES):
                ridge = penalty * len(x) * np.eye(len(gram))
                errors[index] += np.abs(y - part @ np.linalg.solve(gram + ridge, cross)).sum()
        return float(errors.min() / len(x))

    def _calendar(self, cycles: tuple[str, ...]) -> Floats:
        """`[R, n]` harmonics of the cycles, and the course of the day on each day of the week."""
        waves = cycle_features(self.local, cycles).astype(np.float64)
        angle = np.arctan2(waves[:, ::2], waves[:, 1::2])  # [R, cycles]
        order = angle[:, :, None] * np.arange(1, HARMONICS + 1)
        harmonics = np.concatenate([np.sin(order), np.cos(order)], axis=2)  # [R, cycles, 2K]
        columns = [harmonics.reshape(len(angle), -1)]
        if {"hour_of_day", "day_of_week"} <= set(cycles):
            day = harmonics[:, cycles.index("hour_of_day"), :, None]
            week = harmonics[:, cycles.index("day_of_week"), None]
            columns.append((day * week).reshape(len(angle), -1))
        return np.hstack(columns)


def _covariates(cleaned: CleanedData, row: Ints, series: Ints) -> Floats:
    """`[R, n]` covariates known ahead, standardized, and their squares."""
    features = cleaned.features
    found = features.future[row + series * features.horizon, :MAX_COVARIATES].astype(np.float64)
    found = np.hstack([found, found**2])
    if not found.size:
        return found
    deviation = found.std(0)
    return np.asarray((found - found.mean(0)) / np.where(deviation > 0, deviation, 1.0))


def _folds(time: Ints) -> Ints:
    """`[R]` the part of the time of each row, 0 to `FOLDS` - 1."""
    if not len(time):
        return time
    since = time - time.min()
    return np.asarray(since * FOLDS // (since.max() + 1))


def _evenly_spaced(values: Ints, count: int) -> Ints:
    """At most `count` of the values, evenly spaced."""
    size = min(len(values), count)
    return values[np.arange(size) * len(values) // max(size, 1)]
