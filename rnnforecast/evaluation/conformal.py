"""Split conformal calibration of prediction intervals, from windows that were not trained on.

The distance of each quantile from the median is multiplied by a factor. With M exchangeable scores
of the past and one of the future, the smallest factor that covers ``k = ceil((M + 1) (1 - tail))``
of the past ones covers the future one with probability at least ``1 - tail``: Lei et al. 2018,
"Distribution-free predictive inference for regression", section 2.2. The score of a value is its
distance from the median in units of the distance of the quantile on its side, as in Kivaranovic,
Johnson and Leeb 2020, "Adaptive, distribution-free prediction intervals for deep networks". Scores
have no unit and are pooled over series.

Quantiles at mirrored levels, such as 0.1 and 0.9, share a two-sided factor; one-sided factors
(Romano, Patterson and Candès 2019, "Conformalized quantile regression", theorem 2) tell the sides
apart. Series rise and fall together, and a thousand of them with one origin are far from a thousand
exchangeable ones: factors are shrunk, those of sides, groups and parts of the horizon most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rnnforecast.types import Bools, Floats, Ints

LARGEST_WEIGHT, WINDOWS = 2 / 3, 27.0
"""A log factor is multiplied by ``LARGEST_WEIGHT``, and by half of it with this number of
independent windows. Chosen on windows inside the training parts of 14 public sets; factors of the
same forecast differ by about 0.14 from origin to origin, and as much from one set to another."""

DEVIATION_ORIGINS, DEVIATION_WINDOWS = 30.0, 400.0
"""Independent origins and windows for a weight of half the largest, of differences between sides,
groups and parts of the horizon: they rarely last."""

HORIZON_PARTS = 3
"""Parts of the horizon with factors of their own."""

SMALLEST_FACTOR, LARGEST_FACTOR = 0.4, 2.5
SMALLEST_SCORE = 1e-3
"""Factors below it, negative ones too, count as this one."""


@dataclass(frozen=True)
class Evidence:
    """How many independent origins and windows scores come from, hence how far they are believed.

    Origins are independent if their horizons do not overlap; windows, if they are of different
    series or have independent origins.
    """

    origins: float
    windows: float

    @property
    def weight(self) -> float:
        """The share of an estimated log factor that is believed."""
        if not self.windows:
            return 0.0
        return 1.0 if math.isinf(self.windows) else LARGEST_WEIGHT / (1 + WINDOWS / self.windows)

    @property
    def deviation_weight(self) -> float:
        """The same of a difference between log factors."""
        if not self.windows or math.isinf(self.windows):
            return self.weight
        ratio = DEVIATION_ORIGINS / self.origins + DEVIATION_WINDOWS / self.windows
        return LARGEST_WEIGHT / (1 + ratio)

    def share(self, share: float) -> Evidence:
        """The evidence of a share of the windows, with all origins."""
        return Evidence(self.origins, self.windows * share)


EXCHANGEABLE = Evidence(math.inf, math.inf)
"""All scores are believed wholly: plain split conformal prediction."""


def count_evidence(item: Ints, origin: Ints, horizon: int) -> Evidence:
    """The evidence of windows with these items and origins, `[M]` each."""
    if not len(item):
        return Evidence(0.0, 0.0)
    _, position = np.unique(item, return_inverse=True)
    first = np.full(int(position.max()) + 1, origin.max())
    last = np.full(len(first), origin.min())
    np.minimum.at(first, position, origin)
    np.maximum.at(last, position, origin)
    windows = float(((last - first) // horizon + 1).sum())
    return Evidence(windows / len(first), windows)


@dataclass(frozen=True)
class ConformalIntervals:
    """Factors of the distances of quantiles from the median, by group, part of the horizon and
    level."""

    levels: tuple[float, ...] = ()
    """The Q increasing levels of the factors."""
    horizon: int = 1
    """Steps that are cut into parts of equal length; later steps belong to the last part."""
    factors: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """`[G, P, Q]` of G groups and P parts of the horizon; none: quantiles stay as they are."""

    def apply(
        self, quantiles: Floats, levels: Sequence[float], group: Ints | None = None
    ) -> Floats:
        """The calibrated `quantiles [M, H, Q']` at increasing `levels`, which include 0.5.

        The median is kept, and quantiles that do not cross still do not. A level between those of
        the factors has an interpolated factor, one beyond them that of the outermost.

        Args:
            group: `[M]` the group of each window, the first by default.
        """
        if not self.factors:
            return quantiles  # without rounding errors
        factor = self._factors_at(levels, quantiles.shape[1])  # [G, H, Q']
        median = list(levels).index(0.5)
        center = quantiles[..., median, None]
        values = center + factor[[0] if group is None else group] * (quantiles - center)
        values[..., median] = quantiles[..., median]
        above, below = values[..., median:], values[..., median::-1]  # views, from the median out
        np.maximum.accumulate(above, axis=-1, out=above)
        np.minimum.accumulate(below, axis=-1, out=below)
        return np.asarray(values)

    def apply_by_target(self, quantiles: Floats, levels: Sequence[float]) -> Floats:
        """As `apply`, of `quantiles [M, H, C, Q']` whose targets are the groups."""
        if not self.factors:
            return quantiles
        windows, steps, targets, count = quantiles.shape
        group = np.tile(np.arange(targets) if len(self.factors) > 1 else 0, windows)
        flat = quantiles.swapaxes(1, 2).reshape(-1, steps, count)  # [M * C, H, Q']
        values = self.apply(flat, levels, np.resize(group, len(flat)))
        return values.reshape(windows, targets, steps, count).swapaxes(1, 2)

    def scaled(self, other: ConformalIntervals) -> ConformalIntervals:
        """These intervals with the factors of others, of the same levels and horizon, on top."""
        if not self.factors or not other.factors:
            return other if other.factors else self
        parts = max(len(self.factors[0]), len(other.factors[0]))
        mine, theirs = (
            np.array(each.factors)[:, horizon_part(parts, parts, len(each.factors[0]))]
            for each in (self, other)
        )
        return replace(self, factors=_as_tuples(mine * theirs))

    def _factors_at(self, levels: Sequence[float], steps: int) -> Floats:
        """`[G, steps, Q']` the factors at other levels, 1 at the median."""
        known, factors = np.array(self.levels), np.array(self.factors)  # [G, P, Q]
        level = np.asarray(levels, dtype=np.float64)
        found = np.ones((*factors.shape[:2], len(level)))
        for group, part in np.ndindex(*factors.shape[:2]):
            own = factors[group, part]
            for side in (-1, 1):
                wanted, given = side * (level - 0.5) > 0, side * (known - 0.5) > 0
                if wanted.any() and given.any():
                    found[group, part, wanted] = np.interp(level[wanted], known[given], own[given])
        return found[:, horizon_part(steps, self.horizon, factors.shape[1])]


NOT_CALIBRATED = ConformalIntervals()


def horizon_part(steps: int, horizon: int, parts: int) -> Ints:
    """`[steps]` the part of the horizon of each step."""
    return np.minimum(np.arange(steps) * parts // horizon, parts - 1)


def fit_conformal(
    actual: Floats,
    quantiles: Floats,
    levels: Sequence[float],
    *,
    evidence: Evidence = EXCHANGEABLE,
    group: Ints | None = None,
    lower: Floats | None = None,
    parts: int = 1,
) -> ConformalIntervals:
    """The intervals with their nominal coverage on M windows, as far as the evidence goes.

    Args:
        actual: `[M, H]`, NaN where unobserved.
        quantiles: `[M, H, Q]` in the same units, before bounds and rounding.
        levels: the Q increasing levels, with 0.5.
        evidence: how far factors are believed; wholly by default.
        group: `[M]` from 0 on, for Mondrian conformal prediction (Vovk, Gammerman and Shafer 2005,
            section 4.5); one group by default.
        lower: `[M]` the bound below which no value of a window can lie; none by default.
        parts: of the horizon, with factors of their own.
    """
    group = np.zeros(len(actual), np.int64) if group is None else group
    lower = np.full(len(actual), -np.inf) if lower is None else lower
    known = np.isfinite(actual) & np.isfinite(quantiles).all(-1)
    if not known.any() or not evidence.windows:
        return NOT_CALIBRATED
    window, step = np.nonzero(known)
    scores = _Scores.of_values(actual[known], quantiles[known], tuple(levels), lower[window])
    horizon = actual.shape[1]
    parts = min(parts, horizon)
    part = horizon_part(horizon, horizon, parts)[step]
    side_weight = evidence.deviation_weight
    both, one = scores.two_sided(), scores.one_sided()  # [Q]
    pooled = evidence.weight * both + side_weight * (one - both)
    every = both + side_weight * (one - both)

    def deviation(chosen: Bools) -> Floats:
        """`[Q]` the shrunk difference between the log factors of some values and of all."""
        if chosen.all() or not chosen.any():
            return np.zeros(len(levels))
        own = scores.select(chosen)
        own_both = own.two_sided()
        found = own_both + side_weight * (own.one_sided() - own_both)
        return evidence.share(float(chosen.mean())).deviation_weight * (found - every)

    of_group = np.array([deviation(group[window] == each) for each in range(group.max() + 1)])
    of_part = np.array([deviation(part == each) for each in range(parts)])
    factors = np.exp(pooled + of_group[:, None] + of_part)  # [G, P, Q]
    if not math.isinf(evidence.windows):
        factors = np.clip(factors, SMALLEST_FACTOR, LARGEST_FACTOR)
    return ConformalIntervals(tuple(levels), horizon, _as_tuples(factors))


def _as_tuples(factors: Floats) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(map(float, each)) for each in rows) for rows in factors)


@dataclass(frozen=True)
class _Scores:
    """Scores of N values, and the probabilities that they should exceed."""

    levels: tuple[float, ...]
    values: Floats
    """`[N, Q]` errors of the median in units of the distance of each quantile from it, positive on
    its side; NaN without a distance, below 0 where the error cannot lie beyond the quantile."""
    tails: Floats
    """`[N, Q]` the probability beyond each quantile; 0 below one at the bound."""

    @classmethod
    def of_values(
        cls, actual: Floats, quantiles: Floats, levels: tuple[float, ...], lower: Floats
    ) -> _Scores:
        """Of values `[N]` with their quantiles `[N, Q]` and bounds `[N]`."""
        level = np.array(levels)
        center = quantiles[:, [levels.index(0.5)]]
        distance = quantiles - center
        with np.errstate(over="ignore"):
            scores = (actual[:, None] - center) / np.where(distance == 0, np.nan, distance)
        possible = (level > 0.5) | (quantiles > lower[:, None])
        tails = np.where(possible, np.minimum(level, 1 - level), 0.0)
        return cls(levels, np.where(possible | np.isnan(scores), scores, -np.inf), tails)

    def select(self, chosen: Bools) -> _Scores:
        return _Scores(self.levels, self.values[chosen], self.tails[chosen])

    def one_sided(self) -> Floats:
        """`[Q]` logarithms of the factors of single quantiles; 0 at the median."""
        return np.array(
            [
                0.0 if level == 0.5 else _log_factor(self.values[:, q], self.tails[:, q])
                for q, level in enumerate(self.levels)
            ]
        )

    def two_sided(self) -> Floats:
        """`[Q]` logarithms of the factors of pairs of quantiles; 0 without a partner."""
        found = np.zeros(len(self.levels))
        for pair in self._pairs:
            found[pair] = _log_factor(self.values[:, pair].max(1), self.tails[:, pair].sum(1))
        return found

    @cached_property
    def _pairs(self) -> list[list[int]]:
        """Indices of mirrored levels."""
        position = {round(level, 9): q for q, level in enumerate(self.levels)}
        partners = [position.get(round(1 - level, 9)) for level in self.levels]
        return [[q, p] for q, p in enumerate(partners) if p is not None and q < p]


def _log_factor(scores: Floats, tails: Floats) -> float:
    """The logarithm of the conformal quantile of `scores [N]`, whose mean tail is that of `tails
    [N]`; 0 without any score."""
    known = ~np.isnan(scores)
    tail = float(tails[known].mean()) if known.any() else 0.0
    if not tail:
        return 0.0
    return math.log(max(conformal_quantile(scores[known], tail), SMALLEST_SCORE))


def conformal_quantile(scores: Floats, tail: float) -> float:
    """The k-th smallest of N scores, ``k = ceil((N + 1) (1 - tail))``; the largest if k is above N,
    where no finite score has the guarantee."""
    # rounded, since 100 * (1 - 0.99) is above 1
    rank = math.ceil(round((len(scores) + 1) * (1 - tail), 9))
    index = min(max(rank, 1), len(scores)) - 1
    return float(np.partition(scores, index)[index])
