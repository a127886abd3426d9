"""The command `rnnforecast doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Json, Quiet, Verbose

COLORS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(
    path: Annotated[
        Path | None, typer.Argument(metavar="[JOB|RUN]", help="A job file or a run to look at too.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look at the machine, and at what a job or a run needs there.

    Exits with 1 if something is wrong; with -q only what is wrong or doubtful is printed.
    """
    with open_console(quiet=quiet, verbose=verbose) as console:
        from dataclasses import asdict
        from datetime import UTC, datetime

        from rich.text import Text

        from rnnforecast.batch.doctor.machine import diagnose_machine
        from rnnforecast.batch.doctor.places import diagnose_job, diagnose_run
        from rnnforecast.batch.job.files import find_job_files
        from rnnforecast.cli.printable import message_text
        from rnnforecast.spec.load_job import read_job

        job = None
        if path is not None and not path.is_dir():
            job = find_job_files(path, read_job(path))
        resume_gc()
        found = list(diagnose_machine())
        if job is not None:
            found += diagnose_job(job, datetime.now(UTC))
        elif path is not None:
            found += diagnose_run(path)
        if json:
            console.print_json([asdict(each) for each in found])
        else:
            for each in found:
                if quiet and each.level == "ok":
                    continue
                text = message_text(each.found + (f" — {each.cure}" if each.cure else ""))
                level = (f"{each.level:8}", COLORS[each.level])
                console.out.print(Text.assemble(level, f"{each.topic:14}", text))
        if any(each.level == "error" for each in found):
            sys.exit(1)
