"""The exchange of two names in one step of the file system."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
_RENAME_SWAP = 2  # sys/stdio.h of macOS

_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""Errors of file systems, kernels and sandboxes without the exchange."""


def exchange(first: Path, second: Path) -> bool:
    """Exchanges two files or folders of one file system; False, with nothing done, where the system
    cannot.

    A process that opens one of the names at any time finds the old or the new. The function is
    renameat2(2) of Linux, renamex_np(2) of macOS. Raises OSError, such as FileNotFoundError.
    """
    code = _call(os.fsencode(first), os.fsencode(second))
    if code == 0:
        return True
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(first), None, str(second))


def _call(first: bytes, second: bytes) -> int:
    """The error number of the exchange, 0 if it was done."""
    if sys.platform not in ("linux", "darwin"):
        return errno.ENOSYS
    library = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "linux":
            done = library.renameat2(
                _AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE)
            )
        else:
            done = library.renamex_np(first, second, ctypes.c_uint(_RENAME_SWAP))
    except AttributeError:  # an older library
        return errno.ENOSYS
    return 0 if done == 0 else ctypes.get_errno() or errno.EIO
