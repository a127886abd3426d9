"""A run without networks of its own, fitted to the data that it forecasts.

The cleaning plan is fitted to all values, as nothing is held out. Covariates are not read: neither
statistical methods nor the pretrained network have a use for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.cleaning_plan import (
    AlignedData,
    CleanedData,
    CleaningPlan,
    build_inputs,
    fit_cleaning_plan,
)
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.windows.split import Split
from rnnforecast.evaluation.network_weight import NetworkWeight
from rnnforecast.inference.pretrained import pretrained_network
from rnnforecast.pipeline.auto_season import statistical_seasons
from rnnforecast.pipeline.calibration import NO_CALIBRATION
from rnnforecast.pipeline.deseasonalize import fit_yearly_season
from rnnforecast.pipeline.fit_profile import fit_profile
from rnnforecast.pipeline.forecasting import DEFAULT_COMBINER
from rnnforecast.pipeline.prepare import (
    build_cleaning_plan,
    check_output_columns,
    file_paths,
    forecast_bounds,
    hash_data,
    with_inferred_columns,
)
from rnnforecast.pipeline.presets import Preset
from rnnforecast.pipeline.rnn_imputation import NETWORK_IMPUTERS
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.features import FeaturesSpec
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.types import Floats

ERROR_CORRELATION, CORRELATION_DECAY = 0.6, 0.95
"""Of the errors of neighboring steps, and how much is left of it with each further step: about that
of M1, M3 and M4 series."""
MAX_CORRELATED_STEPS = 64
"""Steps further apart are not correlated."""


def build_untrained_plan(spec: Spec) -> CleaningPlan:
    """The cleaning plan of a spec for its targets alone, not yet fitted."""
    plan, data = build_cleaning_plan(spec), spec.data
    options = plan.read_options
    # with an automatic role, a column that is not known as a covariate could be taken for a target
    if "auto" not in (data.targets, data.series):
        options = ReadOptions(data)
    features = FeaturePlan(FeaturesSpec(calendar="none"))
    return replace(plan, read_options=options, features=features)


def fit_untrained_run(
    given: Spec, spec: Spec, aligned: AlignedData, source: Sequence[DataSource], now: datetime
) -> tuple[Run, CleanedData]:
    """The run that forecasts these data without a training, and the data by its cleaning plan.

    Args:
        given: the spec; its sections model, training and ensemble are those of `train`, but for the
            seed of imputers, and for `training.loss`, which may forecast a mean.
        spec: with a horizon, and the season resolved.
        aligned: the data, by the plan of `build_untrained_plan`.
        source: the files and data frames that they were read from.
        now: the time that counts as that of the training.

    Raises:
        DataError if the data do not fit the spec.
    """
    panel, horizon = aligned.panel, spec.window.horizon
    plan, cleaned = _clean(spec, aligned)
    resolved = with_inferred_columns(spec, plan)
    forecast, data_hash = spec.forecast, hash_data(cleaned)
    run = Run(
        plan=plan,
        members=(),
        combiner=DEFAULT_COMBINER,
        network_weight=NetworkWeight(0.0, 0.0),
        statistical_seasons=statistical_seasons(
            panel.frequency, int(spec.window.season), is_given=given.window.season != "auto"
        ),
        error_correlation=_error_correlation(min(horizon, MAX_CORRELATED_STEPS)),
        smoothed_items=(),
        quantiles=forecast.quantiles,
        source=file_paths(source),
        totals=forecast.totals,
        n_paths=forecast.sample_paths,
        n_plots=Preset.plots if forecast.plots == "auto" else forecast.plots,
        plotted_series=(),
        calibration=NO_CALIBRATION,
        trained_until=panel.window_timestamps(panel.lengths - 1, 1).max(),
        metadata={
            "versions": {"rnnforecast": __version__, "torch": device.TORCH_VERSION},
            "seed": spec.training.seed,
            "device": "cpu",
            "fingerprint": _fingerprint(resolved, data_hash),
            "data_sha256": data_hash,
            "interrupted": False,
            "parameters": sum(each.numel() for each in pretrained_network().parameters()),
            "trained_at": now.isoformat(),
        },
        spec=resolved,
        profile=fit_profile(cleaned, resolved, ()),
    )
    return run, cleaned


def _clean(spec: Spec, aligned: AlignedData) -> tuple[CleaningPlan, CleanedData]:
    """The cleaning plan, fitted to all values, and the data by it."""
    check_output_columns(spec, aligned.table.roles)
    lengths = aligned.panel.lengths
    plan, transformed = fit_cleaning_plan(
        build_untrained_plan(spec),
        aligned,
        season=int(spec.window.season),
        train_end=lengths,
        network_imputers=NETWORK_IMPUTERS,
    )
    plan = replace(plan, bounds=forecast_bounds(spec, plan))
    nothing_held_out = Split(lengths, lengths < 0, lengths, 0, 1)
    plan, _ = fit_yearly_season(spec, plan, aligned.panel, transformed, nothing_held_out)
    return plan, build_inputs(plan, aligned, horizon=spec.window.horizon, transformed=transformed)


def _error_correlation(horizon: int) -> Floats:
    """`[H, H]` between the errors of the steps."""
    step = np.arange(horizon)
    lag = np.abs(np.subtract.outer(step, step))
    return np.where(lag > 0, ERROR_CORRELATION * CORRELATION_DECAY ** (lag - 1.0), 1.0)


def _fingerprint(spec: Spec, data_hash: str) -> str:
    """SHA-256 of the spec but for the place of the data, of the data, and of the version, whose
    pretrained network it is."""
    data = spec.data.model_copy(update={"path": ()})
    parts = [dump_spec(spec.model_copy(update={"data": data})), data_hash, __version__]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
