"""The command `rnnforecast train`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.batch.stop_signal import stop_on_signal
from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors, resume_gc
from rnnforecast.cli.options import (
    Force,
    Json,
    Overrides,
    Quiet,
    SpecFile,
    Verbose,
    Wait,
    out_option,
)


def train(
    spec: SpecFile,
    set_: Overrides = None,
    out: Annotated[
        Path | None,
        out_option("The run folder to write; runs/NAME-OF-SPEC if not given.", "RUN"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training.")
    ] = False,
    versions: Annotated[
        bool,
        typer.Option(
            "--versions", help="Keep earlier trainings: RUN holds dated runs, and latest."
        ),
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, metavar="N", help="Keep the last N versions."),
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option("--keep-days", min=0, metavar="D", help="Keep the versions of D days."),
    ] = None,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a forecaster and write a run folder.

    The forecaster is scored on the held-out last horizon. Ctrl-C or SIGTERM stops with the best
    weights so far; continue later with --resume.
    """
    console = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(console, spec, set_):
        from rnnforecast.spec.load import read_spec

        read_spec(spec, set_ or [])  # a wrong spec is reported before anything heavy is imported
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.pipeline.run_versions import is_store
        from rnnforecast.training.distributed import distributed_context
        from rnnforecast.workflow.train import train as run_train
        from rnnforecast.workflow.train_versions import Retention, train_version

        resume_gc()

        folder = out or Path("runs") / spec.stem
        with distributed_context() as distributed:
            console.quiet |= not distributed.is_main
            lock = (
                output_lock(folder, "train", wait, on_wait=console.info)
                if distributed.is_main
                else nullcontext()
            )
            with lock, stop_on_signal(console) as should_stop:
                train_it = run_train
                if versions or keep is not None or keep_days is not None or is_store(folder):
                    train_it = partial(
                        train_version,
                        now=datetime.now(UTC),
                        retention=Retention(keep, keep_days),
                    )
                trained = train_it(
                    spec,
                    folder,
                    overrides=set_ or [],
                    resume=resume,
                    force=force,
                    listener=console,
                    should_stop=should_stop,
                    distributed=distributed,
                )
        if not distributed.is_main:
            return
        console.close()
        if json:
            console.print_json({**asdict(trained), "folder": str(trained.folder)})
        else:
            console.print_scores(trained)
        if trained.interrupted:
            console.warning(
                f"interrupted: the best weights so far are in {folder}; continue with --resume"
            )
        loss = f"; it does not beat {trained.baseline_name}" if trained.is_beaten else ""
        console.info(f"run written to {trained.folder}{loss}; next: rnnforecast predict {folder}")
