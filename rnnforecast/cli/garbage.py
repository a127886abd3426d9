"""Python's search for objects that hold each other, off while a command imports what it needs.

Imports leave half a million objects that stay for good. To look through them again and again takes
a fifth of the time of a short command.
"""

from __future__ import annotations

import gc

_gc_deferred = False


def defer_gc() -> None:
    """Nothing is searched until `imported` is called: for a process that runs one command."""
    global _gc_deferred
    _gc_deferred = gc.isenabled()
    gc.disable()


def resume_gc() -> None:
    """From now on what is new is searched; nothing changes where the search was not put off."""
    global _gc_deferred
    if _gc_deferred:
        gc.freeze()
        gc.enable()
    _gc_deferred = False
