"""Distribution of totals over several steps, and over several series, from quantile forecasts.

Quantiles are interpolated linearly in normal scores, and extrapolated, as in `sample_paths`, which
draws from the same distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.evaluation.sample_paths import build_sample_paths, draw_correlated_normals
from rnnforecast.types import Floats

N_NODES = 801
"""Points of the numerical integration over normal scores."""

MAX_SCORE = 5.0
"""Normal scores beyond this one have no weight."""


def quantile_mean_and_variance(quantiles: Floats, levels: Sequence[float]) -> tuple[Floats, Floats]:
    """Mean and variance `[...]` of the distributions with `quantiles [..., Q]` at the `levels`.

    Both are exact for the interpolated quantile function: with q = B(z) quantiles, B the Q hat
    functions of the normal score z, the mean is q·E[B] and the second moment q·E[B Bᵀ]·q.
    """
    weights, basis = _integration(levels)
    first = weights @ basis  # [Q]
    center = quantiles @ first
    second = np.linalg.cholesky(basis.T @ (weights[:, None] * basis) + 1e-15 * np.eye(len(levels)))
    spread = (quantiles - center[..., None]) @ second
    return np.asarray(center), np.asarray(np.square(spread).sum(-1))


def total_variance(variance: Floats, correlation: Floats) -> Floats:
    """The variance `[...]` of totals over steps of `variance [..., H]`, whose errors have the
    `correlation [H, H]`."""
    size = np.sqrt(variance)
    return np.asarray(np.maximum(((size @ correlation) * size).sum(-1), 0.0))


def sum_over_series(variance: Floats, correlation: float) -> float:
    """The variance of the sum of series with `variance [S]`, whose errors all have the same
    `correlation` with each other."""
    independent, together = float(variance.sum()), float(np.sqrt(variance).sum() ** 2)
    return (1 - correlation) * independent + correlation * together


def error_correlation_between_series(errors: Floats, sizes: Floats, times: Floats) -> float:
    """The correlation, from 0 to 1, of the errors of different series at the same time.

    It is the one with which the squares of the summed errors are on average those expected of
    `sum_over_series`; NaN if no two series have errors at the same time.

    Args:
        errors: `[N]` actual values minus forecasts.
        sizes: `[N]` their expected standard deviations.
        times: `[N]` numbers of the timestamps.
    """
    _, at = np.unique(times, return_inverse=True)
    total, spread = np.bincount(at, errors), np.bincount(at, sizes)
    variance = np.bincount(at, np.square(sizes))
    more = float((spread**2 - variance).sum())
    if more <= 1e-9 * float(variance.sum()):
        return float("nan")
    return float(np.clip((total**2 - variance).sum() / more, 0.0, 1.0))


def sample_totals(
    quantiles: Floats, levels: Sequence[float], correlation: Floats, *, n_samples: int, seed: int
) -> Floats:
    """`[S, n_samples]` sampled totals over the H steps of series with `quantiles [S, H, Q]`."""
    normals = draw_correlated_normals(correlation, n_samples, seed=seed)
    return np.asarray(build_sample_paths(normals, quantiles, levels).sum(-1))


def _integration(levels: Sequence[float]) -> tuple[Floats, Floats]:
    """Weights `[N]` of normal scores, and the share of each quantile in their value `[N, Q]`."""
    z = np.linspace(-MAX_SCORE, MAX_SCORE, N_NODES)
    weights = np.exp(-0.5 * z**2)
    weights /= weights.sum()
    if len(levels) == 1:
        return weights, np.ones((N_NODES, 1))
    standard = NormalDist()
    normal = np.array([standard.inv_cdf(level) for level in levels])
    interval = np.searchsorted(normal[1:-1], z, side="right")
    share = (z - normal[interval]) / (normal[interval + 1] - normal[interval])
    basis = np.zeros((N_NODES, len(levels)))
    basis[np.arange(N_NODES), interval] = 1 - share
    basis[np.arange(N_NODES), interval + 1] = share
    return weights, basis
