"""Filter of exponential smoothing models: errors, states, and derivatives by every parameter.

Models as in Hyndman, Koehler, Ord and Snyder (2008), Forecasting with exponential smoothing, table
2.2 and 2.3, trend none, additive or damped. Additive and multiplicative errors share the point
forecasts, and so one recursion; they differ in the likelihood. With the error e = y - mu:

| season | mu | level | slope | season |
| --- | --- | --- | --- | --- |
| additive or none | q + s | q + alpha e | phi b + beta e | s + gamma e |
| multiplicative | q s | q + alpha e / s | phi b + beta e / s | s + gamma e / q |

where q = l + phi b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.types import Bools, Floats, Ints

SeasonKind = Literal["none", "additive", "multiplicative"]

ALPHA, BETA_SHARE, PHI, LEVEL, SLOPE, GAMMA_SHARE = range(6)
"""Rows of parameters: alpha, beta / alpha, phi, level and slope before the first value,
gamma / (1 - alpha); then one row for each season before the first value, by its time modulo the
season counted from the origin. Without season there are the first five."""

_LOG_EVERY = 16
"""Steps whose one-step forecasts are multiplied before the logarithm is taken."""


def fixed_rows(kind: SeasonKind) -> int:
    """Number of parameters that are not seasonal states."""
    return 5 if kind == "none" else 6


@dataclass(frozen=True)
class Filtered:
    """Sums over the steps of P models; r is the error, or with multiplicative errors e / mu."""

    squares: Floats
    """`[P]` sum of r²."""
    log_mean: Floats
    """`[P]` sum of log mu, 0 with additive errors; NaN where some mu was not positive."""
    level: Floats
    """`[P]` at the origin, as the slope and the seasonal states."""
    slope: Floats
    seasonal: Floats
    """`[m, P]` the state of each season, by time modulo m counted from the origin."""
    products: Floats
    """`[K, K, P]` J'J of the scaled errors (see `filter_models`); K is 0 without derivatives."""
    descent: Floats
    """`[K, P]` -J'r."""


class _Derivatives:
    """Derivatives of the states by K parameters, and their sums, for P models."""

    def __init__(self, parameters: Floats, kind: SeasonKind, season: int) -> None:
        rows, models = parameters.shape
        self.level = np.zeros((rows, models))
        self.slope = np.zeros((rows, models))
        self.level[LEVEL] = 1.0
        self.slope[SLOPE] = 1.0
        self.seasonal = np.zeros((season, rows, models))
        extra = np.arange(fixed_rows(kind), rows)
        self.seasonal[extra - fixed_rows(kind), extra] = 1.0
        self.products = np.zeros((rows, rows, models))
        self.with_error = np.zeros((rows, models))
        self.relative = np.zeros((rows, models))
        self.work = np.empty((3, rows, models))
        self.square = np.empty((rows, rows, models))


def filter_models(
    values: Floats,
    start: Ints,
    parameters: Floats,
    relative: Bools,
    kind: SeasonKind,
    season: int,
    *,
    rows: int = 0,
) -> Filtered:
    """Runs P models over their histories.

    With multiplicative errors the likelihood is that of additive errors r * g, where g is the
    geometric mean of mu; J is the derivative of r * g by the parameters, divided by g.

    Args:
        values: `[T, P]` the history of each model, right-aligned.
        start: `[P]` first row of each history, ascending.
        parameters: `[R, P]` see `ALPHA`.
        relative: `[P]` models with multiplicative errors.
        kind: the kind of season.
        season: steps a season, m.
        rows: number of parameters to differentiate by, 0 for none.
    """
    with np.errstate(all="ignore"):
        return _run(values, start, parameters, relative, kind, season, rows)


def _run(
    values: Floats,
    start: Ints,
    parameters: Floats,
    relative: Bools,
    kind: SeasonKind,
    season: int,
    rows: int,
) -> Filtered:
    steps, models = values.shape
    first = fixed_rows(kind)
    season = 0 if kind == "none" else season
    alpha, share, phi = parameters[ALPHA], parameters[BETA_SHARE], parameters[PHI]
    beta = alpha * share
    gamma = (1 - alpha) * parameters[GAMMA_SHARE] if season else np.zeros(0)
    level, slope = parameters[LEVEL].copy(), parameters[SLOPE].copy()
    seasonal = parameters[first : first + season].copy()
    squares, log_mean, product = np.zeros(models), np.zeros(models), np.ones(models)
    lowest = np.ones(models)
    derivatives = _Derivatives(parameters[:rows], kind, season) if rows else None
    bounds = np.searchsorted(start, np.arange(steps), side="right")  # models with a history by then
    for step in range(int(start[0]) if models else steps, steps):
        live = slice(0, bounds[step])
        a, b, p = alpha[live], beta[live], phi[live]
        lev, slo = level[live], slope[live]
        damped = p * slo
        base = lev + damped
        place, sea, g, mean = -1, base, a, base
        if kind != "none":
            place = (step - steps) % season
            sea, g = seasonal[place, live], gamma[live]
            mean = base + sea if kind == "additive" else base * sea
        error = values[step, live] - mean
        scale = np.where(relative[live], mean, 1.0)
        scaled = error / scale
        squares[live] += scaled * scaled
        product[live] *= scale
        np.minimum(lowest[live], scale, out=lowest[live])
        if (steps - 1 - step) % _LOG_EVERY == 0:  # from the end, whatever comes before
            log_mean += np.log(product)
            product[:] = 1.0
        level_error = error / sea if kind == "multiplicative" else error
        if derivatives is not None:
            state = (slo, base, sea) if season else (slo, base)
            factors = (a, share[live], b, p) + (
                (g, parameters[GAMMA_SHARE, live]) if season else ()
            )
            where = place if season else -1
            mean_derivative = _advance_states(derivatives, live, kind, where, factors, state, error)
            _add_products(derivatives, live, mean_derivative, scale, scaled, relative[live])
        np.add(base, a * level_error, out=lev)
        np.add(damped, b * level_error, out=slo)
        if kind == "additive":
            sea += g * error
        elif kind == "multiplicative":
            sea += g * (error / base)
    positive = lowest > 0
    if kind == "multiplicative":
        positive &= seasonal.min(0) > 0
    log_mean = np.where(positive, log_mean, np.nan)
    if derivatives is None:
        products, descent = np.zeros((0, 0, models)), np.zeros((0, models))
    else:
        products, descent = _totals(derivatives, squares, steps - start)
    return Filtered(squares, log_mean, level, slope, seasonal, products, descent)


def _advance_states(
    derivatives: _Derivatives,
    live: slice,
    kind: SeasonKind,
    place: int,
    factors: tuple[Floats, ...],
    state: tuple[Floats, ...],
    error: Floats,
) -> Floats:
    """Moves the derivatives of the states on by one step; returns d mu, `[K, P]`."""
    alpha, share, beta, phi = factors[:4]
    slope, base = state[:2]
    level_d, slope_d = derivatives.level[:, live], derivatives.slope[:, live]
    mean_d, base_d, work = (w[:, live] for w in derivatives.work)
    np.multiply(phi, slope_d, out=slope_d)  # d (phi b)
    slope_d[PHI] += slope
    np.add(level_d, slope_d, out=base_d)
    if kind == "none":
        mean_d, change, change_d = base_d, error, base_d
    else:
        gamma, gamma_share = factors[4:]
        sea, sea_d = state[2], derivatives.seasonal[place][:, live]
        if kind == "additive":
            np.add(base_d, sea_d, out=mean_d)
            change, change_d, season_change = error, mean_d, error
            np.multiply(gamma, mean_d, out=work)
        else:
            np.multiply(sea, base_d, out=mean_d)
            mean_d += base * sea_d
            # e / s and e / (l + phi b); their derivatives have the opposite sign here
            change, season_change = error / sea, error / base
            change_d = (mean_d + change * sea_d) / sea
            np.multiply(gamma / base, mean_d + season_change * base_d, out=work)
        sea_d -= work
        sea_d[ALPHA] -= gamma_share * season_change
        sea_d[GAMMA_SHARE] += (1 - alpha) * season_change
    np.multiply(alpha, change_d, out=work)
    np.subtract(base_d, work, out=level_d)
    level_d[ALPHA] += change
    np.multiply(beta, change_d, out=work)
    slope_d -= work
    slope_d[ALPHA] += share * change
    slope_d[BETA_SHARE] += alpha * change
    return mean_d


def _add_products(
    derivatives: _Derivatives,
    live: slice,
    mean_d: Floats,
    scale: Floats,
    scaled: Floats,
    relative: Bools,
) -> None:
    """Adds one step to the sums of squares and products; -dr = (1 + r) d mu / mu if relative."""
    work = derivatives.work[2][:, live]
    np.divide(mean_d, scale, out=work)
    derivatives.relative[:, live] += relative * work
    work *= np.where(relative, 1 + scaled, 1.0)
    derivatives.with_error[:, live] += scaled * work
    square = derivatives.square[:, :, live]
    np.multiply(work[:, None], work[None], out=square)
    derivatives.products[:, :, live] += square


def _totals(derivatives: _Derivatives, squares: Floats, lengths: Ints) -> tuple[Floats, Floats]:
    """J'J and -J'r, with J = -(w - r v) where w is -dr and v the mean of d mu / mu."""
    mean = derivatives.relative / np.maximum(lengths, 1)
    cross = derivatives.with_error[:, None] * mean[None]
    products = derivatives.products - cross - cross.swapaxes(0, 1)
    products += squares * mean[:, None] * mean[None]
    return products, derivatives.with_error - squares * mean
