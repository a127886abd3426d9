"""Timestamps that a user gives, and the steps of a panel before them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.types import Ints, Timestamps

ISO_TIMESTAMP = re.compile(
    r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d([.,]\d+)?)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?", re.ASCII
)
"""Other ways to write a time can be read in two ways, or depend on today."""
PERIOD_UNITS = {len("2024"): "Y", len("2024-01"): "M", len("2024-01-01"): "D"}


def parse_timestamp(text: str, panel: Panel) -> np.datetime64 | np.int64:
    """The timestamp in the time of the panel; ValueError if `text` is not one.

    It is written as in ISO 8601, and a year or a month alone is its first day. It is local time of
    the time zone in which the panel is shown, unless it has an offset.
    """
    if panel.start_timestamps().dtype.kind != "M":
        if not -(2**53) < int(text) < 2**53:
            raise ValueError(text)
        return np.int64(int(text))
    text = text.strip()
    if not ISO_TIMESTAMP.fullmatch(text):
        raise ValueError(text)
    timestamp = pd.Timestamp(text)
    if timestamp.tzinfo is None and panel.display_timezone:
        timestamp = timestamp.tz_localize(
            panel.display_timezone, ambiguous=True, nonexistent="shift_forward"
        )
    if timestamp.tzinfo is not None:
        zone = "UTC" if panel.display_timezone else timestamp.tzinfo
        timestamp = timestamp.tz_convert(zone).tz_localize(None)
    return np.datetime64(timestamp.isoformat(), "us")


def end_of_timestamp(text: str, panel: Panel) -> np.datetime64 | np.int64:
    """The first time after the timestamp, or after the year, month or day that is given alone.

    Errors are those of `parse_timestamp`.
    """
    begin = parse_timestamp(text, panel)
    if not isinstance(begin, np.datetime64):
        return np.int64(begin + 1)
    unit = PERIOD_UNITS.get(len(text.strip()))
    if unit is None:
        return begin + np.timedelta64(1, "us")
    after = pd.Period(text.strip(), unit) + 1
    return parse_timestamp(f"{after.start_time:%Y-%m-%d}", panel)


def steps_before(panel: Panel, timestamp: np.datetime64 | np.int64) -> Ints:
    """`[S]` the number of steps of each series before the timestamp, counted on beyond its end.

    On a regular grid they are counted back before its start too, as negative numbers.
    """
    if panel.irregular_timestamps is not None:
        earlier = panel.irregular_timestamps < timestamp
        return np.asarray(np.add.reduceat(earlier.astype(np.int64), panel.offsets[:-1]))
    one: Timestamps = np.array([timestamp])
    ordinal = panel.frequency.ordinals(one)
    own = panel.frequency.timestamps(np.broadcast_to(ordinal, panel.start.shape), panel.phase)
    return np.asarray(ordinal + (own < timestamp) - panel.start)
