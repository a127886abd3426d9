"""Forecasts of windows beside the observed values and the forecasts of baselines.

A window is a series and an origin, the first step that is forecast, counted from the start of the
series. Arrays: M windows, H horizon steps, C targets, Q quantiles, all in original units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class WindowForecast:
    """Point forecasts `[M, H, C]` and quantiles `[M, H, C, Q]`; NaN without a forecast."""

    yhat: Floats
    quantiles: Floats

    def select(self, windows: Ints | Bools) -> WindowForecast:
        """The forecasts of some of the windows."""
        return WindowForecast(self.yhat[windows], self.quantiles[windows])

    def target(self, index: int) -> WindowForecast:
        """The forecasts of one target, `[M, H, 1]` and `[M, H, 1, Q]`."""
        chosen = slice(index, index + 1)
        return WindowForecast(self.yhat[:, :, chosen], self.quantiles[:, :, chosen])


@dataclass(frozen=True)
class EvaluatedWindows:
    """Forecasts of M windows of a panel, and what they are compared to."""

    series: Ints
    """`[M]` the index of the series in the panel."""
    window: Ints
    """`[M]` the number of the window, from 0 for the earliest of a backtest."""
    origin: Ints
    """`[M]` the first step that is forecast."""
    actual: Floats
    """`[M, H, C]`, NaN where nothing was observed or where nothing can be scored."""
    forecast: WindowForecast
    baselines: Mapping[str, WindowForecast]
    """By name, such as ``seasonal naive``."""
    levels: tuple[float, ...]
    """The Q levels of all quantiles."""
    scale: Floats
    """`[M, C]` the divisor of MASE: mean absolute seasonal change before the origin, NaN without
    any."""
    squared_scale: Floats
    """`[M, C]` the divisor of RMSSE before the root: mean squared seasonal change."""

    def select(self, windows: Ints | Bools) -> EvaluatedWindows:
        """Some of the windows, by index or mask `[M]`."""
        return EvaluatedWindows(
            self.series[windows],
            self.window[windows],
            self.origin[windows],
            self.actual[windows],
            self.forecast.select(windows),
            {name: each.select(windows) for name, each in self.baselines.items()},
            self.levels,
            self.scale[windows],
            self.squared_scale[windows],
        )

    def target(self, index: int) -> EvaluatedWindows:
        """All windows with one of their targets."""
        chosen = slice(index, index + 1)
        return EvaluatedWindows(
            self.series,
            self.window,
            self.origin,
            self.actual[:, :, chosen],
            self.forecast.target(index),
            {name: each.target(index) for name, each in self.baselines.items()},
            self.levels,
            self.scale[:, chosen],
            self.squared_scale[:, chosen],
        )


def concatenate_windows(parts: list[EvaluatedWindows]) -> EvaluatedWindows:
    """The windows of all parts, which have the same targets, levels and baselines."""

    def joined(forecasts: list[WindowForecast]) -> WindowForecast:
        return WindowForecast(
            np.concatenate([each.yhat for each in forecasts]),
            np.concatenate([each.quantiles for each in forecasts]),
        )

    def arrays(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    first = parts[0]
    return EvaluatedWindows(
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.window for part in parts]),
        np.concatenate([part.origin for part in parts]),
        arrays("actual"),
        joined([part.forecast for part in parts]),
        {name: joined([part.baselines[name] for part in parts]) for name in first.baselines},
        first.levels,
        arrays("scale"),
        arrays("squared_scale"),
    )
