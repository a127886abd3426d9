"""Exponential smoothing with learned rates and seasonal factors for each series.

The preprocessing layer of ES-RNN (Smyl 2020, "A hybrid method of exponential smoothing and
recurrent neural networks for time series forecasting", Int. J. Forecasting 36): a window is divided
by its level and its seasonal factors, and the network reads the logarithm. Multiplicative
Holt-Winters without trend, with zero, one or two seasons of m and n steps:

    l_t     = a y_t / (s_t u_t) + (1 - a) l_{t-1}
    s_{t+m} = b y_t / (l_t u_t) + (1 - b) s_t
    u_{t+n} = c y_t / (l_t s_t) + (1 - c) u_t

The rates a, b, c and the initial factors are trained with the weights of the network. Each has a
value shared by all series plus an offset for each series (as logit or logarithm); an unknown series
has the shared value.

The seasonal updates read the level of the same step, as in R's HoltWinters; in statsmodels they
read the level of the step before, so results agree only if the level or the seasons are constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.scaling.window_scaler import MIN_RATIO, ScaleStats

TRAITS = ("log", "one_sign", "learned", "removes_season", "per_target", "single_origin")

INITIAL_LEVEL_RATE, INITIAL_SEASON_RATE = 0.25, 0.1
"""Smoothing rates before training; seasonal factors are updated less often than the level."""

PRIOR_COUNT = 1.0
"""Number of pseudo-observations by which the factors of a series are shrunk towards those of all
series, and these towards 1."""


@dataclass(frozen=True)
class SmoothedWindows:
    """Decomposition of a batch of windows: y is about `level * seasonal_factors`."""

    level: Tensor
    """`[B, L]` original units: the level after each step."""
    seasonal_factors: Tensor
    """`[B, L]` product of the seasonal factors at each step."""
    future_seasonal_factors: Tensor
    """`[B, H]` seasonal factors of the horizon."""


def holt_winters(
    values: Tensor,
    value_mask: Tensor,
    initial_level: Tensor,
    factors: Sequence[Tensor],
    rates: Tensor,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The recursion above, multiplicative Holt-Winters; masked steps leave level and factors
    unchanged.

    Args:
        values: `[B, L]` above 0, in any unit; masked values may be anything.
        value_mask: `[B, L]` bool.
        initial_level: `[B]` before the first step, in the unit of `values`.
        factors: for each season of m steps the factors `[B, m]` of the first m steps.
        rates: `[B, 1 + seasons]` from 0 to 1: of the level, then of each season.

    Returns:
        The level `[B, L]` after each step, the product `[B, L]` of the factors of each step, and
        the factors `[B, m]` of the following steps, for each season.
    """
    values = torch.where(value_mask, values, 1.0)
    weights = rates.unsqueeze(1) * value_mask.unsqueeze(-1)  # [B, L, 1 + seasons]
    level, next_factors, levels, products = initial_level, list(factors), [], []
    # factors are known one season ahead: within the shortest season only the level is sequential
    block = min((factor.shape[1] for factor in factors), default=values.shape[1])
    blocks = zip(torch.split(values, block, 1), torch.split(weights, block, 1), strict=True)
    for y, weight in blocks:
        size = y.shape[1]
        products.append(_combine_factors(next_factors, y))
        deseasonalized = y / products[-1]
        block_levels = []
        for step, rate in zip(deseasonalized.unbind(1), weight[..., 0].unbind(1), strict=True):
            level = torch.lerp(level, step, rate)
            block_levels.append(level)
        levels.append(torch.stack(block_levels, 1))
        # y_t / (l_t u_t) = s_t (1 + error), and y_t / (l_t s_t) = u_t (1 + error)
        error = deseasonalized / levels[-1] - 1
        for k, factor in enumerate(next_factors):
            updated = factor[:, :size] * (1 + weight[..., k + 1] * error)
            # values divided by a factor stay within the range of float32
            updated = updated.clamp(MIN_RATIO, 1 / MIN_RATIO)
            next_factors[k] = torch.cat([factor[:, size:], updated], 1)
    return torch.cat(levels, 1), torch.cat(products, 1), next_factors


class ExponentialSmoothing(nn.Module):
    """Level and seasonal factors of windows of one target, with learned rates and factors."""

    def __init__(self, n_series: int, seasons: tuple[int, ...]) -> None:
        """`seasons` are zero, one or two season lengths in steps."""
        super().__init__()
        self.n_series, self.seasons = n_series, seasons
        rates = torch.tensor([INITIAL_LEVEL_RATE, *(INITIAL_SEASON_RATE for _ in seasons)])
        self.rates = nn.Parameter(rates.logit())
        self.series_rates = _zero_embedding(n_series, len(rates))
        self.factors = nn.ParameterList(torch.zeros(season) for season in seasons)
        self.series_factors = nn.ModuleList(_zero_embedding(n_series, season) for season in seasons)

    def forward(self, inputs: ModelInputs, horizon: int) -> ScaleStats:
        """Scale and seasonal factors: the level after the last step, and the factors of the
        lookback and of the horizon."""
        smoothed = self.smooth(*_single_target(inputs), horizon)
        scale = smoothed.level[:, -1:, None]
        return ScaleStats(
            torch.zeros_like(scale),
            scale,
            is_log=True,
            seasonal_factors=smoothed.seasonal_factors.unsqueeze(-1),
            future_seasonal_factors=smoothed.future_seasonal_factors.unsqueeze(-1),
        )

    def per_item_weights(self) -> list[str]:
        """Names of the weights with one row for each series."""
        return [
            "series_rates.weight",
            *(f"series_factors.{i}.weight" for i in range(len(self.seasons))),
        ]

    def initialize(self, inputs: ModelInputs) -> None:
        """Sets the factors from windows of data; see `initialize_factors`."""
        self.initialize_factors(*_single_target(inputs))

    def smooth(
        self, values: Tensor, value_mask: Tensor, series_index: Tensor, phase: Tensor, horizon: int
    ) -> SmoothedWindows:
        """Level and seasonal factors of each window, in the precision of `values`.

        The initial level is the deseasonalized mean of one season from the first value on; levels
        within that season therefore depend on all of it.

        Args:
            values: `[B, L]` original units, above 0 within the mask.
            value_mask: `[B, L]` bool.
            series_index: `[B]` int64; an index outside `[0, n_series)` means an unknown series.
            phase: `[B]` int64, calendar position of the first step, in steps.
            horizon: H.
        """
        values, unit = _scale_to_mean(values, value_mask)
        factors = self.initial_factors(series_index, phase, values.dtype)
        logits = self.rates + self.series_rates(self._embedding_index(series_index))
        level = self._initial_level(values, value_mask, factors)
        level, product, next_factors = holt_winters(
            values, value_mask, level, factors, logits.to(values.dtype).sigmoid()
        )
        future = _combine_factors(next_factors, values.new_empty(values.shape[0], horizon))
        limits = torch.finfo(values.dtype)
        return SmoothedWindows((level * unit).clamp(limits.tiny, limits.max), product, future)

    def initial_factors(
        self, series_index: Tensor, phase: Tensor, dtype: torch.dtype
    ) -> list[Tensor]:
        """For each season of m steps, the learned factors `[B, m]` of the first m steps of windows
        that start at `phase [B]`; their geometric mean is 1."""
        row, factors = self._embedding_index(series_index), []
        for m, shared, own in zip(self.seasons, self.factors, self.series_factors, strict=True):
            logs = _centered((shared + own(row)).to(dtype))
            factors.append(logs.gather(1, _season_positions(phase, m, m)).exp())
        return factors

    @torch.no_grad()
    def initialize_factors(
        self, values: Tensor, value_mask: Tensor, series_index: Tensor, phase: Tensor
    ) -> None:
        """Sets the factors from windows of data; arguments as for `smooth`.

        Classical decomposition: ratios to the centered moving average over a season, averaged by
        position in the season. A second season is estimated on the values divided by the first. A
        season longer than all windows keeps factors of 1.
        """
        values, _ = _scale_to_mean(values, value_mask)
        row = self._embedding_index(series_index)
        for m, shared, own in zip(self.seasons, self.factors, self.series_factors, strict=True):
            assert isinstance(own, nn.Embedding)
            ratio, valid = _ratio_to_moving_average(values, value_mask, m)
            position = _season_positions(phase, m, values.shape[1])
            cell = (row.unsqueeze(1) * m + position).flatten()
            empty = values.new_zeros((self.n_series + 1) * m)
            total = empty.index_add(0, cell, torch.where(valid, ratio, 0.0).flatten()).view(-1, m)
            count = empty.index_add(0, cell, valid.flatten().to(empty.dtype)).view(-1, m)
            common = (total.sum(0) + PRIOR_COUNT) / (count.sum(0) + PRIOR_COUNT)
            logs = _centered(((total + PRIOR_COUNT * common) / (count + PRIOR_COUNT)).log())
            shared.copy_(_centered(common.log()))
            own.weight.copy_(logs - shared)
            own.weight[self.n_series] = 0.0
            factors = (shared + own(row)).to(values.dtype).exp()
            values = values / factors.gather(1, position)

    def _embedding_index(self, series_index: Tensor) -> Tensor:
        """Row `[B]` of each series in the embeddings; the last row is that of unknown series."""
        known = (series_index >= 0) & (series_index < self.n_series)
        return torch.where(known, series_index, self.n_series)

    def _initial_level(
        self, values: Tensor, value_mask: Tensor, factors: Sequence[Tensor]
    ) -> Tensor:
        """Level `[B]` before the first step; 1 if the mask is empty."""
        steps = torch.arange(values.shape[1], device=values.device)
        first = value_mask.int().argmax(1, keepdim=True)
        season = self.seasons[0] if self.seasons else 1
        mask = value_mask & (steps >= first) & (steps < first + season)
        total = (values / _combine_factors(factors, values) * mask).sum(1)
        count = mask.sum(1)
        return torch.where(count > 0, total / count.clamp_min(1), 1.0)


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> ExponentialSmoothing:
    """The scaler of `n_items` known series with the season lengths `seasons`."""
    return ExponentialSmoothing(n_items, seasons)


def _single_target(inputs: ModelInputs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values and mask `[B, L]`, series index and phase `[B]` of windows of one target."""
    assert inputs.item is not None
    assert inputs.phase is not None
    return inputs.values[..., 0], inputs.value_mask[..., 0], inputs.item, inputs.phase


def _zero_embedding(n_series: int, size: int) -> nn.Embedding:
    """A row of zeros for each series, and a last one that is not trained."""
    rows = nn.Embedding(n_series + 1, size, padding_idx=n_series)
    nn.init.zeros_(rows.weight)
    return rows


def _scale_to_mean(values: Tensor, value_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Values `[B, L]` divided by their mean over the mask, and that mean `[B, 1]`.

    If the mask is empty, the ratios are 1 and the mean is the last (imputed) value, or 1.
    """
    count = value_mask.sum(1, keepdim=True)
    # divided before the sum, which may overflow
    mean = (torch.where(value_mask, values, 0.0) / count.clamp_min(1)).sum(1, keepdim=True)
    unit = torch.where(count > 0, mean, values[:, -1:])
    unit = torch.where((unit > 0) & unit.isfinite(), unit, 1.0)
    return torch.where(value_mask, values / unit, 1.0).clamp_min(MIN_RATIO), unit


def _season_positions(phase: Tensor, season: int, steps: int) -> Tensor:
    """Positions in the season, `[B, steps]`, of the steps from `phase [B]` on."""
    return (phase.unsqueeze(1) + torch.arange(steps, device=phase.device)) % season


def _combine_factors(factors: Sequence[Tensor], like: Tensor) -> Tensor:
    """Product `[B, T]` of the factors `[B, m]` of each season, repeated to the shape of `like`."""
    product, steps = torch.ones_like(like), like.shape[1]
    for factor in factors:
        times = -(-steps // factor.shape[1])
        product = product * factor.repeat(1, times)[:, :steps]
    return product


def _ratio_to_moving_average(
    values: Tensor, value_mask: Tensor, season: int
) -> tuple[Tensor, Tensor]:
    """Ratios `[B, L]` to the centered moving average over a season, and their mask: steps of
    `value_mask` with a full season around them, at least half of it in `value_mask`."""
    half = season // 2
    weight = values.new_ones(2 * half + 1)
    if season % 2 == 0:  # both ends have the same position in the season
        weight[0] = weight[-1] = 0.5
    inner = slice(half, values.shape[1] - half)
    ratio, valid = torch.ones_like(values), torch.zeros_like(value_mask)
    if values.shape[1] > 2 * half:
        masked = torch.stack([values * value_mask, value_mask.to(values.dtype)]).flatten(0, 1)
        total, count = conv1d(masked.unsqueeze(1), weight.view(1, 1, -1)).view(2, len(values), -1)
        valid[:, inner] = value_mask[:, inner] & (count >= season / 2)
        mean = torch.where(valid[:, inner], total / count.clamp_min(0.5), 1.0)
        ratio[:, inner] = values[:, inner] / mean
    return ratio, valid


def _centered(logs: Tensor) -> Tensor:
    return logs - logs.mean(-1, keepdim=True)
