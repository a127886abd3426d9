"""Fits of single networks: initialization, trainer, validation and progress messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.inference.quantiles import mean_loss
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.progress import FitProgress, ProgressListener
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training import device
from rnnforecast.training.compile import compile_forward
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import DistributedContext
from rnnforecast.training.fit_state import FitState
from rnnforecast.training.ridge import fit_base_forecast
from rnnforecast.training.trainer import Trainer, TrainerConfig, TrainingProgress
from rnnforecast.workflow.train_sampling import SamplingPlan

FIRST_FIT, FINAL_FIT = "fit", "final fit"
"""The phases: a fit on the training part, and one on all data."""

N_SCALE_WINDOWS = 1024
"""Windows that set the scales of a network's inputs and outputs."""

N_BASE_FORECAST_WINDOWS = 32_768
"""About the number of windows that the base forecast is fitted to by least squares."""


@dataclass(frozen=True)
class FitTask:
    """The fit of one network in one phase."""

    phase: str
    """`FIRST_FIT` or `FINAL_FIT`."""
    spec: TrainingSpec
    """The training section of the network's spec."""
    sampling: SamplingPlan
    title: str
    """The phase in messages, with the number of the network in an ensemble."""
    initialize: bool
    """Whether scales and base forecast are fitted before training."""
    network: int = 1
    """The number of the network in its ensemble."""

    @property
    def seed(self) -> int:
        """Seed of the random windows; it differs between the phases."""
        return self.spec.seed if self.phase == FIRST_FIT else self.spec.seed + 1


class NetworkFitter:
    """Fits networks one after the other on a device, alone or with other processes."""

    def __init__(
        self,
        torch_device: device.Device,
        distributed: DistributedContext,
        listener: ProgressListener,
        should_stop: Callable[[], bool],
        validation: WindowIndex | None,
    ) -> None:
        """`validation` are the windows of the validation loss; None without any."""
        self.device, self.distributed = torch_device, distributed
        self.listener, self.should_stop, self.validation = listener, should_stop, validation
        self.compile_failed = self.compile_warned = False

    def fit(
        self,
        net: Forecaster,
        task: FitTask,
        state: FitState | None,
        save_state: Callable[[FitState], None],
    ) -> FitState:
        """Fits `net` from its start, or from `state` on; returns the final state."""
        spec, sampling, is_first_fit = task.spec, task.sampling, task.phase == FIRST_FIT
        get_batch = sampling.make_batch_fn(
            batch_size=int(spec.batch_size), seed=task.seed, distributed=self.distributed
        )
        if task.initialize:
            with device.one_thread():
                _initialize(net, task)
        config = TrainerConfig.first_fit(spec) if is_first_fit else TrainerConfig.final_fit(spec)
        if spec.compile and not self.compile_failed:
            self._compile(net, get_batch(0), spec.precision)
        self.distributed.broadcast_weights(net)
        self.distributed.seed_process(task.seed)
        trainer = Trainer(
            net,
            config,
            get_batch=get_batch,
            compute_validation_loss=self._make_validation_fn(net, sampling)
            if is_first_fit
            else None,
            should_stop=self.should_stop,
            on_progress=lambda step: self.listener.progress(_to_fit_progress(task, step)),
            save_state=save_state,
            state=state,
            distributed=self.distributed,
        )
        with device.limit_threads(int(spec.batch_size), net.config.hidden_size):
            end = trainer.fit()
        if not end.stopped and end.step < config.max_steps:
            self.listener.info(
                f"{task.title}: stopped at step {end.step:,}: training.patience is "
                f"{config.patience}, and as many validations were no better than that of step "
                f"{end.best_step:,}, which is kept"
            )
        return end

    def _compile(self, net: Forecaster, batch: Batch, precision: str) -> None:
        if self.device.type == "cpu" and not self.compile_warned:
            self.compile_warned = True
            self.listener.warning(
                "training.compile: on a CPU a compiled network trains 1.2 times slower: set it to "
                "false, or train on a graphics card"
            )
        reason = compile_forward(net, batch, device.select_dtype(precision, self.device))
        if reason is not None:
            self.compile_failed = True  # reported once, and not tried again
            self.listener.warning(f"training.compile: the network is not compiled: {reason}")

    def _make_validation_fn(
        self, net: Forecaster, sampling: SamplingPlan
    ) -> Callable[[], float] | None:
        index = self.validation
        if index is None:
            return None
        windows, loss_weights = sampling.windows, sampling.loss_weights
        return lambda: mean_loss(net, windows, index.item, index.origin, loss_weights)


def _initialize(net: Forecaster, task: FitTask) -> None:
    """Sets the scales of a new network and fits its base forecast."""
    sampling = task.sampling
    batch = sampling.make_batch_fn(batch_size=N_SCALE_WINDOWS, seed=task.spec.seed)(0)
    net.initialize_scales(batch.history, batch.targets, batch.weight)
    if net.base_forecast is not None:
        batches = sampling.evenly_spaced_batches(N_BASE_FORECAST_WINDOWS)
        fit_base_forecast(net, batches, neighbors=sampling.neighbor_folds)


def _to_fit_progress(task: FitTask, progress: TrainingProgress) -> FitProgress:
    rows = progress.history
    latest = rows[-1].validation_loss if rows else np.nan
    return FitProgress(
        phase=task.title,
        step=progress.step,
        total=progress.total_steps,
        train_loss=progress.train_loss,
        validation_loss=None if np.isnan(latest) else latest,
        validated=bool(rows) and rows[-1].step == progress.step,
        network=task.network,
    )
