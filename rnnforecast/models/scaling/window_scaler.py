"""Window normalisation: each window is freed of its own level before the net sees it.

Every method reads the history alone, so nothing of the future can enter, and every method has an
exact inverse. Statistics are taken in the precision of the input (float64 on CPU and CUDA); what
the net gets is float32.

| name | z | level taken from |
| --- | --- | --- |
| `log_mean` | log(y / level) | mean of the last season (the last value where there is none) |
| `mean` | y / level - 1 | the same mean, of absolute values |
| `standard` | (y - mean) / deviation | the whole lookback |
| `robust` | (y - median) / interquartile range | the whole lookback |
| `last` | (y - last value) / mean distance from it | the whole lookback |
| `none` | y | |

`exponential_smoothing` is not here, since it is learnt: see `smoothing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

MIN_RATIO = 1e-4
"""`log_mean` reads values below this share of the level as this share: a zero has no logarithm."""

MAX_LOG_RATIO = 30.0
"""A logarithm is undone up to this: no forecast is 1e13 levels high, and none may overflow."""

MIN_RELATIVE_SCALE = 1e-4
"""A window's spread is never taken smaller than this share of its mean absolute value."""


@dataclass(frozen=True)
class ScaleStats:
    """What was taken out of a batch of windows and how to put it back.

    `center` and `scale` are `[B, 1, C]` in original units; `log` says that z is a log ratio.
    """

    center: Tensor
    scale: Tensor
    is_log: bool = False
    difference_base: Tensor | None = None
    """`[B, H, C]` original units: what the steps ahead are differences from, if they are any."""
    seasonal_factors: Tensor | None = None
    """`[B, L, C]` the seasonal factor of each past step, if they were told apart."""
    future_seasonal_factors: Tensor | None = None
    """`[B, H, C]` the same of the steps ahead."""

    def normalize_future(self, values: Tensor) -> Tensor:
        """Original values of the steps ahead `[B, H, C]` to normalised float32 `[B, H, C]`."""
        if self.difference_base is not None:
            values = values - self.difference_base
        return self._normalize(values, self.future_seasonal_factors)

    def normalize_past(self, values: Tensor) -> Tensor:
        """Original past values `[B, L, C]` to normalised float32 `[B, L, C]`."""
        return self._normalize(values, self.seasonal_factors)

    def _normalize(self, values: Tensor, factors: Tensor | None) -> Tensor:
        if factors is not None:
            values = values / factors
        if self.is_log:
            return torch.log((values / self.scale).clamp_min(MIN_RATIO)).float()
        return ((values - self.center) / self.scale).float()

    def denormalize(self, z: Tensor) -> Tensor:
        """Steps ahead, normalised `[B, H, C]` or `[B, H, C, Q]`, to original units, as precise as
        `scale`."""
        center, scale, base, seasonal = (
            self.center,
            self.scale,
            self.difference_base,
            self.future_seasonal_factors,
        )
        if z.dim() == center.dim() + 1:
            center, scale = center.unsqueeze(-1), scale.unsqueeze(-1)
            base = None if base is None else base.unsqueeze(-1)
            seasonal = None if seasonal is None else seasonal.unsqueeze(-1)
        z = z.to(scale.dtype)
        values = torch.exp(z) * scale if self.is_log else z * scale + center
        values = values if seasonal is None else values * seasonal
        return values if base is None else values + base

    def repeat_windows(self, times: int) -> ScaleStats:
        """Each window `times` times, one behind the other."""
        return self._map_tensors(lambda part: part.repeat_interleave(times, 0))

    def select_windows(self, windows: slice) -> ScaleStats:
        """The levels of some of the windows."""
        return self._map_tensors(lambda part: part[windows])

    def select_steps(self, steps: slice) -> ScaleStats:
        """What holds for some of the steps ahead."""
        base, seasonal = self.difference_base, self.future_seasonal_factors
        return replace(
            self,
            difference_base=None if base is None else base[:, steps],
            future_seasonal_factors=None if seasonal is None else seasonal[:, steps],
        )

    def _map_tensors(self, function: Callable[[Tensor], Tensor]) -> ScaleStats:
        parts = (
            self.center,
            self.scale,
            self.difference_base,
            self.seasonal_factors,
            self.future_seasonal_factors,
        )
        center, scale, *rest = (None if part is None else function(part) for part in parts)
        assert center is not None
        assert scale is not None
        return ScaleStats(center, scale, self.is_log, *rest)


@dataclass(frozen=True)
class WindowScaler:
    """How normalised values of a batch relate to original units."""

    stats: ScaleStats
    global_scale: Tensor
    """Scalar: the size of normalised values the net calls 1."""
    mase_scale: Tensor | None = None
    """`[B, 1, C]` original units: the mean absolute seasonal change of the history."""

    def denormalize(self, z: Tensor) -> Tensor:
        """The net's values `[B, H, C]` or `[B, H, C, Q]` to original units."""
        z = z * self.global_scale
        return self.stats.denormalize(
            z.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO) if self.stats.is_log else z
        )

    def normalize_future(self, y: Tensor) -> Tensor:
        """Original `[B, H, C]` or `[B, H, C, Q]` to the net's values, float32."""
        level = self.stats
        if y.dim() == level.center.dim() + 1:
            base, seasonal = level.difference_base, level.future_seasonal_factors
            level = replace(
                level,
                center=level.center.unsqueeze(-1),
                scale=level.scale.unsqueeze(-1),
                difference_base=None if base is None else base.unsqueeze(-1),
                future_seasonal_factors=None if seasonal is None else seasonal.unsqueeze(-1),
            )
        return level.normalize_future(y) / self.global_scale

    def normalize_past(self, y: Tensor) -> Tensor:
        """Original values of the lookback `[B, L, C]` to the net's values, float32."""
        return self.stats.normalize_past(y) / self.global_scale

    def repeat_windows(self, times: int) -> WindowScaler:
        """Each window `times` times, one behind the other."""
        naive = None if self.mase_scale is None else self.mase_scale.repeat_interleave(times, 0)
        return WindowScaler(self.stats.repeat_windows(times), self.global_scale, naive)

    def select_windows(self, windows: slice) -> WindowScaler:
        """The frame of some of the windows."""
        naive = None if self.mase_scale is None else self.mase_scale[windows]
        return WindowScaler(self.stats.select_windows(windows), self.global_scale, naive)

    def select_steps(self, steps: slice) -> WindowScaler:
        """What holds for some of the steps ahead."""
        return replace(self, stats=self.stats.select_steps(steps))


Normalizer = Callable[[Tensor, Tensor, int], ScaleStats]
"""`(history [B, L, C], visible [B, L, C] bool, season) -> Level`."""


def seasonal_naive_error(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    """Mean absolute change from one season to the next, `[B, 1, C]` original units, over the steps
    where both are visible; 0 where there are none. What MASE divides by."""
    lag = season if season < values.shape[1] else 1
    both = value_mask[:, lag:] & value_mask[:, :-lag]
    change = ((values[:, lag:] - values[:, :-lag]).abs() * both).sum(1, keepdim=True)
    return change / both.sum(1, keepdim=True).clamp_min(1)


def _masked_mean(values: Tensor, value_mask: Tensor) -> Tensor:
    """Mean over the visible steps, `[B, 1, C]`; the last (filled) value where none is visible."""
    count = value_mask.sum(1, keepdim=True)
    total = (values * value_mask).sum(1, keepdim=True)
    return torch.where(count > 0, total / count.clamp_min(1), values[:, -1:])


def _replace_zero_scale(scale: Tensor) -> Tensor:
    return torch.where(scale > torch.finfo(torch.float32).tiny, scale, torch.ones_like(scale))


def _recent_mean_abs(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    recent = slice(-max(season, 1), None)
    level = _masked_mean(values[:, recent].abs(), value_mask[:, recent])
    whole = _masked_mean(values.abs(), value_mask)
    return _replace_zero_scale(torch.where(level > MIN_RELATIVE_SCALE * whole, level, whole))


def log_mean_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = log(y / mean of the last season); for positive data."""
    level = _recent_mean_abs(values, value_mask, season)
    return ScaleStats(torch.zeros_like(level), level, is_log=True)


def mean_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = y / mean absolute value of the last season - 1."""
    level = _recent_mean_abs(values, value_mask, season)
    return ScaleStats(level, level)


def standard_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = (y - mean) / standard deviation over the lookback."""
    center = _masked_mean(values, value_mask)
    spread = _masked_mean((values - center) ** 2, value_mask).sqrt()
    return ScaleStats(center, _floor_scale(spread, values, value_mask))


def robust_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = (y - median) / interquartile range over the lookback."""
    # torch's nanquantile, spelt out: not every runtime knows how to sort what is no number
    ordered = torch.where(value_mask, values, torch.inf).sort(1).values
    last_one = value_mask.sum(1, keepdim=True) - 1
    low, center, high = (
        _interpolate_sorted(ordered, share * last_one) for share in (0.25, 0.5, 0.75)
    )
    center = torch.where(center.isnan(), values[:, -1:], center)
    return ScaleStats(center, _floor_scale((high - low).nan_to_num(0.0), values, value_mask))


def _interpolate_sorted(sorted_values: Tensor, position: Tensor) -> Tensor:
    """Of `ordered [B, L, C]` what stands at `place [B, 1, C]`, between two on a straight line; no
    number where there is none."""
    position = position.clamp_min(0).to(sorted_values.dtype)
    below = sorted_values.gather(1, position.floor().long())
    above = sorted_values.gather(1, position.ceil().long())
    return torch.lerp(below, above, position - position.floor())


def last_value_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = (y - last value) / mean absolute distance from it over the lookback."""
    center = values[:, -1:]
    spread = _masked_mean((values - center).abs(), value_mask)
    return ScaleStats(center, _floor_scale(spread, values, value_mask))


def identity_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """z = y."""
    center = torch.zeros_like(values[:, -1:])
    return ScaleStats(center, torch.ones_like(center))


def _floor_scale(scale: Tensor, values: Tensor, value_mask: Tensor) -> Tensor:
    floor = MIN_RELATIVE_SCALE * _masked_mean(values.abs(), value_mask)
    return _replace_zero_scale(torch.maximum(scale, floor))


NORMALIZERS: dict[str, Normalizer] = {
    "log_mean": log_mean_stats,
    "mean": mean_stats,
    "standard": standard_stats,
    "robust": robust_stats,
    "last": last_value_stats,
    "none": identity_stats,
}
