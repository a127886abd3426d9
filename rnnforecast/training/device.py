"""Where the net runs, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

Device = torch.device

MULTITHREADING_THRESHOLD = 2**16
"""Numbers in a batch of states from which on several threads are worth their coordination."""

TORCH_VERSION = str(torch.__version__)
"""Torch's version."""


def select_device(requested: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`; ValueError where it is not there."""
    if requested == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if requested == "cuda" and not torch.cuda.is_available():
        raise ValueError("this machine has no CUDA device that torch can use")
    if requested == "mps" and not torch.backends.mps.is_available():
        raise ValueError("this machine has no Apple GPU that torch can use")
    return torch.device(requested)


def select_dtype(requested: str, device: torch.device) -> torch.dtype:
    """The type matrix products run in: bfloat16 on a CUDA device that has it, else float32."""
    if requested == "auto":
        mixed = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if mixed else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[requested]


def describe_device(device: torch.device) -> str:
    """One phrase for people: ``cpu (2 threads)`` or the GPU's name."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        count = torch.get_num_threads()
        return f"cpu ({count} {'thread' if count == 1 else 'threads'})"
    return device.type


def device_of(net: torch.nn.Module) -> torch.device:
    """The device a net lies on."""
    return next(net.parameters()).device


@contextmanager
def limit_threads(batch_size: int, hidden_size: int) -> Iterator[None]:
    """Inside the block a small net trains on one thread, whatever the machine has.

    Its matrices are too small to share: a second thread gains little on an idle machine and, where
    other jobs want the processors, the threads wait for each other most of the time.
    """
    before = torch.get_num_threads()
    if batch_size * hidden_size < MULTITHREADING_THRESHOLD:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seed_torch(number: int) -> None:
    """Starts torch's random numbers (first weights, dropout) on every device."""
    torch.manual_seed(number)


def describe_torch() -> str:
    """Torch's version and the device that `auto` takes, for `--version`."""
    return f"torch {TORCH_VERSION} on {describe_device(select_device('auto'))}"
