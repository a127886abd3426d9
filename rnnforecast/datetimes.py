"""Times of the clock in UTC, and durations such as ``10m``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Units of a duration."""

_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([smhdw]?)")


def parse_duration(text: str, default_unit: Literal["", "s"] = "") -> timedelta:
    """The duration of a text such as ``45s``, ``10m``, ``2h``, ``7d`` or ``1w``; 0 needs no unit.

    Args:
        default_unit: that of a number without a unit, which is an error by default.

    Raises ValueError.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    unit = "" if found is None else found[2] or default_unit
    if found is not None and unit:
        return timedelta(seconds=float(found[1]) * SECONDS[unit])
    if found is not None and found[1] == "0":
        return timedelta(0)
    raise ValueError(f"expected a time such as 45s, 10m, 2h or 7d, found '{text.strip()[:60]}'")


def as_utc(time: datetime) -> datetime:
    """The time in UTC; one without a time zone is in UTC already."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def format_utc(time: datetime) -> str:
    """The time as ISO 8601 in UTC, to the second: ``2026-11-27T02:15:07Z``."""
    return as_utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")
