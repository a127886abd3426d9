"""`rnnforecast init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Overrides, Quiet, Verbose


def init(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A CSV or Parquet file, a folder or a pattern.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="SPEC", help="The spec to write.")
    ] = Path("spec.yaml"),
    set_: Overrides = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a spec that exists.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look into a file and write a commented spec that trains as it stands."""
    voice = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(voice):
        from rnnforecast.workflow.init import init as draft

        resume_gc()

        for line in draft(data, out, overrides=set_ or [], overwrite=force).findings:
            voice.info(line)
        voice.info(f"spec written to {out}; next: rnnforecast check {out}")
