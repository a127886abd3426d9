"""Interface of output heads and of the files that define a loss.

A head turns the network's raw outputs into quantiles or random samples, and scores them. It gets a
`WindowScaler`, since some losses are computed in original units. A loss is averaged over the
observed steps.

Axes: B windows, H steps, C targets, P raw outputs, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from rnnforecast.models.scaling.window_scaler import WindowScaler
from rnnforecast.registry import LOSSES


class Head(nn.Module):
    """An output head. Raw outputs `[B, H, C, P]` are float32."""

    n_params: int
    """Number of raw outputs per step and target, P."""
    location_index: int = 0
    """Index of the raw output that is the location, in normalized units."""
    can_sample: bool = True
    """Whether `sample` is random."""
    uses_mase_scale: bool = False
    """Whether the loss reads `WindowScaler.mase_scale`."""

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """Normalized quantiles `[B, H, C, Q]` at ascending `levels`, never decreasing along Q."""
        raise NotImplementedError

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """As `quantiles`, with ONNX operators only; needs the trait ``exportable``.

        `normal_quantiles [Q]` are the standard normal's quantiles at the levels.
        """
        raise NotImplementedError

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """One random normalized value per step and target, `[B, H, C]`, from torch's global
        generator."""
        raise NotImplementedError

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The loss of each step, `[B, H, C]`; `future [B, H, C]` in original units."""
        raise NotImplementedError

    def reduce(self, losses: Tensor, weight: Tensor) -> Tensor:
        """The scalar loss, from the losses of the steps."""
        return weighted_mean(losses, weight)

    def loss(self, raw: Tensor, future: Tensor, weight: Tensor, scaler: WindowScaler) -> Tensor:
        """Scalar mean loss; `weight [B, H, C]` is zero where `future` was not observed."""
        # the losses of unobserved steps must be finite, as they are multiplied by a weight of zero
        filled = torch.where(weight > 0, future, scaler.stats.scale.to(future.dtype))
        return self.reduce(self.step_losses(raw, filled, scaler), weight).to(raw.dtype)


class HeadModule(Protocol):
    """A file that defines a loss: traits, options and a builder.

    `TRAITS` is a literal tuple:

    | trait | meaning |
    | --- | --- |
    | ``point`` | a point forecast; its quantiles come from the errors of validation windows |
    | ``mean`` | the point forecast is a mean, not a median |
    | ``squared_error`` | the loss is the square of the error on normalized values |
    | ``on_normalized_values`` | the loss is computed on normalized values |
    | ``positive`` | values must not be negative |
    | ``amounts`` | counts or amounts, zero included: values are not read as logarithms |
    | ``fixed_levels`` | quantiles are exact at the trained levels only |
    | ``exportable`` | its quantiles can be written with ONNX operators |

    `OPTIONS`, an optional literal, holds the default and the limits of each option; see `registry`.
    """

    TRAITS: tuple[str, ...]

    def build(self, levels: Sequence[float], options: Mapping[str, Any]) -> Head:
        """A new head; `levels` are those that a quantile head is trained at."""
        ...


def build_head(
    loss: str, levels: Sequence[float], options: Mapping[str, object] | None = None
) -> Head:
    """The head of the loss, with defaults for missing options."""
    module = cast("HeadModule", LOSSES.load(loss))
    return module.build(levels, LOSSES.options(loss, options or {}))


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean of `losses` weighted by `weight` of the same shape; zero if all weights are."""
    weight = weight.to(losses.dtype)
    total = weight.sum()
    return (losses * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))
