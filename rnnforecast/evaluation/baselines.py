"""Baselines, to which every forecast is compared: simple forecasts and statistical methods.

A window is a series and an origin, the first step that is forecast, counted from the start of the
series. Arrays: S series, N flat rows, M windows, H horizon steps, C targets, Q quantiles, all in
original units. The forecast of a window does not depend on the other windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.statistical import exponential_smoothing, theta
from rnnforecast.statistical.combination import max_history
from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.naive import (
    seasonal_mean,
    seasonal_mean_variance,
    seasonal_naive,
    seasonal_naive_variance,
)
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import join_words

MAX_VALUES_AT_ONCE = 4_000_000
"""About the most values of histories in memory at a time."""


@dataclass(frozen=True)
class BaselineWindows:
    """The windows that baselines forecast, and the values before them."""

    values: Floats
    """`[N, C]` flat, NaN where missing."""
    offsets: Ints
    """`[S+1]` the flat row of the start of each series, and N."""
    series: Ints
    """`[M]`"""
    origins: Ints
    """`[M]` the first step that is forecast."""
    horizon: int
    season: int
    """Of seasonal naive forecasts and seasonal means, in steps; 1 for none."""
    statistical_season: int
    """Of statistical methods, which need no proof of a season."""

    @property
    def count(self) -> int:
        """The number of windows and targets to forecast, M · C."""
        return len(self.series) * int(self.values.shape[1])

    def histories(self, max_steps: int) -> Iterator[tuple[Ints, int, Histories]]:
        """The last `max_steps` steps before each origin of one target: some windows at a time,
        their indices and the target first."""
        longest = int(min(self.origins.max(initial=1), max_steps))
        size = max(1, MAX_VALUES_AT_ONCE // max(longest, 1))
        for target in range(self.values.shape[1]):
            for first in range(0, len(self.series), size):
                rows = np.arange(first, min(first + size, len(self.series)))
                yield (
                    rows,
                    target,
                    Histories.from_flat(
                        self.values[:, target],
                        self.offsets,
                        self.series[rows],
                        self.origins[rows],
                        max_steps=max_steps,
                    ),
                )


ForecastFunction = Callable[[BaselineWindows, Sequence[float]], WindowForecast]
"""Computes the forecasts of windows, with quantiles at the levels that follow."""


@dataclass(frozen=True)
class Baseline:
    """A forecast that others are compared to."""

    name: str
    """As in messages and plots, such as ``seasonal naive``."""
    forecast: ForecastFunction
    seasonal: bool = False
    """Whether it is the same as another one without a season."""
    max_windows: int | None = None
    """The most windows and targets that it is computed for unasked; None for any number."""

    @property
    def column(self) -> str:
        """Its name in tables and in the spec."""
        return baseline_column(self.name)


def baseline_column(name: str) -> str:
    """The column of a baseline: ``seasonal_naive`` of ``seasonal naive``."""
    return name.lower().replace(" ", "_")


def _simple(
    mean: Callable[..., Floats], variance: Callable[..., Floats], *, seasonal: bool
) -> ForecastFunction:
    """Of two functions of `statistical.naive`, which take flat panels."""

    def forecast(windows: BaselineWindows, levels: Sequence[float]) -> WindowForecast:
        arguments = {
            "season": windows.season if seasonal else 1,
            "horizon": windows.horizon,
            "ends": windows.offsets[windows.series] + windows.origins,
            "series": windows.series,
        }
        found = StatisticalForecast(
            mean(windows.values, windows.offsets, **arguments),
            variance(windows.values, windows.offsets, **arguments),
        )
        return WindowForecast(found.mean, found.quantiles(levels))

    return forecast


def _statistical(method: Callable[..., StatisticalForecast]) -> ForecastFunction:
    """Of a statistical method, which takes histories."""

    def forecast(windows: BaselineWindows, levels: Sequence[float]) -> WindowForecast:
        season, horizon = windows.statistical_season, windows.horizon
        result = empty_forecast(windows, levels)
        for rows, target, histories in windows.histories(max_history(season, horizon)):
            found = method(histories, season=season, horizon=horizon)
            result.yhat[rows, :, target] = found.mean
            result.quantiles[rows, :, target] = found.quantiles(levels)
        return result

    return forecast


def empty_forecast(windows: BaselineWindows, levels: Sequence[float]) -> WindowForecast:
    """Forecasts of the windows that are all NaN."""
    shape = len(windows.series), windows.horizon, windows.values.shape[1]
    return WindowForecast(np.full(shape, np.nan), np.full((*shape, len(levels)), np.nan))


_DRIFT = partial(seasonal_naive, drift=True), partial(seasonal_naive_variance, drift=True)

BASELINES = (
    Baseline(
        "seasonal naive",
        _simple(seasonal_naive, seasonal_naive_variance, seasonal=True),
        seasonal=True,
    ),
    Baseline("seasonal naive with drift", _simple(*_DRIFT, seasonal=True), seasonal=True),
    Baseline(
        "seasonal mean",
        _simple(seasonal_mean, seasonal_mean_variance, seasonal=True),
        seasonal=True,
    ),
    Baseline("naive", _simple(seasonal_naive, seasonal_naive_variance, seasonal=False)),
    Baseline("drift", _simple(*_DRIFT, seasonal=False)),
    Baseline(
        "theta",
        _statistical(partial(theta.forecast, dynamic=False, seasonal_test=True)),
        max_windows=20_000,
    ),
    Baseline("DOT", _statistical(theta.forecast), max_windows=20_000),
    Baseline(
        "exponential smoothing", _statistical(exponential_smoothing.forecast), max_windows=5_000
    ),
)
"""The package's own; theta, DOT and exponential smoothing take about 0.3, 0.3 and 4 ms a window
and target of 100 to 300 steps."""


def select_baselines(
    names: Sequence[str] = (), *, season: int, count: int, further: Sequence[Baseline] = ()
) -> tuple[Baseline, ...]:
    """The baselines of the package that are quick, and those with the columns `names`.

    Args:
        names: columns of `BASELINES` and of `further`, computed for any number of windows.
        season: steps; without one those that are seasonal are left out unless named.
        count: windows and targets, which `Baseline.max_windows` limits.
    """
    return tuple(
        each
        for each in (*BASELINES, *further)
        if each.column in names
        or (
            each in BASELINES
            and not _is_too_slow(each, count)
            and not (each.seasonal and season == 1)
        )
    )


def describe_omitted(count: int, names: Sequence[str] = ()) -> str | None:
    """A line about the baselines that are left out of so many windows and targets, None without
    any; arguments as for `select_baselines`."""
    slow = [each for each in BASELINES if each.column not in names and _is_too_slow(each, count)]
    if not slow:
        return None
    verb = "is no baseline" if len(slow) == 1 else "are no baselines"
    limits = join_words([f"{each.name} up to {each.max_windows:,}" for each in slow])
    return (
        f"{join_words([each.name for each in slow])} {verb} here: of {count:,} forecasts (series × "
        f"origins × targets) only quick ones are computed unasked ({limits})"
    )


def _is_too_slow(baseline: Baseline, count: int) -> bool:
    return baseline.max_windows is not None and count > baseline.max_windows
