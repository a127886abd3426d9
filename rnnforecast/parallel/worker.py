"""A worker process: runs the tasks that its parent sends over a socket."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rnnforecast.parallel.channel import Channel
from rnnforecast.parallel.shared_object import load_shared_object

STOP = "stop"
"""Sent by the parent while a task runs: the task is to return early."""

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Signals that the parent gets too, and decides about; blocked when a worker is started."""

PARENT_SECONDS = 1.0
"""Between two looks whether the parent is alive."""


@dataclass
class _Context:
    channel: Channel
    is_stopping: bool = False

    def send(self, message: Any) -> None:
        self.channel.send(("message", message))

    def should_stop(self) -> bool:
        while not self.is_stopping and self.channel.has_data():
            self.is_stopping = self.channel.receive() == STOP
        return self.is_stopping


def main(descriptor: int, shared: int, parent: int) -> None:
    """Runs tasks until the parent closes the socket, or has died.

    Args:
        descriptor: that of a socket to the parent.
        shared: the descriptor of a `SharedObject`: the function of the tasks and what they share.
        parent: the process id of the parent.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    channel = Channel(socket.socket(fileno=descriptor))
    with suppress(EOFError, ConnectionError):  # the parent needs no more results
        _work(channel, shared)
    # nothing is left to be done, and tearing down large libraries takes a while
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(0)


def _work(channel: Channel, shared: int) -> None:
    loaded: tuple[Any, Any] | None = None
    while True:
        task = channel.receive()
        if task == STOP:  # the last task was just finished
            continue
        context = _Context(channel)
        try:
            loaded = loaded or load_shared_object(shared)
            function, value = loaded
            result = function(value, task[0], context)
        except BaseException as error:  # noqa: BLE001 - raised again in the parent
            channel.send(("error", _sendable(error)))
            continue
        _send_result(channel, result)
        del result  # memory that the next task may need


def _send_result(channel: Channel, result: Any) -> None:
    try:
        channel.send(("result", result))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - of pickle, or of the objects themselves
        channel.send(("error", _sendable(error)))


def _sendable(error: BaseException) -> BaseException:
    """The error with its traceback as a note; an error that cannot be pickled as a RuntimeError."""
    text = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"in a worker process:\n{text}")
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - exceptions of other packages may do anything
        return RuntimeError(f"in a worker process:\n{text}")
    return error


def _end_with_parent(parent: int) -> None:
    """Ends this process when its parent has died, whatever a task is doing."""
    wait = threading.Event()
    while os.getppid() == parent:
        wait.wait(PARENT_SECONDS)
    os._exit(1)
