"""Structural forecast: level, damped slope and season, averaged over variance ratios and scales.

Bayesian averaging over structural time series models: West & Harrison (1997), "Bayesian
Forecasting and Dynamic Models", 2nd ed., 12.2; Harvey (1989), "Forecasting, Structural Time Series
Models and the Kalman Filter", 2.3. Each candidate forecasts the values and, if all are positive,
their logarithms; a candidate weighs by its prior and the likelihood of its one-step errors.

No parameter is optimized: few values leave the weights near the prior, and slope and season near
zero. As no candidate is true, the likelihood counts as that of `EVIDENCE` steps at most; with
whole likelihoods the forecasts are 2 to 3 % worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.structural_filter import (
    CandidateForecasts,
    Candidates,
    candidates,
    filter_series,
    filter_tables,
)
from rnnforecast.types import Bools, Floats, Ints

ALPHAS = (0.1, 0.35, 0.9)
"""Smoothing parameters of the level. Five of them, or twice as many trends and seasons, forecast
the same to 0.2 % on the windows below."""
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
"""Variance and noise of the seasonal effects: none, weak, strong."""
EVIDENCE = 12
"""Steps that a likelihood counts as at most."""
LARGEST_SEASON = 60
"""Longer seasons are subtracted as mean deviations; their states would be too many."""


@dataclass(frozen=True)
class Prior:
    """Logarithms of prior weights, up to a constant."""

    alphas: tuple[float, ...]
    trends: tuple[float, ...]
    logarithm: float
    """Of the models of logarithms against those of values."""


PRIORS = {
    1: Prior((-0.15, -0.2, 0.3), (-0.1, -0.1, 0.3, 0.0, -0.2, 0.5, -0.4), 0.2),
    2: Prior((0.0, 0.0, 0.0), (0.1, 0.1, -0.7, 0.1, 0.6, 0.0, -0.1), 0.3),
    7: Prior((0.7, -0.2, -0.5), (0.4, 0.0, -0.6, 0.2, 0.1, -0.8, 0.6), 0.4),
    13: Prior((1.2, 0.0, -1.2), (1.0, 0.0, -1.5, 0.3, 0.2, -2.5, 0.2), -2.0),
}
"""By the shortest season they are for. They minimize the mean of sMAPE and MASE on the last one to
three horizons inside the training parts of M1, M3 and tourism (yearly, quarterly, monthly) and
hospital, shrunk towards equal weights; against equal ones they gain 0 to 2 %, 3 % on monthly sets
that were left out of their estimation."""


@dataclass(frozen=True)
class StructuralForecast:
    """Averages of the candidates of values and of those of logarithms; M series, H steps."""

    mean: Floats
    """`[2, M, H]` on the scale of each: values, logarithms."""
    variance: Floats
    """`[2, M, H]` of the errors: of each candidate, and among candidates."""
    logarithm_weight: Floats
    """`[M]` weight of the candidates of logarithms."""
    largest: Floats
    """`[M]` largest value of the history; 1 without positive ones."""
    freedom: Floats
    """`[M]` degrees of freedom of Student's t."""

    def quantiles(self, levels: Sequence[float], spread: float = 1.0) -> Floats:
        """`[M, H, Q]`; quantiles of both scales are averaged by weight.

        Args:
            levels: between 0 and 1.
            spread: multiplies the standard deviations.
        """
        score = stats.t.ppf(np.asarray(levels), self.freedom[:, None])  # [M, Q]
        offset = spread * np.sqrt(self.variance)[..., None] * score[:, None]
        values, logarithms = self.mean[..., None] + offset
        share = self.logarithm_weight[:, None, None]
        powers = grow(logarithms, self.largest[:, None, None])
        return np.where(share > 0, (1 - share) * values + share * powers, values)


def grow(logarithms: Floats, largest: Floats) -> Floats:
    """Values of logarithms; above e times the largest of the history they grow linearly, so that
    a trend or a wide band of logarithms does not explode."""
    ahead = logarithms - np.log(largest)
    return largest * np.where(ahead > 1, np.e * np.maximum(ahead, 1), np.exp(np.minimum(ahead, 1)))


def forecast(histories: Histories, *, season: int, horizon: int) -> StructuralForecast:
    """Forecasts of M histories; NaN for those without a value.

    Args:
        histories: filled values count as observed.
        season: steps a season, 1 for none.
        horizon: steps to forecast, H.
    """
    lengths = histories.lengths
    some = lengths > 0
    values = _left_aligned(histories, some)
    inside = np.arange(len(values))[:, None] < lengths[some]
    shape = (2, len(lengths), horizon)
    result = StructuralForecast(
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        np.zeros(len(lengths)),
        np.ones(len(lengths)),
        np.maximum(lengths - 1.0, 3.0),
    )
    if some.any():
        positive = (values > 0).all(0, where=inside)
        largest = values.max(0, where=inside, initial=-np.inf)
        result.largest[some] = np.where(largest > 0, largest, 1.0)
        mean, variance, share = _average_scales(
            values, inside, positive, season=season, horizon=horizon
        )
        result.mean[:, some], result.variance[:, some] = mean, variance
        result.logarithm_weight[some] = share
    return result


def _left_aligned(histories: Histories, some: Bools) -> Floats:
    """`[T, M]` values of the histories with a value, each from row 0 on."""
    start = histories.start[some]
    steps = len(histories.values)
    rows = np.minimum(np.arange(steps)[:, None] + start, steps - 1)
    return histories.values[rows, np.flatnonzero(some)]


def _average_scales(
    values: Floats, inside: Bools, positive: Bools, *, season: int, horizon: int
) -> tuple[Floats, Floats, Floats]:
    """Means and variances `[2, M, H]` and the weight of logarithms `[M]`."""
    lengths = inside.sum(0)
    inner = season if season <= LARGEST_SEASON else 1
    models = candidates(ALPHAS, TRENDS, SEASONS if inner > 1 else SEASONS[:1])
    tables = filter_tables(models, int(lengths.max()), inner)
    prior = _log_prior(season, len(models))
    shape = (2, values.shape[1], horizon)
    mean, variance = np.zeros(shape), np.zeros(shape)
    evidence = np.full(shape[:2], -np.inf)
    for scale, use in enumerate((np.ones_like(positive), positive)):
        if not use.any():
            continue
        count, known = lengths[use], inside[:, use]
        taken = values[:, use]
        taken = np.where(known, np.log(np.where(known, taken, 1.0)) if scale else taken, 0.0)
        center = _sum(taken) / count
        centered = np.where(known, taken - center, 0.0)
        pattern = _pattern(centered, known, season) if inner < season else None
        if pattern is not None:
            rows = np.arange(len(taken)) % season
            centered = np.where(known, centered - pattern[rows], 0.0)
        forecasts = filter_series(centered, count, models, tables, horizon)
        average, spread, fit = _average(forecasts, count, prior[:, None])
        mean[scale, use] = average + center[:, None]
        if pattern is not None:
            ahead = (count[:, None] + np.arange(horizon)) % season
            mean[scale, use] += pattern[ahead, np.arange(len(count))[:, None]]
        variance[scale, use] = spread
        # the density of values is that of their logarithms divided by the values
        steps = np.minimum(count - 1, EVIDENCE)
        evidence[scale, use] = fit - steps * center + _prior(season).logarithm if scale else fit
    share = np.exp(evidence[1] - np.logaddexp(evidence[0], evidence[1]))
    return mean, variance, share


def _average(
    forecasts: CandidateForecasts, lengths: Ints, log_prior: Floats
) -> tuple[Floats, Floats, Floats]:
    """Mean and variance `[M, H]` over the candidates, and the logarithm of their evidence `[M]`."""
    share = np.minimum(1.0, EVIDENCE / np.maximum(lengths - 1, 1))
    score = log_prior + share * forecasts.log_likelihood
    largest = score.max(0)
    weights = np.exp(score - largest)
    total = _sum(weights)
    weights /= total
    mean = (weights * forecasts.mean).transpose(1, 0, 2)
    mean = _sum(mean)  # [H, M]
    squares = forecasts.variance + (forecasts.mean - mean[:, None]) ** 2
    variance = _sum((weights * squares).transpose(1, 0, 2))
    return mean.T, variance.T, largest + np.log(total)


def _sum(values: Floats) -> Floats:
    """Sum over the first axis in its order: NumPy's own order depends on the number of series."""
    total = np.zeros(values.shape[1:])
    for row in values:
        total += row
    return total


def _prior(season: int) -> Prior:
    return PRIORS[max(shortest for shortest in PRIORS if shortest <= season)]


def _log_prior(season: int, count: int) -> Floats:
    """`[K]` of the candidates, in their order."""
    prior = _prior(season)
    both = np.array(prior.alphas)[:, None] + np.array(prior.trends)
    return np.repeat(both.ravel(), count // both.size)


def _pattern(values: Floats, known: Bools, season: int) -> Floats:
    """`[season, M]` mean of the values `[T, M]` at each position of the season, around zero;
    zero where fewer than two seasons are known."""
    total, count = np.zeros((2, season, values.shape[1]))
    for begin in range(0, len(values), season):
        part = slice(0, min(season, len(values) - begin))
        total[part] += values[begin : begin + season]
        count[part] += known[begin : begin + season]
    mean = total / np.maximum(count, 1)
    mean -= _sum(mean) / season
    return np.where(_sum(count) >= 2 * season, mean, 0.0)
