"""Exponential smoothing (ETS): a family of state space models, weighted by AICc a series."""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical.ets_estimation import (
    TREND_ADDITIVE,
    TREND_DAMPED,
    TREND_NONE,
    Models,
    Problem,
    improve,
    start_models,
)
from rnnforecast.statistical.ets_filter import (
    ALPHA,
    BETA_SHARE,
    GAMMA_SHARE,
    LEVEL,
    PHI,
    SLOPE,
    SeasonKind,
    fixed_rows,
)
from rnnforecast.statistical.ets_start import (
    LONGEST_SEASON,
    positive,
    remove_long_season,
    starting_level,
)
from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.seasonal_adjustment import by_step, seasonal_averages, sum_steps
from rnnforecast.types import Floats, Ints

_TRENDS = (TREND_NONE, TREND_ADDITIVE, TREND_DAMPED)
_LONGEST_HISTORY = 500
"""Last steps that the models are fitted to; what lies before them hardly changes the states."""
_BLOCK = 512
"""Histories whose models are estimated together: the work fits the processor's cache."""
_ROUNDS = (2, 2, 6)
"""Steps of the estimation, by stage."""
_MARGINS = (20.0, 10.0, 8.0)
"""AICc above the best of the history up to which a model is kept after each stage."""
_LEAST_POSITIVE = 1e-3
"""Least value, as a share of the mean absolute value, for multiplicative errors and seasons."""
_LARGEST_VARIANCE = 1e12
"""Of a forecast, in units of the mean absolute value: products of errors can grow without end."""


def forecast(histories: Histories, *, season: int, horizon: int) -> StatisticalForecast:
    """Forecasts by exponential smoothing models, weighted by their AICc for each history.

    The family: additive or multiplicative errors; no, additive or damped trend; no, additive or
    multiplicative season, without additive errors with a multiplicative season (as AutoETS of
    statsforecast, and R's `ets` without multiplicative trends). Multiplicative parts need positive
    values, a season two seasons of history. A model weighs exp(-(AICc - least AICc) / 2): Kolassa
    (2011), Combining exponential smoothing forecasts using Akaike weights, International Journal
    of Forecasting 27(2). The least AICc alone is 1 to 2 % less accurate.

    A season of more than `LONGEST_SEASON` steps is removed first (`remove_long_season`), and put
    back.

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
    return StatisticalForecast(mean, np.minimum(variance, _largest_variance(histories, horizon)))


def _largest_variance(histories: Histories, horizon: int) -> Floats:
    """`[M, H]` that of a random walk whose steps are as large as the range of the history: products
    of large relative errors, estimated from few values, would grow without end. Infinite for a
    history without a range."""
    row = np.arange(len(histories.values))[:, None]
    inside = row >= histories.start
    highest = histories.values.max(0, where=inside, initial=-np.inf)
    lowest = histories.values.min(0, where=inside, initial=np.inf)
    span = np.where(highest > lowest, highest - lowest, np.inf)
    return np.asarray(span[:, None] ** 2 * np.arange(1, horizon + 1))


def _forecast_block(
    values: Floats, start: Ints, season: int, horizon: int
) -> tuple[Floats, Floats]:
    """Mean and variance, `[M, H]`, of histories with ascending `start`."""
    unit = sum_steps(np.abs(values)) / (len(values) - start)
    unit = np.where(unit > 0, unit, 1.0)
    values, component = remove_long_season(values / unit, start, season)
    start = np.maximum(start - max(len(values) - _LONGEST_HISTORY, 0), 0)
    values = values[-_LONGEST_HISTORY:]
    mean, variance = _Family(values, start, season if season <= LONGEST_SEASON else 1).forecast(
        horizon
    )
    mean += component[np.arange(horizon) % len(component)].T
    return mean * unit[:, None], variance * (unit**2)[:, None]


class _Family:
    """The models of every history of a block."""

    def __init__(self, values: Floats, start: Ints, season: int) -> None:
        self.season = season
        self.lengths = len(values) - start
        self.positive = positive(values, start, least=_LEAST_POSITIVE)
        kinds: tuple[SeasonKind, ...] = ("none", "additive", "multiplicative")
        self.problems = [
            Problem(values, start, kind, season) for kind in kinds[: 3 if season > 1 else 1]
        ]

    def forecast(self, horizon: int) -> tuple[Floats, Floats]:
        """Mean and variance of the mixture of the models by their Akaike weights, `[M, H]`."""
        total = np.zeros((len(self.lengths), 1))
        mean = np.zeros((len(self.lengths), horizon))
        variance = np.zeros_like(mean)
        forecasts = []
        for problem, models, weight in self.estimated():
            length = self.lengths[models.history]
            freedom = np.maximum(length - self.parameter_count(problem, models.trend), 1)
            own = forecast_models(problem, models, freedom, horizon)
            forecasts.append((models.history, weight[:, None], *own))
        for history, weight, model_mean, model_variance in forecasts:
            np.add.at(total, history, weight)
            np.add.at(mean, history, weight * model_mean)
            np.add.at(variance, history, weight * model_variance)
        mean /= total
        for history, weight, model_mean, _ in forecasts:
            np.add.at(variance, history, weight * (model_mean - mean[history]) ** 2)
        variance /= total
        # A single value says nothing of the spread: one as large as the value is taken.
        variance[self.lengths == 1] = 1.0
        return mean, variance

    def estimated(self) -> list[tuple[Problem, Models, Floats]]:
        """The best models of each history and their Akaike weights, by kind of season."""
        family = [self.candidates(problem) for problem in self.problems]
        criteria: list[Floats] = []
        for rounds, margin in zip(_ROUNDS, _MARGINS, strict=True):
            family = [
                improve(problem, models, rounds)
                for problem, models in zip(self.problems, family, strict=True)
            ]
            above = self.above_best(family)
            criteria = [a[a <= margin] for a in above]
            family = [m.take(a <= margin) for m, a in zip(family, above, strict=True)]
        weights = [np.exp(-0.5 * above) for above in criteria]
        return list(zip(self.problems, family, weights, strict=True))

    def above_best(self, family: list[Models]) -> list[Floats]:
        """AICc of the models above that of the best model of the same history, `[P]` each."""
        criteria = [self.criterion(p, m) for p, m in zip(self.problems, family, strict=True)]
        least = np.full(len(self.lengths), np.inf)
        for models, criterion in zip(family, criteria, strict=True):
            np.minimum.at(least, models.history, criterion)
        return [c - least[m.history] for m, c in zip(family, criteria, strict=True)]

    def candidates(self, problem: Problem) -> Models:
        """The models that the lengths and values of the histories allow, at their start."""
        pairs = [(t, r) for t in _TRENDS for r in (False, True)]
        if problem.kind == "multiplicative":
            pairs = [(t, True) for t in _TRENDS]
        history = np.repeat(np.arange(len(self.lengths)), len(pairs))
        trend, relative = np.tile(np.array(pairs).T, len(self.lengths))
        relative = relative.astype(bool)
        length = self.lengths[history]
        fits = length > self.parameter_count(problem, trend) + 1
        if problem.kind == "none":
            fits |= (trend == TREND_NONE) & ~relative
        else:
            fits &= length >= 2 * self.season
        fits &= self.positive[history] | ~relative
        history, trend, relative = history[fits], trend[fits], relative[fits]
        states = self.states(problem)[:, history]
        states[LEVEL] = np.where(trend == TREND_NONE, states[ALPHA], states[LEVEL])
        return start_models(problem, history, trend, relative, states)

    def states(self, problem: Problem) -> Floats:
        """`[R, M]` states before the first value; at `ALPHA` the level without trend."""
        values, start, season = problem.values, problem.start, self.season
        first = fixed_rows(problem.kind)
        states = np.zeros((first + (season if problem.kind != "none" else 0), len(start)))
        if problem.kind != "none":
            multiplicative = problem.kind == "multiplicative"
            component, _ = seasonal_averages(values, start, season, multiplicative=multiplicative)
            if multiplicative:
                component = np.maximum(component, 0.01)
            states[first:] = component
            seasonal = by_step(component, len(values))
            values = values / seasonal if multiplicative else values - seasonal
        number = max(10, 2 * season if problem.kind != "none" else 0)
        states[ALPHA], states[LEVEL], states[SLOPE] = starting_level(values, start, number)
        return states

    def parameter_count(self, problem: Problem, trend: Ints) -> Ints:
        """Parameters, states before the first value and the variance, `[P]`."""
        count: Ints = 3 + 2 * (trend != TREND_NONE) + (trend == TREND_DAMPED)
        return count if problem.kind == "none" else count + self.season

    def criterion(self, problem: Problem, models: Models) -> Floats:
        """AICc of the models, `[P]`."""
        count = self.parameter_count(problem, models.trend)
        spare = self.lengths[models.history] - count - 1
        small = np.where(spare > 0, 2 * count * (count + 1) / np.maximum(spare, 1), 0.0)
        return models.objective + 2 * count + small


def forecast_models(
    problem: Problem, models: Models, freedom: Ints, horizon: int
) -> tuple[Floats, Floats]:
    """Mean and variance of the forecasts of P models, `[P, H]`.

    Variances: Hyndman et al. (2008), chapter 6, class 1 (additive errors), class 2 (multiplicative
    errors, no or additive season) and the approximation (6.4) of class 3 (multiplicative season).
    """
    last = problem.filtered(models)
    parameters, season = models.parameters, problem.season
    alpha, phi = parameters[ALPHA], parameters[PHI]
    beta = alpha * parameters[BETA_SHARE]
    product = problem.kind == "multiplicative"
    ahead = np.arange(1, horizon + 1)[:, None]  # [H, 1]
    with np.errstate(over="ignore"):
        sums = np.cumsum(phi**ahead, axis=0)  # phi + .. + phi^h, [H, P]
        base = last.level + sums * last.slope
        weights = alpha + beta * sums  # c_j
        seasonal: Floats | float = 1.0
        gamma = np.zeros(len(alpha))
        if problem.kind != "none":
            gamma = (1 - alpha) * parameters[GAMMA_SHARE]
            seasonal = last.seasonal[(ahead[:, 0] - 1) % season]
            if not product:
                weights = weights + gamma * (ahead % season == 0)
                base, seasonal = base + seasonal, 1.0
        sigma2 = last.squares / freedom
        earlier = np.cumsum(weights**2, axis=0) - weights**2  # sum of c_j^2 over j < h
        additive = sigma2 * (1 + earlier)
        theta = base**2  # theta_h = mean_h^2 + sigma^2 sum over j < h of c_j^2 theta_{h-j}
        for step in range(horizon - 1):
            theta[step + 1 :] += sigma2 * weights[: horizon - 1 - step] ** 2 * theta[step]
        repeat = (1 + gamma**2 * sigma2) ** ((ahead - 1) // season) if product else 1.0
        multiplicative = seasonal**2 * (theta * (1 + sigma2) * repeat - base**2)
        variance = np.where(models.relative, multiplicative, additive)
    return (base * seasonal).T, np.minimum(variance, _LARGEST_VARIANCE).T
