"""The weight of the networks beside the statistical forecast, from validation windows.

With few independent windows the best weight on them says little: it is shrunk towards a prior,
which grows with the number of values in a series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Floats

GRID = np.linspace(0.0, 1.0, 51)
"""Weights that are compared on the validation windows."""

MAX_WEIGHT = 0.95
"""Above this weight the statistical forecast is not worth its time."""

WEIGHT_DIGITS = 3
"""Decimals of the prior weight."""

MIN_PRIOR, MAX_PRIOR, PRIOR_VALUES, PRIOR_POWER = 0.2, 0.85, 600.0, 3
"""The prior weight rises from ``MIN_PRIOR`` to ``MAX_PRIOR``; it is in the middle with
``PRIOR_VALUES`` values in a series. Chosen on horizons inside the training parts of 204 single
series and of 12 panels of public data: short series are little use to a network even if there are
many of them."""

SHRINKAGE, SHRINKAGE_WINDOWS = 0.15, 20.0
"""Shrinkage towards the prior: a weight 1 away from it must lower the validation error by the share
``SHRINKAGE * (1 + SHRINKAGE_WINDOWS / n)``, with n independent validation windows. It does not
vanish, as the networks' weights were chosen on the same windows."""


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
        cross if they do not cross in either. Those of the networks where the others are NaN: a
        joint network forecasts a target without any value."""
        statistical = np.where(np.isnan(statistical), networks, statistical)
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
        statistical = np.where(np.isnan(statistical), networks, statistical)
        point = self.median * networks[..., :1] + (1 - self.median) * statistical[..., :1]
        quantiles = self.combine(networks[..., 1:], statistical[..., 1:], levels)
        return np.concatenate([point, quantiles], -1)


NETWORKS_ONLY = NetworkWeight()


def prior_weight(values_per_series: float) -> float:
    """The weight before validation, by the number of values in the usual series."""
    ratio = PRIOR_VALUES / max(values_per_series, 1.0)
    return MIN_PRIOR + (MAX_PRIOR - MIN_PRIOR) / (1.0 + ratio**PRIOR_POWER)


def validation_share(validation_windows: int) -> float:
    """How much `validation_windows` independent windows count beside a prior, from 0 to 1."""
    return validation_windows / (validation_windows + SHRINKAGE_WINDOWS)


def fit_network_weight(
    networks: Floats,
    statistical: Floats,
    actual: Floats,
    scale: Floats,
    *,
    validation_windows: int,
    values_per_series: float,
) -> float:
    """The weight of the networks with the smallest absolute error, shrunk towards the prior.

    Args:
        networks, statistical: `[W, H]` point forecasts of windows that were not trained on.
        actual: `[W, H]`, NaN where unobserved.
        scale: `[W]` the divisor of each window's errors, in the units of `actual`.
        validation_windows: independent ones among the W windows, whose horizons do not overlap; 0
            if these are no validation windows, for the prior.
        values_per_series: values in the training part of the usual series.
    """
    prior = prior_weight(values_per_series)
    known = (
        ~np.isnan(actual) & np.isfinite(networks) & np.isfinite(statistical) & (scale > 0)[:, None]
    )
    if not validation_windows or not known.any():
        return round(prior, WEIGHT_DIGITS)
    divisor = np.where(scale > 0, scale, 1.0)[:, None]
    difference = np.where(known, networks - statistical, 0.0) / divisor
    error = np.where(known, actual - statistical, 0.0) / divisor
    losses = np.array([np.abs(error - weight * difference).sum() for weight in GRID])
    strength = SHRINKAGE * (1.0 + SHRINKAGE_WINDOWS / validation_windows)
    penalized = losses + losses.min() * strength * (GRID - prior) ** 2
    weight = float(GRID[int(np.argmin(penalized))])
    return 1.0 if weight > MAX_WEIGHT else weight
