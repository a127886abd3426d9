"""Structural forecast: level, damped slope and season, averaged over variance ratios and scales.

Bayesian averaging over structural time series models: West & Harrison (1997), "Bayesian
Forecasting and Dynamic Models", 2nd ed., 12.2; Harvey (1989), "Forecasting, Structural Time Series
Models and the Kalman Filter", 2.3. Each candidate forecasts the values and, if all are positive,
their logarithms; a candidate weighs by its prior and the likelihood of its one-step errors.

No parameter is optimized: few values leave the weights near the prior, and slope and season near
zero. As no candidate is true, the likelihood counts as that of `EVIDENCE` steps at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.structural_filter import (
    WIDTH,
    BlockFilter,
    CandidateForecasts,
    candidates,
    filter_tables,
)
from rnnforecast.statistical.sums import sum_rows
from rnnforecast.types import Bools, Floats, Ints

ALPHAS = (0.1, 0.35, 0.9)
"""Smoothing parameters of the level. Five of them, or twice as many trends and seasons, forecast
the same to 0.2 %."""
TRENDS = (
    (0.0, 0.0, 0.0, 1.0),  # none
    (0.05, 0.95, 0.02, 1.0),  # damped
    (0.4, 0.9, 0.1, 1.0),  # damped, changing
    (0.0, 1.0, 0.03, 1.0),  # constant, small
    (0.0, 1.0, 0.3, 1.0),  # constant
    (0.1, 1.0, 0.05, 1.0),  # changing
    (0.0, 1.0, 0.01, 0.95),  # return to a mean
)
"""Slope noise, damping, slope variance and reversion, see `Candidates`."""
SEASONS = ((0.0, 0.0), (3.0, 0.01), (100.0, 0.3))
"""Variance and noise of the seasonal effects: none, steady, changing."""
EVIDENCE = 12
"""Steps that a likelihood counts as at most; the whole one is up to 4 % worse on series of 100."""
LARGEST_SEASON = 60
"""Longer seasons are subtracted as mean deviations; their states would be too many."""
LARGEST_FREEDOM = 6.0
"""Most degrees of freedom of Student's t; errors several steps ahead have heavy tails."""
ROUNDED_STEPS = 32
"""The tables of filters have a multiple of these, so that histories of many lengths share them."""
MAX_KEPT_STEPS = 1024
"""The tables of more are not kept for later calls."""


NEVER = -np.inf


@dataclass(frozen=True)
class Prior:
    """Logarithms of prior weights, up to a constant; `NEVER` for candidates that are left out."""

    alphas: tuple[float, ...]
    trends: tuple[float, ...]
    logarithm: float
    """Of the candidates of logarithms against those of values."""

    def used_alphas(self) -> list[float]:
        """The smoothing parameters of its candidates."""
        return [a for a, weight in zip(ALPHAS, self.alphas, strict=True) if weight > NEVER]

    def used_trends(self) -> list[tuple[float, float, float, float]]:
        """The trends of its candidates."""
        return [t for t, weight in zip(TRENDS, self.trends, strict=True) if weight > NEVER]

    def weights(self) -> Floats:
        """Those of all combinations, the trend varies fastest."""
        both = np.array(self.alphas)[:, None] + np.array(self.trends)
        return np.asarray(both[both > NEVER])


PRIORS = {
    1: Prior((-0.15, -0.2, 0.3), (-0.1, -0.1, 0.3, 0.0, -0.2, 0.5, -0.4), 0.2),
    2: Prior((0.0, 0.0, 0.0), (0.1, 0.1, -0.7, 0.1, 0.6, 0.0, -0.1), 0.3),
    7: Prior((0.7, -0.2, -0.5), (0.4, 0.0, -0.6, 0.2, 0.1, -0.8, 0.6), 0.4),
    13: Prior((0.0, NEVER, NEVER), (1.0, NEVER, NEVER, 0.3, NEVER, NEVER, 0.2), -2.0),
}
"""By the shortest season they are for. The first three minimize sMAPE and MASE on the last one to
three horizons inside the training parts of M1, M3 and tourism (yearly, quarterly, monthly) and
hospital, shrunk towards equal weights; on sets left out of their estimation they gain 2 to 3 %
against equal weights on monthly series, nothing on others. The last one was set by hand on windows
inside the training parts of M4 hourly and ETTh1; with all candidates the scaled errors of these two
and of vic_elec are 0.923, 0.954 and 0.666, with those that are left 0.911, 0.952 and 0.673."""


@dataclass(frozen=True)
class StructuralForecast:
    """Averages of the candidates of values and of those of logarithms; M histories, H steps."""

    mean: Floats
    """`[2, M, H]` on the scale of each: values, logarithms; NaN for a history without a value."""
    variance: Floats
    """`[2, M, H]` of the errors: of each candidate, and among candidates."""
    logarithm_weight: Floats
    """`[M]` weight of the candidates of logarithms."""
    largest: Floats
    """`[M]` largest value of the history; 1 without positive ones."""
    freedom: Floats
    """`[M]` degrees of freedom of Student's t."""

    def first(self, count: int) -> StructuralForecast:
        """Those of the first histories."""
        return StructuralForecast(
            self.mean[:, :count],
            self.variance[:, :count],
            self.logarithm_weight[:count],
            self.largest[:count],
            self.freedom[:count],
        )

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """`[M, H, Q]`; quantiles of both scales are averaged by weight."""
        from scipy.special import stdtrit  # what `scipy.stats.t.ppf` calls, and quicker to import

        score = stdtrit(self.freedom[:, None], np.asarray(levels))  # [M, Q]
        offset = np.sqrt(self.variance)[..., None] * score[:, None]
        values, logarithms = self.mean[..., None] + offset
        share = self.logarithm_weight[:, None, None]
        powers = grow(logarithms, self.largest[:, None, None])
        return np.asarray(np.where(share > 0, (1 - share) * values + share * powers, values))


def grow(logarithms: Floats, largest: Floats) -> Floats:
    """Values of logarithms; above e times the largest of the history they grow linearly, so that
    a trend or a wide band of logarithms does not explode."""
    ahead = logarithms - np.log(largest)
    return largest * np.where(ahead > 1, np.e * np.maximum(ahead, 1), np.exp(np.minimum(ahead, 1)))


def forecast(
    histories: Histories, *, season: int, horizon: int, back: Sequence[int] = (0,)
) -> StructuralForecast:
    """Forecasts at R origins of M histories, origin by origin: `[R x M]`; NaN without a value.

    The forecasts at earlier origins know nothing of later values, except how the season of more
    than `LARGEST_SEASON` steps and the center of the values are.

    Args:
        histories: filled values count as observed.
        season: steps a season, 1 for none.
        horizon: steps to forecast, H.
        back: R origins, in steps before the end of the histories.
    """
    left = np.clip(histories.lengths - np.array(back)[:, None], 0, None)  # [R, M]
    known = left[0] > 0 if len(back) == 1 else left.max(0) > 0
    mean, variance = np.full((2, 2, *left.shape, horizon), np.nan)
    share, largest = np.zeros(left.shape), np.ones(left.shape)
    steps = -(-int(left.max(initial=1)) // ROUNDED_STEPS) * ROUNDED_STEPS
    filters = (_known_filters if steps <= MAX_KEPT_STEPS else _filters)(season, steps, horizon)
    chosen = np.flatnonzero(known)
    # of about one length in a part: each length that ends there costs a forecast of all of it
    chosen = chosen[np.argsort(histories.lengths[chosen], kind="stable")]
    for begin in range(0, len(chosen), WIDTH):
        part = chosen[begin : begin + WIDTH]
        values = histories.from_first(part)
        averages = _average_scales(values, left[:, part], filters, season=season, horizon=horizon)
        mean[:, :, part], variance[:, :, part], share[:, part], largest[:, part] = averages
    missing = np.broadcast_to(left[..., None] == 0, mean.shape)
    mean[missing], variance[missing] = np.nan, np.nan
    return StructuralForecast(
        mean.reshape(2, -1, horizon),
        variance.reshape(2, -1, horizon),
        share.ravel(),
        largest.ravel(),
        np.clip(left.ravel() - 1.0, 3.0, LARGEST_FREEDOM),
    )


def _filters(season: int, steps: int, horizon: int) -> tuple[BlockFilter, ...]:
    """Those of candidates without a season, whose states are few, and of the others."""
    prior = _prior(season)
    if season > LARGEST_SEASON:
        season = 1
    groups = [(1, SEASONS[:1])] + ([(season, SEASONS[1:])] if season > 1 else [])
    found = []
    for own_season, seasons in groups:
        models = candidates(prior.used_alphas(), prior.used_trends(), seasons)
        found.append(BlockFilter(models, filter_tables(models, steps, own_season), horizon))
    return tuple(found)


_known_filters = lru_cache(maxsize=4)(_filters)
"""They take as long as the forecasts of some hundred series."""


def _prior(season: int) -> Prior:
    return PRIORS[max(shortest for shortest in PRIORS if shortest <= season)]


def _average_scales(
    values: Floats,
    left: Ints,
    filters: Sequence[BlockFilter],
    *,
    season: int,
    horizon: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Means and variances `[2, R, M, H]`, weights of logarithms and largest values `[R, M]`."""
    prior = _prior(season)
    weights = prior.weights()
    weights = np.concatenate(
        [np.repeat(weights, len(each.models) // len(weights)) for each in filters]
    )
    ends = np.maximum(left, 1)
    inside = np.arange(len(values))[:, None] < ends.max(0)
    positive = (values > 0).all(0, where=inside)
    mean, variance = np.zeros((2, 2, *ends.shape, horizon))
    evidence = np.full((2, *ends.shape), -np.inf)
    for scale, use in enumerate((np.ones_like(positive), positive)):
        if not use.any():
            continue
        known, count = inside[:, use], ends.max(0)[use]
        taken = np.where(known, values[:, use], 1.0)
        taken = np.where(known, np.log(taken) if scale else taken, 0.0)
        center = sum_rows(taken) / count
        centered = np.where(known, taken - center, 0.0)
        pattern = np.zeros((season, len(count)))
        if season > LARGEST_SEASON:
            pattern = _pattern(centered, known, season)
            centered = np.where(known, centered - pattern[np.arange(len(taken)) % season], 0.0)
        average, spread, fit = _forecast_scale(centered, ends[:, use], filters, weights)
        ahead = (ends[:, use, None] + np.arange(horizon)) % season  # [R, M, H]
        mean[scale][:, use] = average + center[:, None]
        mean[scale][:, use] += pattern[ahead, np.arange(len(count))[:, None]]
        variance[scale][:, use] = spread
        evidence[scale][:, use] = fit
        if scale:  # the density of a value is that of its logarithm divided by the value
            steps = np.minimum(ends[:, use] - 1, EVIDENCE)
            evidence[scale][:, use] += prior.logarithm - steps * center
    share = np.exp(evidence[1] - np.logaddexp(evidence[0], evidence[1]))
    highest = np.maximum.accumulate(values, axis=0)[ends - 1, np.arange(values.shape[1])]
    return mean, variance, share, np.where(highest > 0, highest, 1.0)


def _forecast_scale(
    values: Floats, ends: Ints, filters: Sequence[BlockFilter], log_prior: Floats
) -> tuple[Floats, Floats, Floats]:
    """Means and variances `[R, M, H]` of series `[T, M]` at the origins `ends [R, M]`, and the
    logarithms of their evidence `[R, M]`."""
    shape = *ends.shape, filters[0].horizon
    mean, variance, evidence = np.empty(shape), np.empty(shape), np.empty(ends.shape)
    ages = np.unique(ends).tolist()
    padded = np.zeros((ages[-1], WIDTH))
    padded[:, : values.shape[1]] = values[: ages[-1]]
    filtered = [each.run(padded, ages) for each in filters]
    for age, *parts in zip(ages, *filtered, strict=True):
        forecasts = [each.forecast(part, age) for each, part in zip(filters, parts, strict=True)]
        average, spread, fit = _average(forecasts, age, log_prior)
        origin, column = np.nonzero(ends == age)
        mean[origin, column], variance[origin, column] = average[:, column].T, spread[:, column].T
        evidence[origin, column] = fit[column]
    return mean, variance, evidence


def _average(
    forecasts: Sequence[CandidateForecasts], age: int, log_prior: Floats
) -> tuple[Floats, Floats, Floats]:
    """Mean and variance `[H, M]` over the candidates, and the logarithm of their evidence `[M]`."""
    log_likelihood = np.concatenate([each.log_likelihood for each in forecasts])
    score = log_prior[:, None] + min(1.0, EVIDENCE / max(age - 1, 1)) * log_likelihood
    largest = score.max(0)
    weights = np.exp(score - largest)
    total = sum_rows(weights)
    weights /= total
    ends = np.cumsum([len(each.scale) for each in forecasts])[:-1]
    own = np.split(weights, ends)
    mean: Floats = sum(
        np.einsum("km,khm->hm", weight, each.mean)
        for weight, each in zip(own, forecasts, strict=True)
    )
    variance = np.zeros_like(mean)
    for weight, each in zip(own, forecasts, strict=True):
        variance += each.unit_variance @ (weight * each.scale)
        distance = each.mean - mean
        variance += np.einsum("km,khm,khm->hm", weight, distance, distance)
    return mean, variance, largest + np.log(total)


def _pattern(values: Floats, known: Bools, season: int) -> Floats:
    """`[season, M]` mean of the values `[T, M]` at each position of the season, around zero;
    zero where fewer than two seasons are known."""
    total, count = np.zeros((2, season, values.shape[1]))
    for begin in range(0, len(values), season):
        part = slice(0, min(season, len(values) - begin))
        total[part] += values[begin : begin + season]
        count[part] += known[begin : begin + season]
    mean = total / np.maximum(count, 1)
    mean -= sum_rows(mean) / season
    return np.where(sum_rows(count) >= 2 * season, mean, 0.0)
