"""The command `rnnforecast rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnforecast.cli.console import require_stdout
from rnnforecast.cli.error_handling import open_console
from rnnforecast.cli.options import Json, Quiet, RunFolder, Verbose, Wait

if TYPE_CHECKING:
    from rnnforecast.pipeline.run_versions import RunVersion


def rollback(
    run: RunFolder,
    version: Annotated[
        str | None,
        typer.Argument(help="The version; the one before the latest if not given."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the versions, and change nothing.")
    ] = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put an earlier version of a run into use."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.pipeline.run_versions import check_store, list_versions
        from rnnforecast.pipeline.run_versions import rollback as roll_back

        if json:
            require_stdout()
        check_store(run)  # before a lock makes folders
        if list_:
            found = list_versions(run)
            if json:
                console.print_json({"versions": [_to_json(each) for each in found]})
            else:
                for each in found:
                    console.out.print(each.describe(), highlight=False)
            return
        with output_lock(run, "rollback", wait, on_wait=console.info):
            chosen = roll_back(run, version)
        if json:
            console.print_json(_to_json(chosen))
        console.info(f"{run} is now {chosen.name}")


def _to_json(version: RunVersion) -> dict[str, Any]:
    return {
        "version": version.name,
        "folder": str(version.path),
        "trained_at": version.trained_at.isoformat(),
        "latest": version.is_latest,
        "candidate": version.is_candidate,
    }
