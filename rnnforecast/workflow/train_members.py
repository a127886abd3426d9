"""The fits of all networks of a training, one after the other or in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline.progress import ProgressListener, pass_on
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.trainer import FINAL_FIT_STEP_FRACTION
from rnnforecast.workflow.train_checkpoints import (
    CheckpointFile,
    FirstFit,
    TrainingState,
    fit_name,
)
from rnnforecast.workflow.train_fit import FINAL_FIT, FIRST_FIT
from rnnforecast.workflow.train_member import (
    EndedFit,
    FitData,
    MemberTask,
    SavedState,
    fit_member,
)

WORKER_START_SECONDS = 3.0
"""Processor seconds until a worker process has imported torch."""

STEP_SECONDS, PRODUCTS_PER_SECOND = 0.003, 2e10
"""An optimizer step takes so long, and longer by the multiplications of its recurrent layers."""

SECONDS_PER_MINUTE = 60


class MemberFits:
    """The fits of all networks of a training, and their state so far."""

    def __init__(
        self,
        data: FitData,
        state: TrainingState,
        listener: ProgressListener,
        checkpoint_file: CheckpointFile | None,
    ) -> None:
        """`state` is updated, and written to `checkpoint_file` from time to time."""
        self.data, self.state, self.listener = data, state, listener
        self.checkpoint_file = checkpoint_file
        self.stopped = False
        self.first_weights: dict[int, bytes] = {}
        """Weights after the first fit, or so far, by member index."""
        self._warned: list[tuple[str, Any]] = []

    def run(
        self,
        tasks: Sequence[MemberTask],
        engine: Engine,
        should_stop: Callable[[], bool],
        time_budget: float | None,
    ) -> None:
        """Runs the fits that are not finished; sets `stopped` if it was stopped before the end.

        With a `time_budget` (minutes), no network is begun that would not be finished in time.
        """
        for task in tasks:
            if task.first_weights is not None:
                self.first_weights[task.index] = task.first_weights
        left = [task for task in tasks if not self._is_finished(task)]
        engine = choose_engine(engine, left, self.data)
        size = len(left)
        if time_budget is not None:
            size = engine.n_workers
        elif engine.n_workers > 1:  # the longest first, so that no core is idle at the end
            left.sort(key=lambda task: -estimate_seconds(task, self.data))
        for batch in self._batches(left, max(size, 1), time_budget):
            ended = engine.run(
                fit_member,
                self.data,
                batch,
                on_message=lambda place, message, batch=batch: self._receive(  # type: ignore[misc]
                    batch[place].index, message
                ),
                should_stop=lambda: self.stopped or should_stop(),
            )
            n_ended = sum(1 for _ in ended)
            self.stopped |= n_ended < len(batch)
            if self.stopped:
                return

    def final_weights(self, index: int) -> bytes:
        """Weights of a network after its final fit."""
        return self.state.weights[fit_name(FINAL_FIT, index)]

    def _is_finished(self, task: MemberTask) -> bool:
        last = FINAL_FIT if FINAL_FIT in self.data.phases else FIRST_FIT
        return fit_name(last, task.index) in self.state.weights

    def _batches(
        self, tasks: Sequence[MemberTask], size: int, time_budget: float | None
    ) -> Iterator[Sequence[MemberTask]]:
        """Tasks that run at the same time, as long as there is time for more of them."""
        started = time.monotonic()
        for first in range(0, len(tasks), size):
            seconds = time.monotonic() - started
            needed = seconds + seconds / first * size if first else 0.0
            if time_budget is not None and needed > SECONDS_PER_MINUTE * time_budget:
                count = tasks[0].count
                self.listener.info(f"time budget: {len(self.first_weights)} of {count} networks")
                return
            yield tasks[first : first + size]

    def _receive(self, index: int, message: Any) -> None:
        """Passes on what a task sent."""
        if isinstance(message, SavedState):
            self.state.states[fit_name(message.phase, index)] = message.state
            self._save(now=message.stopped)
        elif isinstance(message, EndedFit):
            self._end(index, message)
        elif message not in self._warned:  # each network may find the same
            if message[0] == "warning":
                self._warned.append(message)
            pass_on(message, self.listener)

    def _end(self, index: int, fit: EndedFit) -> None:
        self.stopped |= fit.stopped
        if fit.phase == FIRST_FIT:
            self.first_weights[index] = fit.weights
            self.state.first_fits[index] = FirstFit(fit.best_step, fit.history)
        if not fit.stopped:
            self.state.add_weights(fit_name(fit.phase, index), fit.weights)
            self._save()

    def _save(self, *, now: bool = False) -> None:
        if self.checkpoint_file is not None and self.data.distributed.is_main:
            self.checkpoint_file.save(self.state, now=now)


def choose_engine(engine: Engine, tasks: Sequence[MemberTask], data: FitData) -> Engine:
    """`engine` if its workers save more time than they need to start; else this process.

    Networks on a GPU, and those that several processes fit together, stay in this process too.
    """
    is_alone = data.windows.device.type == "cpu" and data.distributed.world_size == 1
    if engine.n_workers > 1 and is_alone and tasks:
        seconds = [estimate_seconds(task, data) for task in tasks]
        saved = sum(seconds) - max(*seconds, sum(seconds) / engine.n_workers)
        if len(tasks) > 1 and saved > WORKER_START_SECONDS:
            return engine
    return InProcessEngine()


def estimate_seconds(task: MemberTask, data: FitData) -> float:
    """About the seconds that the fits of a network take on one core."""
    config = task.config
    seconds = first_fit_seconds(
        task.spec,
        hidden_size=config.hidden_size,
        n_patches=config.n_patches,
        n_layers=config.backbone.n_layers,
    )
    return seconds * (1 + (FINAL_FIT_STEP_FRACTION if FINAL_FIT in data.phases else 0.0))


def first_fit_seconds(
    spec: TrainingSpec, *, hidden_size: int, n_patches: int, n_layers: int
) -> float:
    """About the seconds that the first fit of a network takes on one core."""
    layer = 18 * hidden_size**2  # forward and backward pass of three gates
    products = int(spec.batch_size) * n_patches * n_layers * layer
    step = STEP_SECONDS + products / PRODUCTS_PER_SECOND
    return int(spec.max_steps) * spec.gradient_accumulation * step
