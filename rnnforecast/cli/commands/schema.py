"""`rnnforecast schema`."""

from __future__ import annotations

from rnnforecast.cli.console import Voice
from rnnforecast.cli.error_handling import told


def schema() -> None:
    """Print the JSON Schema of the spec, for editors that complete and check YAML."""
    voice = Voice()
    with told(voice):
        from rnnforecast.spec.reference import json_schema

        voice.json(json_schema())
