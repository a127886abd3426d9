"""Heads: what a forecast is, and the loss that teaches it.

A head says how many raw numbers it needs for each step and target (`width`), turns them into
quantiles or random values, and scores them. A `Frame` tells how the net's values relate to original
units: some losses are taken there. Losses are means over the observed steps.

Axes: B windows, H steps, C targets, P raw numbers, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.heads.distribution_families import (
    FAMILIES,
    DistributionFamily,
    positive_mean,
)
from rnnforecast.models.heads.distributions import Distribution
from rnnforecast.models.heads.point_losses import POINT_LOSSES
from rnnforecast.models.scaling.window_scaler import WindowScaler

INITIAL_GAP = -2.0
"""Before softplus: neighbouring quantiles start about 0.13 normalised units apart."""

MIN_QUANTILE_LEVEL = 1e-6
"""Random values lie between the quantiles at this level and at 1 minus it."""


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean of `losses` under `weight`, of one shape; zero where all weights are."""
    weight = weight.to(losses.dtype)
    total = weight.sum()
    return (losses * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))


class Head(nn.Module):
    """What every head offers. `raw [B, H, C, P]` is float32, and all zeros at the start."""

    n_params: int
    """Raw numbers for a step and target."""
    location_index: int = 0
    """Which of them is the location, in the net's units."""
    can_sample: bool = True
    """Whether random values make sense."""

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """The net's values `[B, H, C, Q]` at the ascending `levels`, never decreasing along Q."""
        raise NotImplementedError

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """One random value each, the net's `[B, H, C]`, with torch's global generator."""
        raise NotImplementedError

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The loss of each step, `[B, H, C]`; `future [B, H, C]` in original units."""
        raise NotImplementedError

    def reduce(self, losses: Tensor, weight: Tensor) -> Tensor:
        """From the losses of the steps to one."""
        return weighted_mean(losses, weight)

    def loss(self, raw: Tensor, future: Tensor, weight: Tensor, scaler: WindowScaler) -> Tensor:
        """Scalar mean loss; `weight [B, H, C]` is zero where `future` was not observed."""
        # whatever fills the gaps, its loss must be finite to vanish under a weight of zero
        filled = torch.where(weight > 0, future, scaler.stats.scale.to(future.dtype))
        return self.reduce(self.step_losses(raw, filled, scaler), weight).to(raw.dtype)


class PointHead(Head):
    """One number a step. `scores` says on which scale its loss is taken."""

    n_params, can_sample = 1, False

    def __init__(self, loss: str) -> None:
        super().__init__()
        self.loss_name, self.loss_function = loss, POINT_LOSSES[loss]

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """`[B, H, C, 1]` → `[B, H, C, 1]`: the point forecast stands for every quantile."""
        return raw

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """`[B, H, C]`: the point itself."""
        return raw[..., 0]

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The loss of each step, `[B, H, C]`."""
        return self.loss_function(raw[..., 0], future, scaler)

    def reduce(self, losses: Tensor, weight: Tensor) -> Tensor:
        """The mean; for `rmse` the mean root of what is the mean square of a window and target."""
        if self.loss_name != "rmse":
            return weighted_mean(losses, weight)
        weight = weight.to(losses.dtype)
        total = weight.sum(1)  # [B, C]
        square = (losses * weight).sum(1) / torch.where(total > 0, total, 1.0)
        # the root has no slope at zero: there the gradient is zero as well
        root = torch.where(square > 0, square, 1.0).sqrt() * (square > 0)
        return weighted_mean(root, total)


class QuantileHead(Head):
    """Quantiles that cannot cross: the median, and positive gaps upwards and downwards from it.

    `levels [Q]` are sorted and hold 0.5. Loss: mean pinball loss (Koenker & Bassett 1978) of the
    net's values, doubled, so that the median's share is the absolute error.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        if 0.5 not in levels or list(levels) != sorted(set(levels)):
            raise ValueError(f"levels must be sorted, different and hold 0.5, found {list(levels)}")
        self.n_params = len(levels)
        self.location_index = list(levels).index(0.5)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def trained_quantiles(self, raw: Tensor) -> Tensor:
        """Raw `[B, H, C, P]` → the quantiles at the head's own levels, `[B, H, C, P]`."""
        median = raw[..., self.location_index : self.location_index + 1]
        below = (
            functional.softplus(raw[..., : self.location_index] + INITIAL_GAP)
            .flip(-1)
            .cumsum(-1)
            .flip(-1)
        )
        above = functional.softplus(raw[..., self.location_index + 1 :] + INITIAL_GAP).cumsum(-1)
        return torch.cat([median - below, median, median + above], -1)

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """`[B, H, C, Q]` at ascending `levels`, also others than those trained: see `_at`."""
        asked = torch.tensor(levels, dtype=self.levels.dtype, device=raw.device)
        if torch.equal(asked, self.levels):
            return self.trained_quantiles(raw)
        # rounding can make a line fall by its last digit
        return (
            self._interpolate(self.trained_quantiles(raw), asked.expand(*raw.shape[:-1], -1))
            .cummax(-1)
            .values
        )

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """`[B, H, C]`: the quantile at a random level."""
        level = torch.rand_like(raw[..., :1]).clamp(MIN_QUANTILE_LEVEL, 1 - MIN_QUANTILE_LEVEL)
        return self._interpolate(self.trained_quantiles(raw), level)[..., 0]

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The pinball loss of each step, `[B, H, C]`."""
        error = scaler.normalize_future(future).unsqueeze(-1) - self.trained_quantiles(raw)
        return 2 * torch.maximum(self.levels * error, (self.levels - 1) * error).mean(-1)

    def _interpolate(self, quantiles: Tensor, level: Tensor) -> Tensor:
        """Quantiles at `level [B, H, C, N]` from those `found [B, H, C, P]`: on a straight line
        between two, and outside them on the exponential tail through the two outermost."""
        if self.n_params == 1:
            return quantiles.expand_as(level)
        own = self.levels
        above = torch.searchsorted(own, level.contiguous()).clamp(1, self.n_params - 1)
        low, high = own[above - 1], own[above]
        inside = ((level - low) / (high - low)).clamp(0, 1)
        value = torch.lerp(quantiles.gather(-1, above - 1), quantiles.gather(-1, above), inside)
        lower = (quantiles[..., 1:2] - quantiles[..., :1]) / torch.log(own[1] / own[0])
        upper = (quantiles[..., -1:] - quantiles[..., -2:-1]) / torch.log(
            (1 - own[-2]) / (1 - own[-1])
        )
        value = value + lower * torch.log(level / own[0]).clamp_max(0)
        return value - upper * torch.log((1 - level) / (1 - own[-1])).clamp_max(0)


class DistributionHead(Head):
    """A distribution of each number; the loss is its mean negative log-likelihood.

    A `Family` says from which raw numbers it is made, and on which scale: the net's, original
    units, or these over the level's scale. The likelihood is that of the number on this scale.
    """

    def __init__(self, family: DistributionFamily) -> None:
        super().__init__()
        self.family, self.n_params = family, family.n_params

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """`[B, H, C, Q]` at ascending `levels`; they carry no gradient."""
        with torch.no_grad():
            asked = torch.tensor(levels, dtype=torch.float64)
            found = self.distribution(raw, scaler).quantile(asked)
            # numerical inverses may fall by their last digit
            return self.to_normalized(found, scaler).cummax(-1).values

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """`[B, H, C]`: one random value each."""
        with torch.no_grad():
            return self.to_normalized(self.distribution(raw, scaler).sample(), scaler)

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The negative log-likelihood of each step, `[B, H, C]`."""
        scale = self.family.domain
        y = scaler.normalize_future(future) if scale == "net" else future
        return self.distribution(raw, scaler).negative_log_likelihood(
            y / scaler.stats.scale if scale == "ratio" else y
        )

    def distribution(self, raw: Tensor, scaler: WindowScaler) -> Distribution:
        """The distribution of each step, as precise as original values where it is of these."""
        location, level = raw[..., 0], scaler.stats
        if self.family.domain != "net":
            location = scaler.denormalize(location) / level.scale
            if not level.is_log or level.difference_base is not None:
                location = positive_mean(location)
        if self.family.domain == "original":
            location = location * level.scale
        return self.family.build_distribution(
            location, raw[..., 1:].to(location.dtype), scaler.global_scale.clamp(max=1.0)
        )

    def to_normalized(self, y: Tensor, scaler: WindowScaler) -> Tensor:
        """`[B, H, C]` or `[B, H, C, Q]` of the family's scale as the net's values."""
        if self.family.domain == "net":
            return y
        scale = scaler.stats.scale
        scale = scale.unsqueeze(-1) if y.dim() > scale.dim() else scale
        return scaler.normalize_future(y * scale if self.family.domain == "ratio" else y)


HeadFactory = Callable[[Sequence[float], Mapping[str, object]], Head]


def _point_head_factory(loss: str) -> HeadFactory:
    return lambda levels, options: PointHead(loss)


def _distribution_head_factory(
    family: Callable[[Mapping[str, object]], DistributionFamily],
) -> HeadFactory:
    return lambda levels, options: DistributionHead(family(options))


HEAD_FACTORIES: dict[str, HeadFactory] = {
    "quantile": lambda levels, options: QuantileHead(levels),
    **{loss: _point_head_factory(loss) for loss in POINT_LOSSES},
    **{loss: _distribution_head_factory(family) for loss, family in FAMILIES.items()},
}
"""How each loss of the spec makes its head."""


def build_head(
    loss: str, levels: Sequence[float], options: Mapping[str, object] | None = None
) -> Head:
    """The head that `loss` names; `levels` are those the quantile head is trained at."""
    if loss not in HEAD_FACTORIES:
        raise ValueError(f"unknown loss '{loss}'; there are {', '.join(HEAD_FACTORIES)}")
    return HEAD_FACTORIES[loss](levels, options or {})
