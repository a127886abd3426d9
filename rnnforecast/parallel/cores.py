"""The processor cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_FOLDER = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that this process may use: those of its affinity, fewer if a control group (container)
    has a quota, and at most `OMP_NUM_THREADS` if the environment sets it."""
    limits = [_affinity(), _cgroup_quota(), _openmp_limit()]
    return max(1, min(limit for limit in limits if limit is not None))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_quota(folder: Path = CGROUP_FOLDER) -> int | None:
    """Whole cores that the quota of the control group lets run at once; None without a quota."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # none, "max", or control groups of version 1
        pass
    try:
        allowed = int((folder / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        length = int((folder / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return math.ceil(allowed / length) if allowed > 0 else None


def _openmp_limit() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() and int(text) > 0 else None
