"""The architectures of a run's networks, from a resolved spec and the data."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.models.base import Noise
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.models.quantile_levels import INTERMITTENT_LEVELS, QuantileLevels
from rnnforecast.pipeline.auto import difference_lag
from rnnforecast.registry import BACKBONES, WINDOW_SCALERS
from rnnforecast.spec.model import ModelSpec
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Floats

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
        n_items=cleaned.panel.n_series * cleaned.panel.observed_mask.shape[1],
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
    if has_intermittent_target(cleaned):
        levels = levels.with_more(INTERMITTENT_LEVELS)
    return levels.computed


def has_intermittent_target(cleaned: CleanedData) -> bool:
    """Whether a target has counts with many zeros."""
    panel = cleaned.panel
    pairs = zip(panel.targets.T, panel.observed_mask.T, strict=True)
    return any(_is_intermittent(values[observed]) for values, observed in pairs)


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
