"""Errors become one readable message on stderr and the documented exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rich.text import Text

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.errors import OutputError, Problem, RnnForecastError

MAX_PROBLEMS_SHOWN = 20
"""Problems that are printed; a file with more is told how many."""

EXIT_INTERRUPTED = 130
"""The shell's code for a job that was ended by Ctrl-C."""

EXIT_UNEXPECTED = 1

DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""A disk that takes no more."""


@contextmanager
def handle_errors(console: ConsoleListener) -> Iterator[None]:
    """Whatever goes wrong inside the block is told by `voice`, and ends the program."""
    try:
        yield
    except RnnForecastError as error:
        console.close()
        _print_problems(console, error.problems)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.close()
        console.err.print("stopped: nothing was written")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # the reader of our output (head, say) has left: what it wanted it got
        _discard_stdout()
        sys.exit(EXIT_UNEXPECTED)
    except OSError as error:
        if error.errno not in DISK_ERRNOS or error.filename is not None:
            _exit_unexpected(console, error)
        # files name themselves; what has no name is where our output was sent to
        _discard_stdout()
        found = f"could not be written: {error.strerror}"
        cure = "free some disk space, or send the output elsewhere"
        _print_problems(console, (Problem("standard output", found, cure),))
        sys.exit(OutputError.exit_code)
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback for people
        _exit_unexpected(console, error)
    finally:
        console.close()


def _discard_stdout() -> None:
    """Nothing is left to be written when Python ends, where it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_problems(console: ConsoleListener, problems: tuple[Problem, ...]) -> None:
    for problem in problems[:MAX_PROBLEMS_SHOWN]:
        where = f"{problem.where}: " if problem.where else ""
        console.err.print(Text.assemble(("error: ", "red"), (where, "bold"), problem.found))
        if problem.cure:
            console.err.print(Text(f"       {problem.cure}", style="cyan"))
    if len(problems) > MAX_PROBLEMS_SHOWN:
        console.err.print(f"… and {len(problems) - MAX_PROBLEMS_SHOWN:,} more problems")


def _exit_unexpected(console: ConsoleListener, error: Exception) -> NoReturn:
    console.close()
    if console.verbose:
        console.err.print(Text("".join(traceback.format_exception(error))))
    cause = f"{type(error).__name__}: {error}".strip()
    console.err.print(Text.assemble(("error: ", "red"), f"unexpected: {cause}"))
    if isinstance(error, MemoryError):
        console.err.print("       use fewer series at once, or a machine with more memory")
    elif not console.verbose:
        console.err.print(
            "       this is a fault of the program; run again with -v and report what it prints"
        )
    sys.exit(EXIT_UNEXPECTED)


@contextmanager
def stop_on_signal(console: ConsoleListener) -> Iterator[Callable[[], bool]]:
    """Ctrl-C or SIGTERM inside the block asks for an orderly stop; a second one stops at once.

    Yields the function that says whether a stop was asked for.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        name = signal.Signals(number).name
        console.warning(
            f"{name}: finishing with the best weights so far; once more to stop at once"
        )

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
