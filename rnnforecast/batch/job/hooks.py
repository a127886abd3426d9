"""Hooks of a job: commands that are started at its end."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO

from rnnforecast.batch.job.summary import JobSummary, Status
from rnnforecast.parallel.threads import user_environment
from rnnforecast.spec.job import HooksSpec

HOOKS: dict[Status, str] = {"ok": "on_success", "warning": "on_warning", "failed": "on_failure"}
"""The key of the command, by the status of the run."""

MAX_OUTPUT = 2000
"""Characters of a command's output that a message has."""


def run_hook(hooks: HooksSpec, summary: JobSummary, folder: Path) -> str | None:
    """Starts the command for the status of a run; returns what went wrong, None if nothing did.

    The command runs in `folder` without a shell. It reads the summary from its standard input, and
    has its main parts in its environment. After the timeout it is ended, with all that it started.
    """
    key = HOOKS[summary.status]
    arguments = _words(hooks, key)
    if arguments is None or isinstance(arguments, str):
        return arguments
    problem = _run(arguments, summary, folder, hooks.timeout)
    return None if problem is None else f"hooks.{key} ({arguments[0]}) {problem}"


def find_command_problem(hooks: HooksSpec, key: str, folder: Path) -> str | None:
    """Why the command under `key` cannot be started in `folder`; None if it can, or there is
    none."""
    arguments = _words(hooks, key)
    if arguments is None or isinstance(arguments, str):
        return arguments
    program = arguments[0]
    # a path counts from the folder of the job, a name is looked up
    given = str(folder / program) if os.path.dirname(program) else program  # noqa: PTH120
    return None if shutil.which(given) else f"hooks.{key}: there is no program {program}"


def _words(hooks: HooksSpec, key: str) -> list[str] | str | None:
    """The words of a command, as text what is wrong with it, or None if there is none."""
    command: str | tuple[str, ...] = getattr(hooks, key)
    if command == "none":
        return None
    try:
        arguments = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        return f"hooks.{key} cannot be split into words: {error}"
    return arguments or f"hooks.{key} is empty"


def hook_environment(summary: JobSummary) -> dict[str, str]:
    """The variables that a command finds besides those of the job."""
    return {
        "RNNFORECAST_JOB": summary.job,
        "RNNFORECAST_RUN_ID": summary.run_id,
        "RNNFORECAST_STATUS": summary.status,
        "RNNFORECAST_EXIT_CODE": str(summary.exit_code),
        "RNNFORECAST_MESSAGE": summary.message.replace("\0", ""),
    }


def _run(arguments: list[str], summary: JobSummary, folder: Path, timeout: timedelta) -> str | None:
    """Runs a command to its end; returns what went wrong."""
    try:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=user_environment() | hook_environment(summary),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be started: {getattr(error, 'strerror', None) or error}"
    text = (summary.to_line() + "\n").encode("utf-8", "backslashreplace")
    output = bytearray()
    threads = [
        threading.Thread(target=_write_all, args=(process.stdin, text), daemon=True),
        threading.Thread(target=_read_end, args=(process.stdout, output), daemon=True),
    ]
    deadline = time.monotonic() + timeout.total_seconds()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    try:
        process.wait(max(deadline - time.monotonic(), 0))
        is_late = any(thread.is_alive() for thread in threads)
    except subprocess.TimeoutExpired:
        is_late = True
    if is_late:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        return f"was ended after {timeout.total_seconds():g} s"
    if process.returncode == 0:
        return None
    shown = output.decode("utf-8", "replace").strip()[-MAX_OUTPUT:]
    how = f"ended with {process.returncode}"
    return f"{how}: {shown}" if shown else how


def _write_all(stream: IO[bytes], data: bytes) -> None:
    """Writes to the standard input of a command, which need not read it, and closes it."""
    with suppress(OSError), stream:
        while data:
            data = data[stream.write(data) :]


def _read_end(stream: IO[bytes], output: bytearray) -> None:
    """Reads the output of a command; its last bytes stay in `output`, however long it is."""
    with suppress(OSError), stream:
        while part := stream.read(1 << 16):
            output += part
            del output[: -4 * MAX_OUTPUT]
