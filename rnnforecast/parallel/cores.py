"""The processor cores that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CGROUP_FOLDER = Path("/sys/fs/cgroup")
CGROUP_OF_PROCESS = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class CoreCount:
    """The number of cores that a process may use."""

    available: int
    installed: int
    limit: str
    """What limits the process to fewer than are installed; "" if nothing does."""

    def __str__(self) -> str:
        if self.limit:
            return f"{self.available:,} of {self.installed:,} cores ({self.limit})"
        return f"{self.available:,} {'core' if self.available == 1 else 'cores'}"


def available_cores() -> int:
    """Cores that this process may use: those of its affinity, fewer if a control group (container)
    has a quota, and at most `OMP_NUM_THREADS` if the environment sets it."""
    return count_cores().available


def count_cores() -> CoreCount:
    """The cores of this machine, and those that this process may use."""
    installed = os.cpu_count() or 1
    limits = (
        (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None, "affinity"),
        (_cgroup_quota(), "quota of the control group"),
        (_openmp_limit(), "OMP_NUM_THREADS"),
    )
    count, limit = installed, ""
    for found, name in limits:
        if found is not None and found < count:
            count, limit = found, name
    return CoreCount(count, installed, limit)


def _cgroup_quota() -> int | None:
    """Cores that the quotas of the control groups let run at once, rounded up; None without one.

    A group cannot use more than those around it, so the smallest quota counts.
    """
    quotas = [_read_quota(folder) for folder in _cgroup_folders()]
    found = [quota for quota in quotas if quota is not None]
    return max(math.ceil(min(found)), 1) if found else None


def _cgroup_folders() -> Iterator[Path]:
    """The folders of this process's control group and of those around it, as far as they are seen:
    in a container, the top folder may be that of its own group."""
    try:
        lines = CGROUP_OF_PROCESS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = PurePosixPath(path).parts[1:]
        # version 2 has no controllers here; beside version 1 it lies in a folder of its own
        names = (controllers, "cpu") if controllers else ("", "unified")
        for top in (CGROUP_FOLDER / name for name in names):
            for length in range(0 if ".." in parts else len(parts), -1, -1):
                yield top.joinpath(*parts[:length])


def _read_quota(folder: Path) -> float | None:
    """The quota of one group in cores; None without one."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # none, "max", or control groups of version 1
        pass
    try:
        allowed = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        length = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return allowed / length if allowed > 0 else None


def _openmp_limit() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isdigit() and int(text) > 0 else None
