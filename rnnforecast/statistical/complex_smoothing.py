"""Complex exponential smoothing (CES): level and information potential as one complex number.

Svetunkov, Kourentzes and Ord (2022), Complex exponential smoothing, Naval Research Logistics 69(8).
With the error e = y - l (- s), a step changes

    level      l' = l - (1 - a1) p + (a0 - a1) e
    potential  p' = l + (1 - a0) p + (a0 + a1) e

without season and, where every season has its own level and potential, one season later ("simple");
"partial" adds an additive season, s' = s + b e. Levels that rise or fall need no slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.statistical.ets_start import LONGEST_SEASON, remove_long_season, starting_level
from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.seasonal_adjustment import seasonal_averages, sum_steps
from rnnforecast.types import Bools, Floats, Ints

Kind = Literal["none", "simple", "partial"]

_LONGEST_HISTORY = 500
_BLOCK = 128
"""Histories that are fitted together: the work fits the processor's cache."""
_A0 = (1.05, 1.25, 1.5, 1.8)
_A1 = (0.9, 1.0, 1.05, 1.2)
_B = (0.02, 0.2)
_BOUNDS = ((0.01, 1.8), (0.01, 1.9), (0.001, 1.0))
"""Of a0, a1 and b, nearly as in statsforecast's AutoCES."""
_STEPS = (0.1, 0.05, 0.1)
"""First step of the search around the best candidate, halved each round."""
_ROUNDS = 5
_MARGIN = 8.0
"""AICc above the best kind of a history from which a kind is not used."""
_FLOOR = 1e-12
"""Mean squared error below which fits count as equally good, as a share of the mean square."""
_LARGEST = 1e6
"""Of forecasts and their deviations, in units of the mean absolute value: some models grow."""


@dataclass
class _States:
    """Level, potential and season of M histories and C candidates, `[M, C]` or `[m, M, C]`."""

    level: Floats
    potential: Floats
    season: Floats


@dataclass(frozen=True)
class ComplexModel:
    """Right-aligned histories, and one kind of model for all of them."""

    values: Floats
    """`[T, M]`"""
    start: Ints
    """`[M]` ascending."""
    kind: Kind
    season: int

    @property
    def parameter_count(self) -> int:
        """Parameters, states and the variance, for AICc.

        The seasonal states of "partial" come from the whole history and count; those of "simple"
        do not, as in statsforecast: forecasts are the more accurate for it.
        """
        return 3 + (self.season if self.kind == "partial" else 0)

    def fit(self) -> tuple[Floats, Floats, _States]:
        """Parameters `[3, M, 1]`, sum of squared errors `[M, 1]` and states at the origin."""
        grid = np.array(np.meshgrid(_A0, _A1, _B if self.kind == "partial" else (0.0,)))
        count = len(self.start)
        best = np.repeat(grid.reshape(3, 1, -1), count, axis=1)  # [3, M, C]
        best, squares = self.best_of(best)
        around = [(i, j, 0) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        moves = np.array(around + [(0, 0, -1), (0, 0, 1)] * (self.kind == "partial"))
        for round_ in range(_ROUNDS):
            step = np.array(_STEPS) / 2**round_
            low, high = np.array(_BOUNDS).T[:, :, None, None]
            near = np.clip(best + (moves * step).T[:, None], low, high)
            near, near_squares = self.best_of(near)
            better = near_squares < squares
            best, squares = np.where(better, near, best), np.where(better, near_squares, squares)
        squares, states = self.squares(best)
        return best, squares, states

    def best_of(self, parameters: Floats) -> tuple[Floats, Floats]:
        """The best candidate of each history, `[3, M, 1]`, and its sum of squares, `[M, 1]`."""
        squares, _ = self.squares(parameters)
        index = squares.argmin(1)[:, None]
        best = np.take_along_axis(parameters, index[None], axis=2)
        return best, np.take_along_axis(squares, index, axis=1)

    def squares(self, parameters: Floats) -> tuple[Floats, _States]:
        """Sum of squared errors `[M, C]`, from states that a backward run finds; last states."""
        states = self.starting_states(parameters.shape[2])
        with np.errstate(all="ignore"):
            self.run(parameters, states, backward=False)
            self.run(parameters, states, backward=True)
            squares = self.run(parameters, states, backward=False)
        return np.where(np.isfinite(squares), squares, np.inf), states

    def run(self, parameters: Floats, states: _States, *, backward: bool) -> Floats:
        """Runs over the histories, changing the states in place; sum of squared errors `[M, C]`."""
        steps = len(self.values)
        a0, a1, b = parameters
        keep0, keep1, add_level, add_potential = 1 - a0, 1 - a1, a0 - a1, a0 + a1
        live = np.searchsorted(self.start, np.arange(steps), side="right")
        total = np.zeros(a0.shape)
        order = range(steps - 1, -1, -1) if backward else range(steps)
        for step in order:
            n = live[step]
            if n == 0:
                continue
            place = (step - steps) % self.season
            simple = self.kind == "simple"
            level = states.level[place, :n] if simple else states.level[:n]
            potential = states.potential[place, :n] if simple else states.potential[:n]
            error = self.values[step, :n, None] - level
            if self.kind == "partial":
                season = states.season[place, :n]
                error -= season
                season += b[:n] * error
            if not backward:
                total[:n] += error * error
            change = add_level[:n] * error
            change -= keep1[:n] * potential
            potential *= keep0[:n]
            potential += level
            potential += add_potential[:n] * error
            level += change
        return total

    def starting_states(self, candidates: int) -> _States:
        """States before the first value, the same for all candidates."""
        values, start, season = self.values, self.start, self.season
        count = len(start)
        seasonal = np.zeros((0, count))
        if self.kind == "simple":
            step = np.arange(season)[:, None]
            row = start + (step - (start - len(values))) % season  # first row of each season
            level = values[np.minimum(row, len(values) - 1), np.arange(count)]
        else:
            number = 10 if self.kind == "none" else season
            level = starting_level(values, start, number)[0]
        if self.kind == "partial":
            seasonal, _ = seasonal_averages(values, start, season, multiplicative=False)
        level, seasonal = (np.repeat(x[..., None], candidates, -1) for x in (level, seasonal))
        return _States(level, level / 1.1, seasonal)

    def forecast(
        self, parameters: Floats, sigma2: Floats, states: _States, horizon: int
    ) -> tuple[Floats, Floats]:
        """Mean and variance, `[M, H]`."""
        a0, a1, b = parameters[:, :, 0]
        level, potential = states.level[..., 0].copy(), states.potential[..., 0].copy()
        effect = np.stack([a0 - a1, a0 + a1])  # of an error on the states
        mean, weight = np.zeros((2, horizon, len(a0)))
        lag = self.season if self.kind == "simple" else 1
        with np.errstate(all="ignore"):
            for ahead in range(horizon):
                place = ahead % self.season
                if self.kind == "simple":
                    mean[ahead] = level[place]
                    new = level[place] - (1 - a1) * potential[place]
                    potential[place] = level[place] + (1 - a0) * potential[place]
                    level[place] = new
                else:
                    mean[ahead] = level
                    level, potential = level - (1 - a1) * potential, level + (1 - a0) * potential
                if self.kind == "partial":
                    mean[ahead] += states.season[place, :, 0]
                    if (ahead + 1) % self.season == 0:
                        weight[ahead] += b
                if (ahead + 1) % lag == 0:  # the effect of an error ahead + 1 steps later
                    weight[ahead] += effect[0]
                    effect = np.stack(
                        [effect[0] - (1 - a1) * effect[1], effect[0] + (1 - a0) * effect[1]]
                    )
            spread = np.cumsum(weight**2, axis=0) - weight**2
            variance = sigma2 * (1 + spread)
        return _bounded(mean, _LARGEST).T, _bounded(variance, _LARGEST**2).T


def _bounded(values: Floats, largest: float) -> Floats:
    return np.clip(np.nan_to_num(values, nan=largest), -largest, largest)


def forecast(histories: Histories, *, season: int, horizon: int) -> StatisticalForecast:
    """Forecasts by complex exponential smoothing, its kinds weighted by their AICc.

    Parameters are found by a search over a grid and around the best point. The states before the
    first value come from a run backward in time. Seasonal kinds need two seasons of history; a
    season of more than `LONGEST_SEASON` steps is removed first (`remove_long_season`) and put back.

    Args:
        histories: M histories; filled values count as observed.
        season: steps a season, 1 for none.
        horizon: steps to forecast, H.
    """
    values, start = histories.values, histories.start
    count = values.shape[1]
    mean, variance = np.full((count, horizon), np.nan), np.full((count, horizon), np.nan)
    order = np.argsort(start, kind="stable")
    order = order[start[order] < len(values)]
    for low in range(0, len(order), _BLOCK):
        block = order[low : low + _BLOCK]
        first = start[block[0]]
        mean[block], variance[block] = _forecast_block(
            values[first:, block], start[block] - first, season, horizon
        )
    return StatisticalForecast(mean, variance)


def _forecast_block(
    values: Floats, start: Ints, season: int, horizon: int
) -> tuple[Floats, Floats]:
    """Mean and variance, `[M, H]`, of histories with ascending `start`."""
    unit = sum_steps(np.abs(values)) / (len(values) - start)
    unit = np.where(unit > 0, unit, 1.0)
    values, component = remove_long_season(values / unit, start, season)
    start = np.maximum(start - max(len(values) - _LONGEST_HISTORY, 0), 0)
    values = values[-_LONGEST_HISTORY:]
    lengths = len(values) - start
    kinds: tuple[Kind, ...] = ("none", "simple", "partial")
    if not 1 < season <= LONGEST_SEASON:
        kinds, season = ("none",), 1
    fits = []
    for kind in kinds:
        fitting = lengths >= (0 if kind == "none" else 2 * season)
        fits.append(
            _fit_kind(
                ComplexModel(values[:, fitting], start[fitting], kind, season), fitting, horizon
            )
        )
    criteria = np.stack([f[0] for f in fits])
    weights = np.exp(-0.5 * (criteria - criteria.min(0)))
    weights = np.where(criteria - criteria.min(0) > _MARGIN, 0.0, weights)
    weights = (weights / sum_steps(weights))[:, :, None]
    mean = sum_steps(weights * np.stack([f[1] for f in fits]))
    variance = sum_steps(weights * np.stack([f[2] + (f[1] - mean) ** 2 for f in fits]))
    variance[lengths == 1] = 1.0  # a single value says nothing of the spread
    mean += component[np.arange(horizon) % len(component)].T
    return mean * unit[:, None], variance * (unit**2)[:, None]


def _fit_kind(model: ComplexModel, fitting: Bools, horizon: int) -> tuple[Floats, Floats, Floats]:
    """AICc `[M]`, mean and variance `[M, H]`; an infinite AICc for histories without this kind."""
    criterion = np.full(len(fitting), np.inf)
    mean, variance = np.zeros((2, len(fitting), horizon))
    if not fitting.any():
        return criterion, mean, variance
    parameters, squares, states = model.fit()
    length = len(model.values) - model.start
    count = model.parameter_count
    spare = length - count - 1
    small = np.where(spare > 0, 2 * count * (count + 1) / np.maximum(spare, 1), 100.0)
    error = np.maximum(squares[:, 0] / length, _FLOOR)
    criterion[fitting] = length * np.log(error) + 2 * count + small
    sigma2 = squares[:, 0] / np.maximum(spare, 1)
    mean[fitting], variance[fitting] = model.forecast(parameters, sigma2, states, horizon)
    return criterion, mean, variance
