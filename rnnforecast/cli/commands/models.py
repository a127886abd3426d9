"""The command `rnnforecast models`."""

from __future__ import annotations

from rnnforecast.cli.error_handling import open_console
from rnnforecast.cli.options import Json


def models(json: Json = False) -> None:
    """List the backbones, one line each."""
    with open_console() as console:
        from rnnforecast.registry import BACKBONES

        found = {name: BACKBONES.summary(name) for name in BACKBONES.names()}
        if json:
            console.print_json(found)
            return
        width = max(len(name) for name in found)
        for name, summary in found.items():
            console.out.print(f"{name:{width}}  {summary}", markup=False)
