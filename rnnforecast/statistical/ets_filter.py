"""Filter of exponential smoothing models: errors, states, and derivatives by the parameters.

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

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Literal, TypeVar

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
    """`[K, K, P]` J'J of the scaled errors (see `filter_models`); empty without derivatives."""
    descent: Floats
    """`[K, P]` -J'r."""


@dataclass
class _Recursion:
    """Parameters, states and sums of P models, changed in place step by step."""

    alpha: Floats
    beta_share: Floats
    beta: Floats
    phi: Floats
    gamma: Floats
    gamma_share: Floats
    relative: Bools
    level: Floats
    slope: Floats
    seasonal: Floats
    squares: Floats
    product: Floats
    """`[P]` of the means of the last steps, whose logarithm is not yet taken."""
    least: Floats
    """`[P]` the least mean so far."""

    @classmethod
    def at_start(cls, parameters: Floats, relative: Bools, kind: SeasonKind) -> _Recursion:
        models = parameters.shape[1]
        alpha, share = parameters[ALPHA], parameters[BETA_SHARE]
        gamma = np.zeros(models) if kind == "none" else parameters[GAMMA_SHARE]
        return cls(
            alpha,
            share,
            alpha * share,
            parameters[PHI],
            (1 - alpha) * gamma,
            gamma,
            relative,
            parameters[LEVEL].copy(),
            parameters[SLOPE].copy(),
            parameters[fixed_rows(kind) :].copy(),
            np.zeros(models),
            np.ones(models),
            np.ones(models),
        )


@dataclass
class _Derivatives:
    """Derivatives of the states of P models by K parameters, and their sums."""

    level: Floats
    slope: Floats
    seasonal: Floats
    """`[m, K, P]`"""
    products: Floats
    with_error: Floats
    relative: Floats
    work: Floats
    square: Floats

    @classmethod
    def at_start(cls, models: int, kind: SeasonKind, season: int) -> _Derivatives:
        rows = fixed_rows(kind)
        level, slope = np.zeros((2, rows, models))
        level[LEVEL], slope[SLOPE] = 1.0, 1.0
        return cls(
            level,
            slope,
            np.zeros((season, rows, models)),
            np.zeros((rows, rows, models)),
            np.zeros((rows, models)),
            np.zeros((rows, models)),
            np.empty((3, rows, models)),
            np.empty((rows, rows, models)),
        )


_Arrays = TypeVar("_Arrays", _Recursion, _Derivatives)


def _first(arrays: _Arrays, count: int) -> _Arrays:
    """Views of the first models."""
    return replace(arrays, **{f.name: getattr(arrays, f.name)[..., :count] for f in fields(arrays)})


def filter_models(
    values: Floats,
    start: Ints,
    parameters: Floats,
    relative: Bools,
    kind: SeasonKind,
    season: int,
    *,
    derivatives: bool = False,
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
        derivatives: by the K parameters that are not seasonal states.
    """
    with np.errstate(all="ignore"):
        return _run(values, start, parameters, relative, kind, season, derivatives)


def _run(
    values: Floats,
    start: Ints,
    parameters: Floats,
    relative: Bools,
    kind: SeasonKind,
    season: int,
    with_derivatives: bool,
) -> Filtered:
    steps, models = values.shape
    season = 0 if kind == "none" else season
    every = _Recursion.at_start(parameters, relative, kind)
    derivatives = _Derivatives.at_start(models, kind, season) if with_derivatives else None
    log_mean = np.zeros(models)
    live = np.searchsorted(start, np.arange(steps), side="right")  # histories begun by each step
    begins = [*np.flatnonzero(np.diff(live, prepend=0)), steps]
    for low, high in pairwise(begins):
        now = _first(every, live[low])
        now_d = None if derivatives is None else _first(derivatives, live[low])
        for step in range(low, high):
            place = (step - steps) % season if season else 0
            _advance(now, now_d, values[step, : live[low]], kind, place)
            if (steps - 1 - step) % _LOG_EVERY == 0:  # from the end, whatever comes before
                log_mean += np.log(every.product)
                every.product[:] = 1.0
    positive = every.least > 0
    if kind == "multiplicative":
        positive &= every.seasonal.min(0) > 0
    log_mean = np.where(positive, log_mean, np.nan)
    if derivatives is None:
        products, descent = np.zeros((0, 0, models)), np.zeros((0, models))
    else:
        products, descent = _totals(derivatives, every.squares, steps - start)
    return Filtered(
        every.squares, log_mean, every.level, every.slope, every.seasonal, products, descent
    )


def _advance(
    now: _Recursion, derivatives: _Derivatives | None, value: Floats, kind: SeasonKind, place: int
) -> None:
    """Moves the states on by one step, and adds it to the sums."""
    damped = now.phi * now.slope
    base = now.level + damped
    if kind == "none":
        mean, seasonal = base, base
    else:
        seasonal = now.seasonal[place]
        mean = base + seasonal if kind == "additive" else base * seasonal
    error = value - mean
    scale = np.where(now.relative, mean, 1.0)
    scaled = error / scale
    now.squares += scaled * scaled
    now.product *= scale
    np.minimum(now.least, scale, out=now.least)
    change = error / seasonal if kind == "multiplicative" else error
    season_change = error / base if kind == "multiplicative" else error
    if derivatives is not None:
        changes = (base, change, season_change)
        mean_d = _advance_derivatives(derivatives, now, kind, place, changes)
        _add_products(derivatives, mean_d, scale, scaled, now.relative)
    np.add(base, now.alpha * change, out=now.level)
    np.add(damped, now.beta * change, out=now.slope)
    if kind != "none":
        seasonal += now.gamma * season_change


def _advance_derivatives(
    derivatives: _Derivatives,
    now: _Recursion,
    kind: SeasonKind,
    place: int,
    changes: tuple[Floats, Floats, Floats],
) -> Floats:
    """Moves the derivatives of the states on by one step; returns d mu, `[K, P]`.

    `changes` are l + phi b and what alpha and gamma multiply: the errors of level and season.
    """
    base, change, season_change = changes
    level_d, slope_d = derivatives.level, derivatives.slope
    mean_d: Floats
    mean_d, base_d, work = derivatives.work
    slope_d *= now.phi  # d (phi b)
    slope_d[PHI] += now.slope
    np.add(level_d, slope_d, out=base_d)
    change_d = mean_d  # with the opposite sign, as those of the season's
    if kind == "none":
        mean_d = change_d = base_d
    else:
        seasonal, seasonal_d = now.seasonal[place], derivatives.seasonal[place]
        if kind == "additive":
            np.add(base_d, seasonal_d, out=mean_d)
            np.multiply(now.gamma, mean_d, out=work)
        else:
            np.multiply(seasonal, base_d, out=mean_d)
            mean_d += base * seasonal_d
            change_d = (mean_d + change * seasonal_d) / seasonal
            np.multiply(now.gamma / base, mean_d + season_change * base_d, out=work)
        seasonal_d -= work
        seasonal_d[ALPHA] -= now.gamma_share * season_change
        seasonal_d[GAMMA_SHARE] += (1 - now.alpha) * season_change
    np.multiply(now.alpha, change_d, out=work)
    np.subtract(base_d, work, out=level_d)
    level_d[ALPHA] += change
    np.multiply(now.beta, change_d, out=work)
    slope_d -= work
    slope_d[ALPHA] += now.beta_share * change
    slope_d[BETA_SHARE] += now.alpha * change
    return mean_d


def _add_products(
    derivatives: _Derivatives, mean_d: Floats, scale: Floats, scaled: Floats, relative: Bools
) -> None:
    """Adds one step to the sums of squares and products; -dr = (1 + r) d mu / mu if relative."""
    work = derivatives.work[2]
    np.divide(mean_d, scale, out=work)
    derivatives.relative += relative * work
    work *= np.where(relative, 1 + scaled, 1.0)
    derivatives.with_error += scaled * work
    np.multiply(work[:, None], work[None], out=derivatives.square)
    derivatives.products += derivatives.square


def _totals(derivatives: _Derivatives, squares: Floats, lengths: Ints) -> tuple[Floats, Floats]:
    """J'J and -J'r, with J = -(w - r v) where w is -dr and v the mean of d mu / mu."""
    mean = derivatives.relative / np.maximum(lengths, 1)
    cross = derivatives.with_error[:, None] * mean[None]
    products = derivatives.products - cross - cross.swapaxes(0, 1)
    products += squares * mean[:, None] * mean[None]
    return products, derivatives.with_error - squares * mean
