"""What is learnt from forecasts of windows that were not trained on: what each network counts for,
how uncertain a forecast is, and how the errors of the steps hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.evaluation.calibration import (
    IDENTITY_SCALING,
    IntervalScaling,
    fit_interval_scaling,
)
from rnnforecast.evaluation.ensembling import ForecastCombiner, fit_ensemble_weights
from rnnforecast.evaluation.sample_paths import estimate_correlation, normal_scores
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.forecasting import (
    Member,
    calibrate_point_head,
    computed_levels,
    levels_with_median,
    member_quantiles,
)
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Ensemble:
    """Networks ready to forecast together."""

    members: list[Member]
    combiner: ForecastCombiner
    interval_scaling: IntervalScaling
    """See `evaluation.conformal`."""
    error_correlation: Floats
    """`[H, H]` see `evaluation.dependence`."""


def fit_ensemble(
    nets: Sequence[Forecaster],
    windows: WindowDataset,
    index: WindowIndex,
    *,
    quantiles: Sequence[float],
    method: str,
    is_validation: bool,
) -> Ensemble:
    """The networks with what their errors on the windows of `index` say.

    `method` is how they become one, see `evaluation.combine`; `unseen` says that no score is
    measured on these windows later.
    """
    members = [
        Member(
            net,
            None if net.head.can_sample else calibrate_point_head(net, windows, index, quantiles),
        )
        for net in nets
    ]
    levels = levels_with_median(quantiles)
    several = np.stack([_flat_quantiles(member, windows, index, levels) for member in members])
    actual, size = inference.actuals_and_mean_abs(windows, index.item, index.origin)  # [W, H, C]
    truth = actual.swapaxes(1, 2).reshape(-1, windows.horizon)  # [W * C, H]
    combination = ForecastCombiner(method)
    if method == "weights" and len(members) > 1:
        weights = fit_ensemble_weights(several, truth, np.repeat(size, actual.shape[2]), levels)
        combination = replace(combination, weights=tuple(map(float, weights)))
    whole = combination.combine(several)
    found = IDENTITY_SCALING
    # one network alone learns its intervals from far more windows, or has them of these very errors
    if is_validation and len(members) > 1:
        known = ~np.isnan(actual).all((1, 2))
        apart = _count_non_overlapping(index.item[known], index.origin[known], windows.horizon)
        found = fit_interval_scaling(truth, whole, levels, apart)
    together = estimate_correlation(normal_scores(truth, found.apply(whole, levels), levels))
    return Ensemble(members, combination, found, together)


def _count_non_overlapping(item: Ints, origin: Ints, horizon: int) -> int:
    """How many windows can be picked of these so that no two futures of an item overlap, if there
    is one at each origin."""
    spans = pd.Series(origin).groupby(item).agg(["min", "max"])
    return int(((spans["max"] - spans["min"]) // horizon + 1).sum())


def _flat_quantiles(
    member: Member, windows: WindowDataset, index: WindowIndex, levels: Sequence[float]
) -> Floats:
    """What a network says of the windows of `index`, `[W * C, H, Q]`, before any transform is
    undone."""
    asked = computed_levels(levels, member.net.config.loss)
    found = member_quantiles(member, windows, index, asked, steps=windows.horizon)
    found = found[..., [asked.index(level) for level in levels]]  # [W, H, C, Q]
    return found.swapaxes(1, 2).reshape(-1, windows.horizon, len(levels))
