"""The networks of a run: their configurations, and their combination after training.

Combination weights, the scaling of intervals and the correlation of errors over the horizon are
estimated from forecasts of windows that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning.transforms import Bounds, Transform
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.evaluation.calibration import (
    IDENTITY_SCALING,
    IntervalScaling,
    fit_interval_scaling,
)
from rnnforecast.evaluation.ensembling import ForecastCombiner, fit_combiner
from rnnforecast.evaluation.network_weight import (
    NETWORKS_ONLY,
    NetworkWeight,
    fit_network_weight,
    validation_share,
)
from rnnforecast.evaluation.sample_paths import estimate_correlation, normal_scores
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.base import Noise
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.models.quantile_levels import INTERMITTENT_LEVELS, MEDIAN, QuantileLevels
from rnnforecast.pipeline.auto import difference_lag
from rnnforecast.pipeline.forecasting import (
    Member,
    calibrate_point_head,
    computed_levels,
    item_names,
    member_quantiles,
)
from rnnforecast.pipeline.statistical import statistical_quantiles
from rnnforecast.registry import BACKBONES, WINDOW_SCALERS
from rnnforecast.spec.model import ModelSpec
from rnnforecast.spec.spec import Spec
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import count_of

MIN_ZERO_SHARE = 0.2
"""Whole numbers of at least 0 with this share of zeros are intermittent."""


def build_forecaster_config(
    spec: Spec, cleaned: CleanedData, *, reads_elapsed: bool | None = None
) -> ForecasterConfig:
    """The architecture of a resolved spec, sized for the covariates of the data.

    `reads_elapsed`: whether the network reads the time since the last observation; by default if
    there are gaps.
    """
    return forecaster_config(
        spec,
        n_targets=cleaned.panel.observed_mask.shape[1],
        covariates=_covariate_sizes(spec, cleaned, reads_elapsed),
        n_items=len(item_names(cleaned.panel)),
        levels=_trained_levels(spec, cleaned),
    )


def forecaster_config(
    spec: Spec,
    *,
    n_targets: int,
    covariates: CovariateSizes,
    n_items: int,
    levels: tuple[float, ...],
) -> ForecasterConfig:
    """The architecture of a resolved spec; items count for learned window scalers only."""
    window, model = spec.window, spec.model
    is_smoothed = "learned" in WINDOW_SCALERS.traits(model.normalize)
    return ForecasterConfig(
        lookback=int(window.lookback),
        horizon=window.horizon,
        patch_length=int(window.patch_length),
        season=int(window.season),
        backbone=_backbone_config(model),
        hidden_size=int(model.hidden_size),
        dropout=model.dropout,
        decoder=model.decoder,
        normalize=model.normalize,
        # auto is resolved when training begins, see `workflow.train_base_forecast`
        base_forecast="linear" if model.base_forecast == "auto" else model.base_forecast,
        loss=spec.training.loss,
        loss_options=spec.training.loss_options,
        levels=levels,
        bidirectional=model.bidirectional,
        attention=model.attention,
        teacher_forcing=model.teacher_forcing,
        tbptt_steps=spec.training.tbptt_steps,
        channels=n_targets if model.channels == "joint" else 1,
        difference_lag=difference_lag(spec),
        covariates=covariates,
        n_items=n_items if is_smoothed else 0,
        smoothing_seasons=_smoothing_seasons(spec) if is_smoothed else (),
    )


def _trained_levels(spec: Spec, cleaned: CleanedData) -> tuple[float, ...]:
    """The levels of a network: those of the forecast, and more for counts with many zeros."""
    levels = QuantileLevels.with_median(spec.forecast.quantiles)
    for values, observed in zip(
        cleaned.panel.targets.T, cleaned.panel.observed_mask.T, strict=True
    ):
        if _is_intermittent(values[observed]):
            levels = levels.with_more(INTERMITTENT_LEVELS)
    return levels.computed


def _is_intermittent(known: Floats) -> bool:
    """Whether observed values `[n]` are counts with many zeros."""
    return bool(
        len(known)
        and np.mean(known == 0) >= MIN_ZERO_SHARE
        and known.min() >= 0
        and np.array_equal(known, np.round(known))
    )


def _backbone_config(model: ModelSpec) -> BackboneConfig:
    return BackboneConfig(
        name=model.backbone,
        n_layers=int(model.layers),
        dropout=model.dropout,
        residual=bool(model.residual),
        layer_norm=model.layer_norm,
        orthogonal=model.orthogonal_init,
        noise=Noise(model.recurrent_dropout, model.zoneout, model.initial_state == "learned"),
        options=model.backbone_options,
    )


def _covariate_sizes(
    spec: Spec, cleaned: CleanedData, reads_elapsed: bool | None
) -> CovariateSizes:
    features = cleaned.features
    if reads_elapsed is None:
        reads_gaps = "gaps" in BACKBONES.traits(spec.model.backbone)
        reads_elapsed = reads_gaps or not cleaned.target_mask.all()
    return CovariateSizes(
        past=features.past.shape[1],
        past_codes=features.past_cardinalities,
        future=features.future.shape[1],
        future_codes=features.future_cardinalities,
        static=features.static.shape[1],
        static_codes=features.static_cardinalities,
        elapsed=reads_elapsed,
    )


def _smoothing_seasons(spec: Spec) -> tuple[int, ...]:
    seasons = spec.model.smoothing_seasons
    return () if isinstance(seasons, str) else tuple(season for season in seasons if season > 1)


@dataclass(frozen=True)
class Ensemble:
    """Trained networks and what is needed to combine their forecasts."""

    members: list[Member]
    combiner: ForecastCombiner
    interval_scaling: IntervalScaling
    """See `evaluation.calibration`."""
    network_weight: NetworkWeight
    """The weight of the networks beside the statistical forecast."""
    weight_reason: str
    error_correlation: Floats
    """`[H, H]`, see `evaluation.sample_paths`."""


@dataclass(frozen=True)
class CalibrationWindows:
    """The windows from which the combination of forecasts is estimated."""

    windows: WindowDataset
    index: WindowIndex
    is_validation: bool
    """Whether these are validation windows, not the held-out horizon."""
    seasons: tuple[int, ...]
    """Seasons of the statistical methods, in steps."""
    windows_per_series: float
    """Independent windows in the training part of the usual series."""


def fit_ensemble(
    nets: Sequence[Forecaster],
    given: CalibrationWindows,
    spec: Spec,
    *,
    cleaned: CleanedData,
    transform: Transform,
    bounds: Bounds,
) -> Ensemble:
    """The ensemble of the networks, estimated from the errors on the given windows.

    Args:
        spec: its sections forecast and ensemble are used.
        cleaned: the data of the windows, for statistical forecasts.
        transform, bounds: of the targets, for normal scores in original units.
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
    known = ~np.isnan(actual).all((1, 2)) if given.is_validation else np.zeros(len(actual), bool)
    independent = _count_non_overlapping(index.item[known], index.origin[known], windows.horizon)
    scaling = IDENTITY_SCALING
    # the intervals of a single network come from far more windows, or from these very errors
    if given.is_validation and len(members) > 1:
        scaling = fit_interval_scaling(truth, combined, levels, independent)
    combined = scaling.apply(combined, levels)
    weight, reason = _fixed_network_weight(spec, cleaned, independent)
    if weight != NETWORKS_ONLY:
        statistical = _flat(
            statistical_quantiles(
                cleaned,
                index,
                levels,
                steps=windows.horizon,
                horizon=windows.horizon,
                seasons=given.seasons,
                joint=windows.joint,
            )
        )
        if weight is None:
            middle = levels.index(MEDIAN)
            value = fit_network_weight(
                combined[..., middle],
                statistical[..., middle],
                truth,
                size,
                validation_windows=independent,
                windows_per_series=given.windows_per_series,
            )
            reason = _describe_windows(independent, given.windows_per_series)
            weight = _network_weight(value, independent)
        combined = weight.combine(combined, statistical, levels)
    target = (
        np.arange(actual.shape[2]) if windows.joint else index.item % len(bounds.integer_valued)
    )
    target = np.resize(target, len(truth))
    scores = score_targets(truth, combined, levels, target, transform, bounds)
    return Ensemble(members, combiner, scaling, weight, reason, estimate_correlation(*scores))


def _fixed_network_weight(
    spec: Spec, cleaned: CleanedData, validation_windows: int
) -> tuple[NetworkWeight | None, str]:
    """The weight that does not depend on forecasts, with its reason if it was not set; None if it
    has to be estimated."""
    value = spec.ensemble.network_weight
    if value != "auto":
        return _network_weight(float(value), validation_windows), ""
    panel = cleaned.panel
    pairs = zip(panel.targets.T, panel.observed_mask.T, strict=True)
    if any(_is_intermittent(values[observed]) for values, observed in pairs):
        return NETWORKS_ONLY, "counts with many zeros are not for exponential smoothing"
    return None, ""


def _network_weight(value: float, validation_windows: int) -> NetworkWeight:
    """The weights of median and spread: the spread of a network has to prove itself longer."""
    return NetworkWeight(
        value, value if value == 1 else value * validation_share(validation_windows)
    )


def _describe_windows(validation: int, per_series: float) -> str:
    """The reason for an estimated weight."""
    windows = count_of(max(round(per_series), 1), "independent window")
    return f"{windows} a series, {validation or 'none'} to validate on"


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


def _count_non_overlapping(item: Ints, origin: Ints, horizon: int) -> int:
    """The most windows with horizons that do not overlap, from the first origin of each item on."""
    spans = pd.Series(origin).groupby(item).agg(["min", "max"])
    return int(((spans["max"] - spans["min"]) // horizon + 1).sum())


def _flat_quantiles(
    member: Member, windows: WindowDataset, index: WindowIndex, levels: Sequence[float]
) -> Floats:
    """A network's quantiles for the windows of `index`, `[W * C, H, Q]` in transformed units."""
    config = member.net.config
    needed = QuantileLevels.for_loss(levels, config.loss, config.levels)
    computed = member_quantiles(member, windows, index, needed.computed, steps=windows.horizon)
    return _flat(needed.select(computed))


def _flat(quantiles: Floats) -> Floats:
    """`[W, H, C, Q]` → `[W * C, H, Q]`."""
    _, horizon, _, n_levels = quantiles.shape
    return quantiles.swapaxes(1, 2).reshape(-1, horizon, n_levels)
