"""The command `rnnforecast predict`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnforecast.cli.console import require_stdout
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    LedgerLocation,
    Now,
    Overrides,
    Quiet,
    Verbose,
    Wait,
    Workers,
    data_option,
    out_option,
)
from rnnforecast.errors import Problem, StaleInput, UsageError
from rnnforecast.parallel.engine import LOCAL, open_engine

if TYPE_CHECKING:
    from rnnforecast.workflow.predict_output import PredictResult
    from rnnforecast.workflow.predict_subject import UntrainedSubject


def predict(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN|DATA|SPEC",
            help="The run folder that train wrote; or, for a forecast without a training, "
            "data (file, folder, pattern, URL, or - for stdin) or a spec (.yaml).",
        ),
    ],
    data: Annotated[
        list[str] | None,
        data_option(
            "New data to forecast from (file, folder, pattern, URL, or - for stdin), for RUN and "
            "SPEC; the spec's own files, as they are now, if not given."
        ),
    ] = None,
    out: Annotated[
        str | None,
        out_option(
            "A folder, a .csv or .parquet file, the URL of one or of a table of a database "
            "(...?table=NAME), or - for stdout; "
            "forecasts/NAME-OF-RUN (or of the data) if not given.",
            "OUT",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon",
            min=1,
            metavar="N",
            help="Steps ahead; if not given as trained, as in SPEC, or what is usual for DATA.",
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="TIME",
            help="The first time to forecast, from what was known before it; "
            "the end of each series if not given.",
        ),
    ] = None,
    total: Annotated[
        list[int] | None,
        typer.Option(
            "--total",
            min=1,
            metavar="N",
            help="Forecast the total of the first N steps too; may be given several times.",
        ),
    ] = None,
    paths: Annotated[
        int | None,
        typer.Option("--paths", min=0, metavar="N", help="Write N sample paths a series too."),
    ] = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw plots.")] = True,
    report: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Write report.html into the folder OUT."),
    ] = True,
    partitions: Annotated[
        bool,
        typer.Option(
            "--partitions",
            help="Read the data, Parquet files (a folder, a pattern or one file) with whole series "
            "each, file by file, and write a file for each into the folder OUT: memory is that of "
            "a file for each of --workers. Plots and report are not made. For RUN alone.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="With --partitions: go on from the partitions that an earlier call has finished.",
        ),
    ] = False,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    set_: Overrides = None,
    now: Now = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Publish nothing if a check finds anything; exit code 7."),
    ] = False,
    ledger: LedgerLocation = None,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Forecast every series from its end, or from an earlier time; with a run or without."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.workflow.predict_subject import find_subject

        found = find_subject(subject, data=data, horizon=horizon, overrides=set_ or ())
        from rnnforecast.batch.issue import IssuedForecast, issue_forecast
        from rnnforecast.batch.issue_partitions import IssuedParts, issue_partitions
        from rnnforecast.pipeline.checks.run_checks import CheckOptions
        from rnnforecast.pipeline.run_versions import run_name
        from rnnforecast.workflow.predict_request import ForecastRequest
        from rnnforecast.workflow.predict_totals import ExtraTablesRequest

        resume_gc()

        if out == "":
            raise UsageError(Problem("-o", "the name is empty", "give a file, a folder or -"))
        run = found if isinstance(found, Path) else None
        console.has_spec = isinstance(found, Path) or found.spec_file is not None
        target = out or f"forecasts/{found.name if run is None else run_name(run)}/"
        _check_options(found, target, json=json, partitions=partitions, resume=resume)
        tables = ExtraTablesRequest(None if total is None else tuple(total), paths)
        checks = CheckOptions(strict=strict) if now is None else CheckOptions(now, strict)
        runner = open_engine(engine, workers)
        request = ForecastRequest(horizon, origin, tables, checks, engine=runner, listener=console)
        options: dict[str, Any] = {
            "ledger": ledger,
            "data": data,
            "overrides": set_ or (),
            "force": force,
            "wait": wait,
        }
        issued: IssuedParts | IssuedForecast
        try:
            if partitions and run is not None:
                issued = issue_partitions(run, target, request, resume=resume, **options)
            else:
                options |= {"plots": plots, "report": report}
                options["keeps_others"] = out is None and not force
                issued = issue_forecast(found, target, request, **options)
        except StaleInput as error:
            if json:
                console.print_json({"warnings": error.findings})
            raise
        issued.check_complete()
        if json:
            console.print_json(asdict(issued.result))
        for line in _result_lines(found, target, issued.result):
            console.info(line)


def _check_options(
    found: Path | UntrainedSubject, target: str, *, json: bool, partitions: bool, resume: bool
) -> None:
    """UsageError for options that do not go together; OutputError if stdout is closed."""
    if json and target == "-":
        lack = "both the forecast and the summary would go to stdout"
        raise UsageError(Problem("--json", lack, "give -o a file"))
    if json or target == "-":
        require_stdout()
    if resume and not partitions:
        lack = "--resume belongs to --partitions"
        raise UsageError(Problem("predict", lack, "add it, or leave it out"))
    if partitions and not isinstance(found, Path):
        lack = "file by file a run forecasts, which has decided how every file is read"
        cure = f"leave it out, or train a run: {found.training_commands()}"
        raise UsageError(Problem("--partitions", lack, cure))


def _result_lines(
    found: Path | UntrainedSubject, target: str, result: PredictResult
) -> Iterator[str]:
    """What was forecast and where it is; without a run, how to train one."""
    from rnnforecast.data.panel.panel import describe_size

    size = describe_size(result.series, result.targets)
    span = f"{result.first_timestamp} to {result.last_timestamp}"
    where = "" if target == "-" else f", written to {result.out}"
    plots = f", with {result.plots} plot{'s' * (result.plots > 1)}" if result.plots else ""
    yield f"{size} × {result.horizon} steps, {span}{where}{plots}"
    codes = {error.code for error in result.series_errors}
    if not isinstance(found, Path) and "unreadable_cell" not in codes:  # else init fails
        yield f"for networks trained on these data: {found.training_commands()}"
