"""Forecasts of the pretrained network, which needs no training on the series."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from rnnforecast.models.pretrained.context import PATCH_LENGTH, build_context
from rnnforecast.models.pretrained.network import LEVELS, PretrainedNetwork
from rnnforecast.models.pretrained.weights import load_pretrained_network
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats

MAX_CONTEXT = 1536
"""Steps before the origin that are read at most."""
VALUES_AT_ONCE = 1_000_000
"""About the most values of contexts and horizons that are read together."""


@cache
def pretrained_network() -> PretrainedNetwork:
    """The network with the weights of this package, read once."""
    return load_pretrained_network()


@torch.no_grad()
def pretrained_quantiles(
    histories: Histories,
    *,
    seasons: Sequence[int],
    horizon: int,
    levels: Sequence[float],
    net: PretrainedNetwork | None = None,
) -> Floats:
    """Quantiles `[M, H, Q]` of M histories; NaN only for a history without a value.

    Args:
        histories: in the units of the forecast; bounds of the values are left to the caller.
        seasons: steps a season, the main one first; two are read. Others are found in the values.
        horizon: steps to forecast, H.
        levels: Q increasing levels between 0 and 1.
        net: the network of the package by default.
    """
    net = net or pretrained_network()
    recent = histories.last(MAX_CONTEXT)
    patches = -(-horizon // PATCH_LENGTH)
    missing = -len(recent.values) % PATCH_LENGTH
    values = np.pad(recent.values, ((missing, 0), (0, 0))).T  # [M, L]
    observed = np.pad(recent.observed, ((missing, 0), (0, 0))).T
    given = torch.tensor(([each for each in seasons if each > 1] + [0, 0])[:2])
    size = max(1, VALUES_AT_ONCE // max(values.shape[1] + patches * PATCH_LENGTH, 1))
    found = np.full((len(values), horizon, len(levels)), np.nan)
    for begin in range(0, len(values), size):
        rows = slice(begin, begin + size)
        known = torch.from_numpy(observed[rows])
        context = build_context(
            torch.from_numpy(values[rows].astype(np.float64)), known, given.expand(len(known), 2)
        )
        quantiles = context.denormalize(net(context, patches).double())
        found[rows] = _at_levels(quantiles[:, :horizon].numpy(), levels)
    found[~observed.any(1)] = np.nan
    return found


def _at_levels(quantiles: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles at `levels`, interpolated linearly between those of the network."""
    position = np.interp(levels, LEVELS, np.arange(len(LEVELS)))
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(LEVELS) - 1)
    share = position - low
    return np.asarray(quantiles[..., low] * (1 - share) + quantiles[..., high] * share)
