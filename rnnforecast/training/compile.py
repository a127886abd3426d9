"""The net's forward translated for the device it runs on, where there is a compiler for it."""

from __future__ import annotations

import torch

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.dataset import Batch

MAX_REASON_LENGTH = 200
"""Characters of a compiler's complaint that are passed on."""


def compile_forward(net: Forecaster, batch: Batch, precision: torch.dtype) -> str | None:
    """Compiles the forward of `net` and tries it, backwards too, on `batch`.

    None where that went well, now or before; else why not, and the net is as it was. The method is
    compiled, not the module: the weights keep their names. Neither random numbers nor gradients are
    left behind.
    """
    if "forward" in vars(net):
        return None  # done before
    device = batch.targets.device
    devices = [device] if device.type == "cuda" else []
    mixed = torch.autocast(device.type, precision, enabled=precision != torch.float32)
    net.train()
    try:
        net.forward = torch.compile(net.forward)  # type: ignore[method-assign]
        with torch.random.fork_rng(devices):
            with mixed:
                loss = net.loss(batch.history, batch.targets, batch.weight)
            loss.backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, ImportError, OSError) as error:  # the compilers' own are RuntimeErrors
        vars(net).pop("forward", None)
        text = f"{type(error).__name__}: {error}".split("\n", 1)[0]
        return text[:MAX_REASON_LENGTH]
    finally:
        net.zero_grad(set_to_none=True)
    return None
