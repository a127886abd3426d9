"""Forecasts of several networks made into one: quantile by quantile, so that none can cross.

Averaging quantiles (rather than distributions) keeps the sharpness of the members; see Lichtendahl
et al. 2013, "Is it better to average probabilities or quantiles?".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Floats

SELECTION_ROUNDS = 30
"""Weights are multiples of one part in so many."""


@dataclass(frozen=True)
class ForecastCombiner:
    """How M forecasts become one: their median, mean or, with `weights [M]`, weighted mean."""

    method: str = "median"
    weights: tuple[float, ...] = ()

    def combine(self, forecasts: Floats) -> Floats:
        """`[M, ...]` → `[...]`; one forecast stays as it is to the last bit."""
        if len(forecasts) == 1:
            return np.asarray(forecasts[0])
        if self.method == "weights":
            # not a dot product: that adds up in another order from one quantile to the next
            parts = (weight * each for weight, each in zip(self.weights, forecasts, strict=True))
            return np.asarray(sum(parts))
        middle = np.median if self.method == "median" else np.mean
        return np.asarray(middle(forecasts, axis=0))


def fit_ensemble_weights(
    forecasts: Floats, actual: Floats, scale: Floats, levels: Sequence[float]
) -> Floats:
    """Weights `[M]`, adding up to 1, under which the mean forecast has the smallest pinball loss.

    Members are picked one by one, again and again, each time the one that helps the most; a
    member's weight is how often it was picked. A greedy search overfits less than a free one:
    Caruana et al. 2004, "Ensemble selection from libraries of models".

    Args:
        forecasts: `[M, W, H, Q]` quantiles of M members for W windows.
        actual: `[W, H]`, NaN where unobserved.
        scale: `[W]` in the units of `actual`: what a window's errors are divided by.
        levels: the Q levels.
    """
    known = ~np.isnan(actual) & (scale > 0)[:, None]
    level = np.array(levels)
    total = np.zeros_like(forecasts[0])
    picked = np.zeros(len(forecasts))

    def loss(found: Floats) -> float:
        error = np.where(known, actual, 0.0)[..., None] - found
        pinball = np.maximum(level * error, (level - 1) * error).mean(-1)
        share = np.where(known, pinball / np.where(scale > 0, scale, 1.0)[:, None], 0.0)
        return float(share.sum())

    for count in range(1, SELECTION_ROUNDS + 1):
        losses = [loss((total + member) / count) for member in forecasts]
        best = int(np.argmin(losses))
        total = total + forecasts[best]
        picked[best] += 1
    return np.asarray(picked / SELECTION_ROUNDS)
