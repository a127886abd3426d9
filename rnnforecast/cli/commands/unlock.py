"""The command `rnnforecast unlock`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console
from rnnforecast.cli.options import Quiet, Verbose


def unlock(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The run or output that is locked.")],
    force: Annotated[
        bool, typer.Option("--force", help="Remove the lock of a process on another host too.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Remove the lock that a process which has ended left on a run or an output.

    The next command that writes takes such a lock by itself; only on network disks without locks,
    where another host may hold it, this may be needed.
    """
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import remove_stale_lock

        holder = remove_stale_lock(path, force=force)
        if holder is None:
            console.info(f"{path} is not locked")
        else:
            console.info(f"{path}: removed the lock of {holder}")
