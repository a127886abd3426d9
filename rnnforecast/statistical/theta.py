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

from collections.abc import Sequence
from dataclasses import dataclass, fields

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
BLOCK = 1024
"""Histories computed together, so that the work fits the processor's cache."""
GRID_PARTS = 3
"""Parts of the first search, for the same reason."""
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


@dataclass(frozen=True)
class _LeastSquares:
    """Sum of squared errors, initial level and trend share `[P, M]` of P smoothing parameters."""

    alpha: Floats
    """`[P, M]`"""
    squared: Floats
    level: Floats
    share: Floats

    def take(self, index: Ints) -> _LeastSquares:
        """Those at `index [R, M]`."""
        column = np.arange(self.alpha.shape[1])
        return _LeastSquares(*(getattr(self, f.name)[index, column] for f in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[_LeastSquares]) -> _LeastSquares:
        """Those of all parts, one behind the other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def _fit(data: _Data) -> _Fit:
    """The parameters with the least sum of squared one-step errors of each history."""
    grid = np.array_split(np.array(ALPHAS), GRID_PARTS)
    found = _LeastSquares.concatenate([_search_grid(data, part) for part in grid])
    for _ in range(REFINEMENTS):
        best = found.squared.argmin(0)
        low = found.take(np.maximum(best - 1, 0)[None])
        high = found.take(np.minimum(best + 1, len(found.alpha) - 1)[None])
        inner = np.linspace(0, 1, REFINED_POINTS)[1:-1, None]
        between = _search(data, low.alpha + (high.alpha - low.alpha) * inner)
        found = _LeastSquares.concatenate([low, between, high])
    best_found = found.take(found.squared.argmin(0)[None])
    return _run(data, best_found.alpha[0], best_found.level[0], best_found.share[0])


def _search_grid(data: _Data, alphas: Floats) -> _LeastSquares:
    """The least squares of smoothing parameters `[P]` that are the same for all histories."""
    count, burn_in = len(data.lengths), _burn_in(data.lengths)
    alpha = alphas[:, None]
    steps = np.repeat(1 - alpha, len(data.values), axis=1)
    power: Floats = np.multiply.accumulate(steps, axis=1)  # [P, N]
    slope_power = (1 - power * (1 - alpha)) / alpha
    level, rr, rc, rd, error, product = np.zeros((6, len(alphas), count))
    for k in range(1, len(data.values)):
        n = data.active[k]
        now = slice(None, n)
        p, q = power[:, k - 1, None], slope_power[:, k - 1, None]
        e, x = error[:, now], product[:, now]
        np.subtract(data.values[k, now], level[:, now], out=e)
        level[:, now] += np.multiply(e, alpha, out=x)
        if k < BURN_IN:
            e *= k >= burn_in[now]
        rr[:, now] += np.multiply(e, e, out=x)
        rc[:, now] += np.multiply(e, p, out=x)
        x *= data.intercept[k - 1, now]
        rd[:, now] += x
        e *= q
        e *= data.slope[k - 1, now]
        rd[:, now] += e
    sums = _trend_sums(data, burn_in, power, slope_power)
    found = _solve(rr, rc, rd, *sums, None if data.dynamic else STANDARD_SHARE)
    return _LeastSquares(np.broadcast_to(alpha, rr.shape), *found)


def _trend_sums(
    data: _Data, burn_in: Ints, power: Floats, slope_power: Floats
) -> tuple[Floats, Floats, Floats]:
    """Sums over steps of d d, c d and c c, `[P, M]`; c are the powers `[P, N]`, and d the trend."""
    count = len(data.lengths)
    # einsum adds step after step, but in another order for one history alone
    shape = len(data.values) - 1, max(count, 2)
    step = np.arange(1, len(data.values))[:, None]
    is_scored = np.zeros(shape)
    is_scored[:, :count] = (step < data.lengths) & (step >= burn_in)
    intercept, slope = np.zeros((2, *shape))
    intercept[:, :count] = data.intercept[:-1] * is_scored[:, :count]
    slope[:, :count] = data.slope[:-1] * is_scored[:, :count]

    def add_up(powers: Floats, values: Floats) -> Floats:
        return np.asarray(np.einsum("pn,nm->pm", powers, values)[:, :count])

    c, s = power[:, :-1], slope_power[:, :-1]
    both = c * s
    dd = add_up(c * c, intercept**2) + add_up(2 * both, intercept * slope)
    dd += add_up(s * s, slope**2)
    cd = add_up(c * c, intercept) + add_up(both, slope)
    return dd, cd, add_up(c * c, is_scored) + LEVEL_WEIGHT


def _search(data: _Data, alpha: Floats) -> _LeastSquares:
    """The least squares of smoothing parameters `[P, M]`."""
    burn_in = _burn_in(data.lengths)
    level, rr, rc, rd, dd, cd, cc, error, trend, product = np.zeros((10, *alpha.shape))
    decay, inverse = 1 - alpha, 1 / alpha
    power = decay.copy()  # (1 - alpha) ** k
    for k in range(1, len(data.values)):
        n = data.active[k]
        now = slice(None, n)
        p, e, d, x = power[:, now], error[:, now], trend[:, now], product[:, now]
        np.subtract(data.values[k, now], level[:, now], out=e)
        level[:, now] += np.multiply(alpha[:, now], e, out=x)
        np.multiply(p, decay[:, now], out=d)
        next_power = d.copy()
        np.subtract(1.0, d, out=d)
        d *= inverse[:, now]
        d *= data.slope[k - 1, now]
        d += np.multiply(data.intercept[k - 1, now], p, out=x)
        if k < BURN_IN:
            counts = k >= burn_in[now]
            e *= counts
            d *= counts
            p *= counts
        rr[:, now] += np.multiply(e, e, out=x)
        rc[:, now] += np.multiply(e, p, out=x)
        rd[:, now] += np.multiply(e, d, out=x)
        dd[:, now] += np.multiply(d, d, out=x)
        cd[:, now] += np.multiply(d, p, out=x)
        cc[:, now] += np.multiply(p, p, out=x)
        p[:] = next_power
    cc += LEVEL_WEIGHT
    found = _solve(rr, rc, rd, dd, cd, cc, None if data.dynamic else STANDARD_SHARE)
    return _LeastSquares(alpha, *found)


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
