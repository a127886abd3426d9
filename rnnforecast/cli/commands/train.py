"""`rnnforecast train`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors, stop_on_signal
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Json, Overrides, Quiet, SpecFile, Verbose


def train(
    spec: SpecFile,
    set_: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="RUN",
            help="The run folder to write; runs/NAME-OF-SPEC if not given.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training that was stopped.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train what a spec describes, score it on the held-out last horizon, write a run folder.

    Ctrl-C or SIGTERM keeps the best weights so far; go on later with --resume.
    """
    voice = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(voice):
        from rnnforecast.spec.load import read_spec

        read_spec(spec, set_ or [])  # before anything heavy is imported
        from rnnforecast.batch.lock import run_folder_lock
        from rnnforecast.training.distributed import distributed_context
        from rnnforecast.workflow.train import train as run

        resume_gc()

        folder = out or Path("runs") / spec.stem
        with distributed_context() as team:
            voice.quiet |= not team.is_main
            alone = run_folder_lock(folder) if team.is_main else nullcontext()
            with alone, stop_on_signal(voice) as asked_to_stop:
                trained = run(
                    spec,
                    folder,
                    overrides=set_ or [],
                    resume=resume,
                    listener=voice,
                    should_stop=asked_to_stop,
                    distributed=team,
                )
        if not team.is_main:
            return
        voice.close()
        if json:
            voice.print_json({**asdict(trained), "folder": str(trained.folder)})
        else:
            voice.print_scores(
                trained.model_metrics, trained.baseline_metrics, trained.baseline_name
            )
        if trained.interrupted:
            voice.warning(
                f"stopped early: the best weights so far are in {folder}; --resume goes on"
            )
        voice.info(f"run written to {folder}; next: rnnforecast predict {folder}")
