"""Bootstrap intervals of means over windows, which are clustered by series and by origin.

Errors of one series at several origins are alike, and so are those of several series at one origin.
Each is resampled alone: whole series, and whole origins, in circular blocks (Politis and Romano
1992) where the horizons of successive windows overlap. The deviations of the two bootstraps from
the mean are added, and scaled to the variance with two-way clusters, ``V_series + V_origins -
V_single`` (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", equation
2.11), at least the larger of the first two. Intervals are percentiles, widened for few clusters as
in Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3, with the degrees
of freedom of Satterthwaite 1946.

With fewer than `MIN_CLUSTERS` series or origins these are not resampled: the interval then says
nothing about other series, or other origins.

Arrays: M windows, K means at once, n clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rnnforecast.types import Floats, Ints

MIN_CLUSTERS = 5
"""The fewest series, or blocks of origins, that are resampled."""

REPLICATES = 1_000
"""Bootstrap samples."""

MAX_DRAWS = 2_000_000
"""Draws at once, which bounds the memory."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class BootstrapMeans:
    """Means `[K]` with intervals."""

    mean: Floats
    low: Floats
    high: Floats
    """Bounds of the interval; NaN if nothing was resampled."""
    probability_below_zero: Floats
    """Share of the bootstrap samples with a mean below 0, ties half; NaN as above."""
    resampled: tuple[str, ...]
    """``series``, ``origins``, both or none."""


def bootstrap_means(
    total: Floats,
    weight: Floats,
    *,
    series: Ints,
    window: Ints,
    overlap: int = 1,
    seed: int = 0,
) -> BootstrapMeans:
    """``sum(total) / sum(weight)`` of each of K columns, with intervals of 95 %.

    Neither the order of the windows nor the number of a series has an effect.

    Args:
        total, weight: `[M, K]`; windows with a weight of 0 do not count.
        series, window: `[M]` the series and the number of the origin, ascending in time.
        overlap: how many successive windows of a series forecast the same step.
    """
    counted = (weight > 0).any(1)
    total, weight = np.where(weight > 0, total, 0.0)[counted], weight[counted]
    everything = weight.sum(0)
    everything = np.where(everything > 0, everything, np.nan)
    mean = total.sum(0) / everything
    random = np.random.default_rng(seed)
    by_series = _Clusters.of(series[counted], total, weight).sorted_by_value()
    by_origin = _Clusters.of(window[counted], total, weight)
    found = {}
    for name, clusters, block in (
        ("series", by_series, 1),
        ("origins", by_origin, _block_length(by_origin.size, overlap)),
    ):
        independent = clusters.size / block
        if independent >= MIN_CLUSTERS:
            found[name] = clusters.deviations(mean, random, block), independent
    if not found:
        unknown = np.full(mean.shape, np.nan)
        return BootstrapMeans(mean, unknown, unknown, unknown, ())
    single = np.square((total - mean * weight) / everything).sum(0)
    deviation, freedom = _combine(list(found.values()), single)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(deviation, [tail, 1 - tail], axis=0) * _widening(freedom)
    below = 0.5 - 0.5 * np.sign(mean + deviation).mean(0)
    return BootstrapMeans(mean, mean + low, mean + high, below, tuple(found))


@dataclass(frozen=True)
class _Clusters:
    """Sums over the windows of each cluster, `[n, K]`."""

    total: Floats
    weight: Floats

    @classmethod
    def of(cls, label: Ints, total: Floats, weight: Floats) -> _Clusters:
        """The clusters of windows with the same label `[M]`, in the order of the labels."""
        labels, index = np.unique(label, return_inverse=True)

        def sums(values: Floats) -> Floats:
            columns = [np.bincount(index, column, len(labels)) for column in values.T]
            return np.stack(columns, -1).astype(np.float64)

        return cls(sums(total), sums(weight))

    @property
    def size(self) -> int:
        return len(self.total)

    def sorted_by_value(self) -> _Clusters:
        """Each column in the order of its own sums."""
        order = np.stack(
            [
                np.lexsort((weight, total))
                for total, weight in zip(self.total.T, self.weight.T, strict=True)
            ],
            -1,
        )
        return _Clusters(
            np.take_along_axis(self.total, order, 0), np.take_along_axis(self.weight, order, 0)
        )

    def deviations(self, mean: Floats, random: np.random.Generator, block: int) -> Floats:
        """Deviations of the bootstrap means from `mean`, `[REPLICATES, K]`, with the variance of an
        unbiased estimate."""
        parts = []
        for counts in _draw_counts(self.size, random, block):
            weight = counts @ self.weight
            # a sample without any weight has no deviation
            parts.append(
                np.where(weight > 0, counts @ self.total / np.where(weight > 0, weight, 1.0), mean)
            )
        independent = self.size / block
        unbiased = math.sqrt(independent / (independent - 1.0))
        return np.asarray((np.concatenate(parts) - mean) * unbiased)


def _block_length(origins: int, overlap: int) -> int:
    """Origins in a block: more than those that overlap by the cube root of their number, as errors
    at successive origins are alike without overlap too; fewer if fewer than `MIN_CLUSTERS` blocks
    would be left."""
    length = overlap - 1 + round(math.cbrt(origins))
    return max(overlap, min(length, origins // MIN_CLUSTERS))


def _draw_counts(size: int, random: np.random.Generator, block: int) -> Iterator[Floats]:
    """How often each of `size` clusters is drawn, `[b, size]`, `REPLICATES` rows in all.

    Blocks of successive clusters are drawn, the first cluster following the last.
    """
    draws = -(-size // block)
    rows = max(1, MAX_DRAWS // (draws * block))
    for first in range(0, REPLICATES, rows):
        count = min(rows, REPLICATES - first)
        start = random.integers(0, size, (count, draws))
        drawn = (start[..., None] + np.arange(block)) % size  # [b, draws, block]
        drawn += size * np.arange(count)[:, None, None]
        counts = np.bincount(drawn.reshape(-1), minlength=count * size)
        yield counts.reshape(count, size).astype(np.float64)


def _combine(found: list[tuple[Floats, float]], single: Floats) -> tuple[Floats, Floats]:
    """The deviations `[REPLICATES, K]` by both kinds of clusters, and their degrees of freedom.

    `found` has the deviations by each kind, and the number of independent clusters; `single [K]` is
    the variance if all windows were independent.
    """
    variances = np.stack([each.var(0) for each, _ in found])  # [1 or 2, K]
    total = variances.sum(0)
    size = np.array([size for _, size in found])[:, None]
    freedom = np.square(total) / _positive((np.square(variances) / (size - 1)).sum(0))
    deviation = np.sum([each for each, _ in found], axis=0)
    if len(found) == 1:
        return deviation, freedom
    variance = np.maximum(variances.max(0), total - single)
    return deviation * np.sqrt(variance / _positive(total)), freedom


def _widening(freedom: Floats) -> Floats:
    """Quantiles of Student's t distribution relative to those of the normal distribution."""
    from scipy.special import stdtrit  # slow to import

    level = (1 + CONFIDENCE) / 2
    return np.asarray(stdtrit(np.maximum(freedom, 1.0), level) / NormalDist().inv_cdf(level))


def _positive(values: Floats) -> Floats:
    """`values` with 1 in place of 0, to divide zeros by."""
    return np.where(values > 0, values, 1.0)
