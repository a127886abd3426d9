"""Standard streams of a process: one that is closed or full must not cost a result."""

from __future__ import annotations

import io
import os
import sys


def prepare_standard_streams() -> None:
    """Opens the null device for closed standard streams, and lets writes to stderr fail silently.

    A file opened later would else take the number of a closed stream, and messages of a library
    in C would end in it. Messages are lost if nobody can read them, but not the work they are
    about. Call before anything is written.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # the lowest free number, which is this one
            os.open(os.devnull, os.O_RDWR)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_UnfailingFile(sys.stderr.fileno(), "wb", closefd=False)),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )


class _UnfailingFile(io.FileIO):
    """An open file whose writes never fail: what cannot be written is dropped."""

    def write(self, data: object, /) -> int:
        """Writes `data`, or drops it if the device is full or nobody reads the pipe."""
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            written = super().write(view)
        except OSError:
            return view.nbytes
        return view.nbytes if written is None else written
