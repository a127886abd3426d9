"""SIGTERM as an exception, so that a job which is ended still tells so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 143


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """The first SIGTERM in the block raises SystemExit with 143; later ones are ignored, so that
    the end of the job is written.

    Outside the main thread, where Python has no signals, nothing is changed.
    """
    is_stopped = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        if not is_stopped:
            is_stopped = True
            raise SystemExit(EXIT_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
