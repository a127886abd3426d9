"""Heads of point forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from rnnforecast.models.heads.head import Head, weighted_mean
from rnnforecast.models.scaling.window_scaler import WindowScaler

PointLoss = Callable[[Tensor, Tensor, WindowScaler], Tensor]
"""`(normalized forecast [B, H, C], future [B, H, C] in original units, scaler) -> losses
[B, H, C]`."""


class PointHead(Head):
    """One value per step and target, with any loss."""

    n_params, can_sample = 1, False

    def __init__(
        self,
        loss_function: PointLoss,
        reduction: Callable[[Tensor, Tensor], Tensor] = weighted_mean,
        *,
        uses_mase_scale: bool = False,
    ) -> None:
        """`reduction` maps the losses and weights `[B, H, C]` to the scalar loss."""
        super().__init__()
        self.loss_function, self.reduction = loss_function, reduction
        self.uses_mase_scale = uses_mase_scale

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """The point forecast `[B, H, C, 1]`, whatever the levels."""
        return raw

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """As `quantiles`."""
        return raw

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """The point forecast, `[B, H, C]`."""
        return raw[..., 0]

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The loss of each step, `[B, H, C]`."""
        return self.loss_function(raw[..., 0], future, scaler)

    def reduce(self, losses: Tensor, weight: Tensor) -> Tensor:
        """The scalar loss by the head's reduction."""
        return self.reduction(losses, weight)


def on_normalized_values(loss: Callable[..., Tensor]) -> PointLoss:
    """A loss function of `torch.nn.functional`, on normalized forecasts and futures."""
    return lambda forecast, future, scaler: loss(
        forecast, scaler.normalize_future(future), reduction="none"
    )
