"""A fitted net as one function of tensors, spelt by what other runtimes have operators for.

It holds everything from a window's history in original units to quantiles in original units:
differences, normalisation, net, head, the stored quantiles of a point head, and the way back.
Values are float64 in and out, as `normalize` asks for; the net inside is float32.

Steps of a recurrence that has no operator of its own become one loop, so that the size of a graph
does not hang on the length of the lookback.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rnnforecast.models.base import State
from rnnforecast.models.config import Architecture
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.heads.distributions import LARGEST_LOG, LogNormal, Normal
from rnnforecast.models.heads.heads import DistributionHead, Frame, QuantileHead
from rnnforecast.models.inputs import History
from rnnforecast.models.layers.cell_layer import CellState, Steps
from rnnforecast.types import Floats

UNROLLED = 4
"""Up to so many steps of a recurrence are written one by one."""

OF_COVARIATES = (
    "elapsed", "past", "past_codes", "known", "known_codes", "static", "static_codes",
)  # fmt: skip
"""What a net reads of a history where its architecture says so."""


@dataclass(frozen=True)
class Wanted:
    """What a file tells; places are those of the levels."""

    levels: tuple[float, ...]
    """The levels at which the head is asked; they hold 0.5."""
    told: tuple[int, ...]
    """The places of the quantiles."""
    point: tuple[int, ...]
    """The places whose mean is the point forecast: the median, or equally likely values."""
    shares: bool = False
    """Whether those equally likely values are told as well."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what is told."""
        return ("quantiles", "point", "shares")[: 3 if self.shares else 2]


class Fed(History):
    """Windows of which all that is fed back is seen, as it is in use."""

    def ahead(self, seen: Tensor, begin: int) -> History:
        """As of any history, without looking for the last step that was seen."""
        found = History.ahead(replace(self, elapsed=None), seen, begin)
        since = None if self.elapsed is None else torch.zeros_like(seen, dtype=self.elapsed.dtype)
        return replace(found, elapsed=since)


class Answer(nn.Module):
    """What a file computes: tensors by the `names` of a history → quantiles and point."""

    normal: Tensor
    """`[levels]` the standard normal's quantiles: ONNX has no operator for them."""
    moved: Tensor | None
    """`[H, levels]` what is added to a point."""
    told: Tensor
    point: Tensor

    def __init__(
        self, net: Forecaster, outputs: Wanted, input_names: Sequence[str], residuals: Floats | None
    ) -> None:
        """`residuals [H, Q]` at all levels, normalised, of a point head."""
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        for layer in self.net.modules():
            if isinstance(layer, Steps):
                _scanned(layer)
        self.names, self.wanted = tuple(input_names), outputs
        normal = torch.special.ndtri(torch.tensor(outputs.levels, dtype=torch.float64))
        moved = None if residuals is None else torch.from_numpy(residuals).float()
        for name, value in (("normal", normal), ("moved", moved)):
            self.register_buffer(name, value)
        for name in ("told", "point"):
            self.register_buffer(name, torch.tensor(getattr(outputs, name)))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Quantiles `[B, H, C, Q]`, point `[B, H, C]`, and shares `[B, H, C, K]` if wanted."""
        history = Fed(**dict(zip(self.names, inputs, strict=True)))
        raw, frame = self.net.answer(history)
        z = self._normalised(raw.float(), frame) * self.net.unit
        if self.moved is not None:
            z = z + self.moved.unsqueeze(1)
        values = frame.level.undo(z)  # [B, H, C, levels]
        shares = values.index_select(-1, self.point)
        told = (values.index_select(-1, self.told), shares.mean(-1))
        return (*told, shares) if self.wanted.shares else told

    def _normalised(self, raw: Tensor, scale_stats: Frame) -> Tensor:
        """As `Head.quantiles`, by what ONNX has operators for."""
        head = self.net.head
        if isinstance(head, QuantileHead):
            return head.trained(raw)
        if not isinstance(head, DistributionHead):
            return raw
        found = head.distribution(raw, scale_stats)
        if isinstance(found, LogNormal):
            log = found.median.log().unsqueeze(-1) + found.sigma.unsqueeze(-1) * self.normal
            return head.to_net(log.clamp(-LARGEST_LOG, LARGEST_LOG).exp(), scale_stats)
        assert isinstance(found, Normal)
        scaled = found.scale.unsqueeze(-1) * self.normal.to(found.loc.dtype)
        return head.to_net(found.loc.unsqueeze(-1) + scaled, scale_stats)


def _scanned(layer: Steps) -> None:
    """Has a layer run its steps as one loop, where it has no kernel for them."""
    from torch._higher_order_ops.scan import scan

    one_by_one = layer._one_by_one
    if isinstance(getattr(layer.cell, "net", None), nn.RNN):
        layer.cell.fused = False  # ONNX has an operator, but torch does not use it

    def looped(x: Tensor, state: CellState, gaps: Tensor | None) -> tuple[Tensor, CellState]:
        if x.shape[1] <= UNROLLED:
            return one_by_one(x, state, gaps)

        def step(now: State, projected: Tensor) -> tuple[State, Tensor]:
            new = layer.cell.step(projected, now, now[layer.carried])
            new = layer._zoned(now, new) if layer.noise.zoneout else new
            # a loop may hand on nothing that it also tells, nor what it was given
            return tuple(part.clone() for part in new), new[0].clone()

        start = tuple(part.clone() for part in state)
        last, outs = scan(step, start, layer.cell.project(x, gaps).transpose(0, 1))
        return outs.transpose(0, 1), tuple(last)

    layer._one_by_one = looped  # type: ignore[method-assign]


def names_of(architecture: Architecture) -> tuple[str, ...]:
    """The tensors of a history, in order, that a net reads."""
    told = {name: bool(getattr(architecture.covariates, name)) for name in OF_COVARIATES}
    smoothed = architecture.normalize == "exponential_smoothing"
    told |= {"item": smoothed, "phase": smoothed}
    return ("values", "visible", "present", *(name for name, read in told.items() if read))
