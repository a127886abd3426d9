"""Exponential smoothing inside a net: level and seasons of each series are learnt with its weights.

The net then sees values freed of both. ES-RNN: Smyl 2020, "A hybrid method of exponential smoothing
and recurrent neural networks for time series forecasting", Int. J. Forecasting 36, equations 5 to
8; multiplicative Holt-Winters without a trend, whose part the net takes:

    l_t     = a y_t / (s_t u_t) + (1 - a) l_{t-1}
    s_{t+m} = b y_t / (l_t u_t) + (1 - b) s_t          the first season, of m steps
    u_{t+n} = c y_t / (l_t s_t) + (1 - c) u_t          the second, of n steps, if there is one

A step that is not visible leaves everything as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SMALLEST_RATIO = 1e-4
"""Values below this share of the window's mean are read as this share: factors stay positive."""

FIRST_RATES = (-0.5, -2.0, -2.0)
"""Where the logits of a, b and c start: rates of 0.38 and 0.12."""

FEW = 2.0
"""Seasons of data that a series' own first factors must have to count half."""


@dataclass(frozen=True)
class Smoothed:
    """What smoothing says of B windows."""

    level: Tensor
    """`[B, L]` original units, after each step."""
    shape: Tensor
    """`[B, L]` the seasonal factor of each step, the product of those of all seasons."""
    ahead: Tensor
    """`[B, H]` the same of the steps ahead."""


def smooth(
    values: Tensor,
    visible: Tensor,
    level: Tensor,
    factors: Sequence[Tensor],
    rates: Sequence[Tensor],
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Runs the equations over L steps.

    Args:
        values: `[B, L]`, above 0 where visible.
        visible: `[B, L]` bool.
        level: `[B]` l before the first step.
        factors: `[B, m]` of each season, for the steps 0 .. m - 1.
        rates: `[B]` a, and one for each season.

    Returns:
        Levels and factors of the steps `[B, L]`, and `[B, m]` the factors of the next m steps of
        each season.
    """
    learning = [visible.to(values.dtype) * rate.unsqueeze(1) for rate in rates]  # [B, L]
    steps = [part.unbind(1) for part in learning]
    rings = [list(season.unbind(1)) for season in factors]
    levels, shapes = [], []
    one = torch.ones_like(level)
    for t, y in enumerate(torch.where(visible, values, 0.0).unbind(1)):
        now = [ring[t % len(ring)] for ring in rings]
        shape = now[0] * now[1] if len(now) == 2 else (now[0] if now else one)
        level = level + steps[0][t] * (y / shape - level)
        for season, (ring, factor) in enumerate(zip(rings, now, strict=True)):
            found = y * factor / (level * shape)
            ring[t % len(ring)] = factor + steps[season + 1][t] * (found - factor)
        levels.append(level)
        shapes.append(shape)
    length = values.shape[1]
    after = [torch.stack(ring, 1).roll(-(length % len(ring)), 1) for ring in rings]
    return torch.stack(levels, 1), torch.stack(shapes, 1), after


class Smoothing(nn.Module):
    """Rates and first seasonal factors, shared by all series and changed for each known one."""

    def __init__(self, series: int, seasons: tuple[int, ...]) -> None:
        """`seasons` are none, one or two lengths in steps; `series` is how many are known."""
        super().__init__()
        self.series, self.seasons = series, seasons
        self.rates = nn.Parameter(torch.tensor(FIRST_RATES[: 1 + len(seasons)]))
        self.own_rates = nn.Parameter(torch.zeros(series, 1 + len(seasons)))
        self.factors = nn.ParameterList(torch.zeros(season) for season in seasons)
        self.own_factors = nn.ParameterList(torch.zeros(series, season) for season in seasons)

    def forward(
        self, values: Tensor, visible: Tensor, series: Tensor, phase: Tensor, horizon: int
    ) -> Smoothed:
        """Smooths B windows from their first step on.

        Args:
            values: `[B, L]` original units, above 0 where visible.
            visible: `[B, L]` bool.
            series: `[B]` int64 which series; its count or more for one that is not known.
            phase: `[B]` int64 the place of the first step on the calendar, in steps.
            horizon: H.
        """
        # ratios to the window's mean: factors and levels near 1, whatever the units
        count = visible.sum(1, keepdim=True).clamp_min(1)
        size = (values * visible).sum(1, keepdim=True) / count
        size = torch.where(size > 0, size, torch.ones_like(size))
        ratios = (values / size).clamp_min(SMALLEST_RATIO)
        rates = self._of(self.rates, self.own_rates, series).to(ratios.dtype).sigmoid().unbind(1)
        factors = [factor.to(ratios.dtype) for factor in self.first_factors(series, phase)]
        level = _first_level(ratios, visible, factors)
        levels, shape, after = smooth(ratios, visible, level, factors, rates)
        ahead = torch.ones(len(values), horizon, dtype=ratios.dtype, device=values.device)
        for ring in after:
            repeats = -(-horizon // ring.shape[1])
            ahead = ahead * ring.repeat(1, repeats)[:, :horizon]
        return Smoothed(levels * size, shape, ahead)

    def first_factors(self, series: Tensor, phase: Tensor) -> list[Tensor]:
        """`[B, m]` of each season: the factors of the first m steps of windows that begin at
        `phase [B]`. Their logs have a mean of 0 over a season."""
        found = []
        for season, shared, own in zip(self.seasons, self.factors, self.own_factors, strict=True):
            logs = self._of(shared, own, series)
            logs = logs - logs.mean(1, keepdim=True)
            steps = torch.arange(season, device=phase.device)
            places = (phase.unsqueeze(1) + steps) % season  # [B, m]
            found.append(logs.gather(1, places).exp())
        return found

    def _of(self, shared: Tensor, own: Tensor, series: Tensor) -> Tensor:
        """`[B, X]` what is shared and, for a known series, its own."""
        known = (series < self.series).unsqueeze(1)
        return shared + own[series.clamp(0, self.series - 1)] * known

    @torch.no_grad()
    def initialise(self, values: Tensor, visible: Tensor, series: Tensor, phase: Tensor) -> None:
        """Sets the first factors to the mean ratio of values to the season-long mean around them.

        The classical decomposition, over the windows given, as `forward` takes them. A series that
        few of them are of keeps close to the factors of all.
        """
        steps = torch.arange(values.shape[1], device=values.device)
        known = series < self.series
        left = torch.where(visible, values, 0.0)
        for season, shared, own in zip(self.seasons, self.factors, self.own_factors, strict=True):
            around = _moving_mean(left, visible, season)
            usable = visible & (left > 0) & (around > 0) & known.unsqueeze(1)
            logs = torch.where(usable, torch.log(left / around), 0.0)
            place = series.clamp(0, self.series - 1).unsqueeze(1) * season
            place = (place + (phase.unsqueeze(1) + steps) % season).flatten()
            total = torch.zeros(self.series * season, dtype=logs.dtype, device=logs.device)
            count = total.index_add(0, place, usable.flatten().to(logs.dtype))
            total = total.index_add(0, place, logs.flatten())
            total, count = total.reshape(-1, season), count.reshape(-1, season)
            mean = total.sum(0) / count.sum(0).clamp_min(1.0)
            shared.copy_(mean)
            own.copy_((total - count * mean) / (count + FEW))
            factor = self.first_factors(series, phase)[self.seasons.index(season)]
            repeats = -(-values.shape[1] // season)
            left = left / factor.to(left.dtype).repeat(1, repeats)[:, : values.shape[1]]


def _first_level(ratios: Tensor, visible: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """`[B]` the mean of the first season that is visible, freed of its factors; without a season
    the first visible value."""
    season = max((factor.shape[1] for factor in factors), default=1)
    shape = torch.ones_like(ratios)
    for factor in factors:
        repeats = -(-ratios.shape[1] // factor.shape[1])
        shape = shape * factor.repeat(1, repeats)[:, : ratios.shape[1]]
    seen = visible.cumsum(1)
    used = visible & (seen <= season)
    total = (ratios / shape * used).sum(1)
    count = used.sum(1)
    return torch.where(count > 0, total / count.clamp_min(1), torch.ones_like(total))


def _moving_mean(values: Tensor, visible: Tensor, season: int) -> Tensor:
    """`[B, L]` the mean of the visible values among the `season` steps around each step."""
    before = season // 2

    def around(table: Tensor) -> Tensor:
        padded = nn.functional.pad(table, (before + 1, season - 1 - before)).cumsum(1)
        return padded[:, season:] - padded[:, :-season]

    count = around(visible.to(values.dtype))
    return around(values * visible) / count.clamp_min(1.0)
