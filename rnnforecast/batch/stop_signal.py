"""Orderly stops of a training by Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnforecast.pipeline.progress import ProgressListener

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signal(
    listener: ProgressListener, numbers: Sequence[signal.Signals] = STOP_SIGNALS
) -> Iterator[Callable[[], bool]]:
    """The first of these signals in the block requests an orderly stop; a second stops at once.

    Yields a function that returns whether a stop was requested. Outside the main thread, where
    Python has no signals, nothing is changed.
    """
    requested = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        name = signal.Signals(number).name
        listener.warning(
            f"{name}: finishing with the best weights so far; once more to stop at once"
        )

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers if is_main}
    try:
        yield lambda: requested
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
