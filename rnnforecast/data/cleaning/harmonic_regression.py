"""Harmonic regression: least squares on a polynomial trend and the Fourier terms of the year."""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Floats, Ints

WEEKS_PER_YEAR = 52.18
PENALTIES = (1.0, 8.0, 64.0, 1e6)
"""Shrinkage towards the mean over all series that is tried, in weeks of data; the last one gives
all series the same course."""
CHUNK_ROWS = 16_384
"""Rows in a batch of normal equations."""


def fourier_terms(fraction: Floats, harmonics: int) -> Floats:
    """[X, 2K] sine and cosine of the harmonics 1 to K of a fraction `[X]` of the year."""
    angle = 2 * np.pi * fraction[:, None] * np.arange(1, harmonics + 1)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(len(fraction), -1)


def trend_degree(weeks: Ints) -> int:
    """Degree of the polynomial trend: 1, and one more every four years."""
    return int(np.clip(np.median(weeks) / WEEKS_PER_YEAR // 4 + 1, 1, 6)) if len(weeks) else 1


def normal_equations(
    x: Floats, z: Floats, weight: Floats, segments: Ints, n_segments: int
) -> tuple[Floats, Floats]:
    """Sums over the rows of each segment: `[n, q, q]` and `[n, q]`; segments [R] are sorted."""
    gram = np.zeros((n_segments, x.shape[1], x.shape[1]))
    cross = np.zeros((n_segments, x.shape[1]))
    for begin in range(0, len(x), CHUNK_ROWS):
        part = slice(begin, begin + CHUNK_ROWS)
        names, first = np.unique(segments[part], return_index=True)
        scaled = x[part] * weight[part, None]
        gram[names] += np.add.reduceat(scaled[:, :, None] * x[part, None, :], first, axis=0)
        cross[names] += np.add.reduceat(scaled * z[part, None], first, axis=0)
    return gram, cross


def solve_shrunk(
    gram: Floats, cross: Floats, degree: int, penalty: float, n_targets: int
) -> Floats:
    """[I, q] coefficients of each item, the seasonal ones shrunk to their mean over the series.

    `gram [I, q, q]`, `cross [I, q]`. A single series is shrunk towards no season.
    """
    q, n_trend = gram.shape[-1], degree + 1
    is_season = np.arange(q) >= n_trend
    ridge = np.where(is_season, PENALTIES[0], 1e-3)
    alone = np.linalg.solve(gram + np.diag(ridge), cross[..., None])[..., 0]
    if len(gram) == n_targets or penalty == PENALTIES[0]:
        return np.asarray(alone)
    mean = np.where(is_season, alone.reshape(-1, n_targets, q).mean(0), 0.0)  # [C, q]
    mean = np.tile(mean, (len(gram) // n_targets, 1))
    ridge = np.where(is_season, penalty, 1e-3)
    return np.asarray(
        np.linalg.solve(gram + np.diag(ridge), (cross + ridge * mean)[..., None])[..., 0]
    )
