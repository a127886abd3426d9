"""`rnnforecast init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import Voice
from rnnforecast.cli.error_handling import told
from rnnforecast.cli.garbage import imported
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
    voice = Voice(quiet=quiet, verbose=verbose)
    with told(voice):
        from rnnforecast.workflow.init import init as draft

        imported()

        for line in draft(data, out, overrides=set_ or [], overwrite=force).findings:
            voice.say(line)
        voice.say(f"spec written to {out}; next: rnnforecast check {out}")
