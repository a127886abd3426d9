"""The device a network runs on, its dtype, threads and random seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnnforecast.parallel.cores import available_cores

Device = torch.device

MULTITHREADING_THRESHOLD = 2**16
"""Batch size times hidden size from which several threads are faster than one."""

TORCH_VERSION = str(torch.__version__)
"""Torch's version, as a plain string."""


def select_device(requested: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``mps``; ValueError if it is missing."""
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
    """The dtype of matrix products; ``auto``: bfloat16 on CUDA devices that support it, else
    float32."""
    if requested == "auto":
        is_mixed = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if is_mixed else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[requested]


def describe_device(device: torch.device) -> str:
    """A short description: ``cpu``, or ``cuda`` with the name of the GPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def device_of(net: torch.nn.Module) -> torch.device:
    """The device of the parameters of `net`."""
    return next(net.parameters()).device


@contextmanager
def limit_threads(batch_size: int, hidden_size: int) -> Iterator[None]:
    """Context of a training: a small network is trained on one thread, a large one on as many as
    there are cores, or as torch was limited to.

    On small matrices, a second thread gains little on an idle machine, and threads mostly wait for
    each other beside other jobs.
    """
    is_large = batch_size * hidden_size >= MULTITHREADING_THRESHOLD
    with _torch_threads(available_cores() if is_large else 1):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Context, or decorator of a function, in which torch computes on one thread, as in a worker.

    Sums depend on the number of threads: what may run in a worker or in this process, or on another
    machine, gives the same bytes only so.
    """
    with _torch_threads(1):
        yield


@contextmanager
def _torch_threads(limit: int) -> Iterator[None]:
    """Context in which torch has at most this number of threads; afterwards as many as before."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(min(n_threads, limit))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def seed_torch(seed: int) -> None:
    """Seeds torch's random number generators (initial weights, dropout) on every device."""
    torch.manual_seed(seed)


def describe_torch() -> str:
    """Torch's version and the device that ``auto`` selects, for ``--version``."""
    return f"torch {TORCH_VERSION} on {describe_device(select_device('auto'))}"
