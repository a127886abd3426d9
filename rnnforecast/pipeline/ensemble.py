"""What is learnt from forecasts of windows that were not trained on: what each network counts for,
how uncertain a forecast is, and how the errors of the steps hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rnnforecast.data.windows.origins import Index
from rnnforecast.evaluation.calibration import AS_IT_IS, Widening, widening
from rnnforecast.evaluation.ensembling import Combination, weigh
from rnnforecast.evaluation.sample_paths import correlation, scores
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.forecasting import (
    Member,
    answers,
    calibrate,
    levels_asked,
    levels_with_median,
)
from rnnforecast.training.dataset import Windows
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Joined:
    """Networks ready to forecast together."""

    members: list[Member]
    combination: Combination
    widening: Widening
    """See `evaluation.conformal`."""
    dependence: Floats
    """`[H, H]` see `evaluation.dependence`."""


def join(
    nets: Sequence[Forecaster],
    windows: Windows,
    index: Index,
    *,
    quantiles: Sequence[float],
    method: str,
    is_validation: bool,
) -> Joined:
    """The networks with what their errors on the windows of `index` say.

    `method` is how they become one, see `evaluation.combine`; `unseen` says that no score is
    measured on these windows later.
    """
    members = [
        Member(net, None if net.head.samples else calibrate(net, windows, index, quantiles))
        for net in nets
    ]
    levels = levels_with_median(quantiles)
    several = np.stack([_answers(member, windows, index, levels) for member in members])
    actual, size = inference.futures(windows, index.item, index.origin)  # [W, H, C]
    truth = actual.swapaxes(1, 2).reshape(-1, windows.horizon)  # [W * C, H]
    combination = Combination(method)
    if method == "weights" and len(members) > 1:
        weights = weigh(several, truth, np.repeat(size, actual.shape[2]), levels)
        combination = replace(combination, weights=tuple(map(float, weights)))
    whole = combination.of(several)
    found = AS_IT_IS
    # one network alone learns its intervals from far more windows, or has them of these very errors
    if is_validation and len(members) > 1:
        known = ~np.isnan(actual).all((1, 2))
        apart = _apart(index.item[known], index.origin[known], windows.horizon)
        found = widening(truth, whole, levels, apart)
    together = correlation(scores(truth, found.of(whole, levels), levels))
    return Joined(members, combination, found, together)


def _apart(item: Ints, origin: Ints, horizon: int) -> int:
    """How many windows can be picked of these so that no two futures of an item overlap, if there
    is one at each origin."""
    spans = pd.Series(origin).groupby(item).agg(["min", "max"])
    return int(((spans["max"] - spans["min"]) // horizon + 1).sum())


def _answers(member: Member, windows: Windows, index: Index, levels: Sequence[float]) -> Floats:
    """What a network says of the windows of `index`, `[W * C, H, Q]`, before any transform is
    undone."""
    asked = levels_asked(levels, member.net.architecture.loss)
    found = answers(member, windows, index, asked, steps=windows.horizon)
    found = found[..., [asked.index(level) for level in levels]]  # [W, H, C, Q]
    return found.swapaxes(1, 2).reshape(-1, windows.horizon, len(levels))
