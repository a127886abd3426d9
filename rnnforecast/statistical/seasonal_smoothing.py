"""Exponential smoothing of whole seasonal cycles, with one or two seasons such as a day and a week.

A cycle of m steps, the first season, is forecast as level + profile[step] + deviation[step], the
last one by position in the second season: what this hour of a Monday adds to the usual hour. All
three are smoothed once a cycle, by the errors of the cycle as it was forecast from its start, so
that the smoothing parameters are chosen by errors of forecasts a cycle ahead. To the first steps of
a forecast the last error is added, with a geometric decay. The forecasts of several smoothing
parameters are averaged with weights that fall with their errors; some of them have no second
season, so that it counts only as far as it has helped.

Sources: Gould, Koehler, Ord, Snyder, Hyndman and Vahid-Araghi 2008, "Forecasting time series with
multiple seasonal patterns" (seasonal states by cycle); Taylor 2003, "Short-term electricity demand
forecasting using double seasonal exponential smoothing" (autoregressive correction).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.sums import sum_rows
from rnnforecast.types import Bools, Floats, Ints

LEVEL_RATES = (0.1, 0.4, 1.0)
PROFILE_RATES = (0.05, 0.3, 1.0)
DEVIATION_RATE = 0.1
DEVIATION_PRIORS = (4.0, 1.0)
"""Shrinkage of the deviations to zero, in cycles of the second season; infinite without one."""
MAX_CYCLES = 120
WARM_UP_CYCLES = 7
"""Cycles before errors count, unless there are fewer than three times as many."""
ERROR_DISCOUNT = 0.95
"""Weight of an error relative to that of the next cycle."""
ERROR_DECAY = 0.97**24
"""What remains of an error after a cycle, before it is multiplied by its learned share."""
POOLED_CYCLES = 10
"""Variances of single steps are drawn to their mean with the weight of so many cycles."""
WEIGHT_DOUBLINGS = 4
"""Weights are the inverse errors to the power of 2 by this."""
TINY = 1e-100
CHUNK = 32
"""Histories that are computed at once, so that their states stay in the processor's cache."""


def forecast(
    histories: Histories, *, seasons: tuple[int, ...], horizon: int
) -> StatisticalForecast:
    """Forecasts of `horizon` steps from histories with the given seasons [steps].

    Without a whole cycle the mean of the values is forecast; with less than two the variance is
    theirs.

    Args:
        seasons: the first one, at least 2, and perhaps a multiple of it; others are not used.
    """
    return forecast_from_cycles(histories, seasons=seasons, horizon=horizon, back=(0,))[0]


def forecast_from_cycles(
    histories: Histories, *, seasons: tuple[int, ...], horizon: int, back: Sequence[int]
) -> list[StatisticalForecast]:
    """Forecasts from R earlier origins, whole cycles before the ends of the histories.

    Each is that of the shorter history, but for the cycles whose errors do not count, which are
    those of the whole one.

    Args:
        back: R numbers of cycles.
    """
    size = histories.values.shape[1]
    mean, variance = np.empty((2, len(back), size, horizon))
    for begin in range(0, size, CHUNK):
        rows = slice(begin, min(begin + CHUNK, size))
        part = histories.select(rows)
        for origin, smoothing in enumerate(_smooth(part, seasons, back)):
            found, has_mean = smoothing.forecast(horizon), smoothing.n_cycles > 0
            has_variance = smoothing.n_scored > 0
            own = mean[origin, rows], variance[origin, rows]
            own[0][:], own[1][:] = found.mean, found.variance
            if not has_variance.all():
                simple = _mean_and_variance(part.before(back[origin] * seasons[0]))
                own[0][~has_mean] = simple[0][~has_mean, None]
                own[1][~has_variance] = simple[1][~has_variance, None]
    return [StatisticalForecast(*each) for each in zip(mean, variance, strict=True)]


def second_season(seasons: tuple[int, ...]) -> int:
    """The first of the other seasons that is a multiple of the first one, or the first one."""
    return next((m for m in seasons[1:] if m > seasons[0] and m % seasons[0] == 0), seasons[0])


class _Smoothing:
    """States of P parameter sets and M histories, and what is known of their errors."""

    def __init__(self, season: int, cycles: int, n_used: Ints, first_slot: int) -> None:
        """A second season of `cycles` cycles; `n_used [M]` cycles of each history have values, the
        first one is at position `first_slot` of the second season."""
        self.next_slot = first_slot
        priors = (np.inf, *DEVIATION_PRIORS) if cycles > 1 else (np.inf,)
        sets = np.array(list(itertools.product(LEVEL_RATES, PROFILE_RATES, priors)))
        self.level_rate, self.profile_rate, self.prior = np.moveaxis(sets[:, :, None], 1, 0)
        size = len(sets), len(n_used)
        self.warm_up = np.clip(n_used // 3, 1, WARM_UP_CYCLES)  # [M]
        self.level, self.error = np.zeros(size), np.zeros(size)  # [P, M]
        self.profile = np.zeros((season, *size))
        self.deviation = np.zeros((cycles, season, *size))
        self.n_cycles, self.n_deviations = np.zeros(size[1]), np.zeros((cycles, size[1]))
        # the share of the last error that remains, by regression
        self.share, self.products, self.powers = np.full(size, 0.5), np.zeros(size), np.zeros(size)
        self.decay = ERROR_DECAY ** (np.arange(1, season + 1) / season)[:, None, None]
        # discounted sums, with and without the correction by the last error
        self.n_scored, self.cost = np.zeros(size[1]), np.zeros(size)
        self.squares, self.later_squares = np.zeros((season, *size)), np.zeros((season, *size))

    def add(self, values: Floats, known: Bools) -> None:
        """Adds the errors of the next cycle, `[m, 1, M]`, and updates the states by them; cycles
        with half of their values or less change nothing."""
        slot = self.next_slot
        count = known.sum(0)[0]
        is_used = 2 * count > len(values)  # [M]
        known = known & is_used
        errors = np.where(known, values - (self.level + self.profile + self.deviation[slot]), 0.0)
        divisor = np.maximum(count, 1)
        self._score(errors, known, is_used, divisor)
        self._fit_share(errors, known, divisor)
        self._update(slot, errors, known, is_used, sum_rows(errors) / divisor)
        self.next_slot = (slot + 1) % len(self.deviation)

    def _score(self, errors: Floats, known: Bools, is_used: Bools, divisor: Ints) -> None:
        corrected = np.where(known, errors - self.decay * (self.share * self.error), 0.0)
        is_scored = is_used & (self.n_cycles >= self.warm_up)
        keep, add = np.where(is_scored, ERROR_DISCOUNT, 1.0), is_scored * 1.0
        self.n_scored = self.n_scored * keep + add
        self.cost = self.cost * keep + add * sum_rows(np.abs(corrected)) / divisor
        self.squares = self.squares * keep + add * corrected**2
        self.later_squares = self.later_squares * keep + add * errors**2

    def _fit_share(self, errors: Floats, known: Bools, divisor: Ints) -> None:
        remaining = np.where(known, self.decay * self.error, 0.0)
        self.products = self.products * ERROR_DISCOUNT + sum_rows(errors * remaining) / divisor
        self.powers = self.powers * ERROR_DISCOUNT + sum_rows(remaining**2) / divisor
        prior = self.powers * np.minimum(1.0, 3.0 / (self.n_cycles + 1.0))  # few: half the error
        share = (self.products + 0.5 * prior) / np.maximum(self.powers + prior, TINY)
        self.share = np.clip(share, 0.0, 1.0)

    def _update(
        self, slot: int, errors: Floats, known: Bools, is_used: Bools, mean: Floats
    ) -> None:
        first = 1.0 / (self.n_cycles + 1.0)  # means at first
        level_rate = np.where(is_used, np.maximum(self.level_rate, first), 0.0)
        profile_rate = np.where(is_used, np.maximum(self.profile_rate, first), 0.0)
        is_fitted = is_used & (self.n_cycles >= len(self.deviation))  # the profile is, by now
        rate = np.maximum(DEVIATION_RATE, 1.0 / (self.n_deviations[slot] + self.prior))
        rate = np.where(is_fitted & np.isfinite(self.prior), rate, 0.0)
        around = np.where(known, errors - mean, 0.0)
        self.level = self.level + level_rate * mean
        self.profile += profile_rate * around
        self.deviation[slot] += rate * errors
        left = errors[-1] - level_rate * mean - profile_rate * around[-1] - rate * errors[-1]
        self.error = np.where(known[-1], left, 0.0)
        self.n_deviations[slot] += is_fitted
        self.n_cycles += is_used

    def weights(self) -> Floats:
        """`[P, M]` the weight of each parameter set."""
        cost = self.cost / np.maximum(self.n_scored, TINY)
        # equal ones where nothing was scored, or nothing was wrong
        weight = (cost.min(0) + TINY) / (cost + TINY)
        for _ in range(WEIGHT_DOUBLINGS):  # products, which round alike in arrays of any size
            weight = weight * weight
        return np.asarray(weight / sum_rows(weight))

    def forecast(self, horizon: int) -> StatisticalForecast:
        """The weighted mean of the forecasts of all parameter sets, and of their squared errors.

        Beyond the first cycle the variance grows by that of the level.
        """
        weight, season = self.weights(), len(self.profile)
        first = self._mean_squares(weight, self.squares)  # [m, M]
        later = self._mean_squares(weight, self.later_squares)
        growth = sum_rows(weight * self.level_rate) ** 2 * sum_rows(later) / season
        mean, variance = np.empty((2, horizon, weight.shape[1]))
        left = self.share * self.error
        for begin in range(0, horizon, season):
            cycle, part = begin // season, slice(begin, min(begin + season, horizon))
            count = part.stop - begin
            remaining = ERROR_DECAY**cycle * self.decay[:count] * left
            slot = (self.next_slot + cycle) % len(self.deviation)
            state = self.level + self.profile[:count] + self.deviation[slot, :count] + remaining
            mean[part] = sum_rows(np.moveaxis(weight * state, 1, 0))
            variance[part] = later[:count] + cycle * growth if cycle else first[:count]
        return StatisticalForecast(mean.T, variance.T)

    def _mean_squares(self, weight: Floats, squares: Floats) -> Floats:
        """`[m, M]` mean squared errors by step, drawn to their mean where they are few."""
        sums = sum_rows(np.moveaxis(squares, 1, 0) * weight[:, None])  # [m, M]
        pooled = sum_rows(sums) / np.maximum(self.n_scored, TINY) / len(sums)
        return np.asarray((sums + POOLED_CYCLES * pooled) / (self.n_scored + POOLED_CYCLES))


def _smooth(
    histories: Histories, seasons: tuple[int, ...], back: Sequence[int]
) -> list[_Smoothing]:
    """The states so many cycles before the ends of the histories, from which cycles are counted."""
    season = seasons[0]
    steps, size = histories.values.shape
    count = max(1, min(-(-steps // season), MAX_CYCLES))
    missing = max(count * season - steps, 0)
    values = np.pad(histories.values, ((missing, 0), (0, 0)))[-count * season :]
    known = np.pad(histories.observed, ((missing, 0), (0, 0)))[-count * season :]
    values = values.reshape(count, season, 1, size)
    known = known.reshape(values.shape)
    n_used = (2 * known.sum(1)[:, 0] > season).sum(0)
    cycles = second_season(seasons) // season
    smoothing = _Smoothing(season, cycles, n_used, -count % cycles)
    at_origin: dict[int, _Smoothing] = {}
    for cycle in range(count + 1):
        left = count - cycle
        if left in back:
            at_origin[left] = copy.deepcopy(smoothing) if left else smoothing
        if left:
            smoothing.add(values[cycle], known[cycle])
    empty = _Smoothing(season, cycles, n_used, 0)
    return [at_origin.get(each, empty) for each in back]


def _mean_and_variance(histories: Histories) -> tuple[Floats, Floats]:
    """`[M]` of the observed values; NaN without any."""
    known, count = histories.observed, histories.observed.sum(0)
    divisor = np.where(count > 0, count, np.nan)
    if not len(known):
        return divisor, divisor
    mean = sum_rows(np.where(known, histories.values, 0.0)) / divisor
    return mean, sum_rows(np.where(known, histories.values - mean, 0.0) ** 2) / divisor
