"""The networks of a run: one, or an ensemble of several that differ where the spec says so."""

from __future__ import annotations

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.models.base import Noise
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.pipeline.auto import difference_lag, resolve_auto
from rnnforecast.pipeline.forecasting import item_names, levels_with_median
from rnnforecast.pipeline.load_spec import expand_ensemble
from rnnforecast.registry import BACKBONES, WINDOW_SCALERS
from rnnforecast.spec.model import Spec


def resolve_member_specs(given: Spec, resolved: Spec, cleaned: CleanedData) -> list[Spec]:
    """The settled spec of each network: what `given` leaves open is settled for each on its own."""
    window = given.window.model_copy(update={"season": resolved.window.season})
    open_ = {"window": window, "model": given.model, "training": given.training}
    return [
        resolve_auto(one, cleaned)[0] for one in expand_ensemble(resolved.model_copy(update=open_))
    ]


def build_forecaster_config(spec: Spec, cleaned: CleanedData) -> ForecasterConfig:
    """The net that a settled spec asks for, with room for the covariates that there are."""
    window, model, features = spec.window, spec.model, cleaned.features
    targets = cleaned.panel.observed_mask.shape[1]
    noise = Noise(model.recurrent_dropout, model.zoneout, model.initial_state == "learned")
    recurrent = BackboneConfig(
        name=model.backbone,
        n_layers=int(model.layers),
        dropout=model.dropout,
        residual=bool(model.residual),
        layer_norm=model.layer_norm,
        orthogonal=model.orthogonal_init,
        noise=noise,
        options=model.backbone_options,
    )
    smooth = "learned" in WINDOW_SCALERS.traits(model.normalize)
    reads_gaps = "gaps" in BACKBONES.traits(model.backbone)
    return ForecasterConfig(
        lookback=int(window.lookback),
        horizon=window.horizon,
        patch_length=int(window.patch_length),
        season=int(window.season),
        backbone=recurrent,
        hidden_size=int(model.hidden_size),
        dropout=model.dropout,
        decoder=model.decoder,
        normalize=model.normalize,
        # what is open is settled when the training begins, see `workflow.first`
        base_forecast="linear" if model.base_forecast == "auto" else model.base_forecast,
        loss=spec.training.loss,
        loss_options=spec.training.loss_options,
        levels=levels_with_median(spec.forecast.quantiles),
        bidirectional=model.bidirectional,
        attention=model.attention,
        teacher_forcing=model.teacher_forcing,
        tbptt_steps=spec.training.tbptt_steps,
        channels=targets if model.channels == "joint" else 1,
        difference_lag=difference_lag(spec),
        covariates=CovariateSizes(
            past=features.past.shape[1],
            past_codes=features.past_cardinalities,
            future=features.future.shape[1],
            future_codes=features.future_cardinalities,
            static=features.static.shape[1],
            static_codes=features.static_cardinalities,
            elapsed=reads_gaps or not cleaned.target_mask.all(),
        ),
        n_items=len(item_names(cleaned.panel)) if smooth else 0,
        smoothing_seasons=_smoothing_seasons(spec) if smooth else (),
    )


def _smoothing_seasons(spec: Spec) -> tuple[int, ...]:
    found = spec.model.smoothing_seasons
    return () if isinstance(found, str) else tuple(season for season in found if season > 1)
