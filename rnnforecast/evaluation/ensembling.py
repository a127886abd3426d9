"""Combination of the forecasts of several networks, quantile by quantile; quantiles do not cross.

Averaging quantiles rather than distributions keeps the sharpness of the members; see Lichtendahl
et al. 2013, "Is it better to average probabilities or quantiles?".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Floats

SELECTION_ROUNDS = 30
"""The number of greedy rounds; weights are multiples of its inverse."""


@dataclass(frozen=True)
class ForecastCombiner:
    """The median, mean or, with `weights [M]`, weighted mean of M forecasts."""

    method: str = "median"
    weights: tuple[float, ...] = ()

    def combine(self, forecasts: Floats) -> Floats:
        """`[M, ...]` → `[...]`; a single forecast is returned unchanged."""
        if len(forecasts) == 1:
            return np.asarray(forecasts[0])
        if self.method == "weights":
            # not a dot product, whose order of summation may differ between quantiles: equal
            # quantiles could cross
            terms = (w * member for w, member in zip(self.weights, forecasts, strict=True))
            return np.asarray(sum(terms))
        average = np.median if self.method == "median" else np.mean
        return np.asarray(average(forecasts, axis=0))


def fit_combiner(
    method: str, forecasts: Floats, actual: Floats, scale: Floats, levels: Sequence[float]
) -> ForecastCombiner:
    """The combiner with `method`; for ``weights``, with those of `fit_weights`."""
    if method != "weights" or len(forecasts) == 1:
        return ForecastCombiner(method)
    weights = fit_weights(forecasts, actual, scale, levels)
    return ForecastCombiner(method, tuple(map(float, weights)))


def fit_weights(
    forecasts: Floats, actual: Floats, scale: Floats, levels: Sequence[float]
) -> Floats:
    """Weights `[M]` with sum 1 that give the weighted mean a small pinball loss.

    Greedy selection with replacement: each round adds the member that gives the smallest loss, and
    a member's weight is its share of the rounds. This overfits less than unconstrained optimization
    (Caruana et al. 2004, "Ensemble selection from libraries of models").

    Args:
        forecasts: `[M, W, H, Q]` quantiles of M members for W windows.
        actual: `[W, H]`, NaN where unobserved.
        scale: `[W]` the divisor of each window's errors, in the units of `actual`.
        levels: the Q levels.
    """
    known = ~np.isnan(actual) & (scale > 0)[:, None]
    level = np.array(levels)
    total = np.zeros_like(forecasts[0])
    n_selected = np.zeros(len(forecasts))

    def loss(quantiles: Floats) -> float:
        error = np.where(known, actual, 0.0)[..., None] - quantiles
        pinball = np.maximum(level * error, (level - 1) * error).mean(-1)
        scaled = pinball / np.where(scale > 0, scale, 1.0)[:, None]
        return float(np.where(known, scaled, 0.0).sum())

    for count in range(1, SELECTION_ROUNDS + 1):
        losses = [loss((total + member) / count) for member in forecasts]
        best = int(np.argmin(losses))
        total = total + forecasts[best]
        n_selected[best] += 1
    return np.asarray(n_selected / SELECTION_ROUNDS)
