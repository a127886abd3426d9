"""Evaluation of networks after their first fits: how they are combined, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from rnnforecast.data.windows.origins import WindowIndex, first_observed, windows_at_origins
from rnnforecast.errors import Problem, TrainingDiverged
from rnnforecast.evaluation.baselines import Baseline
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.calibration import (
    NO_CALIBRATION,
    Calibration,
    ForecastWindows,
    fit_calibration,
)
from rnnforecast.pipeline.ensemble import CalibrationWindows, Ensemble, fit_ensemble
from rnnforecast.pipeline.evaluation import observed_values
from rnnforecast.pipeline.forecasting import (
    Postprocessing,
    computed_levels,
    finish_forecast,
    forecast,
    without_finish,
)
from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Bools, Floats, Ints
from rnnforecast.workflow.train_holdout import EvaluationResult, evaluate_holdout


@dataclass(frozen=True)
class NetworkEvaluation:
    """What is known of networks after their first fits."""

    ensemble: Ensemble
    """Its intervals are calibrated by the validation windows."""
    holdout: EvaluationResult
    final_calibration: Calibration
    """Calibrated by the held-out horizon too, for the networks of the final fit."""


@dataclass(frozen=True)
class NetworkEvaluator:
    """Combines the forecasts of networks and scores them on the held-out horizon."""

    prepared: PreparedData
    windows: WindowDataset
    validation: WindowIndex | None
    """The windows that the combination is estimated from; None without any."""
    item_target_mask: Bools
    """See `pipeline.forecasting.item_target_mask`."""
    training_values: Floats
    """`[items]` values of each item in the training part."""
    statistical_seasons: tuple[int, ...]
    smoothed_items: tuple[str, ...]
    baselines: Sequence[Baseline] | None
    """As in `evaluate_windows`."""
    engine: Engine | None = None
    """See `statistical_quantiles`."""

    def evaluate(self, nets: Sequence[Forecaster]) -> NetworkEvaluation:
        """The ensemble of the networks with its metrics.

        Raises TrainingDiverged if a forecast is not finite.
        """
        prepared, quantiles = self.prepared, self.prepared.spec.forecast.quantiles
        plan, cleaned = prepared.plan, prepared.cleaned
        series, origins = self._scored
        ensemble = fit_ensemble(
            nets,
            self._calibration_windows(),
            prepared.spec,
            cleaned=cleaned,
            transform=plan.transform,
            bounds=plan.bounds,
            engine=self.engine,
        )
        postprocessing = Postprocessing(
            quantiles,
            plan.transform,
            plan.bounds,
            ensemble.combiner,
            smoothed_items=self.smoothed_items,
            yearly_season=plan.yearly_season,
            network_weight=ensemble.network_weight,
            statistical_seasons=self.statistical_seasons,
        )
        levels = computed_levels(nets, quantiles)
        forecaster = partial(
            forecast,
            ensemble.members,
            cleaned,
            postprocessing=without_finish(postprocessing, levels),
            windows=self.windows,
            engine=self.engine,
        )
        held_out = forecaster(origins, series=series)
        has_point_head = not all(net.head.can_sample for net in nets)
        validated, final = self._calibrate(
            forecaster, held_out, levels, has_point_head=has_point_head
        )
        forecasts = finish_forecast(
            held_out, levels, replace(postprocessing, calibration=validated.intervals)
        )
        self._check_finite(forecasts)
        holdout = evaluate_holdout(
            cleaned.panel,
            forecasts,
            series,
            origins,
            season=int(prepared.spec.window.season),
            quantiles=quantiles,
            statistical_season=self.statistical_seasons[0] if self.statistical_seasons else 1,
            baselines=self.baselines,
        )
        return NetworkEvaluation(replace(ensemble, calibration=validated), holdout, final)

    @cached_property
    def _scored(self) -> tuple[Ints, Ints]:
        """`[S']` the series whose held-out horizon is scored, and its first step in each."""
        split = self.prepared.split
        series = split.scored_series(self.prepared.spec.training.holdout_series)
        return series, split.test_origin[series]

    def _calibrate(
        self,
        forecaster: Callable[..., WindowForecast],
        held_out: WindowForecast,
        levels: QuantileLevels,
        *,
        has_point_head: bool,
    ) -> tuple[Calibration, Calibration]:
        """Intervals calibrated by the validation windows, for the metrics, and by the held-out
        horizon too, for the networks of the final fit.

        Without validation windows, point heads were calibrated by the held-out horizon itself.
        """
        prepared, validation = self.prepared, self.validation
        if not prepared.spec.forecast.calibrate or (validation is None and has_point_head):
            return NO_CALIBRATION, NO_CALIBRATION
        windows = self._forecast_windows(*self._scored, held_out)
        fit = partial(
            fit_calibration,
            prepared.cleaned.panel,
            levels=levels.computed,
            bounds=prepared.plan.bounds,
        )
        if validation is None:
            return NO_CALIBRATION, fit(windows)
        channels = self.windows.items_per_series
        pairs = np.stack([validation.item // channels, validation.origin], 1)
        series, origins = np.unique(pairs, axis=0).T
        validated = self._forecast_windows(series, origins, forecaster(origins, series=series))
        return fit(validated), fit(validated.join(windows))

    def _forecast_windows(
        self, series: Ints, origins: Ints, forecasts: WindowForecast
    ) -> ForecastWindows:
        """Forecasts of windows beside the observed values."""
        horizon = self.prepared.spec.window.horizon
        actual = observed_values(self.prepared.cleaned.panel, series, origins, horizon)
        return ForecastWindows(series, origins, forecasts.quantiles, actual)

    def _calibration_windows(self) -> CalibrationWindows:
        """The validation windows, or the held-out horizon if there is nothing else to use."""
        index = self.validation
        if index is None:
            index = windows_at_origins(
                self.prepared.split.test_origin,
                horizon=self.prepared.spec.window.horizon,
                channels=self.windows.items_per_series,
            )
        return CalibrationWindows(
            self.windows,
            index,
            is_validation=self.validation is not None,
            seasons=self.statistical_seasons,
            values_per_series=float(np.median(self.training_values)),
        )

    def _check_finite(self, forecasts: WindowForecast) -> None:
        """Raises TrainingDiverged if a forecast from observed values is not finite: such a run must
        not replace a good one."""
        panel, spec = self.prepared.cleaned.panel, self.prepared.spec
        series, origins = self._scored
        first = first_observed(self.item_target_mask, panel.offsets)
        has_history = origins[:, None] > first.reshape(panel.n_series, -1)[series]
        finite = np.isfinite(forecasts.yhat) & np.isfinite(forecasts.quantiles).all(-1)
        bad = np.flatnonzero((has_history & ~finite.all(1)).any(1))
        if len(bad):
            raise TrainingDiverged(
                Problem(
                    "the held-out horizon",
                    f"the forecasts of {len(bad):,} series are not finite numbers, such as "
                    f"'{panel.labels()[series[bad[0]]]}'",
                    "look for extreme values with 'rnnforecast check', or set "
                    f"training.learning_rate below {spec.training.learning_rate:g}",
                )
            )
