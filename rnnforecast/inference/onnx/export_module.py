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
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.cell_layer import CellLayer, CellState
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.types import Floats

MAX_UNROLLED_STEPS = 4
"""Up to so many steps of a recurrence are written one by one."""

COVARIATE_INPUTS = (
    "elapsed", "past", "past_codes", "future", "future_codes", "static", "static_codes",
)  # fmt: skip
"""What a net reads of a history where its architecture says so."""


@dataclass(frozen=True)
class ExportOutputs:
    """What a file tells; places are those of the levels."""

    levels: QuantileLevels
    include_equiprobable_values: bool = False
    """Whether the equally likely values, whose mean is the point forecast, are outputs too."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what is told."""
        return ("quantiles", "point", "shares")[: 3 if self.include_equiprobable_values else 2]


class ObservedHistory(ModelInputs):
    """Windows whose fed-back forecasts all count as observed, as they do in inference."""

    def decoder_inputs(self, value_mask: Tensor, begin: int) -> ModelInputs:
        """As of any history, without the search for the last observed step."""
        inputs = ModelInputs.decoder_inputs(replace(self, elapsed=None), value_mask, begin)
        if self.elapsed is None:
            return inputs
        return replace(inputs, elapsed=torch.zeros_like(value_mask, dtype=self.elapsed.dtype))


class ExportModule(nn.Module):
    """What a file computes: tensors by the `names` of a history → quantiles and point."""

    normal_quantiles: Tensor
    """`[levels]` the standard normal's quantiles: ONNX has no operator for them."""
    residuals: Tensor | None
    """`[H, levels]` what is added to a point."""
    quantile_indices: Tensor
    point_indices: Tensor

    def __init__(
        self,
        net: Forecaster,
        outputs: ExportOutputs,
        input_names: Sequence[str],
        residuals: Floats | None,
    ) -> None:
        """`residuals [H, Q]` at all levels, normalised, of a point head."""
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        for layer in self.net.modules():
            if isinstance(layer, CellLayer):
                _use_scan(layer)
        self.input_names, self.outputs = tuple(input_names), outputs
        normal = torch.special.ndtri(torch.tensor(outputs.levels.computed, dtype=torch.float64))
        moved = None if residuals is None else torch.from_numpy(residuals).float()
        for name, value in (("normal_quantiles", normal), ("residuals", moved)):
            self.register_buffer(name, value)
        levels = outputs.levels
        self.register_buffer("quantile_indices", torch.tensor(levels.requested_indices))
        self.register_buffer("point_indices", torch.tensor(levels.point_indices))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Quantiles `[B, H, C, Q]`, point `[B, H, C]`, and shares `[B, H, C, K]` if wanted."""
        history = ObservedHistory(**dict(zip(self.input_names, inputs, strict=True)))
        raw, frame = self.net.predict_raw(history)
        z = self.net.head.export_quantiles(raw.float(), frame, self.normal_quantiles)
        z = z * self.net.global_scale
        if self.residuals is not None:
            z = z + self.residuals.unsqueeze(1)
        values = frame.stats.denormalize(z)  # [B, H, C, levels]
        shares = values.index_select(-1, self.point_indices)
        told = (values.index_select(-1, self.quantile_indices), shares.mean(-1))
        return (*told, shares) if self.outputs.include_equiprobable_values else told


def _use_scan(layer: CellLayer) -> None:
    """Has a layer run its steps as one loop, where it has no kernel for them."""
    from torch._higher_order_ops.scan import scan

    one_by_one = layer._run_steps
    if isinstance(getattr(layer.cell, "net", None), nn.RNN):
        layer.cell.has_fused_kernel = False  # ONNX has an operator, but torch does not use it

    def looped(x: Tensor, state: CellState, gaps: Tensor | None) -> tuple[Tensor, CellState]:
        if x.shape[1] <= MAX_UNROLLED_STEPS:
            return one_by_one(x, state, gaps)

        def step(now: State, projected: Tensor) -> tuple[State, Tensor]:
            new = layer.cell.step(projected, now, now[layer.hidden_index])
            new = layer._apply_zoneout(now, new) if layer.noise.zoneout else new
            # a loop may hand on nothing that it also tells, nor what it was given
            return tuple(part.clone() for part in new), new[0].clone()

        start = tuple(part.clone() for part in state)
        last, outs = scan(step, start, layer.cell.project(x, gaps).transpose(0, 1))
        return outs.transpose(0, 1), tuple(last)

    layer._run_steps = looped  # type: ignore[method-assign]


def onnx_input_names(architecture: ForecasterConfig) -> tuple[str, ...]:
    """The tensors of a history, in order, that a net reads."""
    told = {name: bool(getattr(architecture.covariates, name)) for name in COVARIATE_INPUTS}
    smoothed = "learned" in WINDOW_SCALERS.traits(architecture.normalize)
    told |= {"item": smoothed, "phase": smoothed}
    return ("values", "value_mask", "input_mask", *(name for name, read in told.items() if read))
