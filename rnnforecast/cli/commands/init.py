"""The command `rnnforecast init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Overrides, Quiet, Verbose, out_option


def init(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A data file, a folder, a pattern or a URL.")
    ],
    out: Annotated[Path, out_option("The spec to write.", "SPEC")] = Path("spec.yaml"),
    set_: Overrides = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a spec that exists.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a commented spec for a data file."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        console.has_spec = False
        from rnnforecast.spec.load import spec_for_data

        spec_for_data(data, set_ or [])  # a wrong key is reported before anything heavy is imported
        from rnnforecast.workflow.init import init as run_init

        resume_gc()

        result = run_init(data, out, overrides=set_ or [], overwrite=force)
        for line in result.findings:
            console.info(line)
        option = " --partitions" if result.by_partitions else ""
        console.info(f"spec written to {out}")
        console.info(f"a forecast at once, without a training: rnnforecast predict {out}")
        console.info(f"for networks trained on these data, next: rnnforecast check {out}{option}")
