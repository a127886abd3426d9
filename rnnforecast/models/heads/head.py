"""The interface of output heads and of the files that define a loss.

A head turns the network's raw outputs into quantiles or random samples, and scores them. It gets a
`WindowScaler`, since some losses are taken in original units. A loss is averaged over the observed
steps.

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
    """What every head offers. `raw [B, H, C, P]` is float32, and all zeros at the start."""

    n_params: int
    """Raw outputs a step and target."""
    location_index: int = 0
    """Which of them is the location, in the network's units."""
    can_sample: bool = True
    """Whether random samples make sense."""
    uses_mase_scale: bool = False
    """Whether the loss reads `WindowScaler.mase_scale`."""

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """Network values `[B, H, C, Q]` at the ascending `levels`, never decreasing along Q."""
        raise NotImplementedError

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """As `quantiles`, by ONNX operators alone; only with the trait ``exportable``.

        `normal_quantiles [Q]` are the standard normal's quantiles at the levels.
        """
        raise NotImplementedError

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """One random network value each, `[B, H, C]`, with torch's global generator."""
        raise NotImplementedError

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The loss of each step, `[B, H, C]`; `future [B, H, C]` in original units."""
        raise NotImplementedError

    def reduce(self, losses: Tensor, weight: Tensor) -> Tensor:
        """The scalar loss from the losses of the steps."""
        return weighted_mean(losses, weight)

    def loss(self, raw: Tensor, future: Tensor, weight: Tensor, scaler: WindowScaler) -> Tensor:
        """Scalar mean loss; `weight [B, H, C]` is zero where `future` was not observed."""
        # losses of unobserved steps must be finite to vanish under a weight of zero
        filled = torch.where(weight > 0, future, scaler.stats.scale.to(future.dtype))
        return self.reduce(self.step_losses(raw, filled, scaler), weight).to(raw.dtype)


class HeadModule(Protocol):
    """What the file of a loss defines: traits, options and a builder.

    `TRAITS`, a literal tuple, states what the loss needs and can:

    | trait | meaning |
    | --- | --- |
    | ``point`` | one number a step; its quantiles come from the errors of validation windows |
    | ``mean`` | the point forecast is a mean, not a median |
    | ``squared_error`` | the loss is the square of the error on normalized values |
    | ``on_normalized_values`` | the loss is taken on normalized values |
    | ``positive`` | values must not be negative |
    | ``amounts`` | counts or amounts, zero included: values are not read as logarithms |
    | ``fixed_levels`` | quantiles are exact at the trained levels only |
    | ``exportable`` | its quantiles can be written with ONNX operators |

    `OPTIONS`, an optional literal, has the default and the limits of each option; see `registry`.
    """

    TRAITS: tuple[str, ...]

    def build(self, levels: Sequence[float], options: Mapping[str, Any]) -> Head:
        """A fresh head; `levels` are those a quantile head is trained at."""
        ...


def build_head(
    loss: str, levels: Sequence[float], options: Mapping[str, object] | None = None
) -> Head:
    """The head of the loss, with defaults for missing options. ValueError for an unknown loss."""
    module = cast("HeadModule", LOSSES.load(loss))
    return module.build(levels, LOSSES.options(loss, options or {}))


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean of `losses` under `weight`, of one shape; zero where all weights are."""
    weight = weight.to(losses.dtype)
    total = weight.sum()
    return (losses * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))
