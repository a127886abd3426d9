"""The command `rnnforecast tune`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.batch.stop_signal import stop_on_signal
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    Overrides,
    Quiet,
    SpecFile,
    Verbose,
    Workers,
    out_option,
)
from rnnforecast.cli.tuning_scores import tuning_table
from rnnforecast.parallel.engine import LOCAL, open_engine


def tune(
    spec: SpecFile,
    set_: Overrides = None,
    out: Annotated[
        Path | None,
        out_option("The folder of the results; tuning/NAME-OF-SPEC if not given."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="Set search.trials.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Set search.minutes.")
    ] = None,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search for better values of keys of the spec.

    The section search says which keys, and how; without it usual ones are varied. The best spec is
    compared with the given one on windows that the search never saw. A search that was stopped or
    killed is continued by the same command; several commands may share one search.
    """
    given = {"trials": trials, "minutes": minutes}
    overrides = [*(set_ or [])]
    overrides += [f"search.{name}={value:g}" for name, value in given.items() if value is not None]
    with open_console(spec, overrides, quiet=quiet, verbose=verbose) as console:
        from rnnforecast.spec.load import read_spec

        read_spec(spec, overrides)  # a wrong spec is reported before anything heavy is imported
        from rnnforecast.workflow.tune import tune as run_tune

        resume_gc()
        folder = out or Path("tuning") / spec.stem
        with stop_on_signal(console) as should_stop:
            tuned = run_tune(
                spec,
                folder,
                overrides=overrides,
                force=force,
                engine=open_engine(engine, workers),
                listener=console,
                should_stop=should_stop,
            )
        console.close()
        if json:
            console.print_json({**asdict(tuned), "folder": str(tuned.folder)})
        elif not quiet and not tuned.interrupted:
            console.print_table(tuning_table(tuned))
        if tuned.interrupted:
            kept = f"{sum(tuned.trials.values())} trials are kept"
            raise should_stop.stopped(f"{kept}; the same command goes on from here")
        console.info(tuned.conclusion)
        if tuned.warning is not None:
            console.warning(tuned.warning)
        console.info(f"results in {folder}; next: rnnforecast train {folder / 'best.yaml'}")
