"""The window that `inspect` shows: the requested series, target and origin, or defaults."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.windows.origins import first_observed
from rnnforecast.errors import Problem, UsageError
from rnnforecast.wording import join_names


@dataclass(frozen=True)
class InspectRequest:
    """The request of the user; None for a default."""

    series: str | None = None
    target: str | None = None
    origin: str | None = None
    member: int = 1


@dataclass(frozen=True)
class WindowLocation:
    """One window of a panel: indices of series and target, and the origin."""

    series: int
    target: int
    origin: int
    """Steps of the series before the forecast."""


def select_window(
    request: InspectRequest,
    cleaned: CleanedData,
    *,
    horizon: int,
    plotted_series: Sequence[str],
) -> WindowLocation:
    """The requested window; UsageError, with the alternatives, if it does not exist.

    The default is the first series that `train` plotted, its first target, and an origin one
    horizon before its end, so that actual values are known.
    """
    panel = cleaned.panel
    labels = panel.labels().tolist()
    default = next((label for label in plotted_series if label in labels), labels[0])
    if not panel.keys.shape[1] and request.series not in (None, *labels):
        found, cure = "the data are one series, which has no name", "leave it out"
        if len(panel.target_names) > 1:
            cure += f"; --target takes one of {join_names(panel.target_names)}"
        raise UsageError(Problem("--series", found, cure))
    series = _index_of_name("--series", request.series or default, labels, "series")
    targets = panel.target_names
    target = _index_of_name("--target", request.target or targets[0], targets, "target")
    first = first_observed(cleaned.target_mask, panel.offsets).reshape(panel.n_series, -1)[
        series, target
    ]
    length = int(panel.lengths[series])
    if first >= length:
        found = f"the series '{labels[series]}' has no value of '{targets[target]}'"
        raise UsageError(Problem("--series", found, f"there are {join_names(labels)}"))
    if request.origin is None:
        before = length - horizon
        return WindowLocation(series, target, before if before > first else length)
    return WindowLocation(series, target, _parse_origin(request.origin, panel, series, int(first)))


def _index_of_name(option: str, name: str, names: Sequence[str], kind: str) -> int:
    if name in names:
        return list(names).index(name)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    cure = f"did you mean {' or '.join(near)}?" if near else f"there are {join_names(names)}"
    raise UsageError(Problem(option, f"there is no {kind} '{name}'", cure))


def _parse_origin(text: str, panel: Panel, series: int, first_step: int) -> int:
    """The origin as the number of steps up to the timestamp `text`, from `first_step` on."""
    length = int(panel.lengths[series])
    begin = np.zeros(panel.n_series, dtype=np.int64)
    timestamps = panel.to_display_timezone(panel.window_timestamps(begin, length))[series]
    first, last = timestamps[first_step], timestamps[-1]
    span = f"the series runs from {format_timestamp(first)} to {format_timestamp(last)}"
    is_datetime = timestamps.dtype.kind == "M"
    try:
        origin = _parse_timestamp(text, panel) if is_datetime else np.int64(int(text))
    except ValueError as error:
        found = f"'{text}' is not a timestamp of these data"
        raise UsageError(Problem("--origin", found, span)) from error
    if not first <= origin <= last:
        raise UsageError(Problem("--origin", f"there is nothing to forecast from at {text}", span))
    return int(np.searchsorted(timestamps, origin, side="right"))


def _parse_timestamp(text: str, panel: Panel) -> np.datetime64:
    """The timestamp in the display time zone; ValueError if `text` is not one."""
    timestamp = pd.Timestamp(text)
    if pd.isna(timestamp):
        raise ValueError(text)
    if timestamp.tzinfo is not None:
        zone = panel.display_timezone or timestamp.tzinfo
        timestamp = timestamp.tz_convert(zone).tz_localize(None)
    return np.datetime64(timestamp.isoformat(), "us")
