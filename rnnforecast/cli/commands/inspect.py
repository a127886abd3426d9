"""`rnnforecast inspect`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Json, Quiet, Verbose


def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder that train wrote.")],
    series: Annotated[
        str | None,
        typer.Option(
            "--series",
            metavar="LABEL",
            help="The series to look at; the first one plotted at training if not given.",
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
            metavar="STAMP",
            help="The last stamp the forecast knows; one horizon before the end if not given.",
        ),
    ] = None,
    member: Annotated[
        int,
        typer.Option("--member", min=1, metavar="N", help="Which network of an ensemble."),
    ] = 1,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="FILE", help="Other data than the spec's own files, as for predict."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FOLDER",
            help="The folder to write; inspections/NAME-OF-RUN if not given.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look inside a network: its units and gates, its memory, and what the forecast hangs on."""
    voice = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(voice):
        from rnnforecast.workflow.inspect import inspect as look
        from rnnforecast.workflow.inspect_selection import InspectRequest

        resume_gc()

        target_folder = out or Path("inspections") / run.resolve().name
        asked = InspectRequest(series=series, target=target, origin=origin, member=member)
        looked = look(run, target_folder, request=asked, data=data, listener=voice)
        if json:
            voice.print_json(asdict(looked))
        for finding in looked.findings.values():
            voice.info(f"{finding}.")
        voice.info(f"{looked.series}, known up to {looked.origin}: {looked.out}/inspect.html")
