"""Maximum likelihood estimation of exponential smoothing models, vectorized over models.

Smoothing parameters, and level and slope before the first value, are found together by the
Levenberg-Marquardt method with exact derivatives, from the best of a few starting points. Seasonal
states before the first value stay those of the decomposition: to improve them too takes half as
long again and makes forecasts 0.1 % more accurate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from rnnforecast.statistical.ets_filter import (
    ALPHA,
    BETA_SHARE,
    GAMMA_SHARE,
    PHI,
    SLOPE,
    Filtered,
    SeasonKind,
    filter_models,
)
from rnnforecast.types import Bools, Floats, Ints

TREND_NONE, TREND_ADDITIVE, TREND_DAMPED = range(3)

_STARTS = (
    # alpha, beta / alpha, gamma / (1 - alpha)
    (0.05, 0.05, 0.05),
    (0.2, 0.05, 0.1),
    (0.2, 0.02, 0.4),
    (0.5, 0.05, 0.1),
    (0.9, 0.05, 0.05),
)
_PHI_RANGE = (0.8, 0.98)
_LARGEST_BETA_SHARE = 0.1
"""Of beta / alpha. Larger values win likelihood and lose accuracy: the slope follows noise."""
_SMALLEST, _LARGEST = 1e-4, 0.9999
_CONVERGED = 1e-2
"""Gain in -2 log likelihood of a step after which a model is left as it is."""
_FLOOR = 1e-12
"""Mean squared error below which fits count as equally good, as a share of the mean square."""


@dataclass(frozen=True)
class Models:
    """P models with one kind of season, their parameters and the sums of their last step."""

    history: Ints
    """`[P]` column of the history in `Problem.values`, ascending."""
    trend: Ints
    """`[P]` `TREND_NONE`, `TREND_ADDITIVE` or `TREND_DAMPED`."""
    relative: Bools
    """`[P]` whether errors are multiplicative."""
    parameters: Floats
    """`[R, P]` see `ets_filter.ALPHA`."""
    objective: Floats
    """`[P]` -2 log likelihood without its constant; inf where a mean is not positive."""
    products: Floats
    """`[K, K, P]` and `[K, P]`, see `Filtered`."""
    descent: Floats
    damping: Floats
    """`[P]` of the Levenberg-Marquardt method; inf once converged."""

    def take(self, index: Ints | Bools) -> Models:
        """The models at `index`."""
        return replace(self, **{f.name: getattr(self, f.name)[..., index] for f in fields(self)})

    def put(self, index: Ints | Bools, models: Models) -> None:
        """Overwrites the models at `index`."""
        for field in fields(self):
            getattr(self, field.name)[..., index] = getattr(models, field.name)


@dataclass(frozen=True)
class Problem:
    """Histories to which models with one kind of season are fitted."""

    values: Floats
    """`[T, M]` right-aligned, in units in which the mean absolute value is one."""
    start: Ints
    """`[M]` first row of each history, ascending."""
    kind: SeasonKind
    season: int

    def filtered(self, models: Models, *, derivatives: bool = False) -> Filtered:
        """The models run over their histories."""
        return filter_models(
            self.values[:, models.history],
            self.start[models.history],
            models.parameters,
            models.relative,
            self.kind,
            self.season,
            derivatives=derivatives,
        )

    def objective(self, models: Models, filtered: Filtered) -> Floats:
        """-2 log likelihood without its constant, `[P]`."""
        length = (len(self.values) - self.start)[models.history]
        square = np.maximum(filtered.squares / length, _FLOOR)
        with np.errstate(all="ignore"):
            value = length * np.log(square) + 2 * filtered.log_mean
        return np.where(np.isfinite(value), value, np.inf)


def start_models(
    problem: Problem, history: Ints, trend: Ints, relative: Bools, states: Floats
) -> Models:
    """Models at the best of a few starting points of the smoothing parameters.

    Args:
        problem: the histories.
        history: `[P]` see `Models`, as the next two.
        trend: `[P]`.
        relative: `[P]`.
        states: `[R, P]` parameters of which only the states before the first value are read.
    """
    count = len(_STARTS)
    lower, upper = _bounds(trend, problem.kind, len(states))
    parameters = np.repeat(states, count, axis=1)  # [R, P * count]
    alpha, share, gamma = np.tile(np.array(_STARTS).T, len(history))
    parameters[ALPHA], parameters[BETA_SHARE], parameters[PHI] = alpha, share, 0.95
    if problem.kind != "none":
        parameters[GAMMA_SHARE] = gamma
    parameters = np.clip(parameters, np.repeat(lower, count, 1), np.repeat(upper, count, 1))
    models = _models(
        np.repeat(history, count), np.repeat(trend, count), np.repeat(relative, count), parameters
    )
    objective = problem.objective(models, problem.filtered(models))
    best = objective.reshape(-1, count).argmin(1) + count * np.arange(len(history))
    return _models(history, trend, relative, parameters[:, best])


def improve(problem: Problem, models: Models, rounds: int) -> Models:
    """Models after some rounds of the Levenberg-Marquardt method.

    Args:
        problem: the histories.
        models: where to start.
        rounds: steps to try.
    """
    if not len(models.products):
        models = _evaluated(problem, models)
    for _ in range(rounds):
        index = np.flatnonzero(np.isfinite(models.damping) & np.isfinite(models.objective))
        if not len(index):
            break
        old = models.take(index)
        new = _evaluated(problem, _step(old, problem.kind))
        gain = old.objective - new.objective
        better = gain > 0
        kept = np.where(better, 0.2, 5.0) * old.damping
        kept[(better & (gain < _CONVERGED)) | (kept > 1e6)] = np.inf
        old.put(better, new.take(better))
        models.put(index, replace(old, damping=kept))
    return models


def _models(history: Ints, trend: Ints, relative: Bools, parameters: Floats) -> Models:
    count = len(history)
    return Models(
        history,
        trend,
        relative,
        parameters,
        objective=np.full(count, np.inf),
        products=np.zeros((0, 0, count)),
        descent=np.zeros((0, count)),
        damping=np.full(count, 0.01),
    )


def _evaluated(problem: Problem, models: Models) -> Models:
    filtered = problem.filtered(models, derivatives=True)
    return replace(
        models,
        objective=problem.objective(models, filtered),
        products=filtered.products,
        descent=filtered.descent,
    )


def _bounds(trend: Ints, kind: SeasonKind, rows: int) -> tuple[Floats, Floats]:
    """Lower and upper bounds of the parameters, `[R, P]` each; equal where one is fixed."""
    lower = np.full((rows, len(trend)), -np.inf)
    upper = np.full((rows, len(trend)), np.inf)
    lower[ALPHA], upper[ALPHA] = _SMALLEST, _LARGEST
    none = trend == TREND_NONE
    damped = trend == TREND_DAMPED
    lower[BETA_SHARE] = np.where(none, 0.0, _SMALLEST)
    upper[BETA_SHARE] = np.where(none, 0.0, _LARGEST_BETA_SHARE)
    lower[SLOPE, none] = upper[SLOPE, none] = 0.0
    lower[PHI] = np.where(damped, _PHI_RANGE[0], 1.0)
    upper[PHI] = np.where(damped, _PHI_RANGE[1], 1.0)
    if kind != "none":
        lower[GAMMA_SHARE], upper[GAMMA_SHARE] = _SMALLEST, _LARGEST
    return lower, upper


def _step(models: Models, kind: SeasonKind) -> Models:
    """Models after a damped Gauss-Newton step, with the same sums as before.

    Parameters at a bound stay there when the likelihood rises beyond it.
    """
    count = len(models.products)
    lower, upper = (b[:count] for b in _bounds(models.trend, kind, len(models.parameters)))
    old = models.parameters[:count]
    descent = models.descent
    free = ((old > lower) | (descent > 0)) & ((old < upper) | (descent < 0))  # [K, P]
    products = np.where(free[:, None] & free[None], models.products, 0.0)
    diagonal = np.einsum("iip->ip", products)
    ridge = models.damping * diagonal + 1e-9 * diagonal.max(0) + 1e-30
    matrix = products.transpose(2, 0, 1) + np.where(free, ridge, 1.0).T[:, :, None] * np.eye(count)
    right = np.where(free, descent, 0.0).T[:, :, None]
    change = np.linalg.solve(matrix, right)[:, :, 0].T
    parameters = models.parameters.copy()
    parameters[:count] = np.clip(old + change, lower, upper)
    return replace(models, parameters=parameters)
