"""Theta methods: smoothing with a drift from a regression, standard or dynamic optimised (DOT).

Fiorucci, Pellegrini, Louzada, Petropoulos, Koehler (2016), "Models for optimising the theta method
and their relationship to state space models", International Journal of Forecasting 32(4): eq. 15 is
DOT, whose regression grows with the data and whose theta is fitted; with one regression of all data
and a theta of 2 it is the method of Assimakopoulos and Nikolopoulos (2000).

For a given smoothing parameter alpha the one-step errors are linear in the initial level and in
the share of the trend, 1 - 1 / theta: both follow from least squares in closed form, and only
alpha is searched, on a grid that is the same for all histories and then between its points.
Letters: N steps, M histories, P candidates of alpha, H horizon steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.seasonal_adjustment import seasonally_adjust, sum_steps
from rnnforecast.types import Floats, Ints

ALPHAS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.37, 0.45, 0.54, 0.63, 0.72, 0.81, 0.9, 0.99)
"""Smoothing parameters of the first search; the first and last are bounds."""
REFINEMENTS, REFINED_POINTS = 2, 5
"""Further searches between the neighbors of the best, and their number of candidates."""
BURN_IN = 3
"""First errors of a history that do not count, as in the authors' package forecTheta."""
LEVEL_WEIGHT = 3.0
"""Errors that the distance of the initial level from the first value counts as: without it the
level of a short history fits the first errors."""
STANDARD_SHARE = 0.5
"""1 - 1 / theta of the standard method."""
PARAMETERS = 3
"""Alpha, initial level and theta: degrees of freedom that the error variance pays for."""
BLOCK = 256
"""Histories computed together, so that the work fits the processor's cache."""
SMALLEST = 1e-12
"""Sums of squares below this share of the values' own are rounding errors."""


def forecast(
    histories: Histories,
    *,
    season: int,
    horizon: int,
    seasonal_test: bool = False,
    dynamic: bool = True,
) -> StatisticalForecast:
    """Forecasts by a theta method after seasonal adjustment.

    The variance is exact for the model with its parameters known: the errors' variance times the
    squared responses of later values to earlier errors (statsforecast simulates the same).

    Args:
        histories: M histories; filled values count as observed.
        season: steps a season, 1 for none.
        horizon: steps to forecast, H.
        seasonal_test: adjust as the paper and statsforecast do, by plain averages where a test
            finds a season; else by shrunk averages, which are more accurate.
        dynamic: the dynamic optimised method; else the standard one.
    """
    adjustment = seasonally_adjust(histories, season, tested=seasonal_test)
    count, lengths = len(histories.start), histories.lengths
    mean, variance = np.full((count, horizon), np.nan), np.full((count, horizon), np.nan)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    for low in range(0, len(order), BLOCK):
        block = order[low : low + BLOCK]
        mean[block], variance[block] = _forecast_block(
            _left_aligned(adjustment.values, histories.start, block),
            lengths[block],
            horizon,
            dynamic,
        )
    return adjustment.restore(StatisticalForecast(mean, variance))


def _left_aligned(values: Floats, start: Ints, block: Ints) -> Floats:
    """`[N, B]` the histories with indices `block`, longest first, from their first value on."""
    steps = len(values) - start[block[0]]
    row = np.minimum(start[block] + np.arange(steps)[:, None], len(values) - 1)
    return values[row, block]


def _forecast_block(
    values: Floats, lengths: Ints, horizon: int, dynamic: bool
) -> tuple[Floats, Floats]:
    """Mean and variance `[M, H]` of left-aligned `values [N, M]`, longest first."""
    first = values[0].copy()
    inside = np.arange(len(values))[:, None] < lengths
    values = np.where(inside, values - first, 0.0)
    unit = np.abs(values).max(axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    data = _Data.of(values / unit, lengths, dynamic)
    fit = _fit(data)
    mean, response = _forecast_states(fit, lengths, horizon, dynamic)
    errors = np.maximum(lengths - fit.burn_in, 0)
    freedom = np.maximum(errors - PARAMETERS, 1)
    error_variance = np.where(
        lengths > 1, fit.squared_error / freedom * unit**2, first**2
    )  # of one value nothing is known but its size
    return (first + mean * unit).T, (error_variance * response).T


@dataclass(frozen=True)
class _Data:
    """Left-aligned values and their regression on time: at each step that of the values so far if
    `dynamic`, else that of all values."""

    values: Floats
    """`[N, M]` minus the first value, scaled; longest first."""
    lengths: Ints
    active: Ints
    """`[N]` number of histories that reach each step: the first ones."""
    average: Floats
    """`[N, M]` mean so far."""
    intercept: Floats
    slope: Floats
    dynamic: bool

    @classmethod
    def of(cls, values: Floats, lengths: Ints, dynamic: bool) -> _Data:
        """The regressions, step by step."""
        active = (lengths > np.arange(len(values))[:, None]).sum(1)
        average, intercept, slope = (np.zeros_like(values) for _ in range(3))
        for k in range(1, len(values)):
            average[k], intercept[k], slope[k] = _next_regression(
                average[k - 1], slope[k - 1], values[k], k
            )
        if not dynamic:
            last = lengths - 1, np.arange(len(lengths))
            intercept = np.broadcast_to(intercept[last], values.shape)
            slope = np.broadcast_to(slope[last], values.shape)
        return cls(values, lengths, active, average, intercept, slope, dynamic)


@dataclass(frozen=True)
class _Fit:
    """Parameters and last states of each history, `[M]` each."""

    alpha: Floats
    trend_share: Floats
    """1 - 1 / theta."""
    level: Floats
    average: Floats
    intercept: Floats
    slope: Floats
    power: Floats
    """(1 - alpha) to the power of the length."""
    squared_error: Floats
    """Sum after the burn-in."""
    burn_in: Ints


def _next_regression(
    average: Floats, slope: Floats, value: Floats, k: int | Ints
) -> tuple[Floats, Floats, Floats]:
    """Mean, intercept and slope after `value`, the one with index k counted from 0."""
    after = (k * average + value) / (k + 1)
    slope = ((k - 1) * slope + 6 * (value - average) / (k + 1)) / (k + 2)
    return after, after - slope * (k + 2) / 2, slope


def _burn_in(lengths: Ints) -> Ints:
    """`[M]` errors that do not count: fewer where few are left."""
    return np.where(lengths >= 2 * BURN_IN + PARAMETERS, BURN_IN, 1)


def _fit(data: _Data) -> _Fit:
    """The parameters with the least sum of squared one-step errors of each history."""
    column = np.arange(len(data.lengths))
    alphas = np.broadcast_to(np.array(ALPHAS)[:, None], (len(ALPHAS), len(column)))
    for _ in range(REFINEMENTS):
        best = _least_squares(data, alphas)[0].argmin(0)
        low = alphas[np.maximum(best - 1, 0), column]
        high = alphas[np.minimum(best + 1, len(alphas) - 1), column]
        alphas = low + (high - low) * np.linspace(0, 1, REFINED_POINTS)[:, None]
    best = _least_squares(data, alphas)[0].argmin(0)
    alpha = alphas[best, column]
    _, level, share = _least_squares(data, alpha[None])
    return _run(data, alpha, level[0], share[0])


def _least_squares(data: _Data, alpha: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum of squared errors, initial level and trend share `[P, M]` of each `alpha [P, M]`."""
    count, burn_in = len(data.lengths), _burn_in(data.lengths)
    shape = (len(alpha), count)
    decay, power = 1 - alpha, 1 - alpha  # (1 - alpha) ** k
    level = np.zeros(shape)
    rr, rc, rd, dd, cd, cc = (np.zeros(shape) for _ in range(6))
    for k in range(1, len(data.values)):
        n = data.active[k]
        now, a, p = slice(None, n), alpha[:, :n], power[:, :n]
        trend = data.intercept[k - 1, now] * p + data.slope[k - 1, now] * (
            (1 - p * decay[:, :n]) / a
        )
        error = data.values[k, now] - level[:, now]
        level[:, now] += a * error
        if k < BURN_IN:
            counts = k >= burn_in[now]
            trend, error, p = trend * counts, error * counts, p * counts
        rr[:, now] += error * error
        rc[:, now] += error * p
        rd[:, now] += error * trend
        dd[:, now] += trend * trend
        cd[:, now] += trend * p
        cc[:, now] += p * p
        power = power * decay
    cc += LEVEL_WEIGHT
    return _solve(rr, rc, rd, dd, cd, cc, None if data.dynamic else STANDARD_SHARE)


def _solve(
    rr: Floats,
    rc: Floats,
    rd: Floats,
    dd: Floats,
    cd: Floats,
    cc: Floats,
    fixed_share: float | None,
) -> tuple[Floats, Floats, Floats]:
    """Sum of squared errors, initial level and trend share that minimize (r - level c - share d)²,
    with a share of 0 to 1 or a fixed one, from the sums of products of r, c and d."""
    if fixed_share is None:
        remaining = dd - cd * cd / cc
        found = remaining > SMALLEST * dd
        share = (rd - rc * cd / cc) / np.where(found, remaining, 1.0)
        share = np.where(found, np.clip(share, 0.0, 1.0), 0.0)
    else:
        share = np.full(rr.shape, fixed_share)
    level = (rc - share * cd) / cc
    squared = rr - 2 * (level * rc + share * rd) + level * (level * cc + 2 * share * cd)
    return np.maximum(squared + share * share * dd, 0.0), level, share


def _run(data: _Data, alpha: Floats, initial: Floats, share: Floats) -> _Fit:
    """The last states with these parameters, `[M]` each."""
    burn_in = _burn_in(data.lengths)
    level, power = (1 - alpha) * initial, 1 - alpha
    squared = np.zeros_like(level)
    for k in range(1, len(data.values)):
        now = slice(None, data.active[k])
        a, p = alpha[now], power[now]
        trend = data.intercept[k - 1, now] * p + data.slope[k - 1, now] * ((1 - p * (1 - a)) / a)
        error = data.values[k, now] - level[now] - share[now] * trend
        level[now] += a * (error + share[now] * trend)
        squared[now] += error * error * (k >= burn_in[now])
        power[now] *= 1 - a
    last, column = data.lengths - 1, np.arange(len(alpha))
    average, intercept, slope = (
        each[last, column] for each in (data.average, data.intercept, data.slope)
    )
    return _Fit(alpha, share, level, average, intercept, slope, power, squared, burn_in)


def _forecast_states(
    fit: _Fit, lengths: Ints, horizon: int, dynamic: bool
) -> tuple[Floats, Floats]:
    """Forecasts and the sums of squared responses to unit errors, `[H, M]` each.

    The model is linear in its states: the forecast and the response to the error of each step
    ahead follow from the same recursion, the forecast in row 0 and the responses behind it.
    """
    rows = np.zeros((horizon + 1, len(lengths)))
    level, average, intercept, slope = rows.copy(), rows.copy(), rows.copy(), rows.copy()
    level[0], average[0], intercept[0], slope[0] = (
        fit.level,
        fit.average,
        fit.intercept,
        fit.slope,
    )
    mean, response = np.empty_like(rows[1:]), np.empty_like(rows[1:])
    alpha, power = fit.alpha, fit.power
    for step in range(horizon):
        upto = slice(None, step + 2)  # the forecast and the errors so far
        trend = intercept[upto] * power + slope[upto] * ((1 - power * (1 - alpha)) / alpha)
        value = level[upto] + fit.trend_share * trend
        value[-1] = 1.0  # the error of this step
        mean[step], response[step] = value[0], sum_steps(value[1:] ** 2)
        level[upto] += alpha * (value - level[upto])
        if dynamic:
            average[upto], intercept[upto], slope[upto] = _next_regression(
                average[upto], slope[upto], value, lengths + step
            )
        power = power * (1 - alpha)
    return mean, response
