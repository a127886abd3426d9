"""Scaling of input windows and its inverse.

A scaler reads the history of a window alone and has an exact inverse. Its statistics keep the
precision of the input (float64 on a CPU and on CUDA); the network reads float32. A file with
``TRAITS`` in this package is a value of ``model.normalize``:

| trait | meaning |
| --- | --- |
| ``log`` | the network reads logarithms |
| ``level_ratio`` | values are divided by their level, or by nothing |
| ``divides_by_scale`` | values are divided by their variation around the center |
| ``one_sign`` | it needs values of one sign |
| ``learned`` | it has weights, among them some of each series |
| ``removes_season`` | values are divided by seasonal factors |
| ``per_target`` | it reads one target at a time |
| ``single_origin`` | it knows the level at the end of the lookback only |
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


def seasonal_naive_error(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    """Mean absolute change from one season to the next, `[B, 1, C]` original units, over the steps
    where both are visible; 0 where there are none. What MASE divides by."""
    lag = season if season < values.shape[1] else 1
    both = value_mask[:, lag:] & value_mask[:, :-lag]
    change = ((values[:, lag:] - values[:, :-lag]).abs() * both).sum(1, keepdim=True)
    return change / both.sum(1, keepdim=True).clamp_min(1)
