"""Mean squared error of normalized values; the point forecast is a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.nn import functional

from rnnforecast.models.heads.point_head import PointHead, on_normalized_values

TRAITS = ("point", "mean", "squared_error", "on_normalized_values", "exportable")


def build(levels: Sequence[float], options: Mapping[str, object]) -> PointHead:
    """A head with this loss; it has no options."""
    return PointHead(on_normalized_values(functional.mse_loss))
