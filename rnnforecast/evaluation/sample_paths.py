"""How the steps of a horizon hang together, and sample paths that do too.

Quantiles say how uncertain each step is, not whether a high first step makes a high second one
likely: a total over several steps needs that. It is learnt from forecasts of origins that were not
trained on: each actual value becomes a normal score (the standard normal value as likely as it),
and the scores' correlation over the steps is kept. A path is one draw of correlated normal values,
each put through its step's forecast quantiles, so paths have exactly the quantiles that are
forecast. This is a Gaussian copula (Sklar 1959; for forecasts Pinson et al. 2009, "From
probabilistic forecasts to statistical scenarios of short-term wind power production").
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.types import Floats

MAX_NORMAL_SCORE = 4.0
"""Normal scores are cut to this size: nothing is known of how far out a value lies."""

MIN_VARIANCE = 1e-6
"""No direction of a correlation varies less than this."""


def normal_scores(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The normal score of each value, `[W, H]`; NaN where it is not known.

    `actual [W, H]`, `quantiles [W, H, Q]` in the same units, at the Q `levels`, in order. Between
    quantiles scores are read off straight lines, beyond them off the outermost one.
    """
    known = _normal_quantiles(levels)
    if len(levels) < 2:  # a single number says nothing of the spread: only which side it is
        return np.where(np.isnan(actual), np.nan, np.sign(actual - quantiles[..., 0]))
    place = (quantiles[..., 1:-1] <= actual[..., None]).sum(-1)  # [W, H] which line
    low, high = (np.take_along_axis(quantiles, (place + k)[..., None], -1)[..., 0] for k in (0, 1))
    width = high - low
    share = np.where(width > 0, (actual - low) / np.where(width > 0, width, 1.0), 0.5)
    found = known[place] + share * (known[place + 1] - known[place])
    return np.asarray(np.clip(found, -MAX_NORMAL_SCORE, MAX_NORMAL_SCORE))


def estimate_correlation(scores: Floats) -> Floats:
    """The correlation `[H, H]` of normal scores `[W, H]`, drawn towards one that fades with the
    distance of the steps, the more the fewer windows there are.

    Errors of all windows are taken together, so W counts windows that may resemble each other.
    """
    windows, horizon = scores.shape
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    both = known.T.astype(np.float64) @ known
    products = filled.T @ filled
    size = np.sqrt(np.maximum(np.diag(products) / np.maximum(np.diag(both), 1), MIN_VARIANCE))
    sample = products / np.maximum(both, 1) / np.outer(size, size)
    near = sample[np.arange(horizon - 1), np.arange(1, horizon)] if horizon > 1 else np.zeros(1)
    step = float(np.clip(near.mean(), 0.0, 0.99))
    lag = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    fading = step**lag
    weight = windows / (windows + 2.0 * horizon)
    return _nearest_correlation(weight * np.clip(sample, -1, 1) + (1 - weight) * fading)


def extend_correlation(correlation: Floats, horizon_steps: int) -> Floats:
    """A correlation of `steps` steps: beyond those of `matrix [H, H]` each pair is as correlated as
    pairs of that distance are on average, and not at all where there are none."""
    horizon = len(correlation)
    if horizon_steps <= horizon:
        return correlation[:horizon_steps, :horizon_steps]
    by_lag = np.zeros(horizon_steps)
    by_lag[:horizon] = [np.diagonal(correlation, lag).mean() for lag in range(horizon)]
    places = np.arange(horizon_steps)
    whole = by_lag[np.abs(np.subtract.outer(places, places))]
    whole[:horizon, :horizon] = correlation
    return _nearest_correlation(whole)


def draw_correlated_normals(correlation: Floats, n_samples: int, *, seed: int) -> Floats:
    """`[count, H]` normal values with the correlation `matrix`: every second one is the mirror of
    the one before, so that their mean is exact."""
    random = np.random.default_rng(seed)
    half = (
        random.standard_normal(((n_samples + 1) // 2, len(correlation)))
        @ np.linalg.cholesky(correlation).T
    )
    return np.stack([half, -half], 1).reshape(-1, len(correlation))[:n_samples]


def build_sample_paths(normals: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """Sample paths `[S, count, H]` of series with forecast `quantiles [S, H, Q]`.

    `normal [count, H]` are those of `draw`. The same draws serve all series, so a path does not
    hang on which other series there are. Between quantiles, on the scale of normal scores, values
    lie on straight lines, which go on beyond the outermost.
    """
    known = _normal_quantiles(levels)
    if len(levels) < 2:
        return np.broadcast_to(quantiles[:, None, :, 0], (len(quantiles), *normals.shape)).copy()
    place = np.searchsorted(known[1:-1], normals, side="right")  # [count, H]
    share = (normals - known[place]) / (known[place + 1] - known[place])
    step = np.arange(normals.shape[1])
    low, high = quantiles[:, step, place], quantiles[:, step, place + 1]  # [S, count, H]
    return np.asarray(low + share * (high - low))


def _normal_quantiles(levels: Sequence[float]) -> Floats:
    """The standard normal values at `levels`."""
    standard = NormalDist()
    return np.array([standard.inv_cdf(level) for level in levels])


def _nearest_correlation(matrix: Floats) -> Floats:
    """The nearest correlation that can be drawn from: no eigenvalue is negative, ones lie on the
    diagonal (Rebonato & Jäckel 1999)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    positive = vectors * np.maximum(values, MIN_VARIANCE) @ vectors.T
    size = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(size, size))
