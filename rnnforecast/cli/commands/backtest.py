"""The command `rnnforecast backtest`."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    Overrides,
    Quiet,
    Verbose,
    Wait,
    Workers,
    data_option,
    out_option,
)
from rnnforecast.errors import Problem, Stopped, UsageError
from rnnforecast.parallel.engine import LOCAL, open_engine

OPTIONS = {"first_time": "--from", "last_time": "--until"}
"""Of keys with another name on the command line."""


def backtest(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC|RUN", help="The YAML spec, or the run folder that train wrote."
        ),
    ],
    windows: Annotated[
        int | None, typer.Option("--windows", min=1, metavar="N", help="The number of windows.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--step", min=1, metavar="N", help="Steps from one window to the next."),
    ] = None,
    first_time: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="The first time that is forecast."),
    ] = None,
    last_time: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="The last time that is forecast."),
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(
            "--gap", min=0, metavar="N", help="Steps between the last known value and the first."
        ),
    ] = None,
    refit: Annotated[
        str | None,
        typer.Option(
            "--refit",
            metavar="WHEN",
            help="Train before the first window (never), before each (always), or every N-th.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COLUMN", help="List scores by this column, too."),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            metavar="NAMES",
            help="Further baselines, such as auto_ets,auto_arima,mstl of statsforecast.",
        ),
    ] = None,
    set_: Overrides = None,
    data: Annotated[
        list[str] | None,
        data_option("For a run: data to read instead of the files of its spec."),
    ] = None,
    out: Annotated[
        Path | None,
        out_option("The folder to write; backtests/NAME if not given."),
    ] = None,
    fail_if_worse_than: Annotated[
        str | None,
        typer.Option(
            "--fail-if-worse-than",
            metavar="NAME",
            help="Exit with 8 if the error is larger than that of this baseline.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html into the folder.")
    ] = True,
    force: Force = False,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Forecast from past origins and score the forecasts beside baselines.

    A spec is trained on the data before the first window; a run forecasts with its networks as they
    are. A backtest that was stopped goes on when it is called again.
    """
    given = {
        "windows": windows,
        "step": step,
        "first_time": first_time,
        "last_time": last_time,
        "gap": gap,
        "refit": refit,
        "group": group,
        "baselines": baselines,
    }
    empty = [key for key, value in given.items() if value == ""]
    overrides = [f"backtest.{key}={value}" for key, value in given.items() if value is not None]
    overrides = [*(set_ or []), *overrides]
    is_run = source.is_dir()
    spec = None if is_run else source
    with open_console(spec, overrides, quiet=quiet, verbose=verbose) as console:
        if empty:  # of a shell variable that is not set
            raise UsageError(
                *(Problem(OPTIONS.get(key, f"--{key}"), "the value is empty") for key in empty)
            )
        if not is_run:
            from rnnforecast.spec.load import read_spec

            read_spec(source, overrides)  # before anything heavy is imported
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.batch.stop_signal import stop_on_signal
        from rnnforecast.cli.backtest_scores import print_backtest
        from rnnforecast.pipeline.run_versions import run_name
        from rnnforecast.workflow.backtest import backtest as run_backtest

        resume_gc()
        if data and not is_run:
            found = "a spec names its data itself"
            raise UsageError(Problem("--data", found, "give --set data.path=FILE"))
        name = run_name(source) if is_run else source.stem
        folder = out or Path("backtests") / name
        try:
            with (
                output_lock(folder, "backtest", wait, on_wait=console.info),
                stop_on_signal(console) as should_stop,
            ):
                result = run_backtest(
                    source,
                    folder,
                    overrides=overrides,
                    data=data,
                    report=report,
                    compared_to=fail_if_worse_than,
                    force=force,
                    engine=open_engine(engine, workers),
                    listener=console,
                    should_stop=should_stop,
                )
        except KeyboardInterrupt as error:
            from rnnforecast.workflow.backtest_tasks import GOES_ON

            raise Stopped(GOES_ON, getattr(error, "number", signal.SIGINT)) from None
        console.close()
        if json:
            console.print_json({**asdict(result), "folder": str(folder)})
        else:
            print_backtest(console, result)
        console.info(f"backtest written to {folder}")
        if fail_if_worse_than is not None:
            result.check_not_worse_than(fail_if_worse_than)
