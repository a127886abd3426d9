"""The command `rnnforecast score`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.console import require_stdout
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    LedgerLocation,
    Quiet,
    RunFolder,
    Verbose,
    Wait,
    Workers,
    data_option,
    out_option,
    refuse_workers,
)
from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.engine import LOCAL, open_engine


def score(
    run: RunFolder,
    data: Annotated[
        list[str] | None,
        data_option(
            "Data with the values observed since (file, folder, pattern, URL, or - for stdin); "
            "the spec's own files, as they are now, if not given."
        ),
    ] = None,
    ledger: LedgerLocation = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DAY", help="Score what was issued from this day on: 2026-11-01."
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option("The folder to write; scores/NAME-OF-RUN if not given.")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="WHAT",
            help="Exit with 8 on drift, or if worse than the baseline: drift, baseline; "
            "may be given twice.",
        ),
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            show_default="yes, but not with --partitions",
            help="Calibrate the intervals by the newest values.",
        ),
    ] = None,
    partitions: Annotated[
        bool,
        typer.Option(
            "--partitions",
            help="The data are Parquet files (a folder, a pattern or one file) with whole series "
            "each: score them one by one, in the memory of one.",
        ),
    ] = False,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write score.html into the folder.")
    ] = True,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score issued forecasts by what was observed since, and look for drift."""
    with open_console(quiet=quiet, verbose=verbose) as console:
        wanted = _check_choices(fail_on or [])
        _check_partitions(run, partitions, calibrate, workers, engine)
        first_day = None if since is None else _parse_day(since)
        if ledger == "none":
            raise UsageError(Problem("--ledger", "a score needs a ledger", "name its place"))
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.batch.score.output import write_score
        from rnnforecast.batch.score.page import console_lines
        from rnnforecast.batch.score.partitions import score_partitions
        from rnnforecast.batch.score.score import score as run_score
        from rnnforecast.pipeline.run_versions import run_name

        resume_gc()
        if json:
            require_stdout()
        folder = out or Path("scores") / run_name(run)
        with output_lock(folder, "score", wait, on_wait=console.info):
            if partitions:
                result, found = score_partitions(
                    run,
                    data=data,
                    ledger=ledger,
                    since=first_day,
                    engine=open_engine(engine, workers),
                    listener=console,
                )
            else:
                result, found = run_score(
                    run,
                    data=data,
                    ledger=ledger,
                    since=first_day,
                    calibrate=calibrate is not False,
                    wait=wait,
                    listener=console,
                )
            result = write_score(folder, result, found, page=report, force=force)
        if json:
            console.print_json(result.to_json())
        for line in console_lines(result):
            console.info(line)
        console.info(f"score written to {folder}")
        result.check(wanted)


def _check_choices(given: list[str]) -> list[str]:
    """The names of ``--fail-on``, which may be joined by commas; UsageError for others."""
    choices = ("drift", "baseline")
    names = [name.strip() for each in given for name in each.split(",")]
    for name in names:
        if name not in choices:
            found = f"there is no {name!r} to fail on"
            raise UsageError(Problem("--fail-on", found, f"give {' or '.join(choices)}"))
    return names


def _check_partitions(
    run: Path, partitions: bool, calibrate: bool | None, workers: int | None, engine: str
) -> None:
    """UsageError for options that need ``--partitions``, or cannot be with it."""
    if partitions and calibrate:
        found = "intervals are not calibrated by partitions"
        cure = f"leave it out, and use one of the files: rnnforecast calibrate {run} --data FILE"
        raise UsageError(Problem("--calibrate", found, cure))
    if not partitions:
        refuse_workers("score", workers, engine)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        found = f"{text!r} is no day"
        raise UsageError(Problem("--since", found, "give one such as 2026-11-01")) from None
