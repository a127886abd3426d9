"""The training loop: fits a forecaster to windows, keeps the best weights, undoes bad steps.

It knows nets and batches, not specs or tables. All that changes while it runs lies in one
`FitState`, which `checkpoint` writes and reads, so that a resumed fit goes on as if it had never
stopped. Several processes may fit one net together; they decide alike, see `parallel`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.errors import Problem, TrainingDiverged
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training import device
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import FitState as FitState
from rnnforecast.training.fit_state import HistoryRow as HistoryRow
from rnnforecast.training.fit_state import StateDict as StateDict
from rnnforecast.training.fit_state import clone_state_dict
from rnnforecast.training.optimizers import Optimizer, ParameterState, add_l1_gradient, clone_states
from rnnforecast.training.schedules import learning_rate_factor, update_plateau
from rnnforecast.training.weight_averaging import averaged_weights, swa_start_step, update_average

LOSS_CHECK_INTERVAL = 10
"""Steps between two looks at the loss: a look makes a GPU wait, so there are few."""

VALIDATION_COUNT = 20
"""How often a fit is validated from its first step to its last."""

ROLLBACK_FACTOR = 0.3
"""What is left of the learning rate after a step was undone."""

MAX_ROLLBACKS = 3
"""After so many undone steps the fit is given up."""


@dataclass(frozen=True)
class TrainerConfig:
    """How one fit goes. Losses and rates are on the normalised scale."""

    max_steps: int
    learning_rate: float
    schedule: str
    weight_decay: float
    clip_norm: float | None
    clip_value: float | None
    patience: int | None
    """Validations without improvement before the fit ends; None: never early, last weights kept."""
    precision: torch.dtype = torch.float32
    optimizer: str = "adamw"
    l1: float = 0.0
    """What the sum of the sizes of all weights but biases is multiplied by in the loss."""
    gradient_accumulation: int = 1
    """Batches in a step."""
    swa_fraction: float = 0.0
    """Share of the steps, the last ones, whose weights are averaged."""


@dataclass(frozen=True)
class TrainingProgress:
    """What a watcher is told every few steps."""

    step: int
    total_steps: int
    train_loss: float
    history: tuple[HistoryRow, ...]


@dataclass(frozen=True)
class RollbackSnapshot:
    """What a fit goes back to when a step has to be undone."""

    weights: StateDict
    optimizer_states: list[ParameterState]
    average_weights: StateDict
    averaged_steps: int


class Trainer:
    """One fit of one net. `run()` returns when it is done, out of patience or asked to stop."""

    def __init__(
        self,
        net: Forecaster,
        config: TrainerConfig,
        *,
        get_batch: Callable[[int], Batch],
        compute_validation_loss: Callable[[], float] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
        save_state: Callable[[FitState], None] = lambda state: None,
        state: FitState | None = None,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        """`draw(number)` gives a batch, `validate()` the loss on the validation origins.

        Batches are numbered from 0 over all steps. `state` is a saved one to go on from. Weights
        that need no gradient stay as they are.
        """
        self.net, self.config, self.get_batch, self.compute_validation_loss = (
            net,
            config,
            get_batch,
            compute_validation_loss,
        )
        self.should_stop, self.on_progress, self.save_state = should_stop, on_progress, save_state
        self.distributed, self.device = distributed, device.device_of(net)
        self.parameters = [weight for weight in net.parameters() if weight.requires_grad]
        self.optimizer = Optimizer(
            config.optimizer,
            self.parameters,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.validation_interval = max(1, config.max_steps // VALIDATION_COUNT)
        self.swa_start_step = swa_start_step(config.max_steps, config.swa_fraction)
        self.state = state or FitState()
        if self.state.weights:
            self._restore_state()

    def fit(self) -> FitState:
        """Fits; afterwards the net holds the best weights; where `patience` is None or nothing
        validates, the last ones, or their average.

        Raises TrainingDiverged after `MOST_CUTS` undone steps.
        """
        state = self.state
        state.stopped = False
        self.net.train()
        good = self._take_snapshot()
        while not self._is_done():
            before = state.step
            loss = self._train_until_check()
            due = self._is_validation_due()
            validation = self._evaluate() if due else 0.0
            if not (math.isfinite(loss + validation) and self._has_finite_weights()):
                state.step = before
                self._roll_back(good)
                continue
            state.loss_sum += loss
            state.loss_count += state.step - before
            if due:
                self._record_validation(validation)
            good = self._take_snapshot()
            asked = self.distributed.any_process(self.should_stop(), self.device)
            # at the last look there is nothing left to stop
            state.stopped = asked and state.step < self.config.max_steps
            mean = loss / (state.step - before)
            self.on_progress(
                TrainingProgress(state.step, self.config.max_steps, mean, tuple(state.history))
            )
            if due or state.stopped:
                self._capture_state()
                self.save_state(state)
        self._load_final_weights()
        self.net.eval()
        return state

    def _load_final_weights(self) -> None:
        """Leaves in the net the weights that are to be kept; the average competes for it."""
        state, net = self.state, self.net
        choosing = self.config.patience is not None and self.compute_validation_loss is not None
        if state.averaged_steps and not state.stopped:
            net.load_state_dict(averaged_weights(state, net))
            loss = self._evaluate() if choosing else math.nan
            if loss < state.best_loss:
                state.best_loss, state.best_step, state.validations_since_best = loss, state.step, 0
                state.best_weights = clone_state_dict(net)
        if self.config.patience is not None and state.best_weights:
            net.load_state_dict(state.best_weights)

    def _is_done(self) -> bool:
        state, patience = self.state, self.config.patience
        tired = patience is not None and state.validations_since_best >= patience
        return state.stopped or tired or state.step >= self.config.max_steps

    def _train_until_check(self) -> float:
        """Steps up to the next look at the loss; the sum of their losses."""
        state = self.state
        stop = state.step + LOSS_CHECK_INTERVAL - state.step % LOSS_CHECK_INTERVAL
        next_validation = (
            state.step + self.validation_interval - state.step % self.validation_interval
        )
        stop = min(stop, next_validation, self.config.max_steps)
        total = torch.zeros((), device=self.device)
        while state.step < stop:
            total += self._train_step()
            state.step += 1
            if state.step > self.swa_start_step:
                update_average(state, self.net)
        return float(total)

    def _train_step(self) -> Tensor:
        recipe, state = self.config, self.state
        share = learning_rate_factor(recipe.schedule, state.step, recipe.max_steps)
        scale = state.rollback_factor * state.plateau_factor
        self.optimizer.learning_rate = recipe.learning_rate * share * scale
        self.net.training_progress = state.step / recipe.max_steps
        self.optimizer.zero_grad()
        loss = self._backward()
        add_l1_gradient(self.parameters, recipe.l1)
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, recipe.clip_value)
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip_norm)
        self.optimizer.step()
        return loss

    def _backward(self) -> Tensor:
        """Leaves the gradients of the step's windows in the weights; their mean loss."""
        batches = self.config.gradient_accumulation
        total = weights = torch.zeros((), device=self.device)
        for part in range(batches):
            batch = self.get_batch(self.state.step * batches + part)
            with self._autocast():
                loss = self.net.loss(batch.history, batch.targets, batch.weight)
            if batches == self.distributed.world_size == 1:
                loss.backward()  # type: ignore[no-untyped-call]
                return loss.detach()
            weight = batch.weight.sum()  # what the loss was divided by
            (loss * weight).backward()  # type: ignore[no-untyped-call]
            total, weights = total + loss.detach() * weight, weights + weight
        return self.distributed.average(self.parameters, total, weights)

    def _autocast(self) -> torch.autocast:
        mixed = self.config.precision != torch.float32
        return torch.autocast(self.device.type, self.config.precision, enabled=mixed)

    def _is_validation_due(self) -> bool:
        step = self.state.step
        return step % self.validation_interval == 0 or step == self.config.max_steps

    def _evaluate(self) -> float:
        if self.compute_validation_loss is None:
            return 0.0
        self.net.eval()
        with torch.no_grad(), self._autocast():
            loss = self.compute_validation_loss()
        self.net.train()
        return self.distributed.broadcast(loss, self.device)

    def _record_validation(self, validation_loss: float) -> None:
        """Writes a row of the history and keeps the weights if they are the best so far."""
        state = self.state
        train = state.loss_sum / max(state.loss_count, 1)
        state.loss_sum, state.loss_count = 0.0, 0
        used = self.optimizer.learning_rate
        shown = math.nan if self.compute_validation_loss is None else validation_loss
        state.history.append(HistoryRow(state.step, train, shown, used))
        if self.compute_validation_loss is None:
            return
        better = validation_loss < state.best_loss
        if self.config.schedule == "plateau":
            state.plateau_factor, state.validations_since_reduction = update_plateau(
                state.plateau_factor, state.validations_since_reduction, improved=better
            )
        if better:
            state.best_loss, state.best_step, state.validations_since_best = (
                validation_loss,
                state.step,
                0,
            )
            state.best_weights = clone_state_dict(self.net)
        else:
            state.validations_since_best += 1

    def _has_finite_weights(self) -> bool:
        # a finite loss can have a gradient that is not: such weights must not count as good ones
        return bool(torch.stack([weight.isfinite().all() for weight in self.parameters]).all())

    def _take_snapshot(self) -> RollbackSnapshot:
        state = self.state
        average = {name: value.clone() for name, value in state.average_weights.items()}
        return RollbackSnapshot(
            clone_state_dict(self.net),
            clone_states(self.optimizer.states),
            average,
            state.averaged_steps,
        )

    def _roll_back(self, snapshot: RollbackSnapshot) -> None:
        """Back to the last good look, with a lower rate from now on."""
        state = self.state
        state.rollback_count += 1
        if state.rollback_count >= MAX_ROLLBACKS:
            raise TrainingDiverged(
                Problem(
                    f"training, near step {state.step}",
                    f"the loss was not a finite number {MAX_ROLLBACKS} times, at ever lower rates",
                    f"set training.learning_rate below {self.config.learning_rate:g}, or look for "
                    "extreme values with 'rnnforecast check'",
                )
            )
        state.rollback_factor *= ROLLBACK_FACTOR
        state.average_weights, state.averaged_steps = (
            snapshot.average_weights,
            snapshot.averaged_steps,
        )
        self.net.load_state_dict(snapshot.weights)
        self.optimizer.states = clone_states(snapshot.optimizer_states)

    def _capture_state(self) -> None:
        """Copies what lies outside the state (weights, moments, random numbers) into it."""
        state = self.state
        state.weights = clone_state_dict(self.net)
        state.optimizer_state = {
            f"{index}.{name}": value.clone()
            for index, entry in enumerate(self.optimizer.states)
            for name, value in entry.items()
        }
        state.rng_state = self._gather_rng_states("cpu", torch.get_rng_state())
        if self.device.type == "cuda":
            state.rng_state |= self._gather_rng_states(
                "cuda", torch.cuda.get_rng_state(self.device)
            )

    def _gather_rng_states(self, name: str, rng_state: Tensor) -> StateDict:
        """The random numbers' states of all processes, the first one's under the plain name."""
        found = self.distributed.all_gather(rng_state, self.device)
        return {f"{name}.{rank}" if rank else name: value for rank, value in enumerate(found)}

    def _restore_state(self) -> None:
        state = self.state
        self.net.load_state_dict(state.weights)
        for key, value in state.optimizer_state.items():
            index, name = key.split(".", 1)
            entry = self.optimizer.states[int(index)]
            entry[name] = value.to(self.device, copy=True)
        state.average_weights = {
            name: value.to(self.device) for name, value in state.average_weights.items()
        }
        own = f".{self.distributed.rank}" if self.distributed.rank else ""
        if f"cpu{own}" in state.rng_state:  # not where there were fewer processes
            torch.set_rng_state(state.rng_state[f"cpu{own}"])
        if f"cuda{own}" in state.rng_state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state.rng_state[f"cuda{own}"], self.device)
