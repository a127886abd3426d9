"""The console of a command: error messages, exit codes, and deferred garbage collection."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from rich.text import Text

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.printable import message_text, printable
from rnnforecast.errors import (
    DataError,
    OutputError,
    Problem,
    RnnForecastError,
    Stopped,
    is_out_of_memory,
)

MAX_PROBLEMS_SHOWN = 20
"""Problems that are printed; of the others only the number is."""

EXIT_UNEXPECTED = 1

DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a disk that is full or broken."""


@contextmanager
def open_console(
    spec: Path | None = None,
    overrides: Sequence[str] | None = None,
    *,
    quiet: bool = False,
    verbose: bool = False,
) -> Iterator[ConsoleListener]:
    """The console of a command, on which any exception of the block is printed; the process then
    exits with its code.

    Problems with a key get its line in the file `spec`, or the override, if they are given.
    """
    console = ConsoleListener(quiet=quiet, verbose=verbose)
    try:
        yield console
    except RnnForecastError as error:
        console.close()
        problems = error.problems
        if spec is not None:
            from rnnforecast.spec.load import locate_problems

            problems = locate_problems(problems, spec, overrides or ())
        if not console.has_spec:
            from rnnforecast.spec.option_cures import add_options

            problems = add_options(problems)
        _print_problems(console, problems)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as error:
        console.close()
        stopped = error if isinstance(error, Stopped) else Stopped()
        text = message_text(stopped.text or "nothing was written")
        console.err.print(Text(f"stopped: {text}"))
        sys.exit(stopped.exit_code)
    except BrokenPipeError:
        # the reader of the output, such as head, has closed the pipe
        _discard_stdout()
        sys.exit(EXIT_UNEXPECTED)
    except OSError as error:
        if error.errno not in DISK_ERRNOS or error.filename is not None:
            _exit_unexpected(console, error)
        # errors of files have a filename; without a filename it is standard output
        _discard_stdout()
        found = f"could not be written: {error.strerror}"
        cure = "free some disk space, or send the output elsewhere"
        _print_problems(console, (Problem("standard output", found, cure),))
        sys.exit(OutputError.exit_code)
    except Exception as error:  # noqa: BLE001 - no traceback without -v
        _exit_unexpected(console, error)
    finally:
        console.close()


def _discard_stdout() -> None:
    """Points stdout at the null device, so that the flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_problems(console: ConsoleListener, problems: tuple[Problem, ...]) -> None:
    for problem in problems[:MAX_PROBLEMS_SHOWN]:
        where = f"{message_text(problem.where)}: " if problem.where else ""
        found = message_text(problem.found)
        console.err.print(Text.assemble(("error: ", "red"), (where, "bold"), found))
        if problem.cure:
            console.err.print(Text(f"       {message_text(problem.cure)}", style="cyan"))
    if len(problems) > MAX_PROBLEMS_SHOWN:
        console.err.print(f"… and {len(problems) - MAX_PROBLEMS_SHOWN:,} more problems")


def _exit_unexpected(console: ConsoleListener, error: Exception) -> NoReturn:
    console.close()
    if is_out_of_memory(error):
        found = f"the memory does not suffice: {error}".removesuffix(": ")
        cure = (
            "use fewer series at once, a smaller model.hidden_size, training.batch_size or "
            "window.lookback, or a machine with more memory"
        )
        _print_problems(console, (Problem("", found, cure),))
        sys.exit(DataError.exit_code)
    if console.verbose:
        trace = "".join(traceback.format_exception(error))
        console.err.print(Text(printable(trace, keep_newlines=True)))
    cause = message_text(f"{type(error).__name__}: {error}".strip())
    console.err.print(Text.assemble(("error: ", "red"), f"unexpected: {cause}"))
    if not console.verbose:
        console.err.print(
            "       this is a bug of the program; run again with -v and report the output"
        )
    sys.exit(EXIT_UNEXPECTED)


_gc_deferred = False


def defer_gc() -> None:
    """Disables garbage collection until `resume_gc`, for a process that runs one command.

    Imports leave half a million objects that are never freed; traversing them repeatedly, and again
    at exit, takes a third of the time of a short command.
    """
    global _gc_deferred
    atexit.register(gc.freeze)
    _gc_deferred |= gc.isenabled()
    gc.disable()


def resume_gc() -> None:
    """Enables garbage collection of objects created from now on, if `defer_gc` disabled it."""
    global _gc_deferred
    if _gc_deferred:
        gc.freeze()
        gc.enable()
    _gc_deferred = False
