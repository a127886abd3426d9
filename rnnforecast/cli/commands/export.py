"""`rnnforecast export`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Json, Quiet


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder that train wrote.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="As ONNX; there is no other form yet.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="FOLDER", help="A folder; exports/NAME-OF-RUN if not given."
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option("--member", metavar="N", help="Of several networks the N-th alone."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the network to run without torch, checked against it, with a page on its inputs."""
    voice = ConsoleListener(quiet=quiet)
    with handle_errors(voice):
        from rnnforecast.errors import Problem, UsageError
        from rnnforecast.workflow.export import export as write

        resume_gc()

        if not onnx:
            raise UsageError(Problem("", "the form is not given", "add --onnx"))
        target = out or str(Path("exports") / run.resolve().name)
        done = write(run, target, member=member, listener=voice)
        if json:
            voice.print_json(asdict(done))
        source = "of the data" if done.from_data else "made up"
        voice.info(
            f"{', '.join(done.files)} written to {done.out}; on {done.windows} windows {source} "
            f"within {done.max_difference:.1e} of the network"
        )
