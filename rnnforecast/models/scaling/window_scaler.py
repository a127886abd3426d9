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

SMALLEST_RATIO = 1e-4
"""`log_mean` reads values below this share of the level as this share: a zero has no logarithm."""

SMALLEST_SPREAD = 1e-4
"""A window's spread is never taken smaller than this share of its mean absolute value."""


@dataclass(frozen=True)
class Level:
    """What was taken out of a batch of windows and how to put it back.

    `center` and `scale` are `[B, 1, C]` in original units; `log` says that z is a log ratio.
    """

    center: Tensor
    scale: Tensor
    log: bool = False
    base: Tensor | None = None
    """`[B, H, C]` original units: what the steps ahead are differences from, if they are any."""
    seasonal: Tensor | None = None
    """`[B, L, C]` the seasonal factor of each past step, if they were told apart."""
    seasonal_ahead: Tensor | None = None
    """`[B, H, C]` the same of the steps ahead."""

    def apply_ahead(self, values: Tensor) -> Tensor:
        """Original values of the steps ahead `[B, H, C]` to normalised float32 `[B, H, C]`."""
        if self.base is not None:
            values = values - self.base
        return self._apply(values, self.seasonal_ahead)

    def apply(self, values: Tensor) -> Tensor:
        """Original past values `[B, L, C]` to normalised float32 `[B, L, C]`."""
        return self._apply(values, self.seasonal)

    def _apply(self, values: Tensor, factors: Tensor | None) -> Tensor:
        if factors is not None:
            values = values / factors
        if self.log:
            return torch.log((values / self.scale).clamp_min(SMALLEST_RATIO)).float()
        return ((values - self.center) / self.scale).float()

    def undo(self, z: Tensor) -> Tensor:
        """Steps ahead, normalised `[B, H, C]` or `[B, H, C, Q]`, to original units, as precise as
        `scale`."""
        center, scale, base, seasonal = self.center, self.scale, self.base, self.seasonal_ahead
        if z.dim() == center.dim() + 1:
            center, scale = center.unsqueeze(-1), scale.unsqueeze(-1)
            base = None if base is None else base.unsqueeze(-1)
            seasonal = None if seasonal is None else seasonal.unsqueeze(-1)
        z = z.to(scale.dtype)
        values = torch.exp(z) * scale if self.log else z * scale + center
        values = values if seasonal is None else values * seasonal
        return values if base is None else values + base

    def repeated(self, times: int) -> Level:
        """Each window `times` times, one behind the other."""
        return self._each(lambda part: part.repeat_interleave(times, 0))

    def of(self, windows: slice) -> Level:
        """The levels of some of the windows."""
        return self._each(lambda part: part[windows])

    def at(self, steps: slice) -> Level:
        """What holds for some of the steps ahead."""
        base, seasonal = self.base, self.seasonal_ahead
        return replace(
            self,
            base=None if base is None else base[:, steps],
            seasonal_ahead=None if seasonal is None else seasonal[:, steps],
        )

    def _each(self, function: Callable[[Tensor], Tensor]) -> Level:
        parts = (self.center, self.scale, self.base, self.seasonal, self.seasonal_ahead)
        center, scale, *rest = (None if part is None else function(part) for part in parts)
        assert center is not None
        assert scale is not None
        return Level(center, scale, self.log, *rest)


Normalizer = Callable[[Tensor, Tensor, int], Level]
"""`(history [B, L, C], visible [B, L, C] bool, season) -> Level`."""


def seasonal_change(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
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


def _not_zero(scale: Tensor) -> Tensor:
    return torch.where(scale > torch.finfo(torch.float32).tiny, scale, torch.ones_like(scale))


def _recent_level(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    recent = slice(-max(season, 1), None)
    level = _masked_mean(values[:, recent].abs(), value_mask[:, recent])
    whole = _masked_mean(values.abs(), value_mask)
    return _not_zero(torch.where(level > SMALLEST_SPREAD * whole, level, whole))


def log_mean(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = log(y / mean of the last season); for positive data."""
    level = _recent_level(values, value_mask, season)
    return Level(torch.zeros_like(level), level, log=True)


def mean(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = y / mean absolute value of the last season - 1."""
    level = _recent_level(values, value_mask, season)
    return Level(level, level)


def standard(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = (y - mean) / standard deviation over the lookback."""
    center = _masked_mean(values, value_mask)
    spread = _masked_mean((values - center) ** 2, value_mask).sqrt()
    return Level(center, _spread_floor(spread, values, value_mask))


def robust(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = (y - median) / interquartile range over the lookback."""
    # torch's nanquantile, spelt out: not every runtime knows how to sort what is no number
    ordered = torch.where(value_mask, values, torch.inf).sort(1).values
    last_one = value_mask.sum(1, keepdim=True) - 1
    low, center, high = (_between(ordered, share * last_one) for share in (0.25, 0.5, 0.75))
    center = torch.where(center.isnan(), values[:, -1:], center)
    return Level(center, _spread_floor((high - low).nan_to_num(0.0), values, value_mask))


def _between(sorted_values: Tensor, position: Tensor) -> Tensor:
    """Of `ordered [B, L, C]` what stands at `place [B, 1, C]`, between two on a straight line; no
    number where there is none."""
    position = position.clamp_min(0).to(sorted_values.dtype)
    below = sorted_values.gather(1, position.floor().long())
    above = sorted_values.gather(1, position.ceil().long())
    return torch.lerp(below, above, position - position.floor())


def last(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = (y - last value) / mean absolute distance from it over the lookback."""
    center = values[:, -1:]
    spread = _masked_mean((values - center).abs(), value_mask)
    return Level(center, _spread_floor(spread, values, value_mask))


def none(values: Tensor, value_mask: Tensor, season: int) -> Level:
    """z = y."""
    center = torch.zeros_like(values[:, -1:])
    return Level(center, torch.ones_like(center))


def _spread_floor(scale: Tensor, values: Tensor, value_mask: Tensor) -> Tensor:
    floor = SMALLEST_SPREAD * _masked_mean(values.abs(), value_mask)
    return _not_zero(torch.maximum(scale, floor))


NORMALIZERS: dict[str, Normalizer] = {
    "log_mean": log_mean,
    "mean": mean,
    "standard": standard,
    "robust": robust,
    "last": last,
    "none": none,
}
