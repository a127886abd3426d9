"""Connections to a Ray cluster: a running one, or one that this process starts and ends."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import ray

from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.cores import available_cores

ANSWER_SECONDS = 10.0
"""Within which the address of a cluster has to answer."""

CLIENT_SCHEME = "ray://"
START_CURE = (
    "start one with `ray start --head`; ray://HOST:10001 reaches it from any machine, "
    "RAY_ADDRESS=HOST:6379 with --engine ray from a machine of the cluster"
)


def connect(address: str | None, workers: int | None) -> bool:
    """Connects this process to a cluster, unless it is; returns whether it started one.

    Args:
        address: ``ray://host:port``; None for the address of `RAY_ADDRESS`, without which a
            cluster of this machine is started. It ends with this process.
        workers: the processors of a cluster that is started; all that there are by default.

    Raises:
        UsageError if the address does not answer.
    """
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    with _signal_handlers_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if address == "local":
            _start(workers or available_cores())
            return True
        if address != "auto":
            _check_answer(address)
        _join(address)
    return False


def _start(workers: int) -> None:
    folder = tempfile.mkdtemp(prefix="ray-")

    def stop() -> None:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _init(
        address="local",
        num_cpus=workers,
        num_gpus=0,
        include_dashboard=False,
        _temp_dir=folder,
    )


def _join(address: str) -> None:
    try:
        _init(address=address)
    except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:
        found = f"cannot be joined: {str(error) or type(error).__name__}"
        cure = f"{START_CURE}; one with tokens needs RAY_AUTH_MODE=token"
        raise UsageError(Problem(f"the Ray cluster at {address}", found, cure)) from None


def _init(**options: Any) -> None:
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def _check_answer(address: str) -> None:
    """Raises UsageError unless a gRPC server answers there; Ray itself waits for two minutes and
    ends the process."""
    host = address.removeprefix(CLIENT_SCHEME)
    where = f"the Ray cluster at {address}"
    if ":" not in host:
        cure = "give one such as ray://HOST:10001"
        raise UsageError(Problem(where, "the address has no port", cure))
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return  # would need the certificates that Ray reads
    channel = grpc.insecure_channel(host)
    try:
        grpc.channel_ready_future(channel).result(ANSWER_SECONDS)
    except grpc.FutureTimeoutError:
        found = f"does not answer within {ANSWER_SECONDS:.0f} s"
        raise UsageError(Problem(where, found, START_CURE)) from None
    finally:
        channel.close()


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Restores the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
