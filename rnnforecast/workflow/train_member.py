"""The fits of one network, as a task of an engine: a first fit, then a final fit.

All that a worker process reads is in `FitData`, whose arrays the processes of a machine share, and
in the `MemberTask`; all that it finds out is sent as messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from rnnforecast.data.windows.origins import OriginRanges, WindowIndex
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.parallel.engine import TaskContext
from rnnforecast.pipeline.progress import SendingListener
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training import device
from rnnforecast.training.checkpoint import (
    state_from_bytes,
    state_to_bytes,
    weights_from_bytes,
    weights_to_bytes,
)
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import FitState, HistoryRow
from rnnforecast.types import Floats
from rnnforecast.workflow.train_fit import FINAL_FIT, FIRST_FIT, FitTask, NetworkFitter
from rnnforecast.workflow.train_sampling import SamplingPlan

FINAL_FIT_SEED_OFFSET = 1_000_000
"""Added to torch's seed in the final fits."""


@dataclass(frozen=True)
class PhaseWindows:
    """The windows that the fits of a phase are sampled from."""

    origins: OriginRanges
    sizes: Floats | None = None
    """See `SamplingPlan`."""


@dataclass(frozen=True)
class FitData:
    """What the fits of all networks of a training read."""

    windows: WindowDataset
    validation: WindowIndex | None
    """The windows of the validation loss; None without any."""
    phases: Mapping[str, PhaseWindows]
    """Of `FIRST_FIT`, and of `FINAL_FIT` if there is one."""
    distributed: DistributedContext = SINGLE_PROCESS

    def sampling_plan(
        self, phase: str, spec: TrainingSpec, config: ForecasterConfig
    ) -> SamplingPlan:
        """The sampling plan of a network in a phase."""
        windows, own = self.windows.with_lookback(config.input_length), self.phases[phase]
        return SamplingPlan(spec, config, windows, own.origins, own.sizes)


@dataclass(frozen=True)
class MemberTask:
    """The fits of one network, and what was done of them in an earlier process."""

    index: int
    """Index of the network among `count`."""
    count: int
    spec: TrainingSpec
    """The training section of the network's spec."""
    config: ForecasterConfig
    pretrained: bytes | None = None
    """Weights that the first fit starts from; by default random ones."""
    frozen: tuple[str, ...] = ()
    """Names of the parameters that are not trained."""
    first_weights: bytes | None = None
    """Weights after the first fit, if it is finished."""
    states: Mapping[str, bytes] = field(default_factory=dict)
    """State of an interrupted fit, by phase."""

    def title(self, phase: str) -> str:
        """The phase in messages, with the number of the network in an ensemble."""
        return f"{phase} {self.index + 1} of {self.count}" if self.count > 1 else phase


@dataclass(frozen=True)
class SavedState:
    """State of a fit, for a checkpoint."""

    phase: str
    state: bytes
    stopped: bool


@dataclass(frozen=True)
class EndedFit:
    """The end of a fit."""

    phase: str
    weights: bytes
    """The best ones so far if it was stopped."""
    history: tuple[HistoryRow, ...]
    best_step: int
    stopped: bool


def fit_member(data: FitData, task: MemberTask, context: TaskContext) -> None:
    """Runs the fits of a network until they are finished or a stop is requested: a `TaskFunction`.

    It sends what a `SendingListener` sends, `SavedState`, and `EndedFit` after each fit. A network
    of an ensemble is fitted by one thread wherever it is, so that its weights are the same.
    """
    threads = device.one_thread() if task.count > 1 else nullcontext()
    with threads:
        device.seed_torch(task.spec.seed)
        net = _build_network(data, task)
        if task.first_weights is None:
            if _fit(net, FIRST_FIT, data, task, context).stopped:
                return
        else:
            net.load_state_dict(weights_from_bytes(task.first_weights, name="weights"))
        if FINAL_FIT in data.phases:
            # random numbers of a fit do not depend on earlier fits
            device.seed_torch(task.spec.seed + FINAL_FIT_SEED_OFFSET)
            _fit(net, FINAL_FIT, data, task, context)


def _build_network(data: FitData, task: MemberTask) -> Forecaster:
    """The network at the start of its first fit, but for scales and base forecast."""
    net = Forecaster(task.config).to(data.windows.device)
    if task.pretrained is not None:
        net.load_state_dict(weights_from_bytes(task.pretrained, name="weights"))
    for name, parameter in net.named_parameters():
        if name in task.frozen:
            parameter.requires_grad_(False)
    return net


def _fit(
    net: Forecaster, phase: str, data: FitData, task: MemberTask, context: TaskContext
) -> FitState:
    """The state at the end of a fit."""
    stored = task.states.get(phase)
    fitter = NetworkFitter(
        data.windows.device,
        data.distributed,
        SendingListener(context.send),
        context.should_stop,
        data.validation,
    )
    fit = FitTask(
        phase=phase,
        spec=task.spec,
        sampling=data.sampling_plan(phase, task.spec, task.config),
        title=task.title(phase),
        initialize=phase == FIRST_FIT and stored is None and task.pretrained is None,
        network=task.index + 1,
    )

    def save(state: FitState) -> None:
        if data.distributed.is_main:
            context.send(SavedState(phase, state_to_bytes(state), state.stopped))

    start = None if stored is None else state_from_bytes(stored)
    end = fitter.fit(net, fit, start, save)
    weights = weights_to_bytes(net.state_dict())
    context.send(EndedFit(phase, weights, tuple(end.history), end.best_step, end.stopped))
    return end
