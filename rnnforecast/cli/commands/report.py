"""The command `rnnforecast report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Force, Json, Quiet, Verbose, Wait, data_option, out_option


def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The folder that train, predict or backtest wrote."),
    ],
    out: Annotated[
        Path | None,
        out_option("The page; report.html in FOLDER if not given.", "FILE"),
    ] = None,
    data: Annotated[
        list[str] | None,
        data_option("The data, if they lie elsewhere now; for the histories of the series."),
    ] = None,
    wait: Wait = 0.0,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a page about a run, a forecast or a backtest."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.workflow.report import report as run_report

        resume_gc()

        with output_lock(out or folder, "report", wait, on_wait=console.info):
            result = run_report(folder, out, data=data, force=force, listener=console)
        if json:
            console.print_json(asdict(result))
        for line in (*result.headlines, *result.statements):
            console.info(line)
        console.info(f"{result.series:,} series, written to {result.out}")
