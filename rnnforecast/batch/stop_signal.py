"""Orderly stops by Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from rnnforecast.errors import SIGNAL_EXIT_BASE, Stopped

if TYPE_CHECKING:
    from rnnforecast.pipeline.progress import ProgressListener

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAVING = "saving the state, to be continued later"


class StopRequest:
    """Whether a signal has requested a stop, and which one; returned by a call of it."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self) -> bool:
        return self.number is not None

    def stopped(self, text: str) -> Stopped:
        """The exception of this stop; see `Stopped`."""
        return Stopped(text, self.number or signal.SIGINT)


@contextmanager
def stop_on_signal(
    listener: ProgressListener,
    numbers: Sequence[signal.Signals] = STOP_SIGNALS,
    *,
    result: str = SAVING,
) -> Iterator[StopRequest]:
    """The first of these signals in the block requests an orderly stop; a second stops at once.

    Yields the request, to be polled by the work; `result` is what the work does then, in words.
    Outside the main thread, where Python has no signals, nothing is changed; a signal that the
    process ignores, as behind ``nohup``, stays ignored.
    """
    request = StopRequest()
    before: dict[int, object] = {}

    def restore() -> None:
        while before:
            number, previous = before.popitem()
            signal.signal(number, previous)  # type: ignore[arg-type]

    def handler(number: int, frame: FrameType | None) -> None:
        if request():
            restore()
            raise Stopped(number=number)
        request.number = number
        listener.warning(f"{signal.Signals(number).name}: {result}; once more to stop at once")

    before |= _handle(numbers, handler)
    try:
        yield request
    except Stopped as stopped:
        if request.number is not None and stopped.text:
            stopped.number = request.number
        raise
    finally:
        restore()


def raise_on_signal(numbers: Sequence[signal.Signals] = STOP_SIGNALS) -> None:
    """From now on the first of these signals raises Stopped, so that the process clears up; another
    one ends it at once, without."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        os._exit(SIGNAL_EXIT_BASE + number)

    def handler(number: int, frame: FrameType | None) -> NoReturn:
        _handle(numbers, end)
        raise Stopped(number=number)

    _handle(numbers, handler)


def _handle(numbers: Sequence[signal.Signals], handler: object) -> dict[int, object]:
    """Sets the handler of those signals that are not ignored; returns the earlier ones."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handled = [each for each in numbers if signal.getsignal(each) is not signal.SIG_IGN]
    return {each: signal.signal(each, handler) for each in handled}  # type: ignore[arg-type]
