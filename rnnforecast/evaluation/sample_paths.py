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
from typing import Literal

import numpy as np

from rnnforecast.types import Floats

MAX_NORMAL_SCORE = 4.0
"""Normal scores are clipped to this absolute value: quantiles say little about the far tails."""

FAR_SCORE = 9.0
"""Normal scores beyond this have no probability in double precision."""

MIN_INTERVAL_MASS = 1e-9
"""Intervals of normal scores with less probability count as one score."""

MIN_RELIABILITY = 0.1
"""The smallest share of the variance of normal scores that is taken as theirs, not within their
intervals: the correction for attenuation divides by it."""

MIN_VARIANCE = 1e-6
"""Lower bound of the variances of normal scores, and of the eigenvalues of a correlation matrix."""


def normal_scores(
    actual: Floats,
    quantiles: Floats,
    levels: Sequence[float],
    *,
    lower: float = -np.inf,
    step: float = 0.0,
) -> tuple[Floats, Floats]:
    """The normal score of each value `[W, H]`, NaN where unobserved, and its variance.

    Scores are interpolated linearly between quantiles, and extrapolated beyond them. If many
    outcomes are equal, a value has an interval of scores: all between those of tied quantiles, and,
    of whole numbers, all that are rounded to it. Its score is then the mean of the standard normal
    distribution within the interval, with the variance in it; otherwise the variance is 0.

    Args:
        actual: `[W, H]` in the units of `quantiles [W, H, Q]`, at the Q ascending `levels`.
        lower: the smallest possible value.
        step: the distance of possible values; 0 if all are possible.
    """
    unknown = np.isnan(actual)
    if len(levels) < 2:  # with one level only the sign of the error is known
        scores = np.where(unknown, np.nan, np.sign(actual - quantiles[..., 0]))
        return scores, np.zeros_like(actual)
    low = _score_of_value(actual - step / 2, quantiles, levels, side="left")
    high = _score_of_value(actual + step / 2, quantiles, levels, side="right")
    if np.isfinite(lower):
        low = np.where(actual - step / 2 <= lower, -np.inf, low)
    low, high = np.minimum(low, MAX_NORMAL_SCORE), np.maximum(high, -MAX_NORMAL_SCORE)
    scores, variances = _mean_and_variance_between(low, np.maximum(high, low))
    return np.where(unknown, np.nan, scores), np.where(unknown, np.nan, variances)


def _score_of_value(
    value: Floats, quantiles: Floats, levels: Sequence[float], *, side: Literal["left", "right"]
) -> Floats:
    """The normal score at which the quantile function reaches `value [W, H]`, of tied quantiles
    the first (left) or the last (right); infinite beyond tied outermost quantiles."""
    normal = _normal_quantiles(levels)
    inner, at = quantiles[..., 1:-1], value[..., None]
    interval = (inner < at if side == "left" else inner <= at).sum(-1)  # [W, H]
    low, high = (
        np.take_along_axis(quantiles, (interval + k)[..., None], -1)[..., 0] for k in (0, 1)
    )
    width = high - low
    with np.errstate(invalid="ignore"):
        share = (value - low) / np.where(width > 0, width, 1.0)
        # both quantiles are tied and outermost: the value is one of them, or beyond
        is_right = side == "right"
        beyond = np.where(value > high, np.inf if is_right else 1.0, float(is_right))
        tied = np.where(value < low, 0.0 if is_right else -np.inf, beyond)
        share = np.where(width > 0, share, tied)
    return np.asarray(normal[interval] + share * (normal[interval + 1] - normal[interval]))


def _mean_and_variance_between(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of a standard normal variable between `low` and `high`, which may be
    infinite; where they are equal, that number and 0."""
    from scipy.special import ndtr  # slow to import

    bounded_low, bounded_high = (np.clip(x, -FAR_SCORE, FAR_SCORE) for x in (low, high))
    mass = ndtr(bounded_high) - ndtr(bounded_low)
    is_interval = mass > MIN_INTERVAL_MASS
    point = np.clip((bounded_low + bounded_high) / 2, -MAX_NORMAL_SCORE, MAX_NORMAL_SCORE)
    divisor = np.where(is_interval, mass, 1.0)
    density_low, density_high = (
        np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi) for x in (bounded_low, bounded_high)
    )
    mean = (density_low - density_high) / divisor
    variance = 1 + (bounded_low * density_low - bounded_high * density_high) / divisor - mean**2
    return (
        np.where(is_interval, mean, point),
        np.where(is_interval, np.maximum(variance, 0.0), 0.0),
    )


def estimate_correlation(scores: Floats, variances: Floats | None = None) -> Floats:
    """The correlation `[H, H]` of normal scores `[W, H]`, shrunk towards an AR(1) correlation, more
    strongly with fewer windows.

    The scores of all windows are pooled, even if windows overlap. Their mean is left out, of few
    windows in part only: it may be an error that these windows share. With `variances [W, H]` of
    the scores (see `normal_scores`) the correlation is corrected for attenuation (Spearman 1904):
    scores of values that are mostly equal hide most of it. It is then shrunk towards the mean at
    each lag, which is less noisy.
    """
    windows, horizon = scores.shape
    known = ~np.isnan(scores)
    weight = windows / (windows + 2.0 * horizon)
    mean = float(scores[known].mean()) if known.any() else 0.0
    filled = np.where(known, scores - weight * mean, 0.0)
    both = known.T.astype(np.float64) @ known
    products = filled.T @ filled
    variance = np.diag(products) / np.maximum(np.diag(both), 1)
    size = np.sqrt(np.maximum(variance, MIN_VARIANCE))
    sample = products / np.maximum(both, 1) / np.outer(size, size)
    within = np.zeros(horizon)
    if variances is not None:
        within = np.where(known, variances, 0.0).sum(0) / np.maximum(np.diag(both), 1)
    reliability = np.clip(size**2 / (size**2 + within), MIN_RELIABILITY, 1.0)
    root = np.sqrt(reliability)
    sample = np.clip(sample / np.outer(root, root), -1, 1)
    np.fill_diagonal(sample, 1.0)
    lag = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    by_lag = np.array([np.diagonal(sample, each).mean() for each in range(horizon)])
    ar_coefficient = float(np.clip(by_lag[1] if horizon > 1 else 0.0, 0.0, 0.99))
    autoregressive = ar_coefficient**lag
    share = float(reliability.mean())  # 1 without intervals of scores
    structured = share * autoregressive + (1 - share) * np.maximum(by_lag, 0.0)[lag]
    weight = windows * share**2 / (windows * share**2 + 2.0 * horizon)
    return _repair_correlation(weight * sample + (1 - weight) * structured)


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
