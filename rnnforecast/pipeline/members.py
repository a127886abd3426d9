"""The networks of a run: one, or an ensemble of several that differ where the spec says so."""

from __future__ import annotations

from rnnforecast.data.cleaning_plan import Cleaned
from rnnforecast.models import registry
from rnnforecast.models.base import Noise
from rnnforecast.models.config import Architecture
from rnnforecast.models.layers.covariates import Sizes
from rnnforecast.models.layers.stack import Plan
from rnnforecast.pipeline.auto import difference_of, resolve
from rnnforecast.pipeline.forecasting import item_names, levels_with_median
from rnnforecast.pipeline.load_spec import variants
from rnnforecast.spec.model import Spec


def members_of(given: Spec, resolved: Spec, cleaned: Cleaned) -> list[Spec]:
    """The settled spec of each network: what `given` leaves open is settled for each on its own."""
    window = given.window.model_copy(update={"season": resolved.window.season})
    open_ = {"window": window, "model": given.model, "training": given.training}
    return [resolve(one, cleaned)[0] for one in variants(resolved.model_copy(update=open_))]


def architecture_of(spec: Spec, cleaned: Cleaned) -> Architecture:
    """The net that a settled spec asks for, with room for the covariates that there are."""
    window, model, features = spec.window, spec.model, cleaned.features
    targets = cleaned.panel.observed.shape[1]
    noise = Noise(model.recurrent_dropout, model.zoneout, model.initial_state == "learnt")
    recurrent = Plan(
        backbone=model.backbone,
        layers=int(model.layers),
        dropout=model.dropout,
        residual=bool(model.residual),
        layer_norm=model.layer_norm,
        orthogonal=model.orthogonal,
        noise=noise,
        options=model.options,
    )
    smooth = model.normalize == "exponential_smoothing"
    reads_gaps = "gaps" in registry.traits(model.backbone)
    return Architecture(
        lookback=int(window.lookback),
        horizon=window.horizon,
        segment=int(window.segment),
        season=int(window.season),
        recurrent=recurrent,
        hidden_size=int(model.hidden_size),
        dropout=model.dropout,
        decoder=model.decoder,
        normalize=model.normalize,
        # what is open is settled when the training begins, see `workflow.first`
        first="linear" if model.first_forecast == "auto" else model.first_forecast,
        loss=spec.training.loss,
        loss_options=spec.training.loss_options,
        levels=levels_with_median(spec.forecast.quantiles),
        bidirectional=model.bidirectional,
        attention=model.attention,
        teacher_forcing=model.teacher_forcing,
        truncate=spec.training.truncate,
        channels=targets if model.channels == "joint" else 1,
        difference=difference_of(spec),
        covariates=Sizes(
            past=features.past.shape[1],
            past_codes=features.past_sizes,
            known=features.future.shape[1],
            known_codes=features.future_sizes,
            static=features.static.shape[1],
            static_codes=features.static_sizes,
            elapsed=reads_gaps or not cleaned.counted.all(),
        ),
        items=len(item_names(cleaned.panel)) if smooth else 0,
        seasons=_seasons(spec) if smooth else (),
    )


def _seasons(spec: Spec) -> tuple[int, ...]:
    found = spec.model.smoothed_seasons
    return () if isinstance(found, str) else tuple(season for season in found if season > 1)
