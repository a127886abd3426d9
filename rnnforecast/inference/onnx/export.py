"""ONNX export of a trained network, and the comparison of the file with the network."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnforecast.inference.onnx.export_module import ExportModule, ExportOutputs, onnx_input_names
from rnnforecast.inference.quantiles import quantiles_in_blocks
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.registry import DECODERS, LOSSES
from rnnforecast.types import Floats

MAX_RELATIVE_DIFFERENCE = 1e-5
"""Tolerated difference, relative to the largest absolute quantile of a window and target."""

TRACE_BATCH_SIZE = 3
"""Windows the graph is traced with; not 1, which torch.export would specialize on."""

MAX_REASON_LENGTH = 200
"""Characters of another library's error message that are reported."""

NOISY_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class NotExportable(Exception):
    """The network cannot be exported, or its output differs; the message is a clause that completes
    'cannot be exported:'."""


def unsupported_reason(config: ForecasterConfig, levels: Sequence[float]) -> str | None:
    """Why a network cannot be exported; None if it can."""
    traits = LOSSES.traits(config.loss)
    if "exportable" not in traits:
        return (
            f"the quantiles of training.loss '{config.loss}' are found by a numerical search, "
            "which ONNX has no operator for"
        )
    if "autoregressive" in DECODERS.traits(config.decoder) and "point" not in traits:
        return (
            f"the decoder '{config.decoder}' with training.loss '{config.loss}' samples paths, and "
            "random numbers differ between runtimes"
        )
    if "fixed_levels" in traits and tuple(levels) != tuple(config.levels):
        return "forecast.quantiles differ from the levels the network was trained on"
    return None


def export_onnx(
    net: Forecaster,
    outputs: ExportOutputs,
    residuals: Floats | None,
    history: ModelInputs,
    path: Path,
) -> dict[str, Any]:
    """Writes the network to `path` and compares both on the windows of `history`.

    Returns `onnx_metadata` and the largest relative ``difference``. Raises NotExportable.
    """
    reason = unsupported_reason(net.config, outputs.levels.computed)
    if reason is not None:
        raise NotExportable(reason)
    module = ExportModule(net, outputs, onnx_input_names(net.config), residuals)
    metadata = write_onnx(module, history, path)
    difference = max_relative_difference(path, net, outputs, residuals, history)
    if not difference <= MAX_RELATIVE_DIFFERENCE:
        raise NotExportable(
            f"the forecasts of onnxruntime and torch differ by {difference:.1e} relative, more "
            f"than {MAX_RELATIVE_DIFFERENCE:.0e}"
        )
    return metadata | {"difference": difference}


def write_onnx(module: ExportModule, history: ModelInputs, path: Path) -> dict[str, Any]:
    """Writes the file at `path`, traced with the first windows of `history`.

    Returns its `onnx_metadata`. Raises NotExportable with torch's reason.
    """
    example = tuple(getattr(history, name)[:TRACE_BATCH_SIZE] for name in module.input_names)
    batch = torch.export.Dim("batch", min=1)
    with _silence_loggers(), torch.no_grad():
        try:
            # some cells hold their weights in an `nn.RNN`, but call none of its kernels
            with torch._dynamo.config.patch(allow_rnn=True):
                exported = torch.export.export(
                    module, example, dynamic_shapes=(tuple({0: batch} for _ in example),)
                )
            program = torch.onnx.export(
                exported,
                dynamo=True,
                verbose=False,
                custom_translation_table={torch.ops.aten.softplus.default: _softplus},
                input_names=list(module.input_names),
                output_names=list(module.outputs.output_names),
            )
            assert program is not None
            program.save(str(path))
        except RuntimeError as error:  # torch's export errors derive from it
            raise NotExportable(f"torch cannot export it to ONNX ({_first_line(error)})") from error
    return onnx_metadata(path)


def _softplus(self: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Translation of torch's softplus; onnxruntime has the operator for float32 only.

    Arguments have the names of torch's.
    """
    import onnx_ir
    from onnxscript import opset18

    op: Any = opset18
    scale = op.CastLike(op.Constant(value_float=float(beta)), self)
    x = self if beta == 1 else op.Mul(self, scale)
    if self.dtype == onnx_ir.DataType.FLOAT:
        result = op.Softplus(x)
    else:
        one = op.CastLike(op.Constant(value_float=1.0), self)
        result = op.Add(op.Relu(x), op.Log(op.Add(op.Exp(op.Neg(op.Abs(x))), one)))
    return result if beta == 1 else op.Div(result, scale)


def onnx_metadata(path: Path) -> dict[str, Any]:
    """The opset version of a file, and the name, shape and type of its inputs and outputs."""
    import onnx

    model = onnx.load(str(path))
    (opset,) = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return {
        "opset": opset,
        "inputs": [_tensor_metadata(tensor) for tensor in model.graph.input],
        "outputs": [_tensor_metadata(tensor) for tensor in model.graph.output],
    }


def _tensor_metadata(value: Any) -> dict[str, Any]:
    from onnx import helper

    tensor_type = value.type.tensor_type
    dims = [dim.dim_param or dim.dim_value for dim in tensor_type.shape.dim]
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor_type.elem_type)).name
    return {"name": value.name, "shape": ["B", *dims[1:]], "dtype": dtype}


def max_relative_difference(
    path: Path,
    net: Forecaster,
    outputs: ExportOutputs,
    residuals: Floats | None,
    history: ModelInputs,
) -> float:
    """Largest difference between the file and `quantiles_in_blocks` on the windows of `history`.

    Relative to the largest absolute quantile of the window and target; infinite if a value is
    NaN. The windows are evaluated in one batch and one by one.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = 1
    levels = outputs.levels
    residual_tensor = None if residuals is None else torch.from_numpy(residuals).float()
    values = quantiles_in_blocks(net, history, net.config.horizon, levels.computed, residual_tensor)
    expected = values.double().numpy()  # [W, H, C, Q]
    size = np.abs(expected).max((1, 3), keepdims=True)
    size = np.where(size > 0, size, 1.0)
    inputs = {name: getattr(history, name).numpy() for name in onnx_input_names(net.config)}
    batches = [slice(None), *(slice(row, row + 1) for row in range(len(expected)))]
    try:
        session = onnxruntime.InferenceSession(str(path), options)
        results = [
            session.run(None, {name: array[batch] for name, array in inputs.items()})
            for batch in batches
        ]
    except _onnxruntime_errors() as error:
        raise NotExportable(f"onnxruntime cannot run it ({_first_line(error)})") from error
    worst = 0.0
    for batch, arrays in zip(batches, results, strict=True):
        mean_level_quantiles = expected[batch][..., levels.point_indices]
        quantiles = expected[batch][..., levels.requested_indices]
        references = quantiles, mean_level_quantiles.mean(-1), mean_level_quantiles
        for array, reference in zip(arrays, references, strict=False):
            scale = size[batch].reshape(len(array), 1, -1, *[1] * (reference.ndim - 3))
            difference = np.abs(array - reference) / scale
            worst = max(worst, float(np.where(np.isnan(difference), np.inf, difference).max()))
    return worst


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """The errors of onnxruntime; they have no common base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented",
        "RuntimeException",
    )  # fmt: skip
    return tuple(getattr(state, name) for name in names)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n", 1)[0][:MAX_REASON_LENGTH]


@contextmanager
def _silence_loggers() -> Iterator[None]:
    """Context without the log messages and warnings of the exporters."""
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
