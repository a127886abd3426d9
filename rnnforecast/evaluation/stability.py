"""Stability: how much the forecast of one step changes from an origin to the next one.

Van Belle, Crevits and Verbeke 2023, "Improving forecast stability using deep learning"
(sMAPC); Godahewa et al. 2025, "On forecast stability" (scaled changes). A forecast that changes
little is not a better one, but plans made by it last.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.types import Floats


def forecast_changes(windows: EvaluatedWindows, forecast: WindowForecast) -> dict[str, Floats]:
    """Mean changes of the point forecast of each window from the previous origin of its series.

    Over the H' steps that both forecast, f now and g before:

    - ``smapc``: ``200 mean(|f - g| / (|f| + |g|))``, in percent; a term is 0 where both are 0,
    - ``masc``: ``mean|f - g| / scale``, with the scale of MASE.

    Returns `[M, C]` each; NaN for the first window of a series and where horizons do not overlap.
    """
    size, horizon, n_targets = forecast.yhat.shape
    changes = {name: np.full((size, n_targets), np.nan) for name in ("smapc", "masc")}
    order = np.lexsort((windows.origin, windows.series))
    before, now = order[:-1], order[1:]
    shift = windows.origin[now] - windows.origin[before]
    overlapping = (windows.series[now] == windows.series[before]) & (shift > 0) & (shift < horizon)
    before, now, shift = before[overlapping], now[overlapping], shift[overlapping]
    if not len(now):
        return changes
    step = np.arange(horizon) + shift[:, None]  # [P, H] in the window before
    index = np.minimum(step, horizon - 1)[..., None]
    old = np.take_along_axis(forecast.yhat[before], index, axis=1)  # [P, H, C]
    new = forecast.yhat[now]
    common = (step < horizon)[..., None] & ~np.isnan(old) & ~np.isnan(new)
    difference = np.where(common, np.abs(new - old), 0.0)
    total = np.where(common, np.abs(new) + np.abs(old), 0.0)
    count = common.sum(1)
    count = np.where(count > 0, count, np.nan)
    changes["smapc"][now] = 200.0 * (difference / np.where(total > 0, total, 1.0)).sum(1) / count
    changes["masc"][now] = difference.sum(1) / count / windows.scale[now]
    return changes
