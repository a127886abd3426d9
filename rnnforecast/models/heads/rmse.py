"""Root mean squared error of each window's normalized values; the point forecast is a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.heads.head import weighted_mean
from rnnforecast.models.heads.point_head import PointHead, on_normalized_values

TRAITS = ("point", "mean", "on_normalized_values", "exportable")


def build(levels: Sequence[float], options: Mapping[str, object]) -> PointHead:
    """A head with this loss; it has no options."""
    return PointHead(on_normalized_values(functional.mse_loss), mean_of_roots)


def mean_of_roots(squares: Tensor, weight: Tensor) -> Tensor:
    """The mean, over windows and targets, of the root of the mean of `squares [B, H, C]`."""
    weight = weight.to(squares.dtype)
    total = weight.sum(1)  # [B, C]
    mean = (squares * weight).sum(1) / torch.where(total > 0, total, 1.0)
    # the gradient of the root is infinite at zero; here it is zero
    root = torch.where(mean > 0, mean, 1.0).sqrt() * (mean > 0)
    return weighted_mean(root, total)
