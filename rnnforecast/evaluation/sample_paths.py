"""Sample paths by a Gaussian copula, from forecast quantiles and the correlation of the steps.

Quantiles describe the uncertainty of each step alone; a total over several steps depends on their
correlation too. It is estimated on windows that were not trained on: each actual value is mapped to
its normal score, the standard normal value of the same cumulative probability, and the scores are
correlated over the horizon. A sample path maps correlated normal values back through the forecast
quantiles of each step. Apart from sampling error, paths have the quantiles of the forecast. Source:
Sklar 1959; for forecasts Pinson et al. 2009, "From probabilistic forecasts to statistical scenarios
of short-term wind power production".
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.types import Floats

MAX_NORMAL_SCORE = 4.0
"""Normal scores are clipped to this absolute value: quantiles say little about the far tails."""

MIN_VARIANCE = 1e-6
"""Lower bound of the variances of normal scores, and of the eigenvalues of a correlation matrix."""


def normal_scores(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The normal score of each value, `[W, H]`; NaN where unobserved.

    `actual [W, H]` and `quantiles [W, H, Q]`, at the Q ascending `levels`, are in the same units.
    Scores are interpolated linearly between quantiles, and extrapolated beyond them.
    """
    normal = _normal_quantiles(levels)
    if len(levels) < 2:  # with one level only the sign of the error is known
        return np.where(np.isnan(actual), np.nan, np.sign(actual - quantiles[..., 0]))
    interval = (quantiles[..., 1:-1] <= actual[..., None]).sum(-1)  # [W, H]
    low, high = (
        np.take_along_axis(quantiles, (interval + k)[..., None], -1)[..., 0] for k in (0, 1)
    )
    width = high - low
    share = np.where(width > 0, (actual - low) / np.where(width > 0, width, 1.0), 0.5)
    scores = normal[interval] + share * (normal[interval + 1] - normal[interval])
    return np.asarray(np.clip(scores, -MAX_NORMAL_SCORE, MAX_NORMAL_SCORE))


def estimate_correlation(scores: Floats) -> Floats:
    """The correlation `[H, H]` of normal scores `[W, H]`, shrunk towards an AR(1) correlation, more
    strongly with fewer windows.

    The scores of all windows are pooled, even if windows overlap.
    """
    windows, horizon = scores.shape
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    both = known.T.astype(np.float64) @ known
    products = filled.T @ filled
    size = np.sqrt(np.maximum(np.diag(products) / np.maximum(np.diag(both), 1), MIN_VARIANCE))
    sample = products / np.maximum(both, 1) / np.outer(size, size)
    neighbors = (
        sample[np.arange(horizon - 1), np.arange(1, horizon)] if horizon > 1 else np.zeros(1)
    )
    ar_coefficient = float(np.clip(neighbors.mean(), 0.0, 0.99))
    lag = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    autoregressive = ar_coefficient**lag
    weight = windows / (windows + 2.0 * horizon)
    return _repair_correlation(weight * np.clip(sample, -1, 1) + (1 - weight) * autoregressive)


def extend_correlation(correlation: Floats, horizon_steps: int) -> Floats:
    """`correlation [H, H]` extended to `horizon_steps` steps: beyond step H, each pair gets the
    mean correlation at its lag; 0 at lags of H or more."""
    horizon = len(correlation)
    if horizon_steps <= horizon:
        return correlation[:horizon_steps, :horizon_steps]
    by_lag = np.zeros(horizon_steps)
    by_lag[:horizon] = [np.diagonal(correlation, lag).mean() for lag in range(horizon)]
    step = np.arange(horizon_steps)
    extended = by_lag[np.abs(np.subtract.outer(step, step))]
    extended[:horizon, :horizon] = correlation
    return _repair_correlation(extended)


def draw_correlated_normals(correlation: Floats, n_samples: int, *, seed: int) -> Floats:
    """`[n_samples, H]` normal values with this correlation, in antithetic pairs: with an even
    `n_samples` their mean is exactly 0."""
    random = np.random.default_rng(seed)
    half = (
        random.standard_normal(((n_samples + 1) // 2, len(correlation)))
        @ np.linalg.cholesky(correlation).T
    )
    return np.stack([half, -half], 1).reshape(-1, len(correlation))[:n_samples]


def build_sample_paths(normals: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """Sample paths `[S, n_samples, H]` of series with forecast `quantiles [S, H, Q]`.

    The same `normals [n_samples, H]`, from `draw_correlated_normals`, are used for every series:
    path k is comonotone across series. Values are interpolated linearly in normal scores between
    quantiles, and extrapolated beyond them.
    """
    normal = _normal_quantiles(levels)
    if len(levels) < 2:
        return np.broadcast_to(quantiles[:, None, :, 0], (len(quantiles), *normals.shape)).copy()
    interval = np.searchsorted(normal[1:-1], normals, side="right")  # [n_samples, H]
    share = (normals - normal[interval]) / (normal[interval + 1] - normal[interval])
    step = np.arange(normals.shape[1])
    low, high = quantiles[:, step, interval], quantiles[:, step, interval + 1]  # [S, n_samples, H]
    return np.asarray(low + share * (high - low))


def _normal_quantiles(levels: Sequence[float]) -> Floats:
    """The standard normal quantiles at `levels`."""
    standard = NormalDist()
    return np.array([standard.inv_cdf(level) for level in levels])


def _repair_correlation(matrix: Floats) -> Floats:
    """A nearby valid correlation, with positive eigenvalues and ones on the diagonal (Rebonato and
    Jäckel 1999)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    positive = vectors * np.maximum(values, MIN_VARIANCE) @ vectors.T
    size = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(size, size))
