"""Information criteria of a trained network, on its training windows."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.windows.origins import training_origins
from rnnforecast.errors import DataError, Problem
from rnnforecast.evaluation.metrics import seasonal_scale
from rnnforecast.pipeline.forecasting import Postprocessing, forecast
from rnnforecast.types import Ints
from rnnforecast.workflow.train_output import TrainedRun
from rnnforecast.workflow.train_session import TrainingSession

MAX_WINDOWS = 4096
"""Training windows whose errors are computed, evenly spaced over all."""


def information_criterion(name: str, trained: TrainedRun) -> float:
    """AIC ``n log(RSS / n) + 2 k`` or BIC ``n log(RSS / n) + k log n`` of the networks of a run.

    n is the number of observed values that were trained on, k that of the networks' parameters, and
    RSS / n the mean squared error of their point forecasts in training windows, relative to the
    mean seasonal change of each series. Source: Faraway and Chatfield 1998, "Time series
    forecasting with neural networks", section 3, where BIC has another constant per parameter.
    """
    session, members = trained.session, trained.fit_result.ensemble.members
    panel, ends = session.panel, session.split.train_end
    series, origins = _training_windows(session)
    found = forecast(
        members,
        session.cleaned,
        origins,
        series=series,
        postprocessing=Postprocessing(
            session.spec.forecast.quantiles,
            session.plan.transform,
            session.plan.bounds,
            smoothed_items=session.smoothed_items,
            yearly_season=session.plan.yearly_season,
        ),
        windows=session.windows,
    )
    steps = origins[:, None] + np.arange(session.horizon)  # [M, H]
    rows = panel.offsets[series, None] + np.minimum(steps, panel.lengths[series, None] - 1)
    counted = panel.observed_mask[rows] & (steps < ends[series, None])[..., None]  # [M, H, C]
    scale = seasonal_scale(
        panel.targets, panel.offsets, season=session.season, ends=panel.offsets[:-1] + ends
    )
    error = (panel.targets[rows] - found.yhat) / scale[series, None]
    counted &= np.isfinite(error)
    n = int(panel.observed_mask[panel.mask_before(ends)].sum())
    mean_square = float(np.square(error[counted]).mean()) if counted.any() else 0.0
    if not mean_square > 0:
        cure = "set search.criterion to a metric such as mase"
        raise DataError(Problem("search.criterion", f"{name}: no error in training windows", cure))
    k = sum(
        parameter.numel()
        for member in members
        for parameter in member.net.parameters()
        if parameter.requires_grad
    )
    penalty = 2.0 if name == "aic" else float(np.log(n))
    return n * float(np.log(mean_square)) + penalty * k


def _training_windows(session: TrainingSession) -> tuple[Ints, Ints]:
    """Series and origins `[M]` of up to `MAX_WINDOWS` training windows, evenly spaced over all."""
    panel = session.panel
    origins = training_origins(
        session.item_target_mask,
        panel.offsets,
        ends=session.split.train_end,
        horizon=session.horizon,
        season=session.season,
    )
    first = origins.first.reshape(panel.n_series, -1).min(1)
    last = origins.last.reshape(panel.n_series, -1).max(1)
    count = np.maximum(last - first + 1, 0)  # [S]
    total = int(count.sum())
    rank = np.linspace(0, total - 1, min(total, MAX_WINDOWS)).astype(np.int64)
    stop = np.cumsum(count)
    series = np.searchsorted(stop, rank, side="right")
    return series, first[series] + rank - (stop - count)[series]
