"""The typer application of `rnnforecast`, without heavy imports."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.batch.stop_signal import raise_on_signal
from rnnforecast.cli.commands.backtest import backtest
from rnnforecast.cli.commands.calibrate import calibrate
from rnnforecast.cli.commands.check import check
from rnnforecast.cli.commands.compare import compare
from rnnforecast.cli.commands.cron import cron
from rnnforecast.cli.commands.demo import demo
from rnnforecast.cli.commands.doctor import doctor
from rnnforecast.cli.commands.export import export
from rnnforecast.cli.commands.init import init
from rnnforecast.cli.commands.inspect import inspect
from rnnforecast.cli.commands.models import models
from rnnforecast.cli.commands.predict import predict
from rnnforecast.cli.commands.report import report
from rnnforecast.cli.commands.rollback import rollback
from rnnforecast.cli.commands.run import run
from rnnforecast.cli.commands.schema import schema
from rnnforecast.cli.commands.score import score
from rnnforecast.cli.commands.train import train
from rnnforecast.cli.commands.tune import tune
from rnnforecast.cli.commands.unlock import unlock
from rnnforecast.cli.error_handling import defer_gc, open_console
from rnnforecast.cli.streams import prepare_standard_streams
from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.threads import set_environment

app = typer.Typer(
    name="rnnforecast",
    help="Train recurrent forecasters from one YAML spec: a CSV in, forecasts with intervals out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if not value:
        return
    from rnnforecast import __version__
    from rnnforecast.parallel.cores import count_cores
    from rnnforecast.training import device

    typer.echo(f"rnnforecast {__version__}, {device.describe_torch()}, {count_cores()}")
    raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the versions, the device and the cores, and exit.",
        ),
    ] = False,
) -> None:
    """Options before the command."""


for command in (
    init,
    check,
    train,
    backtest,
    tune,
    compare,
    predict,
    run,
    cron,
    score,
    doctor,
    calibrate,
    rollback,
    report,
    inspect,
    export,
    demo,
    models,
    schema,
    unlock,
):
    app.command()(command)

app.info.epilog = (
    "Exit codes: 0 done, 1 unexpected, 2 wrong use, 3 bad spec, 4 unusable data, 5 training "
    "diverged, 6 part of the series failed, 7 stale or implausible data, 8 worse than a baseline "
    "(by request), 75 another process holds the lock, 130 Ctrl-C, 143 SIGTERM."
)


def _check_working_folder() -> None:
    """Raises UsageError if the working folder was deleted: relative names have no meaning then."""
    try:
        Path.cwd()
    except OSError as error:
        found = f"cannot be used: {error.strerror}"
        raise UsageError(Problem("the working folder", found, "change to another folder")) from None


def main() -> None:
    """The entry point of the console script."""
    # pydantic's search for plugins takes longer than checking a spec
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    set_environment()
    prepare_standard_streams()
    raise_on_signal()
    defer_gc()
    # commands handle their own errors; left are those of a stdout that takes no help text
    with open_console():
        try:
            _check_working_folder()
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
