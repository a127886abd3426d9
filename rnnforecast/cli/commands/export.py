"""The command `rnnforecast export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Force, Json, Quiet, RunFolder, Wait, out_option


def export(
    run: RunFolder,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="The format; there is no other yet.")
    ] = False,
    out: Annotated[
        str | None,
        out_option("A folder; exports/NAME-OF-RUN if not given."),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option("--member", metavar="N", help="The N-th network of an ensemble only."),
    ] = None,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the network as ONNX, to run without torch."""
    with open_console(quiet=quiet) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.errors import Problem, UsageError
        from rnnforecast.pipeline.run_versions import run_name
        from rnnforecast.workflow.export import export as run_export

        resume_gc()

        if not onnx:
            raise UsageError(Problem("", "the format is not given", "add --onnx"))
        if out == "":
            raise UsageError(Problem("-o", "the name is empty", "give a folder"))
        target = out or str(Path("exports") / run_name(run))
        with output_lock(target, "export", wait, on_wait=console.info):
            exported = run_export(run, target, member=member, force=force, listener=console)
        if json:
            console.print_json(asdict(exported))
        source = "of the data" if exported.from_data else "of random numbers"
        console.info(
            f"{', '.join(exported.files)} written to {exported.out}; on {exported.windows} windows"
            f" {source} within {exported.max_difference:.1e} of the network"
        )
