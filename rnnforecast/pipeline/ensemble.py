"""The forecasts of a run's networks, combined with each other and with statistical forecasts.

Combination weights and the correlation of errors over the horizon are
estimated from forecasts of windows that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.cleaning.transforms import Bounds, Transform
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.evaluation.conformal import count_evidence
from rnnforecast.evaluation.ensembling import ForecastCombiner, fit_combiner
from rnnforecast.evaluation.network_weight import (
    NETWORKS_ONLY,
    NetworkWeight,
    fit_network_weight,
    validation_share,
)
from rnnforecast.evaluation.sample_paths import estimate_correlation, normal_scores
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.quantile_levels import MEDIAN, QuantileLevels
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.calibration import NO_CALIBRATION, Calibration
from rnnforecast.pipeline.forecaster_config import has_intermittent_target
from rnnforecast.pipeline.forecasting import (
    Member,
    calibrate_point_head,
    computed_levels,
    member_quantiles,
)
from rnnforecast.pipeline.statistical import statistical_quantiles
from rnnforecast.spec.spec import Spec
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import count_of


@dataclass(frozen=True)
class Ensemble:
    """Trained networks and what is needed to combine their forecasts."""

    members: list[Member]
    combiner: ForecastCombiner
    network_weight: NetworkWeight
    """The weight of the networks beside the statistical forecast."""
    weight_reason: str
    error_correlation: Floats
    """`[H, H]`, see `evaluation.sample_paths`."""
    calibration: Calibration = NO_CALIBRATION
    """Of the forecast by the ensemble."""


@dataclass(frozen=True)
class CalibrationWindows:
    """The windows from which the combination of forecasts is estimated."""

    windows: WindowDataset
    index: WindowIndex
    is_validation: bool
    """Whether these are validation windows, not the held-out horizon."""
    seasons: tuple[int, ...]
    """Seasons of the statistical methods, in steps."""
    values_per_series: float
    """Values in the training part of the usual series."""


def fit_ensemble(
    nets: Sequence[Forecaster],
    given: CalibrationWindows,
    spec: Spec,
    *,
    cleaned: CleanedData,
    transform: Transform,
    bounds: Bounds,
    engine: Engine | None = None,
) -> Ensemble:
    """The ensemble of the networks, estimated from the errors on the given windows.

    Args:
        spec: its sections forecast and ensemble are used.
        cleaned: the data of the windows, for statistical forecasts.
        transform, bounds: of the targets, for normal scores in original units.
        engine: see `statistical_quantiles`.
    """
    windows, index, quantiles = given.windows, given.index, spec.forecast.quantiles
    members = [_calibrate_member(net, windows, index, quantiles) for net in nets]
    levels = computed_levels(nets, quantiles).computed
    forecasts = np.stack([_flat_quantiles(member, windows, index, levels) for member in members])
    actual, size = inference.actuals_and_mean_abs(windows, index.item, index.origin)  # [W, H, C]
    truth = actual.swapaxes(1, 2).reshape(-1, windows.horizon)  # [W * C, H]
    size = np.repeat(size, actual.shape[2])
    combiner = fit_combiner(spec.ensemble.combine, forecasts, truth, size, levels)
    combined = combiner.combine(forecasts)
    independent = _count_validation_windows(given, actual)
    weight, reason = _fixed_network_weight(spec, cleaned, independent)
    if weight != NETWORKS_ONLY:
        statistical = _flat_statistical_quantiles(given, cleaned, levels, engine)
        if weight is None:
            middle = levels.index(MEDIAN)
            value = fit_network_weight(
                combined[..., middle],
                statistical[..., middle],
                truth,
                size,
                validation_windows=independent,
                values_per_series=given.values_per_series,
            )
            reason = _describe_evidence(independent, given.values_per_series)
            weight = _network_weight(value, independent)
        combined = weight.combine(combined, statistical, levels)
    targets = len(bounds.integer_valued)
    target = np.resize(np.arange(targets) if windows.joint else index.item % targets, len(truth))
    scores = score_targets(truth, combined, levels, target, transform, bounds)
    return Ensemble(members, combiner, weight, reason, estimate_correlation(*scores))


def _fixed_network_weight(
    spec: Spec, cleaned: CleanedData, validation_windows: int
) -> tuple[NetworkWeight | None, str]:
    """The weight that does not depend on forecasts, with its reason if it was not set; None if it
    has to be estimated."""
    value = spec.ensemble.network_weight
    if value != "auto":
        return _network_weight(float(value), validation_windows), ""
    if has_intermittent_target(cleaned):
        return NETWORKS_ONLY, "statistical methods are not for counts with many zeros"
    return None, ""


def _network_weight(value: float, validation_windows: int) -> NetworkWeight:
    """The weights of median and spread: the spread of a network has to prove itself longer."""
    return NetworkWeight(
        value, value if value == 1 else value * validation_share(validation_windows)
    )


def _describe_evidence(validation: int, per_series: float) -> str:
    """The reason for an estimated weight."""
    values = count_of(round(per_series), "value")
    windows = count_of(validation, "independent window") if validation else "no windows"
    return f"{values} a series, {windows} to validate on"


def score_targets(
    truth: Floats,
    quantiles: Floats,
    levels: Sequence[float],
    target: Ints,
    transform: Transform,
    bounds: Bounds,
) -> tuple[Floats, Floats]:
    """`normal_scores` of transformed values `[W, H]`, the row w of the target ``target[w]``, with
    bounds as in the forecast."""
    scores, variances = np.empty((2, *truth.shape))
    for c, method in enumerate(transform.methods):
        rows = target == c
        own = Transform((method,), (transform.powers[c],))
        lower = 0.0 if bounds.non_negative[c] else -np.inf
        values = own.inverse(quantiles[rows][..., None], axis=-1)[..., 0]
        scores[rows], variances[rows] = normal_scores(
            own.inverse(truth[rows][..., None], axis=-1)[..., 0],
            np.maximum(values, lower),
            levels,
            lower=lower,
            step=1.0 if bounds.integer_valued[c] else 0.0,
        )
    return scores, variances


def _calibrate_member(
    net: Forecaster, windows: WindowDataset, index: WindowIndex, quantiles: Sequence[float]
) -> Member:
    """The network, with the quantiles of its errors if it has a point head."""
    if net.head.can_sample:
        return Member(net)
    levels = QuantileLevels.for_loss(quantiles, net.config.loss)  # a point head has no own levels
    return Member(net, calibrate_point_head(net, windows, index, levels))


def _count_validation_windows(given: CalibrationWindows, actual: Floats) -> int:
    """The independent windows with a value in `actual` `[W, H, C]`; 0 if they are not of the
    validation part."""
    if not given.is_validation:
        return 0
    known, index = ~np.isnan(actual).all((1, 2)), given.index
    found = count_evidence(index.item[known], index.origin[known], given.windows.horizon)
    return int(found.windows)


def _flat_quantiles(
    member: Member, windows: WindowDataset, index: WindowIndex, levels: Sequence[float]
) -> Floats:
    """A network's quantiles for the windows of `index`, `[W * C, H, Q]` in transformed units."""
    config = member.net.config
    needed = QuantileLevels.for_loss(levels, config.loss, config.levels)
    computed = member_quantiles(member, windows, index, needed.computed, steps=windows.horizon)
    return _flat(needed.select(computed))


def _flat_statistical_quantiles(
    given: CalibrationWindows,
    cleaned: CleanedData,
    levels: Sequence[float],
    engine: Engine | None,
) -> Floats:
    """Statistical quantiles for the given windows, `[W * C, H, Q]` in transformed units."""
    horizon = given.windows.horizon
    return _flat(
        statistical_quantiles(
            cleaned,
            given.index,
            levels,
            steps=horizon,
            horizon=horizon,
            seasons=given.seasons,
            joint=given.windows.joint,
            engine=engine,
        )
    )


def _flat(quantiles: Floats) -> Floats:
    """`[W, H, C, Q]` → `[W * C, H, Q]`."""
    _, horizon, _, n_levels = quantiles.shape
    return quantiles.swapaxes(1, 2).reshape(-1, horizon, n_levels)
