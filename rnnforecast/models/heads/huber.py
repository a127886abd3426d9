"""Huber loss of normalized values (Huber 1964): squared error if small, absolute error if large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.nn import functional

from rnnforecast.models.heads.point_head import PointHead, on_normalized_values

TRAITS = ("point", "on_normalized_values", "exportable")


def build(levels: Sequence[float], options: Mapping[str, object]) -> PointHead:
    """A head with this loss; it has no options."""
    return PointHead(on_normalized_values(functional.smooth_l1_loss))
