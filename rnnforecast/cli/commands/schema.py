"""The command `rnnforecast schema`."""

from __future__ import annotations

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors


def schema() -> None:
    """Print the JSON schema of the spec, for editors."""
    console = ConsoleListener()
    with handle_errors(console):
        from rnnforecast.spec.reference import json_schema

        console.print_json(json_schema())
