"""Time formats that several tests use, and timestamps parsed with one."""

from __future__ import annotations

import pyarrow as pa

from rnnforecast.data.time.format import TimeFormat, parse_timestamps

QUARTER = TimeFormat("%Y-Q%q")
WEEK = TimeFormat("%G-W%V")
POINTS = TimeFormat("%d.%m.%Y")
SECONDS = TimeFormat("unix_s")


def parsed(texts: list[str], time_format: TimeFormat) -> list[str]:
    """The timestamps that `texts` are read as, in ISO 8601."""
    return [str(timestamp) for timestamp in parse_timestamps(pa.array(texts), time_format)]
