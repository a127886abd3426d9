"""What runs on the nodes of a Ray cluster: tasks, and the mailbox between them and the caller."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import metadata
from typing import Any

import ray
from ray.exceptions import RayActorError

from rnnforecast import __version__
from rnnforecast.errors import DataError, OutputError, Problem, RnnForecastError, UsageError

COMPARED_PACKAGES = ("numpy", "pandas", "pyarrow", "scipy", "torch")
"""Packages whose version can change the bytes of a result."""

POLL_SECONDS = 0.2
"""Between two questions of a task whether to stop."""

SHARED_CURE = (
    "put data, run and output on a file system that all nodes mount under the same path, or read "
    "and write URLs"
)


class Mailbox:
    """An actor that holds the messages of running tasks, and whether they are to stop."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, Any]] = []
        self.is_stopping = False

    def put(self, index: int, message: Any) -> None:
        """Adds a message of a task."""
        self.messages.append((index, message))

    def take(self) -> list[tuple[int, Any]]:
        """The messages since the last call, each with the index of its task."""
        taken, self.messages = self.messages, []
        return taken

    def stop(self) -> None:
        """Tells the tasks that ask from now on to stop."""
        self.is_stopping = True

    def should_stop(self) -> bool:
        """Whether the tasks are to stop."""
        return self.is_stopping


@dataclass
class _Context:
    index: int
    mailbox: Any
    """The handle of a `Mailbox`; None if the caller listens to nothing."""
    is_stopping: bool = False
    polled: float = field(default_factory=time.monotonic)
    last: Any = None
    """The reference to the delivery of the last message."""

    def send(self, message: Any) -> None:
        if self.mailbox is not None:
            self.last = self.mailbox.put.remote(self.index, message)

    def should_stop(self) -> bool:
        if self.mailbox is None or self.is_stopping:
            return self.is_stopping
        if time.monotonic() - self.polled >= POLL_SECONDS:
            self.is_stopping = ray.get(self.mailbox.should_stop.remote())
            self.polled = time.monotonic()
        return self.is_stopping

    def flush(self) -> None:
        """Waits until all messages have arrived."""
        if self.last is not None:
            ray.get(self.last)


@dataclass(frozen=True)
class RayWork:
    """What all tasks of a call have in common."""

    loaded: Any
    """The reference to the function and the shared object."""
    mailbox: Any
    """The handle of a `Mailbox`, or None."""
    folder: str
    """The caller's working folder, in which relative paths are."""
    versions: Mapping[str, str]
    """The caller's, which each node has to have, too."""


def run_task(work: RayWork, task: Any, index: int) -> tuple[str, Any]:
    """Runs a task: ``result`` and the value, or ``error`` and the exception."""
    context = _Context(index, work.mailbox)
    try:
        check_versions(work.versions)
        os.chdir(work.folder if os.path.isdir(work.folder) else "/")  # noqa: PTH112
        function, shared = _load(work.loaded)
        answer = ("result", function(shared, task, context))
        context.flush()
    except RayActorError:
        raise  # the node of the caller is lost, or this task was cancelled
    except RnnForecastError as error:
        answer = ("error", _with_node(error))
    except Exception as error:  # noqa: BLE001 - raised again by the caller
        answer = ("error", error)
    return answer


@lru_cache(maxsize=1)
def _load(reference: Any) -> Any:
    """The object of a reference, once for all tasks of a process."""
    return ray.get(reference)


@cache
def package_versions() -> dict[str, str]:
    """The versions of this package and of those that its results depend on."""
    return {"rnnforecast": __version__} | {name: _version(name) for name in COMPARED_PACKAGES}


def node_name() -> str:
    """The host name and the address of this node."""
    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"


def check_versions(expected: Mapping[str, str]) -> None:
    """Raises UsageError if a package here has another version."""
    ours = package_versions()
    other = [name for name in expected if ours[name] != expected[name]]
    if other:
        found = ", ".join(f"{name} {ours[name] or 'missing'}" for name in other)
        found = f"has {found}: results would differ"
        wanted = " ".join(f"{name}=={expected[name]}" for name in other)
        cure = f"install the same versions on all nodes: {wanted}"
        raise UsageError(Problem(f"node {node_name()}", found, cure))


def _with_node(error: RnnForecastError) -> RnnForecastError:
    """The error with the node that it is of, if files may be missing there."""
    if not isinstance(error, DataError | OutputError):
        return error
    place = Problem(f"node {node_name()}", "the error is of this node", SHARED_CURE)
    return type(error)(*error.problems, place)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
