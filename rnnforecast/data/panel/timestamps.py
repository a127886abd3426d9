"""Timestamps that a user gives, and the steps of a panel before them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.types import Ints, Timestamps


def parse_timestamp(text: str, panel: Panel) -> np.datetime64 | np.int64:
    """The timestamp in the time of the panel; ValueError if `text` is not one.

    It is local time of the time zone in which the panel is shown, unless it has an offset.
    """
    if panel.start_timestamps().dtype.kind != "M":
        return np.int64(int(text))
    timestamp = pd.Timestamp(text)
    if pd.isna(timestamp):
        raise ValueError(text)
    if timestamp.tzinfo is None and panel.display_timezone:
        timestamp = timestamp.tz_localize(
            panel.display_timezone, ambiguous=True, nonexistent="shift_forward"
        )
    if timestamp.tzinfo is not None:
        zone = "UTC" if panel.display_timezone else timestamp.tzinfo
        timestamp = timestamp.tz_convert(zone).tz_localize(None)
    return np.datetime64(timestamp.isoformat(), "us")


def steps_before(panel: Panel, timestamp: np.datetime64 | np.int64) -> Ints:
    """`[S]` the number of steps of each series before the timestamp, counted on beyond its end."""
    if panel.irregular_timestamps is not None:
        earlier = panel.irregular_timestamps < timestamp
        return np.asarray(np.add.reduceat(earlier.astype(np.int64), panel.offsets[:-1]))
    one: Timestamps = np.array([timestamp])
    ordinal = panel.frequency.ordinals(one)
    own = panel.frequency.timestamps(np.broadcast_to(ordinal, panel.start.shape), panel.phase)
    return np.asarray(np.maximum(ordinal + (own < timestamp) - panel.start, 0))
