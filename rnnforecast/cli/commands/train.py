"""`rnnforecast train`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import Voice
from rnnforecast.cli.error_handling import stoppable, told
from rnnforecast.cli.garbage import imported
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
    voice = Voice(quiet=quiet, verbose=verbose)
    with told(voice):
        from rnnforecast.pipeline.load_spec import load_spec

        load_spec(spec, set_ or [])  # a wrong spec is told before anything heavy is loaded
        from rnnforecast.batch.lock import only_writer
        from rnnforecast.training.distributed import joined
        from rnnforecast.workflow.train import train as run

        imported()

        folder = out or Path("runs") / spec.stem
        with joined() as team:
            voice.quiet |= not team.leads
            alone = only_writer(folder) if team.leads else nullcontext()
            with alone, stoppable(voice) as asked_to_stop:
                trained = run(
                    spec,
                    folder,
                    overrides=set_ or [],
                    resume=resume,
                    listener=voice,
                    should_stop=asked_to_stop,
                    distributed=team,
                )
        if not team.leads:
            return
        voice.close()
        if json:
            voice.json({**asdict(trained), "folder": str(trained.folder)})
        else:
            voice.scores(trained.ours, trained.seasonal_naive, trained.baseline)
        if trained.interrupted:
            voice.warn(f"stopped early: the best weights so far are in {folder}; --resume goes on")
        voice.say(f"run written to {folder}; next: rnnforecast predict {folder}")
