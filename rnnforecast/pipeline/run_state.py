"""The content of `state.json`: its schema, and whether it fits the other files of the run.

A run folder may come from elsewhere: every value is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rnnforecast.data.cleaning.imputation_plan import ImputationPlan
from rnnforecast.data.cleaning_plan import CleaningPlan
from rnnforecast.data.io.series_sample import SampledSeries
from rnnforecast.evaluation.ensembling import ForecastCombiner
from rnnforecast.evaluation.network_weight import NetworkWeight
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.quantile_levels import MEDIAN, QuantileLevels
from rnnforecast.pipeline.auto_season import LONGEST_UNTESTED_SEASON
from rnnforecast.pipeline.calibration import NO_CALIBRATION, Calibration, read_timestamp
from rnnforecast.pipeline.forecaster_config import forecaster_config
from rnnforecast.spec.spec import Spec, expand_ensemble
from rnnforecast.spec.types import NonNegativeInt, PositiveInts, Quantiles
from rnnforecast.types import Floats

MAX_FACTOR = 1000.0
"""The largest plausible factor of the calibration."""

MAX_SIZE_RATIO = 1000
"""A size of one network of several is at most this many times that of the resolved spec."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class StoredMember(BaseModel):
    """One network: its configuration, and the errors that calibrate a point forecast."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any]
    residuals: list[list[Finite | None]] | list[list[list[Finite | None]]] | None

    def forecaster_config(self) -> ForecasterConfig:
        """The configuration of the network."""
        return ForecasterConfig.from_json(self.config)

    def residual_array(self) -> Floats | None:
        """The errors, NaN where unknown."""
        return None if self.residuals is None else np.array(self.residuals, dtype=np.float64)


class RunState(BaseModel):
    """The content of `state.json`."""

    model_config = ConfigDict(extra="forbid")

    format: int
    plan: dict[str, Any]
    members: list[StoredMember] = Field(min_length=1)
    combiner: ForecastCombiner
    network_weight: NetworkWeight
    statistical_seasons: PositiveInts
    smoothed_items: tuple[str, ...]
    quantiles: Quantiles
    source: tuple[str, ...]
    totals: PositiveInts
    sample_paths: NonNegativeInt
    plots: NonNegativeInt
    plotted_series: tuple[str, ...]
    calibration: Calibration
    refreshed_calibration: Calibration
    sampled: SampledSeries | None
    trained_until: str | int
    versions: dict[str, str]
    seed: NonNegativeInt
    device: Literal["auto", "cpu", "cuda", "mps"]
    fingerprint: str
    data_sha256: str
    interrupted: bool
    parameters: NonNegativeInt
    trained_at: AwareDatetime

    def last_trained_timestamp(self) -> np.datetime64 | np.int64:
        """`trained_until` as a timestamp; ValueError if it is none."""
        return read_timestamp(self.trained_until)

    def metadata(self) -> dict[str, Any]:
        """What is stored for information, and the device."""
        names = ("versions", "seed", "device", "fingerprint", "data_sha256", "interrupted")
        found = {name: getattr(self, name) for name in (*names, "parameters")}
        return found | {"trained_at": self.trained_at.isoformat()}


def find_contradictions(
    state: RunState,
    plan: CleaningPlan,
    error_correlation: np.ndarray,
    spec: Spec,
) -> Iterator[str]:
    """What does not fit together in the files of a run; `spec` is that of `resolved.yaml`."""
    forecast, horizon = spec.forecast, spec.window.horizon
    clean = spec.clean.model_copy(update={"min_length": plan.clean.min_length})
    n_targets = len(plan.read_options.data.targets)
    imputation = ImputationPlan.build(
        plan.clean,
        plan.read_options.data.targets,
        plan.transform,
        season=plan.season,
        seed=plan.seed,
    )
    combiner = state.combiner
    facts = {
        "quantiles": state.quantiles == forecast.quantiles,
        "totals": state.totals == forecast.totals,
        "sample_paths": state.sample_paths == forecast.sample_paths,
        "plots": state.plots == forecast.plots,
        "columns": plan.read_options.data == spec.data,
        "cleaning": plan.clean == clean and plan.season == spec.window.season,
        "features": plan.features.spec == spec.features,
        "imputation": replace(plan.imputation, imputers={}) == replace(imputation, imputers={}),
        "yearly season": plan.yearly_season.is_complete(n_targets)
        if plan.clean.deseasonalize == "year"
        else not plan.yearly_season,
        "seed": plan.seed == spec.training.seed,
        "transform": len(plan.transform.methods) == n_targets == len(plan.transform.powers)
        and bool(np.isfinite(plan.transform.powers).all()),
        "bounds": len(plan.bounds.non_negative) == n_targets == len(plan.bounds.integer_valued),
        "calibration": all(
            _is_calibration(each, spec, n_targets)
            for each in (state.calibration, state.refreshed_calibration)
        ),
        "combination": combiner.method == spec.ensemble.combine
        and all(0 <= weight <= 1 for weight in combiner.weights)
        and (combiner.method != "weights" or len(combiner.weights) in (0, len(state.members))),
        "network weight": state.network_weight.median == spec.ensemble.network_weight
        and 0 <= state.network_weight.spread <= 1,
        "statistical seasons": _are_statistical_seasons(
            state.statistical_seasons, int(spec.window.season)
        ),
        "sample of series": _is_sample(state.sampled, spec),
        "correlation": error_correlation.shape == (horizon, horizon)
        and bool((np.abs(error_correlation) <= 1 + 1e-6).all()),
        "networks": len(state.members) == spec.ensemble.members,
    }
    yield from (name for name, is_right in facts.items() if not is_right)
    specs = expand_ensemble(spec)
    for number, (member, each) in enumerate(zip(state.members, specs, strict=False)):
        config = member.forecaster_config()
        expected = forecaster_config(
            each,
            n_targets=n_targets,
            covariates=config.covariates,
            n_items=config.n_items,
            levels=config.levels,
        )
        if not _are_levels(config.levels, QuantileLevels.with_median(forecast.quantiles).computed):
            yield f"quantiles of network {number}"
        if not _is_config_of(config, expected, is_only=len(specs) == 1):
            yield f"network {number}"
        residuals = member.residual_array()
        if residuals is not None and horizon not in residuals.shape:
            yield f"errors of network {number}"


def _is_calibration(calibration: Calibration, spec: Spec, n_targets: int) -> bool:
    """Whether this can be the calibration of a run with this spec."""
    found = calibration.intervals
    if not found.factors:
        return calibration == NO_CALIBRATION
    shape = (len(found.factors), len(found.factors[0]), len(found.levels))
    factors = [value for group in found.factors for part in group for value in part]
    return (
        spec.forecast.calibrate
        and found.horizon == spec.window.horizon
        and shape[0] in (1, n_targets)
        and 1 <= shape[1] <= found.horizon
        and np.shape(found.factors) == shape
        and all(0 <= factor <= MAX_FACTOR for factor in factors)
        and _are_levels(found.levels, (*spec.forecast.quantiles, MEDIAN))
        and calibration.windows > 0
        and read_timestamp(calibration.until) is not None
    )


def _is_sample(sampled: SampledSeries | None, spec: Spec) -> bool:
    """Whether this can be the sample of series of a training with this spec."""
    return sampled is None or (
        sampled.memory_budget == spec.training.memory_budget
        and sampled.seed == spec.training.seed
        and 0 < sampled.share < 1
        and sampled.series > 0
    )


def _are_statistical_seasons(seasons: tuple[int, ...], season: int) -> bool:
    """Whether these can be the seasons of statistical methods beside networks with this season."""
    if season > 1:
        return seasons[:1] == (season,) and list(seasons) == sorted(set(seasons))
    return len(seasons) <= 1 and all(each <= LONGEST_UNTESTED_SEASON for each in seasons)


def _are_levels(levels: tuple[float, ...], needed: tuple[float, ...]) -> bool:
    """Whether the levels rise from above 0 to below 1, and the needed ones are among them."""
    rising = list(levels) == sorted(set(levels))
    return rising and levels[0] > 0 and levels[-1] < 1 and set(needed) <= set(levels)


def _is_config_of(config: ForecasterConfig, expected: ForecasterConfig, *, is_only: bool) -> bool:
    """Whether the config is the expected one. Of several networks each may have values of its own
    where a key was automatic."""
    if is_only:
        # the base forecast is chosen in training
        return config == replace(expected, base_forecast=config.base_forecast)
    names = ("horizon", "season", "levels", "channels", "difference_lag")
    sizes = ("lookback", "patch_length", "hidden_size")
    return all(getattr(config, name) == getattr(expected, name) for name in names) and all(
        0 < getattr(config, name) <= MAX_SIZE_RATIO * getattr(expected, name) for name in sizes
    )
