"""The two fits of a training, and the scores between them.

1. Fit on the training part, stop early on the validation origins, keep the best weights.
2. Score the held-out last horizon with those.
3. A short last fit on everything, so that the newest data are learnt; the scores of 2 stay.

Of an ensemble every network goes through 1, all are scored together, and each goes through 3.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.data.windows.origins import (
    OriginRanges,
    WindowIndex,
    training_origins,
    validation_windows,
    windows_at_origins,
)
from rnnforecast.data.windows.split import shorter_horizon_hint
from rnnforecast.errors import DataError, Problem, SpecError, UsageError
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.output.atomic_files import write_bytes
from rnnforecast.pipeline.auto import AutoChoice, resolve_member_specs
from rnnforecast.pipeline.ensemble import Ensemble, build_forecaster_config, fit_ensemble
from rnnforecast.pipeline.finetune import PretrainedRun
from rnnforecast.pipeline.forecasting import (
    Forecasts,
    Postprocessing,
    build_window_dataset,
    forecast,
    item_names,
    item_target_mask,
)
from rnnforecast.pipeline.prepare import PreparedData, hash_data
from rnnforecast.pipeline.progress import FitProgress, ProgressListener
from rnnforecast.spec.load import dump_spec
from rnnforecast.training import checkpoint, device
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.compile import compile_forward
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import FitState, StateDict
from rnnforecast.training.ridge import fit_base_forecast
from rnnforecast.training.trainer import (
    FINAL_FIT_STEP_FRACTION,
    Trainer,
    TrainerConfig,
    TrainingProgress,
)
from rnnforecast.types import Ints
from rnnforecast.workflow.train_base_forecast import BASE_FORECAST_KEY as FIRST_KEY
from rnnforecast.workflow.train_base_forecast import choose_base_forecast, with_base_forecast
from rnnforecast.workflow.train_holdout import EvaluationResult, evaluate_holdout
from rnnforecast.workflow.train_sampling import SamplingPlan

MAX_VALIDATION_WINDOWS = 2048
N_SCALE_WINDOWS = 1024
"""Windows whose spread sets the unit the net works in."""

N_BASE_FORECAST_WINDOWS = 32_768
"""Windows that the first forecast is fitted to by least squares."""

FINAL_FIT_SEED_OFFSET = 1_000_000
"""What is added to the seed in the last fits."""

SECONDS_PER_MINUTE = 60
"""Of a minute."""

MIN_CHECKPOINT_SECONDS = 5.0
"""A checkpoint that is no older is not written anew, unless training stops."""

FIRST_FIT, FINAL_FIT = "fit", "last fit"


@dataclass(frozen=True)
class FitResult:
    """What the fits leave behind; the nets hold their final weights."""

    ensemble: Ensemble
    evaluation: EvaluationResult
    held_out_forecasts: Forecasts
    """Forecasts of the held-out horizon, of all series."""
    history: list[dict[str, float]]
    """The histories of the first fits, a row a validation."""
    best_step: int
    """Of the first network."""
    interrupted: bool


class TrainingSession:
    """One training: the nets, their windows, and how it got where it is."""

    def __init__(
        self,
        prepared: PreparedData,
        folder: Path,
        listener: ProgressListener,
        should_stop: Callable[[], bool],
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        """`folder` is where the run will be."""
        self.listener, self.should_stop, self.distributed = listener, should_stop, distributed
        spec = self.spec = prepared.spec
        self.cleaned, self.split = prepared.cleaned, prepared.split
        self.panel = self.cleaned.panel
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.data_hash = hash_data(self.cleaned)
        place = folder.resolve()
        self.checkpoint_file = place.parent / f"{place.name}.checkpoint"
        try:
            self.device = distributed.device_for(device.select_device(spec.training.device))
        except ValueError as error:
            cure = "set training.device to auto or cpu"
            raise UsageError(Problem("training.device", str(error), cure)) from None
        self.member_specs = resolve_member_specs(prepared.inherited_spec, spec, self.cleaned)
        least = min(int(each.training.batch_size) for each in self.member_specs)
        if least < distributed.world_size:
            found = f"{least} windows cannot be shared by {distributed.world_size} processes"
            raise SpecError(
                Problem("training.batch_size", found, f"set it to {distributed.world_size} or more")
            )
        self.configs = [build_forecaster_config(each, self.cleaned) for each in self.member_specs]
        smooth = any(each.n_items for each in self.configs)
        self.smoothed_items = tuple(item_names(self.panel)) if smooth else ()
        self.windows = build_window_dataset(
            self.cleaned, self.configs, self.device, self.smoothed_items
        )
        together = self.windows.items_per_series < self.cleaned.target_mask.shape[1]
        self.item_target_mask = item_target_mask(self.cleaned, joint=together)
        self.plan = prepared.plan
        start = spec.training.start_from
        self.pretrained = (
            None
            if start is None
            else PretrainedRun(
                prepared.spec_folder / start, spec.training.freeze, self.smoothed_items
            )
        )
        told = [
            dump_spec(self.spec),
            self.data_hash,
            *([] if self.pretrained is None else [self.pretrained.weights_sha256]),
        ]
        self.fingerprint = hashlib.sha256("\n".join(told).encode()).hexdigest()
        self.compile_failed = False
        self.last_checkpoint_time = -math.inf
        """When the checkpoint was, in seconds on a clock of its own."""
        self.earlier_weights: StateDict = {}
        """The weights of finished fits, ``phase/member/name``."""

    def _resolve_base_forecast(self, earlier_results: dict[str, Any]) -> dict[str, Any]:
        """Settles the first forecast of the networks that leave it open, the first of them for all;
        what was found out before, and that."""
        open_ = [
            n for n, spec in enumerate(self.member_specs) if spec.model.base_forecast == "auto"
        ]
        kind = earlier_results.get("first")
        if kind is None:
            choice = self._choose_base_forecast(open_[0]) if open_ else None
            if choice is not None:
                self.listener.info(f"auto  {choice}")
            kind = "linear" if choice is None else choice.value
        self.spec, *self.member_specs = with_base_forecast([self.spec, *self.member_specs], kind)
        self.configs = [build_forecaster_config(each, self.cleaned) for each in self.member_specs]
        return earlier_results | {"first": kind}

    def _choose_base_forecast(self, member_index: int) -> AutoChoice:
        index = self._validation_index()
        if index is None:
            return AutoChoice(FIRST_KEY, "linear", "there are no validation windows to judge by")
        emphasis = self._sampling_plan(member_index, self.split.train_end)
        some = self._make_batch_fn(emphasis, N_SCALE_WINDOWS, self.spec.training.seed)(0)
        return choose_base_forecast(
            self.configs[member_index], emphasis, index, some, self.distributed
        )

    def _sampling_plan(self, member_index: int, ends: Ints) -> SamplingPlan:
        """What a fit of the network `number` on the steps before `ends [S]` dwells on."""
        architecture, spec = self.configs[member_index], self.member_specs[member_index].training
        windows = self.windows.with_lookback(architecture.input_length)
        return SamplingPlan(
            spec, architecture, self.cleaned, ends, windows, self._training_origins(ends)
        )

    def load_checkpoint(self) -> Checkpoint | None:
        """The checkpoint of a training of the same spec and data; None where there is none.

        UsageError where there is one of another spec or other data.
        """
        if not self.checkpoint_file.is_file():
            return None
        found = checkpoint.load_checkpoint(self.checkpoint_file)
        if found.fingerprint != self.fingerprint:
            raise UsageError(
                Problem(
                    str(self.checkpoint_file),
                    "the unfinished training had another spec or other data",
                    "train without --resume to start again",
                )
            )
        return found

    def run(self, resume_from: Checkpoint | None = None) -> FitResult:
        """All fits with the scores between them, from the start or from where it stopped."""
        before: dict[str, Any] = {"rows": [], "best_step": 0}
        if resume_from is not None:
            before, self.earlier_weights = resume_from.earlier_results, resume_from.earlier_weights
        before = self._resolve_base_forecast(before)
        nets: list[Forecaster] = []
        interrupted, begun = False, time.monotonic()
        for number in range(len(self.member_specs)):
            if number and not self._has_time_for_another(number, time.monotonic() - begun):
                self.listener.info(f"time budget: {number} of {len(self.member_specs)} networks")
                break
            net, state = self._fit_member(FIRST_FIT, number, None, resume_from, before)
            nets.append(net)
            if state is not None:
                before = _with_history(
                    before, number, state, is_ensemble=len(self.member_specs) > 1
                )
                interrupted = state.stopped
            if interrupted:
                break
        joined, scored, held_out = self._evaluate(nets)
        if self.spec.training.final_fit and not interrupted:
            for number, net in enumerate(nets):
                _, state = self._fit_member(FINAL_FIT, number, net, resume_from, before)
                interrupted = state is not None and state.stopped
                if interrupted:  # the weights that were scored are at hand
                    for each, scored_net in enumerate(nets):
                        scored_net.load_state_dict(self._earlier_weights_of(FIRST_FIT, each))
                    break
        rows, best = before["rows"], before["best_step"]
        return FitResult(joined, scored, held_out, rows, best, interrupted=interrupted)

    def _has_time_for_another(self, n_fitted: int, seconds: float) -> bool:
        """Whether one more network, as quick as the `count` before it, and all last fits would be
        done within the budget."""
        budget = self.spec.training.time_budget
        each = seconds / n_fitted
        last = (
            FINAL_FIT_STEP_FRACTION * each * (n_fitted + 1) if self.spec.training.final_fit else 0.0
        )
        return budget is None or seconds + each + last <= SECONDS_PER_MINUTE * budget

    def _fit_member(
        self,
        phase: str,
        member_index: int,
        net: Forecaster | None,
        resume_from: Checkpoint | None,
        earlier_results: dict[str, Any],
    ) -> tuple[Forecaster, FitState | None]:
        """The network `number` after its fit; no state where it was fitted before the stop."""
        # each fit has random numbers of its own, whatever was fitted before it
        device.seed_torch(
            self.member_specs[member_index].training.seed
            + (0 if phase == FIRST_FIT else FINAL_FIT_SEED_OFFSET)
        )
        net = net or Forecaster(self.configs[member_index]).to(self.device)
        if self.pretrained is not None and phase == FIRST_FIT:
            self.pretrained.initialize(net, member_index)
        done = self._earlier_weights_of(phase, member_index)
        if done:
            net.load_state_dict(done)
            return net.eval(), None
        state = None
        if resume_from is not None and (resume_from.phase, resume_from.member_index) == (
            phase,
            member_index,
        ):
            state = resume_from.state
        found = self._run_fit(phase, member_index, net, state, earlier_results=earlier_results)
        if not found.stopped or phase == FIRST_FIT:
            weights = net.state_dict().items()
            self.earlier_weights |= {
                f"{phase}/{member_index}/{name}": v.clone() for name, v in weights
            }
        return net, found

    def _earlier_weights_of(self, phase: str, member_index: int) -> StateDict:
        start = f"{phase}/{member_index}/"
        return {
            name.removeprefix(start): value
            for name, value in self.earlier_weights.items()
            if name.startswith(start)
        }

    def _run_fit(
        self,
        phase: str,
        member_index: int,
        net: Forecaster,
        state: FitState | None,
        *,
        earlier_results: dict[str, Any],
    ) -> FitState:
        spec, first = self.member_specs[member_index].training, phase == FIRST_FIT
        ends = self.split.train_end if first else self.panel.lengths
        emphasis = self._sampling_plan(member_index, ends)
        # the last fit draws other windows than the first
        seed = spec.seed if first else spec.seed + 1
        draw = self._make_batch_fn(emphasis, int(spec.batch_size), seed, self.distributed)
        if first and state is None and self.pretrained is None:
            some = self._make_batch_fn(emphasis, N_SCALE_WINDOWS, spec.seed)(0)
            net.initialize_scales(some.history, some.targets, some.weight)
            if net.base_forecast is not None:
                windows = emphasis.evenly_spaced_batches(N_BASE_FORECAST_WINDOWS)
                fit_base_forecast(net, windows, neighbors=emphasis.neighbor_folds)
        config = TrainerConfig.first_fit(spec) if first else TrainerConfig.final_fit(spec)
        if spec.compile and not self.compile_failed:
            self._compile(net, draw(0), spec.precision)
        self.distributed.broadcast_weights(net)
        self.distributed.seed_process(seed)

        def write(state: FitState) -> None:
            recent = time.monotonic() - self.last_checkpoint_time < MIN_CHECKPOINT_SECONDS
            if not self.distributed.is_main or (recent and not state.stopped):
                return
            found = Checkpoint(
                phase, member_index, self.fingerprint, state, earlier_results, self.earlier_weights
            )
            write_bytes(self.checkpoint_file, checkpoint.checkpoint_to_bytes(found))
            self.last_checkpoint_time = time.monotonic()

        several = len(self.member_specs)
        name = f"{phase} {member_index + 1} of {several}" if several > 1 else phase
        small = device.limit_threads(int(spec.batch_size), net.config.hidden_size)
        fitter = Trainer(
            net,
            config,
            get_batch=draw,
            compute_validation_loss=self._make_validation_fn(net, emphasis) if first else None,
            should_stop=self.should_stop,
            on_progress=lambda progress: self.listener.progress(_to_fit_progress(name, progress)),
            save_state=write,
            state=state,
            distributed=self.distributed,
        )
        with small:
            found = fitter.fit()
        if not found.stopped and found.step < config.max_steps:
            self.listener.info(
                f"{name}: stopped at step {found.step:,}: training.patience is {config.patience}, "
                f"and as many validations were no better than that of step {found.best_step:,}, "
                "which is kept"
            )
        return found

    def _make_batch_fn(
        self,
        sampling: SamplingPlan,
        batch_size: int,
        seed: int,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> Callable[[int], Batch]:
        """The random windows of each batch: this process's part."""
        sampler = sampling.make_sampler(batch_size=batch_size, seed=seed)

        def draw(number: int) -> Batch:
            item, origin, limit = distributed.shard(sampler.sample(number))
            return sampling.loss_weights(sampling.windows.gather(item, origin, limit), item)

        return draw

    def _compile(self, net: Forecaster, batch: Batch, precision: str) -> None:
        reason = compile_forward(net, batch, device.select_dtype(precision, self.device))
        if reason is not None:
            self.compile_failed = True  # told once, and not tried again
            self.listener.warning(f"training.compile: the network is not compiled: {reason}")

    def _training_origins(self, ends: Ints) -> OriginRanges:
        found = training_origins(
            self.item_target_mask,
            self.panel.offsets,
            ends=ends,
            horizon=self.horizon,
            season=self.season,
        )
        if not found.n_windows:
            raise DataError(
                Problem(
                    f"window.horizon: {self.horizon}",
                    "no series has enough observed values before the held-out horizon",
                    shorter_horizon_hint(self.horizon, int(self.panel.lengths.max()), self.season),
                )
            )
        return found

    def _make_validation_fn(
        self, net: Forecaster, sampling: SamplingPlan
    ) -> Callable[[], float] | None:
        index = self._validation_index()
        if index is None:
            return None
        windows, weighing = sampling.windows, sampling.loss_weights
        return lambda: inference.mean_loss(net, windows, index.item, index.origin, weighing)

    def _validation_index(self) -> WindowIndex | None:
        if not self.split.has_validation.any():
            return None
        return validation_windows(
            self.split,
            horizon=self.horizon,
            channels=self.windows.items_per_series,
            max_windows=MAX_VALIDATION_WINDOWS,
        )

    def _evaluate(self, nets: list[Forecaster]) -> tuple[Ensemble, EvaluationResult, Forecasts]:
        """The networks made into one, and the scores of that on the held-out horizon, with its
        forecasts."""
        quantiles, origins = self.spec.forecast.quantiles, self.split.test_origin
        # without a validation part the held-out horizon itself has to tell
        validated = self._validation_index()
        joined = fit_ensemble(
            nets,
            self.windows,
            validated
            or windows_at_origins(
                origins, horizon=self.horizon, channels=self.windows.items_per_series
            ),
            quantiles=quantiles,
            method=self.spec.ensemble.combine,
            is_validation=validated is not None,
        )
        bounds, transform = self.plan.bounds, self.plan.transform
        rules = Postprocessing(
            quantiles,
            transform,
            bounds,
            joined.combiner,
            joined.interval_scaling,
            self.smoothed_items,
        )
        found = forecast(
            joined.members, self.cleaned, origins, postprocessing=rules, windows=self.windows
        )
        scored = evaluate_holdout(
            self.panel, found, origins, season=self.season, quantiles=quantiles
        )
        return joined, scored, found


def _with_history(
    earlier_results: dict[str, Any], member_index: int, state: FitState, *, is_ensemble: bool
) -> dict[str, Any]:
    """What the fits before and this one leave to tell."""
    rows = [
        {"member": member_index + 1} | asdict(row) if is_ensemble else asdict(row)
        for row in state.history
    ]
    best = state.best_step if member_index == 0 else earlier_results["best_step"]
    return earlier_results | {"rows": [*earlier_results["rows"], *rows], "best_step": best}


def _to_fit_progress(phase: str, progress: TrainingProgress) -> FitProgress:
    rows = progress.history
    latest = rows[-1].validation_loss if rows else np.nan
    return FitProgress(
        phase=phase,
        step=progress.step,
        total=progress.total_steps,
        train_loss=progress.train_loss,
        validation_loss=None if np.isnan(latest) else latest,
        validated=bool(rows) and rows[-1].step == progress.step,
    )
