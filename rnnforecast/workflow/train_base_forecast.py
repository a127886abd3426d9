"""Which first forecast a network adds to, where the spec leaves it open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.inference.quantiles import mean_loss
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.auto import AutoChoice
from rnnforecast.spec.spec import Spec
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.ridge import fit_base_forecast
from rnnforecast.workflow.train_sampling import SamplingPlan

BASE_FORECAST_KEY = "model.base_forecast"

BASE_FORECASTS = ("linear", "theta")

N_FIT_WINDOWS = 8192
"""So many tell how a linear map does."""


def choose_base_forecast(
    config: ForecasterConfig,
    sampling: SamplingPlan,
    index: WindowIndex,
    scale_batch: Batch,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> AutoChoice:
    """The better of `KINDS` on the windows of `index`, which are not trained on.

    A net that has learnt nothing yet says what its first forecast says. Theta, which needs no other
    series, is taken where it is ahead of the map that was fitted to all of them: then the series
    have little in common that a map could say. `some` windows tell the unit of the nets.
    """
    windows, losses = sampling.windows, {}
    for kind in BASE_FORECASTS:
        net = Forecaster(replace(config, base_forecast=kind)).to(windows.device).eval()
        net.initialize_scales(scale_batch.history, scale_batch.targets, scale_batch.weight)
        if kind == "linear":
            fit_base_forecast(
                net,
                sampling.evenly_spaced_batches(N_FIT_WINDOWS),
                neighbors=sampling.neighbor_folds,
            )
        loss = mean_loss(net, windows, index.item, index.origin, sampling.loss_weights)
        loss = distributed.broadcast(loss, windows.device)
        losses[kind] = loss if math.isfinite(loss) else math.inf
    if losses["theta"] < losses["linear"]:
        return AutoChoice(
            BASE_FORECAST_KEY, "theta", "ahead of a map of all series on the validation windows"
        )
    return AutoChoice(BASE_FORECAST_KEY, "linear", "theta is not ahead on the validation windows")


def with_base_forecast(specs: Sequence[Spec], kind: object) -> list[Spec]:
    """The specs, those that leave their first forecast open with this one."""
    return [
        spec.model_copy(update={"model": spec.model.model_copy(update={"base_forecast": kind})})
        if spec.model.base_forecast == "auto"
        else spec
        for spec in specs
    ]
