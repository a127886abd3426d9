"""Which network, series, target and origin `inspect` looks at: those named, or the obvious ones."""

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
from rnnforecast.pipeline.auto import join_names


@dataclass(frozen=True)
class InspectRequest:
    """What the caller names; None for what is left to us."""

    series: str | None = None
    target: str | None = None
    origin: str | None = None
    member: int = 1


@dataclass(frozen=True)
class WindowLocation:
    """One window of a panel, by numbers."""

    series: int
    target: int
    origin: int
    """Steps of the series that are known."""


def select_window(
    request: InspectRequest,
    cleaned: CleanedData,
    *,
    horizon: int,
    plotted_series: Sequence[str],
) -> WindowLocation:
    """The window that is asked for; UsageError, naming what there is, where there is none.

    Unless named: the first series that was plotted at the training, its first target, and the end
    less one horizon, so that what happened then can be drawn.
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


def check_member(member: int, n_members: int) -> None:
    """UsageError where there is no such network."""
    if not 1 <= member <= n_members:
        has = "the run has one network" if n_members == 1 else f"the run has {n_members:,} networks"
        cure = "leave it out" if n_members == 1 else f"give a number from 1 to {n_members:,}"
        raise UsageError(Problem(f"--member {member}", has, cure))


def _index_of_name(option: str, name: str, names: Sequence[str], kind: str) -> int:
    if name in names:
        return list(names).index(name)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    cure = f"did you mean {' or '.join(near)}?" if near else f"there are {join_names(names)}"
    raise UsageError(Problem(option, f"there is no {kind} '{name}'", cure))


def _parse_origin(text: str, panel: Panel, series: int, first_step: int) -> int:
    """The number of steps up to the stamp that `text` writes; `first` is the first observed."""
    length = int(panel.lengths[series])
    begin = np.zeros(panel.n_series, dtype=np.int64)
    stamps = panel.to_display_timezone(panel.window_timestamps(begin, length))[series]  # [length]
    ends = f"the series runs from {format_timestamp(stamps[first_step])} to {format_timestamp(stamps[-1])}"
    try:
        moment = _parse_timestamp(text, panel) if stamps.dtype.kind == "M" else np.int64(int(text))
    except ValueError as error:
        found = f"'{text}' is no stamp of these data"
        raise UsageError(Problem("--origin", found, ends)) from error
    if not stamps[first_step] <= moment <= stamps[-1]:
        raise UsageError(Problem("--origin", f"there is nothing to forecast from at {text}", ends))
    return int(np.searchsorted(stamps, moment, side="right"))


def _parse_timestamp(text: str, panel: Panel) -> np.datetime64:
    """The stamp as people see those of the panel; ValueError where it is none."""
    stamp = pd.Timestamp(text)
    if pd.isna(stamp):
        raise ValueError(text)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert(panel.display_timezone or stamp.tzinfo).tz_localize(None)
    return np.datetime64(stamp.isoformat(), "us")
