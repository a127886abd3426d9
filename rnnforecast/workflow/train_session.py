"""The fits of a training and the evaluation between them.

1. First fit on the training part, with early stopping by the validation windows; the best weights
   are kept.
2. Evaluation of these weights on the held-out horizon.
3. Final fit, a shorter one, on all data, which include the newest; the metrics remain those of 2.

In an ensemble, every network has a first fit, all are evaluated together, and each has a final fit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnnforecast.data.windows.origins import (
    OriginRanges,
    WindowIndex,
    first_observed,
    training_origins,
    validation_windows,
    windows_at_origins,
)
from rnnforecast.data.windows.split import shorter_horizon_hint
from rnnforecast.errors import DataError, Problem, SpecError, Stopped, TrainingDiverged, UsageError
from rnnforecast.evaluation.baselines import Baseline
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.pipeline.auto import AutoChoice, resolve_member_specs
from rnnforecast.pipeline.auto_season import statistical_seasons
from rnnforecast.pipeline.calibration import (
    NO_CALIBRATION,
    Calibration,
    ForecastWindows,
    fit_calibration,
)
from rnnforecast.pipeline.ensemble import (
    CalibrationWindows,
    Ensemble,
    fit_ensemble,
)
from rnnforecast.pipeline.evaluation import observed_values
from rnnforecast.pipeline.finetune import PretrainedRun
from rnnforecast.pipeline.forecaster_config import build_forecaster_config
from rnnforecast.pipeline.forecasting import (
    Postprocessing,
    build_window_dataset,
    computed_levels,
    finish_forecast,
    forecast,
    item_names,
    item_target_mask,
    without_finish,
)
from rnnforecast.pipeline.prepare import PreparedData, hash_data
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import FitState
from rnnforecast.training.trainer import FINAL_FIT_STEP_FRACTION
from rnnforecast.types import Ints
from rnnforecast.workflow.train_base_forecast import (
    BASE_FORECAST_KEY,
    choose_base_forecast,
    with_base_forecast,
)
from rnnforecast.workflow.train_checkpoints import CheckpointFile, FinishedFits
from rnnforecast.workflow.train_fit import (
    FINAL_FIT,
    FIRST_FIT,
    FitTask,
    NetworkFitter,
)
from rnnforecast.workflow.train_holdout import EvaluationResult, evaluate_holdout
from rnnforecast.workflow.train_sampling import SamplingPlan

MAX_VALIDATION_WINDOWS = 2048

FINAL_FIT_SEED_OFFSET = 1_000_000
"""Added to torch's seed in the final fits."""

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class FitResult:
    """The outcome of all fits; the networks hold their final weights."""

    ensemble: Ensemble
    evaluation: EvaluationResult
    held_out_forecasts: WindowForecast
    """Forecasts of the held-out horizon, of all series."""
    history: list[dict[str, float]]
    """Rows of the first fits, one per validation."""
    best_step: int
    """Best step of the first network."""
    interrupted: bool


class TrainingSession:
    """One training: the networks' specs, their windows, and the fits."""

    def __init__(
        self,
        prepared: PreparedData,
        folder: Path | None,
        listener: ProgressListener,
        should_stop: Callable[[], bool],
        distributed: DistributedContext = SINGLE_PROCESS,
        *,
        baselines: Sequence[Baseline] | None = None,
    ) -> None:
        """`folder` is the future run folder; None for a training without checkpoints. `baselines`
        are those that the run is compared with; by default as `evaluate_windows` has them."""
        self.baselines = baselines
        self.prepared, self.plan = prepared, prepared.plan
        self.listener, self.distributed = listener, distributed
        spec = self.spec = prepared.spec
        self.cleaned, self.split = prepared.cleaned, prepared.split
        self.panel = self.cleaned.panel
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.statistical_seasons = statistical_seasons(
            self.panel.frequency,
            self.season,
            is_given=prepared.inherited_spec.window.season != "auto",
        )
        self.device = _select_device(spec, distributed)
        self.member_specs = resolve_member_specs(prepared.inherited_spec, spec, self.cleaned)
        _check_batch_sizes(self.member_specs, distributed)
        self.pretrained: PretrainedRun | None = None
        if spec.training.start_from is not None:
            source = prepared.spec_folder / spec.training.start_from
            self.pretrained = PretrainedRun(source, spec.training.freeze)
        self.configs = self._build_configs()
        has_items = any(config.n_items for config in self.configs)
        self.smoothed_items = tuple(item_names(self.panel)) if has_items else ()
        self.windows = build_window_dataset(
            self.cleaned, self.configs, self.device, self.smoothed_items
        )
        is_joint = self.windows.items_per_series < self.cleaned.target_mask.shape[1]
        self.item_target_mask = item_target_mask(self.cleaned, joint=is_joint)
        self.validation = self._validation_index()
        self.data_hash = hash_data(self.cleaned)
        self.fingerprint = self._compute_fingerprint()
        self._checkpoint_file = None if folder is None else CheckpointFile(folder, self.fingerprint)
        self.finished = FinishedFits()
        self._final_calibration = NO_CALIBRATION
        self.fitter = NetworkFitter(
            self.device, distributed, listener, should_stop, self.validation
        )

    def load_checkpoint(self) -> Checkpoint | None:
        """The checkpoint of an unfinished training; UsageError if it is of other data or spec."""
        return None if self._checkpoint_file is None else self._checkpoint_file.load()

    def remove_checkpoint(self) -> None:
        """Removes the checkpoint, if there is one."""
        if self._checkpoint_file is not None:
            self._checkpoint_file.remove()

    def run(
        self, checkpoint: Checkpoint | None = None, *, keep_interrupted: bool = True
    ) -> FitResult:
        """Runs all fits and the evaluation between them, from the start or from a checkpoint.

        Raises Stopped if it was interrupted, unless `keep_interrupted`: then the result has the
        best weights so far.
        """
        self.finished = FinishedFits.from_checkpoint(checkpoint)
        self._resolve_base_forecast()
        nets, interrupted = self._first_fits(checkpoint)
        if interrupted and not keep_interrupted:
            raise self._stopped()
        ensemble, evaluation, held_out = self._evaluate(nets)
        if self.spec.training.final_fit and not interrupted:
            interrupted = self._final_fits(nets, checkpoint)
            if interrupted and not keep_interrupted:
                raise self._stopped()
            if not interrupted:
                ensemble = replace(ensemble, calibration=self._final_calibration)
        history, best_step = self.finished.history, self.finished.best_step
        return FitResult(ensemble, evaluation, held_out, history, best_step, interrupted)

    def _stopped(self) -> Stopped:
        state = "" if self._checkpoint_file is None else f" but {self._checkpoint_file.path}"
        return Stopped(f"nothing was written{state}; resume with --resume")

    def _first_fits(self, checkpoint: Checkpoint | None) -> tuple[list[Forecaster], bool]:
        """Runs the first fits; returns the networks, and whether training was interrupted."""
        nets: list[Forecaster] = []
        count, started = len(self.member_specs), time.monotonic()
        for member_index in range(count):
            if nets and not self._has_time_for_another(len(nets), time.monotonic() - started):
                self.listener.info(f"time budget: {len(nets)} of {count} networks")
                break
            net, state = self._fit_member(FIRST_FIT, member_index, None, checkpoint)
            nets.append(net)
            if state is not None:
                self.finished.add_history(member_index, state, is_ensemble=count > 1)
                if state.stopped:
                    return nets, True
        return nets, False

    def _final_fits(self, nets: Sequence[Forecaster], checkpoint: Checkpoint | None) -> bool:
        """Runs the final fits; returns whether training was interrupted, with the evaluated weights
        restored."""
        for member_index, net in enumerate(nets):
            _, state = self._fit_member(FINAL_FIT, member_index, net, checkpoint)
            if state is not None and state.stopped:
                for each, evaluated in enumerate(nets):
                    evaluated.load_state_dict(self.finished.weights_of(FIRST_FIT, each))
                return True
        return False

    def _fit_member(
        self, phase: str, member_index: int, net: Forecaster | None, checkpoint: Checkpoint | None
    ) -> tuple[Forecaster, FitState | None]:
        """The network after its fit, and its final state; None if the fit was finished before."""
        spec, is_first_fit = self.member_specs[member_index].training, phase == FIRST_FIT
        # random numbers of a fit do not depend on earlier fits
        device.seed_torch(spec.seed + (0 if is_first_fit else FINAL_FIT_SEED_OFFSET))
        net = net or Forecaster(self.configs[member_index]).to(self.device)
        if self.pretrained is not None and is_first_fit:
            self.pretrained.initialize(net, member_index, self.smoothed_items)
        weights = self.finished.weights_of(phase, member_index)
        if weights:
            net.load_state_dict(weights)
            return net.eval(), None
        state = None
        if checkpoint is not None and _position(checkpoint) == (phase, member_index):
            state = checkpoint.state
        count = len(self.member_specs)
        task = FitTask(
            phase=phase,
            spec=spec,
            sampling=self.sampling_plan(
                member_index, self.split.train_end if is_first_fit else self.panel.lengths
            ),
            title=f"{phase} {member_index + 1} of {count}" if count > 1 else phase,
            initialize=is_first_fit and state is None and self.pretrained is None,
        )
        end = self.fitter.fit(net, task, state, self._checkpoint_writer(phase, member_index))
        if not end.stopped or is_first_fit:
            self.finished.add_weights(phase, member_index, net)
        return net, end

    def _checkpoint_writer(self, phase: str, member_index: int) -> Callable[[FitState], None]:
        def write(state: FitState) -> None:
            if self.distributed.is_main and self._checkpoint_file is not None:
                self._checkpoint_file.save(
                    Checkpoint(
                        phase,
                        member_index,
                        self.fingerprint,
                        state,
                        self.finished.results(),
                        self.finished.weights,
                    )
                )

        return write

    def _has_time_for_another(self, n_fitted: int, seconds: float) -> bool:
        """Whether another first fit and all final fits are likely to end within the budget."""
        training = self.spec.training
        if training.time_budget is None:
            return True
        per_network = seconds / n_fitted
        final_share = FINAL_FIT_STEP_FRACTION if training.final_fit else 0.0
        needed = seconds + per_network + final_share * per_network * (n_fitted + 1)
        return needed <= SECONDS_PER_MINUTE * training.time_budget

    def _evaluate(
        self, nets: list[Forecaster]
    ) -> tuple[Ensemble, EvaluationResult, WindowForecast]:
        """The ensemble of the networks, its metrics and its forecasts of the held-out horizon."""
        quantiles, origins = self.spec.forecast.quantiles, self.split.test_origin
        ensemble = fit_ensemble(
            nets,
            self._calibration_windows(),
            self.spec,
            cleaned=self.cleaned,
            transform=self.plan.transform,
            bounds=self.plan.bounds,
        )
        self._resolve_network_weight(ensemble)
        postprocessing = Postprocessing(
            quantiles,
            self.plan.transform,
            self.plan.bounds,
            ensemble.combiner,
            smoothed_items=self.smoothed_items,
            yearly_season=self.plan.yearly_season,
            network_weight=ensemble.network_weight,
            statistical_seasons=self.statistical_seasons,
        )
        levels = computed_levels(nets, quantiles)
        forecaster = partial(
            forecast,
            ensemble.members,
            self.cleaned,
            postprocessing=without_finish(postprocessing, levels),
            windows=self.windows,
        )
        held_out = forecaster(origins)
        validated, self._final_calibration = self._calibrate(
            forecaster,
            held_out,
            levels,
            has_point_head=not all(net.head.can_sample for net in nets),
        )
        ensemble = replace(ensemble, calibration=validated)
        forecasts = finish_forecast(
            held_out, levels, replace(postprocessing, calibration=validated.intervals)
        )
        self._check_finite(forecasts)
        evaluation = evaluate_holdout(
            self.panel,
            forecasts,
            origins,
            season=self.season,
            quantiles=quantiles,
            statistical_season=self.statistical_seasons[0] if self.statistical_seasons else 1,
            baselines=self.baselines,
        )
        return ensemble, evaluation, forecasts

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
        if not self.spec.forecast.calibrate or (self.validation is None and has_point_head):
            return NO_CALIBRATION, NO_CALIBRATION
        series = np.flatnonzero(self.split.test_origin >= 0)
        windows = self._forecast_windows(
            series, self.split.test_origin[series], held_out.select(series)
        )
        fit = partial(fit_calibration, self.panel, levels=levels.computed, bounds=self.plan.bounds)
        if self.validation is None:
            return NO_CALIBRATION, fit(windows)
        channels = self.windows.items_per_series
        pairs = np.stack([self.validation.item // channels, self.validation.origin], 1)
        series, origins = np.unique(pairs, axis=0).T
        validation = self._forecast_windows(series, origins, forecaster(origins, series=series))
        return fit(validation), fit(validation.join(windows))

    def _forecast_windows(
        self, series: Ints, origins: Ints, forecasts: WindowForecast
    ) -> ForecastWindows:
        """Forecasts of windows beside the observed values."""
        actual = observed_values(self.panel, series, origins, self.horizon)
        return ForecastWindows(series, origins, forecasts.quantiles, actual)

    def _calibration_windows(self) -> CalibrationWindows:
        """The validation windows, or the held-out horizon if there is nothing else to use."""
        index = self.validation
        if index is None:
            index = windows_at_origins(
                self.split.test_origin,
                horizon=self.horizon,
                channels=self.windows.items_per_series,
            )
        trained_values = self._training_origins(self.split.train_end).root_length ** 2  # [items]
        return CalibrationWindows(
            self.windows,
            index,
            is_validation=self.validation is not None,
            seasons=self.statistical_seasons,
            values_per_series=float(np.median(trained_values)),
        )

    def _resolve_network_weight(self, ensemble: Ensemble) -> None:
        """Reports an automatic weight of the networks, and sets it in the spec."""
        if self.spec.ensemble.network_weight != "auto":
            return
        value = ensemble.network_weight.median
        choice = AutoChoice("ensemble.network_weight", value, ensemble.weight_reason)
        self.listener.info(f"auto  {choice}")
        section = self.spec.ensemble.model_copy(update={"network_weight": value})
        self.spec = self.spec.model_copy(update={"ensemble": section})

    def _check_finite(self, forecasts: WindowForecast) -> None:
        """Raises TrainingDiverged if a forecast from observed values is not finite: such a run must
        not replace a good one."""
        first = first_observed(self.item_target_mask, self.panel.offsets)
        has_history = self.split.test_origin[:, None] > first.reshape(self.panel.n_series, -1)
        finite = np.isfinite(forecasts.yhat) & np.isfinite(forecasts.quantiles).all(-1)
        bad = np.flatnonzero((has_history & ~finite.all(1)).any(1))
        if len(bad):
            raise TrainingDiverged(
                Problem(
                    "the held-out horizon",
                    f"the forecasts of {len(bad):,} series are not finite numbers, such as "
                    f"'{self.panel.labels()[bad[0]]}'",
                    "look for extreme values with 'rnnforecast check', or set "
                    f"training.learning_rate below {self.spec.training.learning_rate:g}",
                )
            )

    def _resolve_base_forecast(self) -> None:
        """Sets one base forecast in all networks that leave it `auto`, chosen for the first."""
        if self.finished.base_forecast is None:
            is_open = [spec.model.base_forecast == "auto" for spec in self.member_specs]
            if any(is_open):
                choice = self._choose_base_forecast(is_open.index(True))
                self.listener.info(f"auto  {choice}")
                self.finished.base_forecast = str(choice.value)
            else:
                self.finished.base_forecast = "linear"
        self.spec, *self.member_specs = with_base_forecast(
            [self.spec, *self.member_specs], self.finished.base_forecast
        )
        self.configs = self._build_configs()

    def _build_configs(self) -> list[ForecasterConfig]:
        """The architecture of each network; one that starts from a run's network reads gaps as that
        does, and has its quantile levels if both have the same quantiles."""
        if self.pretrained is None:
            return [build_forecaster_config(each, self.cleaned) for each in self.member_specs]
        configs = [
            build_forecaster_config(
                each,
                self.cleaned,
                reads_elapsed=self.pretrained.net(index).config.covariates.elapsed,
            )
            for index, each in enumerate(self.member_specs)
        ]
        if self.spec.forecast.quantiles != self.pretrained.run.quantiles:
            return configs
        levels = self.pretrained.run.config.levels  # more than these if its data are intermittent
        return [replace(config, levels=levels) for config in configs]

    def _choose_base_forecast(self, member_index: int) -> AutoChoice:
        if self.validation is None:
            return AutoChoice(BASE_FORECAST_KEY, "linear", "there are no validation windows")
        sampling = self.sampling_plan(member_index, self.split.train_end)
        return choose_base_forecast(
            self.configs[member_index],
            sampling,
            self.validation,
            seed=self.spec.training.seed,
            distributed=self.distributed,
        )

    def sampling_plan(self, member_index: int, ends: Ints) -> SamplingPlan:
        """The sampling plan of a network, with windows before the steps `ends [S]`."""
        config = self.configs[member_index]
        return SamplingPlan(
            self.member_specs[member_index].training,
            config,
            self.cleaned,
            ends,
            self.windows.with_lookback(config.input_length),
            self._training_origins(ends),
        )

    def _training_origins(self, ends: Ints) -> OriginRanges:
        origins = training_origins(
            self.item_target_mask,
            self.panel.offsets,
            ends=ends,
            horizon=self.horizon,
            season=self.season,
        )
        if not origins.n_windows:
            raise DataError(
                Problem(
                    f"window.horizon: {self.horizon}",
                    "no series has enough observed values before the held-out horizon",
                    shorter_horizon_hint(self.horizon, int(self.panel.lengths.max()), self.season),
                )
            )
        return origins

    def _validation_index(self) -> WindowIndex | None:
        if not self.split.has_validation.any():
            return None
        return validation_windows(
            self.split,
            horizon=self.horizon,
            channels=self.windows.items_per_series,
            max_windows=MAX_VALIDATION_WINDOWS,
        )

    def _compute_fingerprint(self) -> str:
        """SHA-256 of the spec, the data, and the weights that training starts from."""
        other_commands = {"backtest": BacktestSpec(), "search": SearchSpec()}
        spec = self.spec.model_copy(update=other_commands)
        parts = [dump_spec(spec), self.data_hash]
        if self.pretrained is not None:
            parts.append(self.pretrained.weights_sha256)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _position(checkpoint: Checkpoint) -> tuple[str, int]:
    return checkpoint.phase, checkpoint.member_index


def _select_device(spec: Spec, distributed: DistributedContext) -> device.Device:
    try:
        return distributed.device_for(device.select_device(spec.training.device))
    except ValueError as error:
        cure = "set training.device to auto or cpu"
        raise UsageError(Problem("training.device", str(error), cure)) from None


def _check_batch_sizes(member_specs: Sequence[Spec], distributed: DistributedContext) -> None:
    """Raises SpecError if a batch has fewer windows than there are processes."""
    smallest = min(int(spec.training.batch_size) for spec in member_specs)
    if smallest < distributed.world_size:
        found = f"{smallest} windows cannot be shared by {distributed.world_size} processes"
        cure = f"set it to {distributed.world_size} or more"
        raise SpecError(Problem("training.batch_size", found, cure))
