"""Compilation of a forecaster by `torch.compile`, if a compiler is available."""

from __future__ import annotations

import torch

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.dataset import Batch

MAX_REASON_LENGTH = 200
"""Characters of the compiler's error message that are reported."""


def compile_forward(net: Forecaster, batch: Batch, precision: torch.dtype) -> str | None:
    """Compiles `net.forward` and runs it forward and backward on `batch`.

    Returns None on success or if it is compiled already; otherwise the reason of the failure, with
    `net` unchanged. The method is compiled, not the module, so that parameters keep their names.
    Random number generators are left unchanged, and gradients are None.
    """
    if "forward" in vars(net):
        return None  # compiled before
    device = batch.targets.device
    devices = [device] if device.type == "cuda" else []
    autocast = torch.autocast(device.type, precision, enabled=precision != torch.float32)
    net.train()
    try:
        net.forward = torch.compile(net.forward)  # type: ignore[method-assign]
        with torch.random.fork_rng(devices):
            with autocast:
                loss = net.loss(batch.history, batch.targets, batch.weight)
            loss.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, ImportError, OSError) as error:
        vars(net).pop("forward", None)
        text = f"{type(error).__name__}: {error}".split("\n", 1)[0]
        return text[:MAX_REASON_LENGTH]
    finally:
        net.zero_grad(set_to_none=True)
    return None
