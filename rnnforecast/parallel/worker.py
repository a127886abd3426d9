"""A worker process: runs the tasks that its parent sends over a socket."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from rnnforecast.parallel.shared_object import load_shared_object

STOP = "stop"
"""Sent by the parent while a task runs: the task is to return early."""


@dataclass
class _Context:
    connection: Connection
    is_stopping: bool = False

    def send(self, message: Any) -> None:
        self.connection.send(("message", message))

    def should_stop(self) -> bool:
        while not self.is_stopping and self.connection.poll():
            self.is_stopping = self.connection.recv() == STOP
        return self.is_stopping


def main(socket: int, shared: int) -> None:
    """Runs tasks until the parent closes the socket.

    Args:
        socket: the descriptor of a socket to the parent.
        shared: the descriptor of a `SharedObject`: the function of the tasks and what they share.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent gets them too, and decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    connection = Connection(socket)
    function, value = load_shared_object(shared)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task == STOP:  # the last task was just finished
            continue
        context = _Context(connection)
        try:
            answer = ("result", function(value, task[0], context))
        except BaseException as error:  # noqa: BLE001 - raised again in the parent
            answer = ("error", error)
        connection.send(answer)


def _end_with_parent(parent: int) -> None:
    """Ends this process when its parent has died without closing the socket in time."""
    wait = threading.Event()
    while not wait.wait(1.0):
        if os.getppid() != parent:
            os._exit(1)
