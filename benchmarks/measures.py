"""Measures of forecasts: sMAPE, MASE and OWA of the M4 competition, quantile loss, coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnnforecast.types import Floats, Ints

CRITICAL = 1.645
"""Two-sided 90 % point of the normal distribution, for the M4 test of seasonality."""

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)

HEADINGS = {
    "train_s": ("train, s", 0),
    "predict_s": ("predict, s", 1),
    "parameters": ("parameters", 0),
    "smape": ("sMAPE %", 2),
    "mase": ("MASE", 3),
    "owa": ("OWA", 3),
    "wql": ("WQL", 4),
    "mse": ("MSE", 3),
    "mae": ("MAE", 3),
    "cover_80": ("in 80 % band", 1),
    "cover_95": ("in 95 % band", 1),
    "total_s": ("total, s", 0),
    "series_s": ("s a series", 3),
    "import_s": ("import, s", 1),
    "peak_gb": ("peak GB", 2),
    "packages": ("packages", 0),
}
"""Heading and decimals of each measure."""


def headings(*measures: str) -> dict[str, tuple[str, int]]:
    """The headings of a table of these measures."""
    return {measure: HEADINGS[measure] for measure in measures}


def smape(actual: Floats, forecast: Floats) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; 0 where both are zero."""
    size = np.abs(actual) + np.abs(forecast)
    error = np.abs(actual - forecast)
    return 200.0 * float(np.mean(np.divide(error, size, out=np.zeros_like(size), where=size > 0)))


def mase(actual: Floats, forecast: Floats, history: Floats, season: int) -> float:
    """Mean absolute error, scaled by that of the seasonal naive forecast in the history."""
    scale = np.mean(np.abs(history[season:] - history[:-season]))
    return float(np.mean(np.abs(actual - forecast)) / scale)


def owa(ours: tuple[float, float], naive: tuple[float, float]) -> float:
    """Overall weighted average: the mean of sMAPE and MASE relative to Naive2."""
    return (ours[0] / naive[0] + ours[1] / naive[1]) / 2


def naive2(history: Floats, season: int, horizon: int) -> Floats:
    """`[horizon]` forecast of Naive2: the last seasonally adjusted value, reseasonalized.

    The season is multiplicative, as in the M4 competition, whose values are all positive; where
    some are not, additive.
    """
    size = len(history)
    if not has_season(history, season):
        return np.full(horizon, history[-1])
    ahead = (size + np.arange(horizon)) % season
    if history.min() > 0:
        factors = seasonal_factors(history, season)
        return np.asarray(history[-1] / factors[(size - 1) % season] * factors[ahead])
    terms = seasonal_terms(history, season)
    return np.asarray(history[-1] - terms[(size - 1) % season] + terms[ahead])


def has_season(history: Floats, season: int) -> bool:
    """The M4 test: the autocorrelation at lag `season` exceeds Bartlett's 90 % bound."""
    if season < 2 or len(history) < 3 * season:
        return False
    centered = history - history.mean()
    power = float(centered @ centered)
    if power == 0:
        return False
    correlation = np.array([centered[k:] @ centered[:-k] for k in range(1, season + 1)]) / power
    bound = CRITICAL * np.sqrt((1 + 2 * np.sum(correlation[:-1] ** 2)) / len(history))
    return bool(abs(correlation[-1]) > bound)


def seasonal_factors(history: Floats, season: int) -> Floats:
    """`[season]` factors of classical multiplicative decomposition with mean 1, from step 0."""
    trend, rows = moving_average(history, season)
    factors = _phase_means(history[rows] / trend, rows, season)
    return np.asarray(factors / factors.mean())


def seasonal_terms(history: Floats, season: int) -> Floats:
    """`[season]` terms of classical additive decomposition with mean 0, from step 0."""
    trend, rows = moving_average(history, season)
    terms = _phase_means(history[rows] - trend, rows, season)
    return np.asarray(terms - terms.mean())


def moving_average(history: Floats, season: int) -> tuple[Floats, Ints]:
    """Means over a season, centered on a step, and the rows of `history` that have one."""
    kernel = np.full(season, 1.0)
    if season % 2 == 0:  # centered on a step: half the weight at either end
        kernel = np.concatenate([[0.5], np.full(season - 1, 1.0), [0.5]])
    trend = np.convolve(history, kernel / season, mode="valid")
    return trend, len(kernel) // 2 + np.arange(len(trend))


def _phase_means(values: Floats, rows: Ints, season: int) -> Floats:
    phase = rows % season
    totals = np.bincount(phase, weights=values, minlength=season)
    return np.asarray(totals / np.bincount(phase, minlength=season))


def quantile_loss(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Weighted quantile loss: twice the pinball loss over the sum of |actual|, mean over levels.

    `actual [N]`, `quantiles [N, Q]`.
    """
    errors = actual[:, None] - quantiles
    level = np.asarray(levels)
    pinball = np.maximum(level * errors, (level - 1) * errors)
    return float(2 * pinball.sum(0).mean() / np.abs(actual).sum())


def score(
    train: pd.DataFrame, test: pd.DataFrame, forecast: pd.DataFrame, season: int
) -> dict[str, float]:
    """All measures of a forecast table; those of quantiles if it has all of `LEVELS`.

    Raises ValueError if it does not cover the test table.
    """
    joined = test.merge(forecast, on=["unique_id", "ds"], how="left", validate="1:1")
    if joined["yhat"].isna().any():
        raise ValueError(f"{int(joined['yhat'].isna().sum())} of {len(joined)} forecasts missing")
    histories = {str(key): part["y"].to_numpy(float) for key, part in train.groupby("unique_id")}
    ours: list[tuple[float, float]] = []
    naive: list[tuple[float, float]] = []
    for key, part in joined.groupby("unique_id"):
        history, actual = histories[str(key)], part["y"].to_numpy(float)
        simple = naive2(history, season, len(actual))
        for scores, found in ((ours, part["yhat"].to_numpy(float)), (naive, simple)):
            scores.append((smape(actual, found), mase(actual, found, history, season)))
    (our_smape, our_mase), (naive_smape, naive_mase) = np.mean(ours, 0), np.mean(naive, 0)
    found = {
        "smape": float(our_smape),
        "mase": float(our_mase),
        "owa": owa((our_smape, our_mase), (naive_smape, naive_mase)),
    }
    names = [f"q{level:g}" for level in LEVELS]
    if not set(names) <= set(joined.columns):
        return found
    actual = joined["y"].to_numpy(float)
    quantiles = joined[names].to_numpy(float)
    low, lower, _, upper, high = quantiles.T
    return found | {
        "wql": quantile_loss(actual, quantiles, LEVELS),
        "cover_80": 100 * float(np.mean((lower <= actual) & (actual <= upper))),
        "cover_95": 100 * float(np.mean((low <= actual) & (actual <= high))),
    }
