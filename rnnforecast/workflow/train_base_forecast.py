"""The choice of an `auto` base forecast: the better one on validation windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.inference.quantiles import mean_loss
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.auto import AutoChoice
from rnnforecast.registry import BASE_FORECASTS
from rnnforecast.spec.spec import Spec
from rnnforecast.training.device import one_thread
from rnnforecast.training.distributed import DistributedContext
from rnnforecast.training.ridge import fit_base_forecast
from rnnforecast.workflow.train_fit import N_SCALE_WINDOWS
from rnnforecast.workflow.train_sampling import SamplingPlan

BASE_FORECAST_KEY = "model.base_forecast"

N_FIT_WINDOWS = 8192
"""About the number of windows that the linear map is fitted to for the comparison."""


@one_thread()
def choose_base_forecast(
    config: ForecasterConfig,
    sampling: SamplingPlan,
    validation: WindowIndex,
    *,
    seed: int,
    distributed: DistributedContext,
) -> AutoChoice:
    """The base forecast with the smaller validation loss.

    The output of an untrained network is its base forecast. Theta, which is fitted to each window,
    wins if the series have too little in common for a linear map fitted to all of them.
    """
    windows, losses = sampling.windows, {}
    batch = sampling.make_batch_fn(batch_size=N_SCALE_WINDOWS, seed=seed)(0)
    for name in BASE_FORECASTS.having("candidate"):
        net = Forecaster(replace(config, base_forecast=name)).to(windows.device).eval()
        net.initialize_scales(batch.history, batch.targets, batch.weight)
        if "window_forecast" not in BASE_FORECASTS.traits(name):
            batches = sampling.evenly_spaced_batches(N_FIT_WINDOWS)
            fit_base_forecast(net, batches, neighbors=sampling.neighbor_folds)
        loss = mean_loss(net, windows, validation.item, validation.origin, sampling.loss_weights)
        loss = distributed.broadcast(loss, windows.device)
        losses[name] = loss if math.isfinite(loss) else math.inf
    if losses["theta"] < losses["linear"]:
        reason = "better than a linear map on the validation windows"
        return AutoChoice(BASE_FORECAST_KEY, "theta", reason)
    return AutoChoice(BASE_FORECAST_KEY, "linear", "theta is not better on the validation windows")


def with_base_forecast(specs: Sequence[Spec], name: str) -> list[Spec]:
    """The specs, with the base forecast `name` if they leave it `auto`."""
    return [
        spec.model_copy(update={"model": spec.model.model_copy(update={"base_forecast": name})})
        if spec.model.base_forecast == "auto"
        else spec
        for spec in specs
    ]
