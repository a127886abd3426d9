"""Choice of the yearly season by cross-validation: number of harmonics, shrinkage, or none.

Each part of the time is forecast by a fit to the others, as the recent level plus the course of
the year.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.cleaning.harmonic_regression import (
    PENALTIES,
    normal_equations,
    solve_shrunk,
    trend_degree,
)
from rnnforecast.data.cleaning.weekly_means import WeeklyMeans
from rnnforecast.types import Floats, Ints

HARMONICS = (1, 2, 3, 5, 8)
"""The numbers of harmonics that are tried."""
LAGS = 13
"""Weeks that a forecast in the cross-validation reads."""
RIDGE_PENALTIES = (1e6, 1.0, 0.1, 0.01)
"""Penalties of these forecasts, relative to the mean square of the inputs; the best is taken."""
MAX_LEADS = 4
MAX_ITEMS = 32
"""Weeks ahead, and series and targets, in the cross-validation, evenly spaced."""
MAX_FOLDS = 8
MIN_GAIN, CHANCE_GAIN = 0.05, 0.1
"""The share by which a yearly season must lower the error to be removed; the second one is added
for a single series, where a slow random walk gains as much by chance, and less for several."""
MIN_STEP = 0.02
"""The share by which more harmonics must lower the error."""
MIN_OBSERVED_WEEKS = 52
"""The fewest weeks with a value of a series that counts in the cross-validation."""
MIN_ERROR = 1e-9
"""Sum of errors, in logs or relative to the size of a series, that is taken as none."""


@dataclass(frozen=True)
class SeasonChoice:
    """The outcome of the cross-validation."""

    harmonics: int
    """0 if every course of the year makes forecasts worse."""
    penalty: float
    error: float
    """Mean error of forecasts with the season, relative to that of forecasts without."""

    n_items: int = 1
    """Series and targets that the error is a mean over."""

    @property
    def is_worthwhile(self) -> bool:
        """Whether the error is lower by more than by chance."""
        return self.error <= 1 - MIN_GAIN - CHANCE_GAIN / math.sqrt(self.n_items)


def choose_season(weeks: WeeklyMeans, horizon_weeks: int) -> SeasonChoice:
    """The number of harmonics and the penalty with the least error of forecasts by weeks."""
    n_items, n_targets = len(weeks.lengths), weeks.size.shape[1]
    degree, n_trend = trend_degree(weeks.lengths), trend_degree(weeks.lengths) + 1
    item = np.repeat(np.arange(n_items), weeks.lengths)
    n_weeks = int(weeks.week.max()) + 1
    n_folds = int(np.clip(n_weeks // max(horizon_weeks, 8), 4, MAX_FOLDS))
    fold = weeks.week * n_folds // n_weeks  # [R]
    x = weeks.design(degree, HARMONICS[-1])
    q = x.shape[1]
    grams, crosses = normal_equations(
        x, weeks.z, weeks.weight, item * n_folds + fold, n_items * n_folds
    )
    grams, crosses = grams.reshape(n_items, n_folds, q, q), crosses.reshape(n_items, n_folds, q)
    forecasts = _WeeklyForecasts(weeks, item, fold, horizon_weeks)
    errors = forecasts.errors([np.zeros(len(x))] * n_folds)  # [penalties, I]
    without = errors[errors.sum(1).argmin()]
    n_observed = np.bincount(item, weeks.weight > 0, minlength=n_items)
    is_scored = (without > MIN_ERROR) & (n_observed >= MIN_OBSERVED_WEEKS)
    if not is_scored.any():
        return SeasonChoice(0, PENALTIES[0], 1.0)
    n_scored = int(is_scored.sum())
    best = SeasonChoice(0, PENALTIES[0], 1.0, n_scored)
    for harmonics in HARMONICS:
        size, candidates = n_trend + 2 * harmonics, []
        for penalty in PENALTIES[: 1 if n_items == n_targets else None]:
            seasons = []
            for left_out in range(n_folds):
                # what lies beside would tell the course of a random walk by interpolation
                kept = np.abs(np.arange(n_folds) - left_out) > 1
                gram, cross = grams[:, kept].sum(1), crosses[:, kept].sum(1)
                found = solve_shrunk(
                    gram[:, :size, :size], cross[:, :size], degree, penalty, n_targets
                )
                seasons.append((x[:, n_trend:size] * found[item, n_trend:]).sum(1))
            errors = forecasts.errors(seasons)[:, is_scored] / without[is_scored]
            error = float(errors.mean(1).min())
            candidates.append(SeasonChoice(harmonics, penalty, error, n_scored))
        found_best = min(candidates, key=lambda candidate: candidate.error)
        if found_best.error < (1 - MIN_STEP) * best.error:
            best = found_best
    return best


class _WeeklyForecasts:
    """Errors of linear forecasts of weeks from the `LAGS` weeks before, without a season of the
    year or with it removed.

    The map from lags to a week ahead is the mean of the lags plus a ridge regression, fitted to all
    items and all parts of the time but the one that is forecast.
    """

    def __init__(self, weeks: WeeklyMeans, item: Ints, fold: Ints, horizon_weeks: int) -> None:
        self.weeks, self.item, self.fold = weeks, item, fold
        count = min(MAX_LEADS, horizon_weeks)
        leads = np.linspace(1, horizon_weeks, count).round().astype(np.int64)
        self.leads = np.unique(leads)
        position = np.arange(len(item)) - weeks.offsets[item]
        known = np.where(weeks.weight > 0, np.arange(len(item)), weeks.offsets[item])
        self.latest_known = np.maximum.accumulate(known)  # [R] rows of the values of missing weeks
        self.rows = [  # the weeks that are forecast, by lead
            np.flatnonzero((weeks.weight > 0) & (position >= lead - 1 + LAGS))
            for lead in self.leads
        ]

    def errors(self, seasons: Sequence[Floats]) -> Floats:
        """[penalties, I] mean absolute errors; `seasons` [R] by the part that is forecast."""
        n_items = len(self.weeks.lengths)
        sums = np.zeros((len(RIDGE_PENALTIES), n_items))
        for left_out, season in enumerate(seasons):
            adjusted = (self.weeks.z - season)[self.latest_known]
            windows = np.lib.stride_tricks.sliding_window_view(adjusted, LAGS)  # [R - LAGS + 1, L]
            for lead, row in zip(self.leads, self.rows, strict=True):
                lags = windows[row - lead + 1 - LAGS]
                level = lags.mean(1)
                x = np.hstack([lags - level[:, None], np.ones((len(row), 1))])
                y = adjusted[row] - level
                is_test = self.fold[row] == left_out
                fitted, tested = x[~is_test], x[is_test]
                gram, cross = fitted.T @ fitted, fitted.T @ y[~is_test]
                scale = np.trace(gram) / LAGS + 1e-12
                for index, penalty in enumerate(RIDGE_PENALTIES):
                    ridge = np.full(LAGS + 1, penalty * scale)
                    forecast = tested @ np.linalg.solve(gram + np.diag(ridge), cross)
                    sums[index] += np.bincount(
                        self.item[row[is_test]], np.abs(y[is_test] - forecast), minlength=n_items
                    )
        return sums
