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
from typing import IO, Any

from rnnforecast.errors import OutputError, Problem

_ALIGNMENT = 64
_LENGTHS = struct.Struct("<qq")


class SharedObject:
    """An object in an unnamed file, to be loaded by processes that inherit its descriptor."""

    def __init__(self, value: Any) -> None:
        """Raises OutputError if the folder for temporary files cannot hold the object."""
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
        size = max(first + end, _LENGTHS.size + len(head))
        try:
            # without a buffer, so that closing after an error does not write again
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the object
        except OSError as error:
            raise _no_space(error, size) from error
        try:
            self._file.truncate(size)
            _write_all(self._file, 0, memoryview(_LENGTHS.pack(len(head), first) + head))
            for raw, (start, _) in zip(raws, spans, strict=True):
                _write_all(self._file, first + start, raw)
        except OSError as error:
            self._file.close()
            raise _no_space(error, size) from error

    def fileno(self) -> int:
        """The descriptor of the file, to be passed to a child process."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file; processes that have loaded the object keep it."""
        self._file.close()


def _write_all(file: IO[bytes], start: int, data: memoryview) -> None:
    file.seek(start)
    while len(data):
        data = data[file.write(data) :]


def _no_space(error: OSError, size: int) -> OutputError:
    try:
        folder = tempfile.gettempdir()
    except OSError:  # none can be written to
        folder = "the folder for temporary files"
    found = f"cannot hold {size / 1e6:,.1f} MB for worker processes: {error.strerror}"
    cure = "free some space, name another folder in TMPDIR, or use one process: --workers 1"
    return OutputError(Problem(folder, found, cure))


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
