"""The command `rnnforecast schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnforecast.cli.error_handling import open_console


def schema(
    job: Annotated[bool, typer.Option("--job", help="That of a job file instead.")] = False,
) -> None:
    """Print the JSON schema of the spec, for editors."""
    with open_console() as console:
        from rnnforecast.spec.job import job_json_schema
        from rnnforecast.spec.reference import json_schema

        console.print_json(job_json_schema() if job else json_schema())
