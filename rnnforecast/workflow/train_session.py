"""The fits of a training and their evaluation.

1. Every network has a first fit on the training part, with early stopping by the validation
   windows; the best weights are kept.
2. It has a final fit, a shorter one, on all data, which include the newest.
3. The networks are evaluated together, with the weights of 1, on the held-out horizon; the final
   weights have no metrics of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnforecast.data.windows.origins import (
    OriginRanges,
    WindowIndex,
    training_origins,
    validation_windows,
)
from rnnforecast.data.windows.series_scale import mean_absolute_values
from rnnforecast.data.windows.split import shorter_horizon_hint
from rnnforecast.errors import DataError, Problem, SpecError, Stopped, UsageError
from rnnforecast.evaluation.baselines import Baseline
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.auto import AutoChoice, resolve_member_specs
from rnnforecast.pipeline.ensemble import Ensemble
from rnnforecast.pipeline.finetune import PretrainedRun
from rnnforecast.pipeline.forecaster_config import build_forecaster_config
from rnnforecast.pipeline.forecasting import build_window_dataset, item_names, item_target_mask
from rnnforecast.pipeline.prepare import PreparedData, hash_data
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.training.checkpoint import (
    Checkpoint,
    weights_from_bytes,
    weights_to_bytes,
)
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import StateDict
from rnnforecast.types import Ints
from rnnforecast.workflow.train_base_forecast import (
    BASE_FORECAST_KEY,
    choose_base_forecast,
    with_base_forecast,
)
from rnnforecast.workflow.train_checkpoints import CheckpointFile, TrainingState, fit_name
from rnnforecast.workflow.train_evaluation import NetworkEvaluation, NetworkEvaluator
from rnnforecast.workflow.train_fit import FINAL_FIT, FIRST_FIT
from rnnforecast.workflow.train_holdout import EvaluationResult
from rnnforecast.workflow.train_member import FitData, MemberTask, PhaseWindows
from rnnforecast.workflow.train_members import MemberFits
from rnnforecast.workflow.train_sampling import SamplingPlan

MAX_VALIDATION_WINDOWS = 2048


@dataclass(frozen=True)
class FitResult:
    """The outcome of all fits; the networks hold their final weights."""

    ensemble: Ensemble
    evaluation: EvaluationResult
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
        self.listener, self.should_stop, self.distributed = listener, should_stop, distributed
        spec = self.spec = prepared.spec
        self.cleaned, self.split = prepared.cleaned, prepared.split
        self.panel = self.cleaned.panel
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.statistical_seasons = prepared.statistical_seasons
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

    def load_checkpoint(self) -> Checkpoint | None:
        """The checkpoint of an unfinished training; UsageError if it is of other data or spec."""
        return None if self._checkpoint_file is None else self._checkpoint_file.load()

    def remove_checkpoint(self) -> None:
        """Removes the checkpoint, if there is one."""
        if self._checkpoint_file is not None:
            self._checkpoint_file.remove()

    def run(
        self,
        checkpoint: Checkpoint | None = None,
        *,
        engine: Engine = IN_PROCESS,
        keep_interrupted: bool = True,
    ) -> FitResult:
        """Runs all fits and the evaluation, from the start or from a checkpoint.

        Raises Stopped if it was interrupted, unless `keep_interrupted`: then the result has the
        best weights so far, if there are any.
        """
        state = TrainingState.from_checkpoint(checkpoint)
        self._resolve_base_forecast(state)
        fits = MemberFits(self._fit_data(), state, self.listener, self._checkpoint_file)
        tasks = [self._member_task(index, state) for index in range(len(self.member_specs))]
        fits.run(tasks, engine, self._should_stop_all, self.spec.training.time_budget)
        if fits.stopped and not (keep_interrupted and fits.first_weights):
            raise self._stopped()
        nets = [self._network(*found) for found in sorted(fits.first_weights.items())]
        evaluation = self._evaluate(nets, engine)
        ensemble = evaluation.ensemble
        if self.spec.training.final_fit and not fits.stopped:
            for index, net in zip(sorted(fits.first_weights), nets, strict=True):
                net.load_state_dict(_weights(fits.final_weights(index)))
            ensemble = replace(ensemble, calibration=evaluation.final_calibration)
        first = state.first_fits.get(0)
        return FitResult(
            ensemble,
            evaluation.holdout,
            history=state.history(is_ensemble=len(self.member_specs) > 1),
            best_step=0 if first is None else first.best_step,
            interrupted=fits.stopped,
        )

    def _stopped(self) -> Stopped:
        state = "" if self._checkpoint_file is None else f" but {self._checkpoint_file.path}"
        return Stopped(f"nothing was written{state}; resume with --resume")

    def _should_stop_all(self) -> bool:
        """Whether a stop was requested of any of the processes that train together."""
        return self.distributed.any_process(self.should_stop(), self.device)

    def _fit_data(self) -> FitData:
        """What the fits of all networks read."""
        ends = {FIRST_FIT: self.split.train_end}
        if self.spec.training.final_fit:
            ends[FINAL_FIT] = self.panel.lengths
        phases = {phase: self._phase_windows(end) for phase, end in ends.items()}
        return FitData(self.windows, self.validation, phases, self.distributed)

    def _phase_windows(self, ends: Ints) -> PhaseWindows:
        """The windows before the steps `ends [S]`."""
        sizes = None
        if any(SamplingPlan.needs_sizes(spec.training) for spec in self.member_specs):
            panel, mask = self.panel, self.cleaned.target_mask
            sizes = mean_absolute_values(panel.targets, mask, panel.offsets, ends)
        return PhaseWindows(self._training_origins(ends), sizes)

    def _member_task(self, index: int, state: TrainingState) -> MemberTask:
        """The fits of a network, as far as they are not finished."""
        pretrained, frozen = None, tuple[str, ...]()
        if self.pretrained is not None:
            net = Forecaster(self.configs[index])
            self.pretrained.initialize(net, index, self.smoothed_items)
            pretrained = weights_to_bytes(net.state_dict())
            frozen = tuple(name for name, one in net.named_parameters() if not one.requires_grad)
        states = {
            phase: found
            for phase in (FIRST_FIT, FINAL_FIT)
            if (found := state.states.get(fit_name(phase, index))) is not None
        }
        return MemberTask(
            index,
            len(self.member_specs),
            self.member_specs[index].training,
            self.configs[index],
            pretrained=pretrained,
            frozen=frozen,
            first_weights=state.weights.get(fit_name(FIRST_FIT, index)),
            states=states,
        )

    def _network(self, index: int, weights: bytes) -> Forecaster:
        net = Forecaster(self.configs[index]).to(self.device)
        net.load_state_dict(_weights(weights))
        return net.eval()

    def _evaluate(self, nets: Sequence[Forecaster], engine: Engine) -> NetworkEvaluation:
        """The ensemble of the networks with its metrics; sets an automatic weight in the spec."""
        origins = self._training_origins(self.split.train_end)
        evaluator = NetworkEvaluator(
            replace(self.prepared, spec=self.spec),
            self.windows,
            self.validation,
            self.item_target_mask,
            origins.root_length**2,
            self.statistical_seasons,
            self.smoothed_items,
            self.baselines,
            engine,
        )
        evaluation = evaluator.evaluate(nets)
        self._resolve_network_weight(evaluation.ensemble)
        return evaluation

    def _resolve_network_weight(self, ensemble: Ensemble) -> None:
        """Reports an automatic weight of the networks, and sets it in the spec."""
        if self.spec.ensemble.network_weight != "auto":
            return
        value = ensemble.network_weight.median
        choice = AutoChoice("ensemble.network_weight", value, ensemble.weight_reason)
        self.listener.info(f"auto  {choice}")
        section = self.spec.ensemble.model_copy(update={"network_weight": value})
        self.spec = self.spec.model_copy(update={"ensemble": section})

    def _resolve_base_forecast(self, state: TrainingState) -> None:
        """Sets one base forecast in all networks that leave it `auto`, chosen for the first."""
        if state.base_forecast is None:
            is_open = [spec.model.base_forecast == "auto" for spec in self.member_specs]
            if any(is_open):
                choice = self._choose_base_forecast(is_open.index(True))
                self.listener.info(f"auto  {choice}")
                state.base_forecast = str(choice.value)
            else:
                state.base_forecast = "linear"
        self.spec, *self.member_specs = with_base_forecast(
            [self.spec, *self.member_specs], state.base_forecast
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
        data = FitData(self.windows, self.validation, {FIRST_FIT: self._phase_windows(ends)})
        spec = self.member_specs[member_index].training
        return data.sampling_plan(FIRST_FIT, spec, self.configs[member_index])

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


def _weights(data: bytes) -> StateDict:
    return weights_from_bytes(data, name="weights")
