"""Errors of the operating system when a result is written, as errors with a cure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnforecast.errors import OutputError, OutputPathError, Problem
from rnnforecast.output.partial_names import sibling_prefix

_CURES = {
    errno.ENOSPC: "free some disk space or write to another disk",
    errno.EDQUOT: "free some of your disk quota or write to another disk",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) or write to another disk",
    errno.EACCES: "check who owns the folder and its permissions, or write somewhere else",
    errno.EPERM: "check who owns the folder and its permissions, or write somewhere else",
    errno.EROFS: "the disk is mounted read-only; write somewhere else",
    errno.EIO: "the disk reports a fault; check it, or write to another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another path",
    errno.EISDIR: "the path is a folder; add a file name",
    errno.ENOENT: "nothing can be created there; choose another path",
    errno.ELOOP: "the symbolic links lead in a circle; choose another path",
}
_NAME_ERRNOS = (
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOENT,
    errno.ELOOP,
)


@contextmanager
def os_errors_as_output_error(path: Path) -> Iterator[None]:
    """Turns errors of the operating system when writing at `path` into OutputError.

    Other errors pass: a failure to *read* another file does not concern `path`, and a broken pipe
    means that the reader has ended.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if not _concerns_path(error, path):
            raise
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError for an error of the operating system; OutputPathError if `path` is wrong."""
    reason = error.strerror or str(error)
    problem = Problem(
        str(path), f"could not be written: {reason}", _CURES.get(error.errno or 0, "")
    )
    return OutputPathError(problem) if error.errno in _NAME_ERRNOS else OutputError(problem)


def _concerns_path(error: OSError, path: Path) -> bool:
    """Whether `error` comes from writing to `path` or to a temporary name beside it."""
    if error.filename is None:
        return error.errno in _CURES
    if isinstance(error.filename, int):  # a file descriptor
        return True
    named = Path(os.path.realpath(os.fsdecode(error.filename)))
    path = Path(os.path.realpath(path))
    if path.is_relative_to(named):  # itself, or a parent that could not be created
        return True
    if not named.is_relative_to(path.parent):
        return False
    entry = named.relative_to(path.parent).parts[0]
    return entry.startswith((sibling_prefix(path, "partial"), sibling_prefix(path, "old")))
