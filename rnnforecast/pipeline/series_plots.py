"""Plots of the forecasts of selected series, for the held-out horizon or the future."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.baselines import simple_forecasts
from rnnforecast.evaluation.metrics import symmetric_level_pairs
from rnnforecast.output.forecast_plots import plot_forecast, safe_file_stem
from rnnforecast.pipeline.forecasting import Forecasts
from rnnforecast.pipeline.run_folder import Run
from rnnforecast.types import Floats, Ints


def plot_series_forecasts(
    folder: Path,
    run: Run,
    panel: Panel,
    series: Ints,
    origins: Ints,
    forecasts: Forecasts,
    *,
    actual: Floats | None = None,
    note: str = "",
) -> int:
    """Writes plots into `folder`, each as PNG and SVG; returns their number.

    One target of each series is plotted, or up to `run.n_plots` targets of a single series.

    Args:
        series: indices `[P]` of the series in the panel.
        origins: `[S]` of all series of the panel, like the forecasts.
        actual: `[P, H, C]` values after the origins, if known; original units.
        note: end of the line below each title.
    """
    n_targets = min(panel.observed_mask.shape[1], run.n_plots) if len(series) == 1 else 1
    simple, horizon = simple_forecasts(run.config.season)[0], forecasts.yhat.shape[1]
    future = panel.to_display_timezone(
        panel.window_timestamps(np.maximum(origins, 0), horizon)
    )  # [S, H]
    levels = run.quantiles
    central_intervals = [
        (round(levels[high] - levels[low], 6), low, high)
        for low, high in symmetric_level_pairs(levels)
    ]
    labels = panel.labels()
    has_names = panel.keys.shape[1] > 0  # a single series without keys is named by its target
    stems: set[str] = set()
    for place, index in enumerate(series):
        chosen = panel.filter_series(np.arange(panel.n_series) == index)
        past = int(origins[index])
        history_timestamps = chosen.to_display_timezone(
            chosen.window_timestamps(np.zeros(1, dtype=np.int64), past)[0]
        )
        ends = np.array([past])
        naive = simple.point(chosen.targets, chosen.offsets, horizon=horizon, ends=ends)[0]
        for channel in range(n_targets):
            name = panel.target_names[channel]
            words = [labels[index]] * has_names + [name] * (n_targets > 1 or not has_names)
            label = " ".join(words)
            stem = safe_file_stem(label, stems)
            stems.add(stem)
            values = forecasts.quantiles[index, :, channel]
            plot_forecast(
                folder / stem,
                label=label,
                target=name,
                history_timestamps=history_timestamps,
                history=chosen.targets[:past, channel],
                forecast_timestamps=future[index],
                yhat=forecasts.yhat[index, :, channel],
                intervals=[
                    (coverage, values[:, low], values[:, high])
                    for coverage, low, high in central_intervals
                ],
                baseline=(simple.name, naive[:, channel]),
                actual=None if actual is None else actual[place, :, channel],
                note=note,
            )
    return len(stems)
