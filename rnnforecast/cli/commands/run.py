"""The command `rnnforecast run`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rnnforecast.cli.console import require_stdout
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    JobFile,
    JobWait,
    Json,
    Now,
    Quiet,
    Verbose,
    Workers,
)
from rnnforecast.cli.printable import message_text
from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.engine import LOCAL, open_engine


def run(
    job: JobFile,
    now: Now = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Forecast only the series that had no forecast by the model last time.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")
    ] = False,
    log_format: Annotated[
        str, typer.Option("--log-format", metavar="FORMAT", help="Messages on stderr: plain, json.")
    ] = "plain",
    wait: JobWait = None,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a job: check, forecast, publish, score, and train again when due.

    The last line on stdout is a summary in JSON.
    """
    with open_console(quiet=quiet or json, verbose=verbose) as console:
        from rnnforecast.spec.load_job import read_job

        if log_format not in ("plain", "json"):
            found = f"{log_format!r} is no format of messages"
            raise UsageError(Problem("--log-format", found, "give plain or json"))
        settings = read_job(job)  # a wrong job is reported before anything heavy is imported
        require_stdout()
        from rnnforecast.batch.job.files import find_job_files
        from rnnforecast.batch.job.run_job import JobOptions, plan_job, run_job

        resume_gc()
        options = JobOptions(
            now=now,
            wait=wait,
            stream=sys.stderr if log_format == "json" else None,
            retry_failed=retry_failed,
            engine=open_engine(engine, workers),
        )
        start = plan_job if dry_run else run_job
        outcome = start(find_job_files(job, settings), options, listener=console)
        console.close()
        console.write_json(outcome.summary.to_line())
        if isinstance(outcome.error, Exception) and log_format == "plain":
            raise outcome.error
        if outcome.error is not None and log_format == "plain":  # a signal
            console.err.print(message_text(outcome.summary.message))
        sys.exit(outcome.summary.exit_code)
