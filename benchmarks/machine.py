"""Description of the machine for the head of a result file."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def describe() -> str:
    """Cores, memory and versions as one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cores} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"rnnforecast {version('rnnforecast')}"
    )
