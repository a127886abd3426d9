"""Plots of the forecasts of selected series, for the held-out horizon or the future."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.window_metrics import symmetric_level_pairs
from rnnforecast.output.forecast_plots import MarkedSteps, plot_forecast, safe_file_stem
from rnnforecast.output.line_plots import LineFigure
from rnnforecast.output.time_words import format_period, format_steps
from rnnforecast.pipeline.run import Run
from rnnforecast.statistical.naive import seasonal_naive
from rnnforecast.types import Floats, Ints, Timestamps


def plot_series_forecasts(
    folder: Path,
    run: Run,
    panel: Panel,
    series: Ints,
    origins: Ints,
    forecasts: WindowForecast,
    *,
    actual: Floats | None = None,
) -> int:
    """Writes plots into `folder`, each as PNG and SVG; returns their number.

    One target of each series is plotted, or up to `run.n_plots` targets of a single series.

    Args:
        series: indices `[P]` of the series in the panel.
        origins: `[P]` of these series, like the forecasts.
        actual: `[P, H, C]` values after the origins, if they were held out; original units.
    """
    n_targets = min(panel.observed_mask.shape[1], run.n_plots) if len(series) == 1 else 1
    plots = _SeriesPlots(run, panel, series, origins, forecasts)
    labels = panel.labels()
    has_names = panel.keys.shape[1] > 0  # a single series without keys is named by its target
    stems: set[str] = set()
    for place, index in enumerate(series):
        for channel in range(n_targets):
            name = panel.target_names[channel]
            words = [labels[index]] * has_names + [name] * (n_targets > 1 or not has_names)
            stem = safe_file_stem(" ".join(words), stems)
            stems.add(stem)
            values = None if actual is None else actual[place, :, channel]
            plots.plot(folder / stem, place, channel, values)
    return len(stems)


def draw_series_forecast(
    run: Run, panel: Panel, series: int, forecasts: WindowForecast
) -> LineFigure:
    """The plot of the first target of one series from its end on, as `plot_series_forecasts` writes
    it; `forecasts` are those of this series only."""
    only = np.array([series])
    plots = _SeriesPlots(run, panel, only, panel.lengths[only], forecasts)
    return plots.plot(None, 0, 0, None)


class _SeriesPlots:
    """Plots of some series of a panel `[P]`, and what all of them have in common."""

    def __init__(
        self, run: Run, panel: Panel, series: Ints, origins: Ints, forecasts: WindowForecast
    ) -> None:
        self.labels = panel.labels()[series]
        shown, self.place = np.unique(series, return_inverse=True)
        self.panel = panel.filter_series(np.isin(np.arange(panel.n_series), shown))
        self.origins, self.forecasts = origins, forecasts
        self.event = _binary_future_covariate(run, panel)
        self.season, levels = run.season, run.quantiles
        self.horizon = forecasts.yhat.shape[1]
        self.future = panel.to_display_timezone(
            panel.window_timestamps(np.maximum(origins, 0), self.horizon, series)
        )  # [P, H]
        self.central_intervals = [
            (round(levels[high] - levels[low], 6), low, high)
            for low, high in symmetric_level_pairs(levels)
        ]

    def plot(
        self, stem: Path | None, index: int, channel: int, actual: Floats | None
    ) -> LineFigure:
        """Plots a target of a series; `actual` are the values `[H]` after the origin, if known."""
        panel, past, ahead = self.panel, int(self.origins[index]), self.future[index]
        chosen = panel.filter_series(np.arange(panel.n_series) == self.place[index])
        history_timestamps = chosen.to_display_timezone(
            chosen.window_timestamps(np.zeros(1, dtype=np.int64), past)[0]
        )
        naive = seasonal_naive(
            chosen.targets,
            chosen.offsets,
            season=self.season,
            horizon=self.horizon,
            ends=np.array([past]),
        )[0]
        name = panel.target_names[channel]
        has_names = panel.keys.shape[1] > 0
        values = self.forecasts.quantiles[index, :, channel]
        event = self.event
        return plot_forecast(
            stem,
            title=" · ".join([self.labels[index]] * has_names + [name]),
            target=name,
            history_timestamps=history_timestamps,
            history=chosen.targets[:past, channel],
            forecast_timestamps=ahead,
            yhat=self.forecasts.yhat[index, :, channel],
            intervals=[
                (coverage, values[:, low], values[:, high])
                for coverage, low, high in self.central_intervals
            ],
            baseline=("seasonal naive" if self.season > 1 else "naive", naive[:, channel]),
            actual=actual,
            marked=None
            if event is None
            else _marked_steps(event, panel, int(self.place[index]), past, self.horizon),
            season=self.season,
            has_closed_steps=panel.frequency.calendar is not None,
            subtitle=_subtitle(panel.frequency, history_timestamps, ahead, actual is not None),
        )


def _subtitle(
    frequency: Frequency, history: Timestamps, ahead: Timestamps, is_held_out: bool
) -> str:
    """The period and the horizon in words: ``Nov 2017 to Oct 2025, 12 months ahead``."""
    steps = format_steps(len(ahead), frequency)
    if steps.endswith(("open day", "open days")) and len(history):
        days = int((ahead[-1] - history[-1]) / np.timedelta64(1, "D"))
        steps = f"{steps} ({days:,} days)"
    first = history[0] if len(history) else ahead[0]
    if is_held_out:
        held_out = f"the last {steps.removeprefix('1 ')} held out"
        return f"{format_period(first, ahead[-1], frequency)}, {held_out}"
    if not len(history):
        return f"{steps} ahead"
    return f"{format_period(first, history[-1], frequency)}, {steps} ahead"


def _binary_future_covariate(run: Run, panel: Panel) -> int | None:
    """The only covariate known ahead that is 0 or 1 and is both; None if there is none or more."""
    if panel.covariates is None:
        return None
    known_ahead = {
        name
        for covariate in run.plan.features.covariates.covariates
        if covariate.role == "future" and covariate.kind == "number"
        for name in covariate.columns
    }
    found = [
        column
        for column, name in enumerate(panel.covariate_names)
        if name in known_ahead and _is_binary(panel.covariates[:, column])
    ]
    return found[0] if len(found) == 1 else None


def _is_binary(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return bool(np.isin(known, (0.0, 1.0)).all() and (known == 0).any() and (known == 1).any())


def _marked_steps(column: int, panel: Panel, series: int, origin: int, horizon: int) -> MarkedSteps:
    """The steps of a series where a covariate is 1; unknown ones are not marked."""
    assert panel.covariates is not None
    rows = slice(panel.wide_offsets[series], panel.wide_offsets[series + 1])
    is_one = panel.covariates[rows, column] == 1  # [steps, with those known ahead]
    ahead = np.zeros(horizon, dtype=np.bool_)
    known = is_one[origin : origin + horizon]
    ahead[: len(known)] = known
    return MarkedSteps(panel.covariate_names[column], is_one[:origin], ahead)
