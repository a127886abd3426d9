"""Python's search for objects that hold each other, off while a command imports what it needs.

Imports leave half a million objects that stay for good. To look through them again and again takes
a fifth of the time of a short command.
"""

from __future__ import annotations

import gc


def search_later() -> None:
    """Nothing is searched until `imported` is called: for a process that runs one command."""
    gc.disable()


def imported() -> None:
    """From now on what is new is searched; nothing changes where the search was not put off."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
