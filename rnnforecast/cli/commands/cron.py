"""The command `rnnforecast cron`."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console
from rnnforecast.cli.options import JobFile


def cron(
    job: JobFile,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="When to run it.")] = "02:15",
    user: Annotated[
        str | None,
        typer.Option("--user", help="Who runs it: for /etc/cron.d, and for the service."),
    ] = None,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Print a service and a timer of systemd instead.")
    ] = False,
) -> None:
    """Print the line of a crontab that runs a job every night.

    Paths in it are absolute; nothing is installed.
    """
    with open_console():
        from rnnforecast.batch.job import schedule as schedules
        from rnnforecast.batch.job.files import find_job_files
        from rnnforecast.spec.load_job import read_job

        schedule = schedules.parse_schedule(at, user)
        files = find_job_files(job, read_job(job))
        if not systemd:
            typer.echo(schedules.crontab(files, schedule), nl=False)
            return
        name = schedules.unit_name(files)
        for kind, text in (
            ("service", schedules.systemd_service(files, schedule)),
            ("timer", schedules.systemd_timer(files, schedule)),
        ):
            typer.echo(f"# /etc/systemd/system/{name}.{kind}\n{text}")
        typer.echo(f"# then: systemctl daemon-reload && systemctl enable --now {name}.timer")
