"""A fitted net as an ONNX file, and the proof that the file says what the net says."""

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
"""The file may differ from the net by this share of a window's largest quantile."""

TRACE_BATCH_SIZE = 3
"""Windows of the example that the graph is traced with; not 1, which would be taken as fixed."""

MAX_REASON_LENGTH = 200
"""Characters of another program's complaint that are passed on."""

NOISY_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class NotExportable(Exception):
    """The net cannot be written, or the file does not say what the net says; why, as a clause."""


def unsupported_reason(architecture: ForecasterConfig, levels: Sequence[float]) -> str | None:
    """Why a net of this architecture cannot be written, as a clause; None where it can."""
    traits = LOSSES.traits(architecture.loss)
    if "exportable" not in traits:
        return (
            f"the quantiles of training.loss '{architecture.loss}' are found by a numerical search, which ONNX"
            " has no operator for"
        )
    if "autoregressive" in DECODERS.traits(architecture.decoder) and "point" not in traits:
        return (
            f"the decoder '{architecture.decoder}' with training.loss '{architecture.loss}' draws sample paths, and a "
            "drawn number is another one in each runtime"
        )
    if "fixed_levels" in traits and tuple(levels) != tuple(architecture.levels):
        return "the run's quantiles are not those the network was trained at"
    return None


def export_onnx(
    net: Forecaster,
    outputs: ExportOutputs,
    residuals: Floats | None,
    history: ModelInputs,
    path: Path,
) -> dict[str, Any]:
    """Writes the net to `path` and tries the file on the windows of `history`; see `facts`, with
    the `difference` besides. NotExportable, why, where it cannot be done or is not close enough."""
    reason = unsupported_reason(net.config, outputs.levels.computed)
    if reason is not None:
        raise NotExportable(reason)
    answer = ExportModule(net, outputs, onnx_input_names(net.config), residuals)
    found = write_onnx(answer, history, path)
    off = max_relative_difference(path, net, outputs, residuals, history)
    if not off <= MAX_RELATIVE_DIFFERENCE:
        what = f"what onnxruntime and torch say differs by {off:.1e} of it, more than {MAX_RELATIVE_DIFFERENCE:.0e}"
        raise NotExportable(what)
    return found | {"difference": off}


def write_onnx(module: ExportModule, history: ModelInputs, path: Path) -> dict[str, Any]:
    """Writes the file at `path`, traced with the first windows of `history`; see `facts`.

    NotExportable with torch's reason where it cannot be done.
    """
    example = tuple(getattr(history, name)[:TRACE_BATCH_SIZE] for name in module.input_names)
    batch = torch.export.Dim("batch", min=1)
    with _silence_loggers(), torch.no_grad():
        try:
            # cells that hold their weights in torch's own recurrent nets call none of their kernels
            with torch._dynamo.config.patch(allow_rnn=True):
                found = torch.export.export(
                    module, example, dynamic_shapes=(tuple({0: batch} for _ in example),)
                )
            program = torch.onnx.export(
                found,
                dynamo=True,
                verbose=False,
                custom_translation_table={torch.ops.aten.softplus.default: _softplus},
                input_names=list(module.input_names),
                output_names=list(module.outputs.output_names),
            )
            assert program is not None
            program.save(str(path))
        except RuntimeError as error:  # the exporters' own errors are of this kind
            raise NotExportable(f"torch cannot write it as ONNX ({_first_line(error)})") from error
    return onnx_metadata(path)


def _softplus(self: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """torch's own name for it and its arguments; the operator is there for float32 alone."""
    import onnx_ir
    from onnxscript import opset18

    op: Any = opset18
    if self.dtype == onnx_ir.DataType.FLOAT:
        return op.Softplus(self)
    one = op.CastLike(op.Constant(value_float=1.0), self)
    return op.Add(op.Relu(self), op.Log(op.Add(op.Exp(op.Neg(op.Abs(self))), one)))


def onnx_metadata(path: Path) -> dict[str, Any]:
    """The operator set of a file, and of its inputs and outputs name, shape and type."""
    import onnx

    model = onnx.load(str(path))
    (opset,) = (one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    return {
        "opset": opset,
        "inputs": [_tensor_metadata(one) for one in model.graph.input],
        "outputs": [_tensor_metadata(one) for one in model.graph.output],
    }


def _tensor_metadata(value: Any) -> dict[str, Any]:
    from onnx import helper

    kind = value.type.tensor_type
    dims = [side.dim_param or side.dim_value for side in kind.shape.dim]
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)).name
    return {"name": value.name, "shape": ["B", *dims[1:]], "dtype": dtype}


def max_relative_difference(
    path: Path,
    net: Forecaster,
    outputs: ExportOutputs,
    residuals: Floats | None,
    history: ModelInputs,
) -> float:
    """How far the file is from what `inference` says of the windows of `history`, asked all at
    once and one by one: the largest difference, as a share of the largest quantile of its window
    and target. Infinite where one of the two says what is no number."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = 1
    extra = None if residuals is None else torch.from_numpy(residuals).float()
    values = quantiles_in_blocks(net, history, net.config.horizon, outputs.levels.computed, extra)
    expected = values.double().numpy()  # [W, H, C, levels]
    size = np.abs(expected).max((1, 3), keepdims=True)
    size = np.where(size > 0, size, 1.0)
    given = {name: getattr(history, name).numpy() for name in onnx_input_names(net.config)}
    parts = [slice(None), *(slice(row, row + 1) for row in range(len(expected)))]
    try:
        session = onnxruntime.InferenceSession(str(path), options)
        told = [
            session.run(None, {name: value[some] for name, value in given.items()})
            for some in parts
        ]
    except _onnxruntime_errors() as error:
        raise NotExportable(f"onnxruntime cannot run it ({_first_line(error)})") from error
    worst = 0.0
    for some, found in zip(parts, told, strict=True):
        shares = expected[some][..., outputs.levels.point_indices]
        theirs = (expected[some][..., outputs.levels.requested_indices], shares.mean(-1), shares)
        for ours, true in zip(found, theirs, strict=False):
            off = np.abs(ours - true) / size[some].reshape(len(ours), 1, -1, *[1] * (true.ndim - 3))
            worst = max(worst, float(np.where(np.isnan(off), np.inf, off).max()))
    return worst


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; its errors have no base of their own."""
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
    """Without the exporters' words on what they look for and do not find."""
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
