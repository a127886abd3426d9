"""Which first forecast a network adds to, where the spec leaves it open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rnnforecast.data.windows.origins import Index
from rnnforecast.inference.quantiles import mean_loss
from rnnforecast.models.config import Architecture
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.auto import Choice
from rnnforecast.spec.model import Spec
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import ALONE, Team
from rnnforecast.training.ridge import fit_first
from rnnforecast.workflow.train_sampling import Emphasis

KEY = "model.first_forecast"

KINDS = ("linear", "theta")

WINDOWS = 8192
"""So many tell how a linear map does."""


def first_choice(
    config: Architecture,
    sampling: Emphasis,
    index: Index,
    scale_batch: Batch,
    distributed: Team = ALONE,
) -> Choice:
    """The better of `KINDS` on the windows of `index`, which are not trained on.

    A net that has learnt nothing yet says what its first forecast says. Theta, which needs no other
    series, is taken where it is ahead of the map that was fitted to all of them: then the series
    have little in common that a map could say. `some` windows tell the unit of the nets.
    """
    windows, losses = sampling.windows, {}
    for kind in KINDS:
        net = Forecaster(replace(config, first=kind)).to(windows.device).eval()
        net.measure(scale_batch.history, scale_batch.future, scale_batch.weight)
        if kind == "linear":
            fit_first(net, sampling.evenly(WINDOWS), neighbors=sampling.neighbours)
        loss = mean_loss(net, windows, index.item, index.origin, sampling.weighing)
        loss = distributed.agreed(loss, windows.device)
        losses[kind] = loss if math.isfinite(loss) else math.inf
    if losses["theta"] < losses["linear"]:
        return Choice(KEY, "theta", "ahead of a map of all series on the validation windows")
    return Choice(KEY, "linear", "theta is not ahead on the validation windows")


def with_first(specs: Sequence[Spec], kind: object) -> list[Spec]:
    """The specs, those that leave their first forecast open with this one."""
    return [
        spec.model_copy(update={"model": spec.model.model_copy(update={"first_forecast": kind})})
        if spec.model.first_forecast == "auto"
        else spec
        for spec in specs
    ]
