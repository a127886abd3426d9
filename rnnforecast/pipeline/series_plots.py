"""Forecast plots of chosen series, for `train` (the held-out horizon) and `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.output.forecast_plots import plot_forecast, safe_file_stem
from rnnforecast.pipeline.forecasting import Forecasts
from rnnforecast.types import Floats, Ints


def plot_series_forecasts(
    folder: Path,
    panel: Panel,
    series: Ints,
    origins: Ints,
    forecasts: Forecasts,
    *,
    quantiles: Sequence[float],
    max_targets: int,
    naive_forecast: Floats,
    baseline_name: str,
    actual: Floats | None = None,
    note: str = "",
) -> int:
    """Draws `series` (places in the panel) into `folder`, PNG and SVG; returns how many plots.

    `origins [S]` and `forecasts` are those of the whole panel; `naive`, which is called `baseline`,
    and `actual`, `[len(series), H, C]`, those of the drawn series. The first target of each series
    is drawn, or the first `most` where only one series is.
    """
    channels = range(min(panel.observed_mask.shape[1], max_targets) if len(series) == 1 else 1)
    horizon = forecasts.yhat.shape[1]
    ahead = panel.to_display_timezone(
        panel.window_timestamps(np.maximum(origins, 0), horizon)
    )  # [S, H]
    labels = panel.labels()
    named = panel.keys.shape[1] > 0  # the only series has no name: it goes by its target's
    taken: set[str] = set()
    for place, one in enumerate(series):
        chosen = panel.filter_series(np.arange(panel.n_series) == one)
        past = int(origins[one])
        for channel in channels:
            name = panel.target_names[channel]
            label = " ".join([labels[one]] * named + [name] * (len(channels) > 1 or not named))
            stem = safe_file_stem(label, taken)
            taken.add(stem)
            plot_forecast(
                folder / stem,
                label=label,
                target=name,
                history_timestamps=chosen.to_display_timezone(
                    chosen.window_timestamps(np.zeros(1, dtype=np.int64), past)[0]
                ),
                history=chosen.targets[:past, channel],
                forecast_timestamps=ahead[one],
                yhat=forecasts.yhat[one, :, channel],
                intervals=_interval_bands(forecasts.quantiles[one, :, channel], quantiles),
                baseline=(baseline_name, naive_forecast[place, :, channel]),
                actual=None if actual is None else actual[place, :, channel],
                note=note,
            )
    return len(taken)


def _interval_bands(
    values: Floats, quantiles: Sequence[float]
) -> list[tuple[float, Floats, Floats]]:
    """`[H, Q]` as (share covered, lower, upper), one for each pair of quantiles q and 1 - q."""
    bands = []
    for low, level in enumerate(quantiles):
        opposite = [k for k, other in enumerate(quantiles) if abs(level + other - 1) < 1e-9]
        if level < 0.5 and opposite:
            high = opposite[0]
            bands.append((round(quantiles[high] - level, 6), values[:, low], values[:, high]))
    return bands
