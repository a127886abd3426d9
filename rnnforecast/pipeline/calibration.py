"""Calibration of a run's intervals, from forecasts of windows beside the observed values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.data.cleaning.transforms import Bounds
from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.conformal import (
    HORIZON_PARTS,
    NOT_CALIBRATED,
    ConformalIntervals,
    count_evidence,
    fit_conformal,
)
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Calibration:
    """Calibrated intervals, and what they come from."""

    intervals: ConformalIntervals = NOT_CALIBRATED
    windows: int = 0
    """Independent windows with errors; 0 without calibration."""
    until: str | int = ""
    """Timestamp of the latest value whose error counts, in the time of the panel."""


NO_CALIBRATION = Calibration()


@dataclass(frozen=True)
class ForecastWindows:
    """Forecasts of M windows as `finish_forecast` takes them, beside the observed values."""

    series: Ints
    """`[M]`."""
    origins: Ints
    """`[M]` the first step that is forecast."""
    quantiles: Floats
    """`[M, H, C, Q]` in original units, neither calibrated nor bounded."""
    actual: Floats
    """`[M, H, C]`, NaN where unobserved."""

    def join(self, other: ForecastWindows) -> ForecastWindows:
        """These windows, then the others."""
        return ForecastWindows(
            *(
                np.concatenate([mine, theirs])
                for mine, theirs in zip(*map(_arrays, (self, other)), strict=True)
            )
        )


def _arrays(windows: ForecastWindows) -> tuple[Ints, Ints, Floats, Floats]:
    return windows.series, windows.origins, windows.quantiles, windows.actual


def store_timestamp(timestamp: np.datetime64 | np.int64) -> str | int:
    """A timestamp of a panel as it is stored in `state.json`."""
    return timestamp.item() if isinstance(timestamp, np.int64) else str(timestamp)


def read_timestamp(stored: str | int) -> np.datetime64 | np.int64:
    """The timestamp of `store_timestamp`; ValueError if it is none."""
    if isinstance(stored, int):
        return np.int64(stored)
    found = np.datetime64(stored, "us")
    if np.isnat(found):
        raise ValueError(f"'{stored}' is no timestamp")
    return found


def fit_calibration(
    panel: Panel, windows: ForecastWindows, levels: tuple[float, ...], bounds: Bounds
) -> Calibration:
    """Intervals calibrated by windows that no network was trained on, each target a group.

    `levels` are those of the quantiles, `bounds` those that the forecast has in the end.
    """
    count, horizon, targets = windows.actual.shape
    if not np.isfinite(windows.actual).any():
        return NO_CALIBRATION
    target = np.tile(np.arange(targets), count)  # [M * C]
    flat = windows.actual.swapaxes(1, 2).reshape(-1, horizon)
    item = np.repeat(windows.series, targets) * targets + target
    origin = np.repeat(windows.origins, targets)
    known = np.isfinite(flat).any(1)
    evidence = count_evidence(item[known], origin[known], horizon)
    lower = np.where(bounds.non_negative, 0.0, -np.inf)[target]
    intervals = fit_conformal(
        flat,
        windows.quantiles.swapaxes(1, 2).reshape(*flat.shape, len(levels)),
        levels,
        evidence=evidence,
        group=target,
        lower=lower,
        parts=HORIZON_PARTS,
    )
    last = np.where(np.isfinite(windows.actual).any(2), np.arange(horizon), -1).max(1)
    seen = last >= 0
    latest = panel.window_timestamps((windows.origins + last)[seen], 1, windows.series[seen]).max()
    return Calibration(intervals, int(evidence.windows), store_timestamp(latest))
