"""The weight of the networks beside the statistical forecast, from validation windows.

With few independent windows the best weight on them says little: it is shrunk towards a prior,
which grows with the number of windows that the networks were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Floats

GRID = np.linspace(0.0, 1.0, 21)
"""Weights that are compared on the validation windows."""

MAX_WEIGHT = 0.95
"""Above this weight the statistical forecast is not worth its time."""

WEIGHT_DIGITS = 3
"""Decimals of a fitted weight."""

PRIOR_STRENGTH = 20.0
"""Independent validation windows with which the best weight counts as much as the prior."""

MIN_PRIOR, MAX_PRIOR, HALF_PRIOR_WINDOWS = 0.2, 0.8, 200.0
"""Bounds of the prior weight, and the independent training windows in the middle of them."""


@dataclass(frozen=True)
class NetworkWeight:
    """The weights of the networks in the median, and in the distances of the quantiles from it; the
    statistical forecast has the rest."""

    median: float = 1.0
    spread: float = 1.0

    @property
    def is_networks_only(self) -> bool:
        """Whether the statistical forecast has no weight."""
        return self.median == self.spread == 1.0

    def combine(self, networks: Floats, statistical: Floats, levels: Sequence[float]) -> Floats:
        """The weighted `[..., Q]` of two forecasts at `levels`, which include 0.5; quantiles do not
        cross if they do not cross in either."""
        middle = list(levels).index(0.5)
        centers = networks[..., middle, None], statistical[..., middle, None]
        median = self.median * centers[0] + (1 - self.median) * centers[1]
        above = self.spread * (networks - centers[0])
        spread = above + (1 - self.spread) * (statistical - centers[1])
        return np.asarray(median + spread)

    def combine_forecasts(
        self, networks: Floats, statistical: Floats, levels: Sequence[float]
    ) -> Floats:
        """As `combine`, of forecasts `[..., 1 + Q]` with the point forecast first."""
        point = self.median * networks[..., :1] + (1 - self.median) * statistical[..., :1]
        quantiles = self.combine(networks[..., 1:], statistical[..., 1:], levels)
        return np.concatenate([point, quantiles], -1)


NETWORKS_ONLY = NetworkWeight()


def prior_weight(training_windows: float) -> float:
    """The weight before validation, by the number of independent training windows."""
    share = training_windows / (training_windows + HALF_PRIOR_WINDOWS)
    return MIN_PRIOR + (MAX_PRIOR - MIN_PRIOR) * share


def validation_share(validation_windows: int) -> float:
    """How much the validation windows count beside the prior, from 0 to 1, by the number of
    independent ones."""
    return validation_windows / (validation_windows + PRIOR_STRENGTH)


def best_weight(networks: Floats, statistical: Floats, actual: Floats, scale: Floats) -> float:
    """The weight of the networks with the smallest absolute error; NaN without a known error.

    Args:
        networks, statistical: `[W, H]` point forecasts of windows that were not trained on.
        actual: `[W, H]`, NaN where unobserved.
        scale: `[W]` the divisor of each window's errors, in the units of `actual`.
    """
    known = (
        ~np.isnan(actual) & np.isfinite(networks) & np.isfinite(statistical) & (scale > 0)[:, None]
    )
    if not known.any():
        return math.nan
    divisor = np.where(scale > 0, scale, 1.0)[:, None]
    difference = np.where(known, networks - statistical, 0.0) / divisor
    error = np.where(known, actual - statistical, 0.0) / divisor
    losses = [np.abs(error - weight * difference).sum() for weight in GRID]
    return float(GRID[int(np.argmin(losses))])


def shrunk_weight(best: float, validation_windows: int, training_windows: float) -> float:
    """The `best` weight on the validation windows, shrunk towards the prior; the prior if it is
    NaN."""
    share = 0.0 if math.isnan(best) else validation_share(validation_windows)
    weight = (share * best if share else 0.0) + (1 - share) * prior_weight(training_windows)
    return 1.0 if weight > MAX_WEIGHT else round(weight, WEIGHT_DIGITS)
