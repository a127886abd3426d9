"""Scaling of input windows and its inverse.

A scaler reads only the history of a window. Its statistics keep the precision of the input (float64
on a CPU and on CUDA); the network reads float32. A file with ``TRAITS`` in this package is a value
of ``model.normalize``:

| trait | meaning |
| --- | --- |
| ``log`` | the network reads logarithms |
| ``level_ratio`` | values are divided by their level, or by nothing |
| ``divides_by_scale`` | values are divided by their variation around the center |
| ``one_sign`` | it needs values of one sign |
| ``learned`` | it has weights, some of them for each series |
| ``removes_season`` | values are divided by seasonal factors |
| ``per_target`` | it reads one target at a time |
| ``single_origin`` | it gives the level at the end of the lookback only |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

MIN_RATIO = 1e-4
"""Lower bound of values divided by the level, so that logarithms are finite."""

MAX_LOG_RATIO = 30.0
"""Bound of absolute normalized logarithms before `exp`; its exponential is about 1e13."""

MIN_RELATIVE_SCALE = 1e-4
"""Lower bound of a window's scale, relative to its mean absolute value."""


@dataclass(frozen=True)
class ScaleStats:
    """Statistics of B windows: normalized values are `(y - center) / scale`, or `log(y / scale)`.

    `center` and `scale` are `[B, 1, C]` in original units.
    """

    center: Tensor
    scale: Tensor
    is_log: bool = False
    difference_base: Tensor | None = None
    """`[B, H, C]` original units: the values that future differences are added to."""
    seasonal_factors: Tensor | None = None
    """`[B, L, C]` past values are divided by them."""
    future_seasonal_factors: Tensor | None = None
    """`[B, H, C]` future values are divided by them."""

    def normalize_future(self, values: Tensor) -> Tensor:
        """Future values in original units, `[B, H, C]` or `[B, H, C, Q]` → float32."""
        stats = self._like(values)
        if stats.difference_base is not None:
            values = values - stats.difference_base
        return stats._normalize(values, stats.future_seasonal_factors)

    def normalize_past(self, values: Tensor) -> Tensor:
        """Past values `[B, L, C]` in original units → float32."""
        return self._normalize(values, self.seasonal_factors)

    def _normalize(self, values: Tensor, factors: Tensor | None) -> Tensor:
        if factors is not None:
            values = values / factors
        if self.is_log:
            return torch.log((values / self.scale).clamp_min(MIN_RATIO)).float()
        return ((values - self.center) / self.scale).float()

    def denormalize(self, z: Tensor) -> Tensor:
        """Normalized future values `[B, H, C]` or `[B, H, C, Q]` → original units, in the precision
        of `scale`."""
        stats, z = self._like(z), z.to(self.scale.dtype)
        values = torch.exp(z) * stats.scale if self.is_log else z * stats.scale + stats.center
        if stats.future_seasonal_factors is not None:
            values = values * stats.future_seasonal_factors
        return values if stats.difference_base is None else values + stats.difference_base

    def repeat_windows(self, times: int) -> ScaleStats:
        """Each window repeated `times` times; copies are adjacent."""
        return self._map_tensors(lambda part: part.repeat_interleave(times, 0))

    def select_windows(self, windows: slice) -> ScaleStats:
        """The statistics of a slice of the windows."""
        return self._map_tensors(lambda part: part[windows])

    def select_steps(self, steps: slice) -> ScaleStats:
        """The statistics of a slice of the horizon."""
        base, factors = self.difference_base, self.future_seasonal_factors
        return replace(
            self,
            difference_base=None if base is None else base[:, steps],
            future_seasonal_factors=None if factors is None else factors[:, steps],
        )

    def _like(self, values: Tensor) -> ScaleStats:
        """The statistics, with an axis of quantiles if `values` have one."""
        if values.dim() == self.center.dim():
            return self
        return self._map_tensors(lambda part: part.unsqueeze(-1))

    def _map_tensors(self, function: Callable[[Tensor], Tensor]) -> ScaleStats:
        changes: dict[str, Any] = {
            field.name: function(value)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **changes)


@dataclass(frozen=True)
class WindowScaler:
    """Conversion of a batch between original units and normalized values."""

    stats: ScaleStats
    global_scale: Tensor
    """Scalar that normalized values are divided by."""
    mase_scale: Tensor | None = None
    """`[B, 1, C]` original units: mean absolute seasonal change of the history."""

    def denormalize(self, z: Tensor) -> Tensor:
        """Normalized future values `[B, H, C]` or `[B, H, C, Q]` → original units."""
        z = z * self.global_scale
        if self.stats.is_log:
            z = z.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        return self.stats.denormalize(z)

    def normalize_future(self, y: Tensor) -> Tensor:
        """Future values `[B, H, C]` or `[B, H, C, Q]` in original units → float32."""
        return self.stats.normalize_future(y) / self.global_scale

    def normalize_past(self, y: Tensor) -> Tensor:
        """Past values `[B, L, C]` in original units → float32."""
        return self.stats.normalize_past(y) / self.global_scale

    def repeat_windows(self, times: int) -> WindowScaler:
        """Each window repeated `times` times; copies are adjacent."""
        scale = None if self.mase_scale is None else self.mase_scale.repeat_interleave(times, 0)
        return WindowScaler(self.stats.repeat_windows(times), self.global_scale, scale)

    def select_windows(self, windows: slice) -> WindowScaler:
        """The scaler of a slice of the windows."""
        scale = None if self.mase_scale is None else self.mase_scale[windows]
        return WindowScaler(self.stats.select_windows(windows), self.global_scale, scale)

    def select_steps(self, steps: slice) -> WindowScaler:
        """The scaler of a slice of the horizon."""
        return replace(self, stats=self.stats.select_steps(steps))


def seasonal_naive_error(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    """The divisor of MASE, `[B, 1, C]` original units: mean absolute difference of values one
    season apart, both in the mask; 0 without any. In a window no longer than a season the lag is
    1."""
    lag = season if season < values.shape[1] else 1
    both = value_mask[:, lag:] & value_mask[:, :-lag]
    change = ((values[:, lag:] - values[:, :-lag]).abs() * both).sum(1, keepdim=True)
    return change / both.sum(1, keepdim=True).clamp_min(1)
