"""A trained network as a module of operations that ONNX has.

It maps the history of a window to quantiles: differencing, normalization, network, head, the
residual quantiles of a point head, and the inverse of differencing and normalization. Values and
quantiles are float64, which window scaling needs; the network is float32.

Recurrent layers without an ONNX operator become one loop, so that the size of the graph does not
depend on the lookback.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

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
"""Longest sequence whose steps are unrolled; longer ones become a loop."""

OUTPUT_NAMES = ("quantiles", "point", "equiprobable_values")


@dataclass(frozen=True)
class ExportOutputs:
    """The outputs of an exported network."""

    levels: QuantileLevels
    include_equiprobable_values: bool = False
    """Whether the quantiles whose mean is the point forecast are an output too."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return OUTPUT_NAMES if self.include_equiprobable_values else OUTPUT_NAMES[:2]


class ObservedHistory(ModelInputs):
    """Windows whose decoder treats its own earlier forecasts as observed, as in inference."""

    def decoder_inputs(self, value_mask: Tensor, begin: int) -> ModelInputs:
        """As in the base class, with zero `elapsed`: no search for the last observation."""
        inputs = ModelInputs.decoder_inputs(replace(self, elapsed=None), value_mask, begin)
        if self.elapsed is None:
            return inputs
        return replace(inputs, elapsed=torch.zeros_like(value_mask, dtype=self.elapsed.dtype))


class ExportModule(nn.Module):
    """Maps tensors of `onnx_input_names` to tensors of `ExportOutputs.output_names`."""

    normal_quantiles: Tensor
    """`[Q]` standard normal quantiles; ONNX has no operator for them."""
    residuals: Tensor | None
    """`[H, Q]` residual quantiles of a point head in normalized units."""
    quantile_indices: Tensor
    point_indices: Tensor

    def __init__(
        self,
        net: Forecaster,
        outputs: ExportOutputs,
        input_names: Sequence[str],
        residuals: Floats | None,
    ) -> None:
        """`residuals [H, Q]` are for the computed levels, in normalized units."""
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        for layer in self.net.modules():
            if isinstance(layer, CellLayer):
                _use_scan(layer)
        self.input_names, self.outputs = tuple(input_names), outputs
        normal = torch.special.ndtri(torch.tensor(outputs.levels.computed, dtype=torch.float64))
        self.register_buffer("normal_quantiles", normal)
        self.register_buffer(
            "residuals", None if residuals is None else torch.from_numpy(residuals).float()
        )
        levels = outputs.levels
        self.register_buffer("quantile_indices", torch.tensor(levels.requested_indices))
        self.register_buffer("point_indices", torch.tensor(levels.point_indices))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Quantiles `[B, H, C, Q]`, point `[B, H, C]`, and the values whose mean is the point."""
        history = ObservedHistory(**dict(zip(self.input_names, inputs, strict=True)))
        raw, scaler = self.net.predict_raw(history)
        z = self.net.head.export_quantiles(raw.float(), scaler, self.normal_quantiles)
        z = z * self.net.global_scale
        if self.residuals is not None:
            z = z + self.residuals.unsqueeze(1)
        values = scaler.stats.denormalize(z)  # [B, H, C, Q]
        mean_level_quantiles = values.index_select(-1, self.point_indices)
        quantiles = values.index_select(-1, self.quantile_indices)
        outputs = quantiles, mean_level_quantiles.mean(-1), mean_level_quantiles
        return outputs[: len(self.outputs.output_names)]


def _use_scan(layer: CellLayer) -> None:
    """Makes a layer without a fused kernel run its steps as one loop."""
    from torch._higher_order_ops.scan import scan

    unrolled = layer._run_steps
    if isinstance(getattr(layer.cell, "net", None), nn.RNN):
        layer.cell.has_fused_kernel = False  # torch does not use the ONNX operator

    def run_steps(x: Tensor, state: CellState, gaps: Tensor | None) -> tuple[Tensor, CellState]:
        if x.shape[1] <= MAX_UNROLLED_STEPS:
            return unrolled(x, state, gaps)

        def step(state: State, projected: Tensor) -> tuple[State, Tensor]:
            new = layer.cell.step(projected, state, state[layer.hidden_index])
            new = layer._apply_zoneout(state, new) if layer.noise.zoneout else new
            # carried state, outputs and inputs of a scan must not share memory
            return tuple(part.clone() for part in new), new[0].clone()

        initial = tuple(part.clone() for part in state)
        last, outputs = scan(step, initial, layer.cell.project(x, gaps).transpose(0, 1))
        return outputs.transpose(0, 1), tuple(last)

    layer._run_steps = run_steps  # type: ignore[method-assign]


def onnx_input_names(config: ForecasterConfig) -> tuple[str, ...]:
    """The fields of `ModelInputs` that a network reads, in order."""
    is_smoothed = "learned" in WINDOW_SCALERS.traits(config.normalize)
    is_read = {"values": True, "value_mask": True, "input_mask": True}
    is_read |= {"item": is_smoothed, "phase": is_smoothed, **vars(config.covariates)}
    return tuple(field.name for field in fields(ModelInputs) if is_read.get(field.name))
