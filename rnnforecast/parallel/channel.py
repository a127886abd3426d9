"""Objects sent between two processes over a socket, large arrays without a copy.

An object is pickled with its large buffers apart (PEP 574), which are sent from where they are and
received to where they stay. Only for processes of one program: what is received is unpickled.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from typing import Any

_COUNT = struct.Struct("<q")


class Channel:
    """One end of a socket between two processes."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    def send(self, value: Any) -> None:
        """Sends an object; if it cannot be pickled, the error is raised before anything is sent.

        Raises OSError if the other process has ended.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
        lengths = (part.nbytes for part in parts)
        self._socket.sendall(struct.pack(f"<q{len(parts)}q", len(parts), *lengths))
        for part in parts:
            self._socket.sendall(part)

    def receive(self) -> Any:
        """The next object, waited for; EOFError or OSError if the other process has ended."""
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        lengths = struct.unpack(f"<{count}q", self._read(count * _COUNT.size))
        body, *buffers = [self._read(length) for length in lengths]
        return pickle.loads(body, buffers=buffers)

    def has_data(self) -> bool:
        """Whether something was sent, or the other process has ended."""
        poll = select.poll()  # unlike select(), for descriptors of any number
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        rest = memoryview(data)
        while len(rest):
            received = self._socket.recv_into(rest)
            if not received:
                raise EOFError
            rest = rest[received:]
        return data
