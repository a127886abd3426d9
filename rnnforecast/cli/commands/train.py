"""The command `rnnforecast train`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rnnforecast.batch.stop_signal import SAVING, stop_on_signal
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    LedgerLocation,
    Now,
    Overrides,
    Quiet,
    SpecFile,
    Verbose,
    Wait,
    Workers,
    out_option,
)
from rnnforecast.cli.promotion import (
    FailIfNotPromoted,
    Margin,
    MaxAge,
    PromoteIf,
    check_promoted,
    promotion_rule,
    promotion_to_json,
)
from rnnforecast.parallel.engine import LOCAL, open_engine


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
    keep_interrupted: Annotated[
        bool,
        typer.Option(
            "--keep-interrupted", help="If stopped, write the run with the best weights so far."
        ),
    ] = False,
    force: Force = False,
    wait: Wait = 0.0,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    promote_if: PromoteIf = None,
    margin: Margin = None,
    max_age: MaxAge = None,
    fail_if_not_promoted: FailIfNotPromoted = False,
    ledger: LedgerLocation = None,
    now: Now = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a forecaster and write a run folder.

    The forecaster is scored on the held-out last horizon. Ctrl-C or SIGTERM saves the state of the
    training, to be continued with --resume, and leaves an earlier run as it is. With --promote-if,
    RUN holds dated versions, and a new model that is not better than the current one is kept aside.
    """
    with open_console(spec, set_, quiet=quiet, verbose=verbose) as console:
        from rnnforecast.spec.load import read_spec

        rule = promotion_rule(promote_if, margin, max_age, ledger, fails=fail_if_not_promoted)
        read_spec(spec, set_ or [])  # a wrong spec is reported before anything heavy is imported
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.pipeline.run_versions import is_store
        from rnnforecast.training.distributed import distributed_context
        from rnnforecast.workflow.train import train as run_train
        from rnnforecast.workflow.train_versions import Retention, TrainRequest, train_version

        resume_gc()

        folder = out or Path("runs") / spec.stem
        request = TrainRequest(
            spec, set_ or [], resume, keep_interrupted, force, Retention(keep, keep_days)
        )
        result = "finishing with the best weights so far" if keep_interrupted else SAVING
        with distributed_context() as distributed:
            console.quiet |= not distributed.is_main
            lock = (
                output_lock(folder, "train", wait, on_wait=console.info)
                if distributed.is_main
                else nullcontext()
            )
            with lock, stop_on_signal(console, result=result) as should_stop:
                options: dict[str, Any] = {
                    "now": now or datetime.now(UTC),
                    "listener": console,
                    "should_stop": should_stop,
                    "distributed": distributed,
                    "engine": open_engine(engine, workers),
                }
                promotion = None
                if rule is not None:
                    from rnnforecast.batch.promotion.candidate import train_candidate

                    promotion = train_candidate(request, folder, rule, ledger=ledger, **options)
                    trained = promotion.trained
                elif versions or request.retention.is_limited or is_store(folder):
                    trained = train_version(request, folder, **options)
                else:
                    options |= {"overrides": request.overrides, "resume": resume}
                    options |= {"keep_interrupted": keep_interrupted, "force": force}
                    trained = run_train(spec, folder, **options)
        if not distributed.is_main:
            return
        console.close()
        if json:
            shown = {**asdict(trained), "folder": str(trained.folder)}
            if promotion is not None:
                shown["promotion"] = promotion_to_json(promotion)
            console.print_json(shown)
        else:
            console.print_scores(trained)
        if trained.interrupted:
            text = f"the best weights so far are in {trained.folder}; continue with --resume"
            raise should_stop.stopped(text)
        if should_stop():
            console.warning("the training was complete when the signal came: the run is written")
        if promotion is not None:
            console.info(promotion.summary())
            if fail_if_not_promoted:
                check_promoted(promotion)
            return
        loss = f"; it does not beat {trained.baseline_name}" if trained.is_beaten else ""
        option = ""
        if trained.sampled_from is not None:
            from rnnforecast.data.io.partitions import has_partitions

            source = read_spec(spec, set_ or []).data.source_paths(spec)
            option = " --partitions" if has_partitions(source) else ""
        command = f"rnnforecast predict {folder}{option}"
        console.info(f"run written to {trained.folder}{loss}; next: {command}")
