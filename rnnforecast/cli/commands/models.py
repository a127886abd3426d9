"""`rnnforecast models`."""

from __future__ import annotations

from rnnforecast.cli.console import Voice
from rnnforecast.cli.error_handling import told
from rnnforecast.cli.options import Json


def models(json: Json = False) -> None:
    """List the networks that model.backbone can name, one line each."""
    voice = Voice()
    with told(voice):
        from rnnforecast.models import registry

        found = {name: registry.summary(name) for name in registry.names()}
        if json:
            voice.json(found)
            return
        width = max(len(name) for name in found)
        for name, summary in found.items():
            voice.out.print(f"{name:{width}}  {summary}", markup=False)
