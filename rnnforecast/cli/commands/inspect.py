"""The command `rnnforecast inspect`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    Force,
    Json,
    Quiet,
    RunFolder,
    Verbose,
    Wait,
    data_option,
    out_option,
)


def inspect(
    run: RunFolder,
    series: Annotated[
        str | None,
        typer.Option(
            "--series",
            metavar="LABEL",
            help="The series to inspect; the first one plotted at training if not given.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="NAME", help="The target; the first one if not given."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="TIMESTAMP",
            help="The last timestamp the network reads; one horizon before the end if not given.",
        ),
    ] = None,
    member: Annotated[
        int,
        typer.Option("--member", min=1, metavar="N", help="Which network of an ensemble."),
    ] = 1,
    data: Annotated[
        list[str] | None,
        data_option("Other data than the spec's own files, as for predict."),
    ] = None,
    out: Annotated[
        Path | None,
        out_option("The folder to write; inspections/NAME-OF-RUN if not given."),
    ] = None,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plot what a network does and what its forecast depends on."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.pipeline.run_versions import run_name
        from rnnforecast.workflow.inspect import inspect as run_inspect
        from rnnforecast.workflow.inspect_selection import InspectRequest

        resume_gc()

        target_folder = out or Path("inspections") / run_name(run)
        request = InspectRequest(series=series, target=target, origin=origin, member=member)
        with output_lock(target_folder, "inspect", wait, on_wait=console.info):
            result = run_inspect(
                run, target_folder, request=request, data=data, force=force, listener=console
            )
        if json:
            console.print_json(asdict(result))
        for finding in result.findings.values():
            console.info(f"{finding}.")
        console.info(f"{result.series}, known up to {result.origin}: {result.out}/inspect.html")
