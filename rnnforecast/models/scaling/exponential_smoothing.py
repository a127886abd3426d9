"""Exponential smoothing inside the net: each series learns its own level and seasons.

The half of ES-RNN (Smyl 2020, "A hybrid method of exponential smoothing and recurrent neural
networks for time series forecasting", Int. J. Forecasting 36) that frees a window of its level and
its seasons before the recurrent half sees it. Holt-Winters without trend, multiplicative, with
none, one or two seasons of m and n steps:

    l_t     = a y_t / (s_t u_t) + (1 - a) l_{t-1}
    s_{t+m} = b y_t / (l_t u_t) + (1 - b) s_t
    u_{t+n} = c y_t / (l_t s_t) + (1 - c) u_t

The rates a, b, c and the factors a window starts with are learnt by gradient descent along with the
net's weights: a value that all series share plus what is a series' own, so that a series which was
not there in training has something to go by.

The seasons read the level of the step itself, as R's HoltWinters does; statsmodels takes the level
of the step before, so the two agree where either the level or the seasons stand still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from rnnforecast.models.scaling.window_scaler import MIN_RATIO

INITIAL_LEVEL_RATE, INITIAL_SEASON_RATE = 0.25, 0.1
"""The rates before training: a season has been seen less often than the level, and moves less."""

PRIOR_COUNT = 1.0
"""An index taken from data starts from that of all series (and theirs from 1) as if that had been
observed this often: few observations say little."""


@dataclass(frozen=True)
class SmoothedWindows:
    """A batch of windows, smoothed: y is about `level * shape`."""

    level: Tensor
    """`[B, L]` original units: the level after each step."""
    seasonal_factors: Tensor
    """`[B, L]` the seasonal factor that applied at each step, the product over the seasons."""
    future_seasonal_factors: Tensor
    """`[B, H]` the seasonal factors of the steps ahead."""


def holt_winters(
    values: Tensor,
    value_mask: Tensor,
    initial_level: Tensor,
    factors: Sequence[Tensor],
    rates: Tensor,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The recursion of the module's docstring, from a given start.

    A step that is not visible leaves level and factors as they are; its factor comes again one
    season later.

    Args:
        values: `[B, L]` above 0, in any unit; what is not visible may hold anything.
        visible: `[B, L]` bool.
        level: `[B]` before the first step, in the unit of `values`.
        factors: for each season of m steps the factors `[B, m]` of the first m steps.
        rates: `[B, 1 + seasons]` within 0 and 1: of the level, then of each season.

    Returns:
        The level `[B, L]` after each step, the product `[B, L]` of the factors that applied at
        it, and the factors `[B, m]` of the steps that follow, for each season.
    """
    values = torch.where(value_mask, values, 1.0)
    weights = rates.unsqueeze(1) * value_mask.unsqueeze(-1)  # [B, L, 1 + seasons]; 0 stands still
    coming, levels, shapes = list(factors), [], []
    # what is known of the seasons reaches a season ahead: up to there only the level is a loop
    block = min((factor.shape[1] for factor in factors), default=values.shape[1])
    pieces = zip(torch.split(values, block, 1), torch.split(weights, block, 1), strict=True)
    for y, weight in pieces:
        size = y.shape[1]
        shape = _combine_factors(coming, y)
        free = y / shape
        passed = []
        for now, rate in zip(free.unbind(1), weight[..., 0].unbind(1), strict=True):
            initial_level = torch.lerp(initial_level, now, rate)
            passed.append(initial_level)
        levels.append(torch.stack(passed, 1))
        shapes.append(shape)
        # y_t / (l_t u_t) is s_t times this + 1, and y_t / (l_t s_t) is u_t times it
        surprise = free / levels[-1] - 1
        for k, factor in enumerate(coming):
            renewed = factor[:, :size] * (1 + weight[..., k + 1] * surprise)
            # beyond this, no value is told from another, and what is divided by it gets lost
            renewed = renewed.clamp(MIN_RATIO, 1 / MIN_RATIO)
            coming[k] = torch.cat([factor[:, size:], renewed], 1)
    return torch.cat(levels, 1), torch.cat(shapes, 1), coming


class ExponentialSmoothing(nn.Module):
    """Windows of single series → their level and seasons, by rates and factors that are learnt."""

    def __init__(self, n_series: int, seasons: tuple[int, ...]) -> None:
        """For `series` known series; `seasons` are none, one or two lengths in steps."""
        super().__init__()
        self.n_series, self.seasons = n_series, seasons
        rates = torch.tensor([INITIAL_LEVEL_RATE, *(INITIAL_SEASON_RATE for _ in seasons)])
        self.rates = nn.Parameter(rates.logit())
        self.series_rates = _zero_embedding(n_series, len(rates))
        self.factors = nn.ParameterList(torch.zeros(season) for season in seasons)
        self.series_factors = nn.ModuleList(_zero_embedding(n_series, season) for season in seasons)

    def forward(
        self, values: Tensor, value_mask: Tensor, series_index: Tensor, phase: Tensor, horizon: int
    ) -> SmoothedWindows:
        """Level and seasons of each window, as precise as `values`.

        The level before a window is the mean of its first season, from the first visible step on,
        freed of the factors; so levels of that season know all of it.

        Args:
            values: `[B, L]` original units, above 0 where visible.
            visible: `[B, L]` bool.
            series: `[B]` int64; what is not below the number of known series is an unknown one.
            phase: `[B]` int64, the place of the first step on the calendar in steps.
            horizon: H, the steps ahead.
        """
        values, unit = _scale_to_mean(values, value_mask)
        factors = self.initial_factors(series_index, phase, values.dtype)
        logits = self.rates + self.series_rates(self._embedding_index(series_index))
        level = self._initial_level(values, value_mask, factors)
        level, shape, coming = holt_winters(
            values, value_mask, level, factors, logits.to(values.dtype).sigmoid()
        )
        ahead = _combine_factors(coming, values.new_empty(values.shape[0], horizon))
        limits = torch.finfo(values.dtype)
        return SmoothedWindows((level * unit).clamp(limits.tiny, limits.max), shape, ahead)

    def initial_factors(
        self, series_index: Tensor, phase: Tensor, dtype: torch.dtype
    ) -> list[Tensor]:
        """For each season of m steps the learnt factors `[B, m]` of the first m steps of windows
        that start at `phase [B]`; their geometric mean is 1, what is above is the level's."""
        row, found = self._embedding_index(series_index), []
        for m, shared, own in zip(self.seasons, self.factors, self.series_factors, strict=True):
            logs = _centered((shared + own(row)).to(dtype))
            found.append(logs.gather(1, _season_positions(phase, m, m)).exp())
        return found

    @torch.no_grad()
    def initialize_factors(
        self, values: Tensor, value_mask: Tensor, series_index: Tensor, phase: Tensor
    ) -> None:
        """Sets the factors from windows of data, all arguments as for `forward`.

        Classical decomposition: the ratios of the values to their centred moving mean over a
        season, averaged by place in the season. A second season is taken from what the first
        leaves. A season that no window is longer than stays flat.
        """
        values, _ = _scale_to_mean(values, value_mask)
        row = self._embedding_index(series_index)
        for m, shared, own in zip(self.seasons, self.factors, self.series_factors, strict=True):
            assert isinstance(own, nn.Embedding)
            ratio, known = _ratio_to_moving_average(values, value_mask, m)
            place = _season_positions(phase, m, values.shape[1])
            cell = (row.unsqueeze(1) * m + place).flatten()
            empty = values.new_zeros((self.n_series + 1) * m)
            total = empty.index_add(0, cell, torch.where(known, ratio, 0.0).flatten()).view(-1, m)
            count = empty.index_add(0, cell, known.flatten().to(empty.dtype)).view(-1, m)
            common = (total.sum(0) + PRIOR_COUNT) / (count.sum(0) + PRIOR_COUNT)
            logs = _centered(((total + PRIOR_COUNT * common) / (count + PRIOR_COUNT)).log())
            shared.copy_(_centered(common.log()))
            own.weight.copy_(logs - shared)
            own.weight[self.n_series] = 0.0
            index = (shared + own(row)).to(values.dtype).exp()
            values = values / index.gather(1, place)

    def _embedding_index(self, series_index: Tensor) -> Tensor:
        """`[B]` the row of each series in the tables of what is its own; the last is nobody's."""
        known = (series_index >= 0) & (series_index < self.n_series)
        return torch.where(known, series_index, self.n_series)

    def _initial_level(
        self, values: Tensor, value_mask: Tensor, factors: Sequence[Tensor]
    ) -> Tensor:
        """`[B]` the level before the first step; 1 where nothing is visible."""
        steps = torch.arange(values.shape[1], device=values.device)
        first = value_mask.int().argmax(1, keepdim=True)
        season = self.seasons[0] if self.seasons else 1
        counted = value_mask & (steps >= first) & (steps < first + season)
        total = (values / _combine_factors(factors, values) * counted).sum(1)
        count = counted.sum(1)
        return torch.where(count > 0, total / count.clamp_min(1), 1.0)


def _zero_embedding(n_series: int, size: int) -> nn.Embedding:
    """A row of zeros for each series, and a last one that stays so."""
    rows = nn.Embedding(n_series + 1, size, padding_idx=n_series)
    nn.init.zeros_(rows.weight)
    return rows


def _scale_to_mean(values: Tensor, value_mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[B, L]` ratios to the mean of what is visible, 1 where nothing is; and that mean `[B, 1]`.

    Where nothing is visible the mean is the last (filled) value, if that can be one.
    """
    count = value_mask.sum(1, keepdim=True)
    # divided before they are summed: a sum of huge values may not be finite
    mean = (torch.where(value_mask, values, 0.0) / count.clamp_min(1)).sum(1, keepdim=True)
    unit = torch.where(count > 0, mean, values[:, -1:])
    unit = torch.where((unit > 0) & unit.isfinite(), unit, 1.0)
    return torch.where(value_mask, values / unit, 1.0).clamp_min(MIN_RATIO), unit


def _season_positions(phase: Tensor, season: int, steps: int) -> Tensor:
    """`[B, steps]` the place in the season of the steps from `phase [B]` on."""
    return (phase.unsqueeze(1) + torch.arange(steps, device=phase.device)) % season


def _combine_factors(factors: Sequence[Tensor], like: Tensor) -> Tensor:
    """`[B, T]` as `like` the factors `[B, m]` of each season, over and over, as one factor."""
    shape, steps = torch.ones_like(like), like.shape[1]
    for factor in factors:
        # a copy, as an index would do, whose gradient is a plain sum
        times = -(-steps // factor.shape[1])
        shape = shape * factor.repeat(1, times)[:, :steps]
    return shape


def _ratio_to_moving_average(
    values: Tensor, value_mask: Tensor, season: int
) -> tuple[Tensor, Tensor]:
    """`[B, L]` values by their centred moving mean over a season, and where there is one: at
    visible steps with a whole season around them of which half is visible."""
    half = season // 2
    weight = values.new_ones(2 * half + 1)
    if season % 2 == 0:  # the two ends are the same place in the season
        weight[0] = weight[-1] = 0.5
    inner = slice(half, values.shape[1] - half)
    ratio, known = torch.ones_like(values), torch.zeros_like(value_mask)
    if values.shape[1] > 2 * half:
        seen = torch.stack([values * value_mask, value_mask.to(values.dtype)]).flatten(0, 1)
        total, count = conv1d(seen.unsqueeze(1), weight.view(1, 1, -1)).view(2, len(values), -1)
        known[:, inner] = value_mask[:, inner] & (count >= season / 2)
        mean = torch.where(known[:, inner], total / count.clamp_min(0.5), 1.0)
        ratio[:, inner] = values[:, inner] / mean
    return ratio, known


def _centered(logs: Tensor) -> Tensor:
    return logs - logs.mean(-1, keepdim=True)
