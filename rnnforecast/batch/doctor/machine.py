"""The state of the machine, and of what a job or a run needs there: the lines of `doctor`."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from rnnforecast import __version__
from rnnforecast.parallel.cores import count_cores

PACKAGE = "rnnforecast"
SHOWN_PACKAGES = ("torch", "pandas", "numpy", "pyarrow", "pydantic", "safetensors")
HIDDEN_EXTRAS = ("test", "dev")

MIN_MEMORY = 1 << 30
"""Free memory in bytes below which a training may fail."""

_REQUIREMENT = re.compile(r"""([\w.-]+)(?:\[[^\]]*\])?[^;]*;.*extra == ['"]([\w-]+)['"]""")

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Diagnosis:
    """A line about one thing."""

    topic: str
    """``disk``, ``lock``, ``clock`` …"""
    level: Level
    found: str
    cure: str = ""


def diagnose_machine() -> Iterator[Diagnosis]:
    """Lines about versions, device, extras, cores, memory, time zone and clock."""
    yield Diagnosis("version", "ok", f"{PACKAGE} {__version__}, Python {platform.python_version()}")
    yield _diagnose_packages()
    yield _diagnose_device()
    yield _diagnose_extras()
    yield Diagnosis("cores", "ok", str(count_cores()))
    yield _diagnose_memory()
    yield _diagnose_time()


def _diagnose_packages() -> Diagnosis:
    versions = {name: _version_of(name) for name in SHOWN_PACKAGES}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        cure = "install the package again: pip install rnnforecast"
        return Diagnosis("packages", "error", f"not installed: {', '.join(missing)}", cure)
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Diagnosis("packages", "ok", shown)


def _diagnose_device() -> Diagnosis:
    try:
        # the one slow import: torch
        from rnnforecast.training.device import describe_torch

        return Diagnosis("device", "ok", describe_torch())
    except Exception as error:  # noqa: BLE001 - a broken driver or library may raise anything
        cure = "install torch again, or the driver of the device"
        return Diagnosis("device", "error", f"torch cannot be loaded: {error}", cure)


def _diagnose_extras() -> Diagnosis:
    states = [
        f"{name} {'yes' if not missing else 'no (' + ', '.join(missing) + ')'}"
        for name, missing in missing_of_extras().items()
    ]
    return Diagnosis("extras", "ok", ", ".join(states) or "not known: it runs from its sources")


def missing_of_extras() -> dict[str, list[str]]:
    """The packages that are not installed, by extra; an empty list for a complete one."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match and match[2] not in HIDDEN_EXTRAS:
            missing = found.setdefault(match[2], [])
            if not _version_of(match[1]):
                missing.append(match[1])
    return found


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _diagnose_memory() -> Diagnosis:
    free = available_memory()
    if free is None:
        return Diagnosis("memory", "ok", "not known on this system")
    cure = "stop other programs, or use a smaller model or machine" if free < MIN_MEMORY else ""
    return Diagnosis("memory", "warning" if cure else "ok", f"{format_bytes(free)} free", cure)


def available_memory() -> int | None:
    """Free memory in bytes, as far as a control group lets it be used; None if not known."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        free = int(re.findall(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no limit
        return free
    return min(free, max(limit - used, 0))


def _diagnose_time() -> Diagnosis:
    now = datetime.now().astimezone()
    text = f"{now:%Y-%m-%d %H:%M:%S}, time zone {now.tzname()} (UTC{now:%z})"
    built = max(Path(__file__).stat().st_mtime, 0.0)
    if time.time() < built:
        since = datetime.fromtimestamp(built, UTC)
        found = f"{text}: before the program was installed, {since:%Y-%m-%d %H:%M} UTC"
        return Diagnosis("clock", "error", found, "set the clock, for example with NTP")
    return Diagnosis("clock", "ok", text)


def format_bytes(size: float) -> str:
    """A size with a unit: ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
