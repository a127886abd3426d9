"""Forecasts without training on the data: statistical methods and the pretrained network.

Both read the history of one series, and their quantiles are averaged level by level, weighted by
their errors at an earlier origin of the same history. Of values with many zeros those of
statistical methods are worse at all levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.evaluation.window_metrics import pinball_loss
from rnnforecast.inference.pretrained import pretrained_quantiles
from rnnforecast.models.pretrained.context import MAX_CONTEXT
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.forecaster_config import MIN_ZERO_SHARE
from rnnforecast.pipeline.statistical import HistoryParts, by_window, statistical_quantiles
from rnnforecast.statistical.histories import Histories, history_rows
from rnnforecast.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from rnnforecast.data.cleaning_plan import CleanedData

PRETRAINED_WEIGHT = 0.4
"""Of the pretrained network where both err alike; the statistical methods have the rest."""
ERROR_POWER = 2
"""Of the ratio of the errors in the ratio of the weights."""
ERROR_LEVELS = (0.1, 0.5, 0.9)
"""Levels of the quantiles whose errors are compared."""
ALWAYS, MIN_CYCLES = 0.9, 3
"""Share of the cycles in which a step of the season that is always zero is so, and their number."""
MIN_HISTORY, MIN_SEASONS = 6, 2
"""Steps and seasons before the earlier origin, the longer of both, for its errors to count."""


@dataclass(frozen=True)
class MemberForecasts:
    """Forecasts of both members for N histories."""

    statistical: Floats
    """`[N, H, Q]` quantiles of the combination of statistical methods."""
    pretrained: Floats
    """`[N, H, Q]` those of the pretrained network."""
    lengths: Ints
    """`[N]` steps of the histories that it reads."""

    def mean(self, weight: Floats) -> Floats:
        """The mean of the quantiles with the weights `[N]` of the pretrained network."""
        return self.statistical + weight[:, None, None] * (self.pretrained - self.statistical)


def untrained_quantiles(
    cleaned: CleanedData,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
    horizon: int,
    seasons: tuple[int, ...],
    joint: bool,
    engine: Engine | None = None,
) -> Floats:
    """Quantiles `[W, steps, C, Q]` of the windows of `index`, in transformed units; arguments as of
    `statistical_quantiles`."""
    options: dict[str, Any] = {"seasons": seasons, "joint": joint}

    def members(index: WindowIndex, levels: Sequence[float], steps: int) -> MemberForecasts:
        lengths, pretrained = _pretrained_quantiles(cleaned, index, levels, steps, **options)
        statistical = statistical_quantiles(
            cleaned, index, levels, steps=steps, horizon=horizon, engine=engine, **options
        )
        return MemberForecasts(_by_history(statistical), pretrained, lengths)

    back = earlier_steps(horizon)
    earlier = replace(index, origin=np.maximum(index.origin - back, 0))
    weight = pretrained_weight(
        _last_values(cleaned, index, back, joint=joint),
        members(earlier, ERROR_LEVELS, back),
        many_zeros=_with_many_zeros(cleaned, index, seasons, joint=joint),
        seasons=seasons,
    )
    return by_window(members(index, levels, steps).mean(weight), index)


def earlier_steps(horizon: int) -> int:
    """Steps from the earlier origin, at which the members are compared, to the end."""
    return -(-horizon // 2)


def pretrained_weight(
    actual: Floats, before: MemberForecasts, *, many_zeros: Bools, seasons: Sequence[int]
) -> Floats:
    """Weights `[N]` of the pretrained network; 1 for values with many zeros, else
    `PRETRAINED_WEIGHT` where there are no errors to compare, or few values before the earlier
    origin.

    Args:
        actual: `[N, T]` values after the earlier origin, NaN where not observed.
        before: the forecasts from there, at `ERROR_LEVELS`.
        many_zeros: `[N]` of `has_many_zeros`.
        seasons: in steps.
    """
    tiny = np.finfo(float).tiny
    errors = [_mean_error(actual, each) + tiny for each in (before.statistical, before.pretrained)]
    odds = (errors[0] / errors[1]).clip(1e-3, 1e3) ** ERROR_POWER
    enough = max(MIN_HISTORY, MIN_SEASONS * max(seasons, default=1))
    is_known = (before.lengths >= enough) & ~np.isnan(odds)
    share = PRETRAINED_WEIGHT * np.where(is_known, odds, 1.0)
    return np.where(many_zeros, 1.0, share / (share + 1 - PRETRAINED_WEIGHT))


def _by_history(quantiles: Floats) -> Floats:
    """`[W, steps, C, Q]` as `[W * C, steps, Q]`, the reverse of `by_window`."""
    _, steps, _, n_levels = quantiles.shape
    return quantiles.swapaxes(1, 2).reshape(-1, steps, n_levels)


def _pretrained_quantiles(
    cleaned: CleanedData,
    index: WindowIndex,
    levels: Sequence[float],
    steps: int,
    *,
    seasons: tuple[int, ...],
    joint: bool,
) -> tuple[Ints, Floats]:
    """Steps `[N]` that the pretrained network reads and its quantiles `[N, steps, Q]`, a row for
    each target of a window."""
    parts = HistoryParts.of_windows(cleaned, index, MAX_CONTEXT, joint=joint)
    count = len(parts.series)
    quantiles = np.empty((count, steps, len(levels)))
    lengths = np.zeros(count, dtype=np.int64)
    for part in range(len(parts)):
        rows, histories = parts.rows(part), Histories.from_values(*parts[part])
        quantiles[rows] = pretrained_quantiles(
            histories, seasons=seasons, horizon=steps, levels=levels
        )
        lengths[rows] = histories.lengths
    return lengths, quantiles


def _last_values(cleaned: CleanedData, index: WindowIndex, steps: int, *, joint: bool) -> Floats:
    """The last observed values before the origin `[N, steps]`, a row for each target of a window;
    NaN where there is none."""
    parts = HistoryParts.of_windows(cleaned, index, steps, joint=joint)
    found = np.full((len(parts.series), steps), np.nan)
    for part in range(len(parts)):
        values, observed = parts[part]  # [T, M]
        found[parts.rows(part), steps - len(values) :] = np.where(observed, values, np.nan).T
    return found


def _mean_error(actual: Floats, quantiles: Floats) -> Floats:
    """Mean quantile loss `[N]` of `quantiles [N, T, Q]` at `ERROR_LEVELS`; NaN without a value in
    `actual [N, T]`."""
    losses = [
        pinball_loss(actual, quantiles[..., place], level)
        for place, level in enumerate(ERROR_LEVELS)
    ]
    loss = np.mean(losses, axis=0)
    known = np.isfinite(loss)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, loss, 0.0).sum(1) / np.maximum(count, 1), np.nan)


def _with_many_zeros(
    cleaned: CleanedData, index: WindowIndex, seasons: tuple[int, ...], *, joint: bool
) -> Bools:
    """`[N]` whether targets have many zeros before the origin of a window, in original units: zeros
    of transformed values are others."""
    panel = cleaned.panel
    parts = HistoryParts.of_windows(cleaned, index, MAX_CONTEXT, joint=joint)
    found = np.zeros(len(parts.series), dtype=bool)
    for part in range(len(parts)):
        chosen = parts.rows(part)
        first_row, origin = panel.offsets[parts.series[chosen]], parts.origin[chosen]
        rows = history_rows(first_row, origin, max_steps=parts.longest)  # [T, M]
        cell = np.maximum(rows, 0), parts.target[chosen]
        observed = panel.observed_mask[cell] & (rows >= 0)
        found[chosen] = has_many_zeros(panel.targets[cell], observed, next(iter(seasons), 1))
    return found


def many_zeros_mask(cleaned: CleanedData, seasons: tuple[int, ...]) -> Bools:
    """`[S, C]` whether the pretrained network forecasts a target of a series alone, from its end;
    `seasons` as of `untrained_quantiles`."""
    panel = cleaned.panel
    shape = panel.n_series, len(panel.target_names)
    ends = panel.lengths.repeat(shape[1])
    index = WindowIndex(np.arange(len(ends)), ends, ends)
    return _with_many_zeros(cleaned, index, seasons, joint=False).reshape(shape)


def has_many_zeros(values: Floats, observed: Bools, season: int) -> Bools:
    """`[M]` whether the observed ones of values `[T, M]` are never negative, and often zero at
    steps of the season that are not always zero, as closed days are."""
    zeros = (values == 0) & observed
    others = observed & ~_always_zero(zeros, observed, season)
    lowest = values.min(0, where=observed, initial=np.inf)
    return np.asarray(((zeros & others).sum(0) >= MIN_ZERO_SHARE * others.sum(0)) & (lowest >= 0))


def _always_zero(zeros: Bools, observed: Bools, season: int) -> Bools:
    """`[T, M]` whether a step is one of the season at which values are zero in all cycles but few,
    by masks `[T, M]`."""
    steps, width = zeros.shape
    cycles = -(-steps // season)
    first = np.zeros((cycles * season - steps, width), dtype=bool)
    zero_count, count = (
        np.concatenate([first, mask]).reshape(cycles, season, width).sum(0)
        for mask in (zeros, observed)
    )  # [season, M]
    is_zero = (count >= MIN_CYCLES) & (zero_count >= ALWAYS * count)
    return np.tile(is_zero, (cycles, 1))[len(first) :]
