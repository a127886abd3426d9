"""The size of a forecast: one that memory or the calendar cannot hold is refused at once."""

from __future__ import annotations

import os
import sys

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import Problem, UsageError
from rnnforecast.pipeline.run import Run

BYTES_PER_VALUE = 100
"""Memory for a value of a table: its array, the table, and copies of both while it is rounded."""

LAST_YEAR = np.datetime64("9999-12-31T23:59:59")
"""Years have four digits in tables."""


def check_size(run: Run, steps: int, n_paths: int, n_targets: int = 1) -> None:
    """Raises UsageError if memory cannot hold the forecast or the sample paths of
    `n_targets`, those of all series together."""
    memory = _memory_limit()
    if memory is None:
        return
    values = {
        "--horizon": n_targets * steps * (1 + len(run.levels.computed)),
        "--paths": n_targets * steps * n_paths,
    }
    problems = [
        Problem(
            option,
            f"needs about {count * BYTES_PER_VALUE / 1e9:,.0f} GB of memory, and there are "
            f"{memory / 1e9:,.0f}",
            f"give a smaller {option}, or forecast fewer series at once",
        )
        for option, count in values.items()
        if count * BYTES_PER_VALUE > memory
    ]
    if problems:
        raise UsageError(*problems)


def check_last_timestamp(panel: Panel, steps: int) -> None:
    """Raises UsageError if a forecast of `steps` would end after the year 9999."""
    ends = panel.window_timestamps(panel.lengths - 1, 2)  # [S, 2]
    if ends.dtype.kind != "M":
        return
    step = (ends[:, 1] - ends[:, 0]).astype("m8[us]").astype(np.float64).max()
    left = (LAST_YEAR - ends[:, 0].max()).astype("m8[us]").astype(np.float64)
    if steps * step > left:
        found = f"a forecast of {steps:,} steps would end after the year 9999"
        raise UsageError(Problem("--horizon", found, "give a smaller --horizon"))


def _memory_limit() -> int | None:
    """Bytes that this process may use: those of the machine, or of ulimit if these are fewer."""
    if sys.platform == "win32":
        return None
    import resource

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return memory if limit == resource.RLIM_INFINITY else min(memory, limit)
