"""`rnnforecast schema`."""

from __future__ import annotations

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors


def schema() -> None:
    """Print the JSON Schema of the spec, for editors that complete and check YAML."""
    voice = ConsoleListener()
    with handle_errors(voice):
        from rnnforecast.spec.reference import json_schema

        voice.print_json(json_schema())
