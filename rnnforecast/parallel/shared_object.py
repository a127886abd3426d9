"""An object in a file without a name, whose arrays other processes map into their memory.

An object is pickled with its large buffers apart (PEP 574), which a process that loads it maps
instead of copying: all processes on a machine share the pages of one file. The file has no name, so
nothing is left of it when the last process ends, however it ends.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import tempfile
from typing import Any

_ALIGNMENT = 64
_LENGTHS = struct.Struct("<qq")


class SharedObject:
    """An object in an unnamed file, to be loaded by processes that inherit its descriptor."""

    def __init__(self, value: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        raws = [buffer.raw() for buffer in buffers]
        spans, end = [], 0
        for raw in raws:
            start = -(-end // _ALIGNMENT) * _ALIGNMENT
            end = start + raw.nbytes
            spans.append((start, end))
        head = pickle.dumps((body, spans))
        first = -(-(_LENGTHS.size + len(head)) // _ALIGNMENT) * _ALIGNMENT
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object
        self._file.write(_LENGTHS.pack(len(head), first) + head)
        for raw, (start, _) in zip(raws, spans, strict=True):
            self._file.seek(first + start)
            self._file.write(raw)
        self._file.truncate(max(first + end, _LENGTHS.size + len(head)))
        self._file.flush()

    def fileno(self) -> int:
        """The descriptor of the file, to be passed to a child process."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file; processes that have loaded the object keep it."""
        self._file.close()


def load_shared_object(descriptor: int) -> Any:
    """The object in the file of a descriptor; its arrays are private to the process once written.

    Only for a descriptor that a parent process has passed on: the content is a pickle.
    """
    length = os.fstat(descriptor).st_size
    memory = memoryview(mmap.mmap(descriptor, length, access=mmap.ACCESS_COPY))
    head_length, first = _LENGTHS.unpack(memory[: _LENGTHS.size])
    body, spans = pickle.loads(memory[_LENGTHS.size : _LENGTHS.size + head_length])
    buffers = [memory[first + start : first + end] for start, end in spans]
    return pickle.loads(body, buffers=buffers)
