"""Python's search for objects that hold each other, off while a command imports what it needs.

Imports leave half a million objects that stay for good. To look through them again and again takes
a fifth of the time of a short command.
"""

from __future__ import annotations

import gc

_put_off = False


def search_later() -> None:
    """Nothing is searched until `imported` is called: for a process that runs one command."""
    global _put_off
    _put_off = gc.isenabled()
    gc.disable()


def imported() -> None:
    """From now on what is new is searched; nothing changes where the search was not put off."""
    global _put_off
    if _put_off:
        gc.freeze()
        gc.enable()
    _put_off = False
