"""Combination of the statistical methods, with quantiles.

The median is a fixed mean of the structural forecast and theta; exponential smoothing adds nothing
to them. With long seasons, such as days of hours, it is a mean of the structural forecast and of
smoothed cycles, weighted by their errors at earlier origins. The quantiles lie around it as those
of the structural forecast, or of smoothed cycles, around theirs, at a distance that is corrected by
the errors at earlier origins of the same history.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.statistical import seasonal_smoothing, structural, theta
from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.intervals import SIGMA_LEVELS, interval_factor, sum_of_errors
from rnnforecast.statistical.transients import without_transients
from rnnforecast.types import Floats, Ints

MIN_HISTORY, MIN_SEASONS = 300, 6
"""Steps and seasons of history that are read at most, the longer of both."""

THETA_WEIGHT = 0.2
"""Of theta in the median; from 0 to 0.35 the mean error over ten public sets changes by 0.3 %."""
LARGEST_THETA_SEASON = 12
"""Theta is worse than other methods on hourly series (M4 hourly)."""
WIDTH = {1: 0.96, 2: 0.95, 7: 0.83, 13: 0.65}
"""Factor of all distances from the median, by the shortest season it is for; chosen with the
constants of `intervals` on windows inside the training parts of ten public sets."""
CYCLES = 63
"""Seasons that smoothed cycles read, nine weeks of days."""
CYCLES_PRIOR = 1.5
"""How much larger the past errors of smoothed cycles may be for an equal weight."""
FREEDOM = 4
"""Of the Student-t distribution of errors of smoothed cycles: with a normal distribution 90 % of
them lie in the 80 % band."""
FEW_VALUES = 5.0
"""Bands of N values are wider by (FEW_VALUES / N)²: 25 % at 10. Without it histories of fewer
than 12 values hold 64 to 77 % in their 80 % band, on windows inside the training parts of yearly
sets."""
ORIGINS = 4
"""Earlier origins, half a horizon apart, whose errors correct the intervals."""
SEASONS_BEFORE = 2
"""Seasons that a history needs before an earlier origin for its errors to count."""


def max_history(season: int, horizon: int) -> int:
    """The number of steps before the origin that the methods read."""
    return max(MIN_HISTORY, MIN_SEASONS * season, 3 * horizon)


def longest_history(season: int, horizon: int) -> int:
    """As `max_history`, with what smoothed cycles read."""
    cycles = CYCLES if season > LARGEST_THETA_SEASON else 0
    return max(max_history(season, horizon), cycles * season)


def forecast(
    histories: Histories,
    *,
    seasons: tuple[int, ...],
    horizon: int,
    levels: Sequence[float],
    error_steps: int | None = None,
) -> Floats:
    """Quantiles `[M, H, Q]` of M histories; NaN only for a history without a value.

    Args:
        histories: in the units of the forecast; bounds of the values are left to the caller.
        seasons: steps a season, 1 for none; then longer ones, which smoothed cycles read.
        horizon: steps to forecast, H.
        levels: Q increasing levels between 0 and 1.
        error_steps: steps ahead whose errors at earlier origins count; H by default. With the same
            number the forecast of a step does not depend on H.
    """
    error_steps = min(error_steps or horizon, horizon)
    count = len(histories.start)
    if not len(histories.values):
        return np.full((count, horizon, len(levels)), np.nan)
    histories, unit = without_transients(histories, season=seasons[0]).in_own_units()
    found = _combine(histories, seasons, horizon, levels, error_steps)
    return np.asarray(found * unit[:, None, None])


def _combine(
    histories: Histories,
    seasons: tuple[int, ...],
    horizon: int,
    levels: Sequence[float],
    error_steps: int,
) -> Floats:
    """As `forecast`; `error_steps` is not above the horizon."""
    count, season = len(histories.start), seasons[0]
    back = _origins_back(season, error_steps)
    recent = histories.last(max_history(season, error_steps))
    at_origins = structural.forecast(recent, season=season, horizon=horizon, back=back.tolist())
    around = at_origins.quantiles(SIGMA_LEVELS).reshape(len(back), count, horizon, 3)
    if season > LARGEST_THETA_SEASON:
        return _with_smoothed_cycles(histories, around, back, seasons, levels, error_steps)
    factor = WIDTH[max(shortest for shortest in WIDTH if shortest <= season)] * interval_factor(
        *_past_errors(histories, around[1:, :, :error_steps], back[1:], season)
    )
    factor *= 1 + (FEW_VALUES / np.maximum(histories.lengths, 1)) ** 2
    middle = around[0, ..., 1]
    distance = at_origins.first(count).quantiles(levels) - middle[..., None]
    other = theta.forecast(recent, season=season, horizon=horizon).mean
    median = middle + THETA_WEIGHT * np.where(np.isfinite(other), other - middle, 0.0)
    return np.asarray(median[..., None] + factor[:, None, None] * distance)


def _origins_back(season: int, error_steps: int) -> Ints:
    """`[R]` steps from each origin to the end: half a horizon apart, in long seasons whole ones, so
    that smoothed cycles are the same at all origins."""
    if season > LARGEST_THETA_SEASON:
        return np.arange(ORIGINS + 1) * season * max(round(error_steps / 2 / season), 1)
    return np.array([-(-error_steps * origin // 2) for origin in range(ORIGINS + 1)])


def _with_smoothed_cycles(
    histories: Histories,
    around: Floats,
    back: Ints,
    seasons: tuple[int, ...],
    levels: Sequence[float],
    error_steps: int,
) -> Floats:
    """Quantiles `[M, H, Q]` around the mean of smoothed cycles and another method, weighted by the
    errors of both at earlier origins.

    Args:
        around: `[R, M, H, 3]` quantiles of the other method, at `SIGMA_LEVELS`, at all origins.
        back: `[R]` steps from each origin to the end of the histories.
    """
    from scipy.special import stdtrit  # what `scipy.stats.t.ppf` calls, and quicker to import

    horizon = around.shape[2]
    found = seasonal_smoothing.forecast_from_cycles(
        histories, seasons=seasons, horizon=horizon, back=(back // seasons[0]).tolist()
    )
    mean, deviation = np.stack([each.mean for each in found]), [each.variance for each in found]
    unit = np.sqrt(np.stack(deviation) * (FREEDOM - 2) / FREEDOM)
    low, high = stdtrit(FREEDOM, SIGMA_LEVELS[0]), stdtrit(FREEDOM, SIGMA_LEVELS[-1])
    own = np.stack([mean + low * unit, mean, mean + high * unit], -1)
    errors = [
        _past_errors(histories, each[1:, :, :error_steps], back[1:], seasons[0])[0]
        for each in (own, around)
    ]
    sizes = [_mean_size(each) for each in errors]  # [M]
    sizes = [each + np.finfo(float).tiny for each in sizes]  # equal ones without earlier origins
    ratio = sizes[0] / sizes[1] / CYCLES_PRIOR
    weight = (1 / (1 + np.minimum(ratio, 1e3) ** 4))[:, None]
    own += ((1 - weight) * (around[..., 1] - mean))[..., None]
    factor = interval_factor(
        *_past_errors(histories, own[1:, :, :error_steps], back[1:], seasons[0])
    )
    distance = unit[0][..., None] * stdtrit(FREEDOM, np.asarray(levels))
    return np.asarray(own[0, ..., 1:2] + factor[:, None, None] * distance)


def _mean_size(errors: Floats) -> Floats:
    """`[M]` mean absolute errors `[R, M, H]`, 0 without any."""
    known = np.isfinite(errors)
    sums = sum_of_errors(np.where(known, np.abs(errors), 0.0))
    return np.asarray(sums / np.maximum(known.sum((0, 2)), 1))


def _past_errors(
    histories: Histories, around: Floats, back: Ints, season: int
) -> tuple[Floats, Floats]:
    """Errors of the median and standard deviations on their side, `[R, M, H]`.

    Args:
        around: `[R, M, H, 3]` quantiles at earlier origins, at `SIGMA_LEVELS`.
        back: `[R]` steps from each origin to the end of the histories.
    """
    steps, horizon = len(histories.values), around.shape[2]
    row = steps - back[:, None] + np.arange(horizon)  # [R, H]
    inside = (row >= 0) & (row < steps)
    row = np.clip(row, 0, steps - 1)
    actual = histories.values[row].transpose(0, 2, 1)  # [R, M, H]
    observed = histories.observed[row].transpose(0, 2, 1) & inside[:, None]
    before = histories.lengths - back[:, None] >= max(SEASONS_BEFORE * season, 6)  # [R, M]
    low, middle, high = np.moveaxis(around, -1, 0)
    errors = np.where(observed & before[..., None], actual - middle, np.nan)
    return errors, np.where(errors > 0, high - middle, middle - low)
