"""The training loop: fits a forecaster to batches of windows and keeps its best weights.

The loss is checked every few steps; if it or a weight is not finite, the steps since the last check
are rolled back and repeated at a lower learning rate. All that changes during a fit is in a
`FitState`, which `checkpoint` stores, so that a resumed fit gives the same weights as an
uninterrupted one. Several processes may fit one network together, see `distributed`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.errors import Problem, TrainingDiverged
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.dataset import Batch
from rnnforecast.training.device import device_of, select_dtype
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import FitState, HistoryRow, StateDict, clone_state_dict
from rnnforecast.training.optimizers import Optimizer, ParameterState, add_l1_gradient, clone_states
from rnnforecast.training.schedules import learning_rate_factor, update_plateau
from rnnforecast.training.weight_averaging import averaged_weights, swa_start_step, update_average

LOSS_CHECK_INTERVAL = 10
"""Steps between two checks of the loss; each check waits for the GPU."""

VALIDATION_COUNT = 20
"""Validations during a fit."""

ROLLBACK_FACTOR = 0.3
"""Factor on the learning rate after each rollback."""

MAX_ROLLBACKS = 3
"""Number of rollbacks at which the fit fails."""

FINAL_FIT_STEP_FRACTION = 0.25
"""Steps of the final fit, as a fraction of the steps of the first fit."""

FINAL_FIT_LEARNING_RATE_FACTOR = 0.5
"""Peak learning rate of the final fit, as a fraction of that of the first fit."""


@dataclass(frozen=True)
class TrainerConfig:
    """The section ``training`` of the spec, and the values in which the two fits differ."""

    spec: TrainingSpec
    max_steps: int
    learning_rate: float
    """Peak learning rate of the schedule."""
    patience: int | None
    """Validations without improvement before the fit ends; None: no early stopping, and the fit
    keeps the last weights instead of the best."""

    @staticmethod
    def first_fit(spec: TrainingSpec) -> TrainerConfig:
        """The fit on the training part; `spec` has numbers in place of ``auto``."""
        patience = spec.patience if spec.early_stopping else None
        return TrainerConfig(spec, int(spec.max_steps), float(spec.learning_rate), patience)

    @staticmethod
    def final_fit(spec: TrainingSpec) -> TrainerConfig:
        """The fit on all data: fewer steps, a lower learning rate, no early stopping."""
        return TrainerConfig(
            spec,
            max_steps=max(1, round(FINAL_FIT_STEP_FRACTION * int(spec.max_steps))),
            learning_rate=FINAL_FIT_LEARNING_RATE_FACTOR * float(spec.learning_rate),
            patience=None,
        )


@dataclass(frozen=True)
class TrainingProgress:
    """The state of a fit at a check of the loss."""

    step: int
    total_steps: int
    train_loss: float
    """Mean over the steps since the last check."""
    history: tuple[HistoryRow, ...]


@dataclass(frozen=True)
class RollbackSnapshot:
    """Weights, optimizer state and weight average at a check with finite loss and weights."""

    weights: StateDict
    optimizer_states: list[ParameterState]
    average_weights: StateDict
    averaged_steps: int


class Trainer:
    """One fit of one network."""

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
        """Parameters of `net` with ``requires_grad=False`` are not updated.

        Args:
            get_batch: returns a batch by its number, counted from 0 over all steps of the fit.
            compute_validation_loss: returns the loss of the validation windows, normalized.
            should_stop: called at each check of the loss; if true, the fit ends, to be resumed
                later.
            on_progress: called after each check of the loss.
            save_state: called after each validation, and when the fit is stopped.
            state: a saved state to resume from.
        """
        self.net, self.config, self.get_batch = net, config, get_batch
        self.compute_validation_loss, self.should_stop = compute_validation_loss, should_stop
        self.on_progress, self.save_state = on_progress, save_state
        self.distributed, self.device = distributed, device_of(net)
        self.dtype = select_dtype(config.spec.precision, self.device)
        self.parameters = [weight for weight in net.parameters() if weight.requires_grad]
        self.optimizer = Optimizer(
            config.spec.optimizer,
            self.parameters,
            learning_rate=config.learning_rate,
            weight_decay=config.spec.weight_decay,
        )
        self.validation_interval = max(1, config.max_steps // VALIDATION_COUNT)
        self.swa_start_step = swa_start_step(config.max_steps, config.spec.swa_fraction)
        self.state = state or FitState()
        if self.state.weights:
            self._restore_state()

    def fit(self) -> FitState:
        """Fits the network and leaves it in evaluation mode with its best weights.

        Without patience or validation these are the last weights, or their average. Raises
        TrainingDiverged at the `MAX_ROLLBACKS`-th rollback.
        """
        state = self.state
        state.stopped = False
        self.net.train()
        snapshot = self._take_snapshot()
        while not self._is_done():
            first_step = state.step
            loss = self._train_until_check()
            is_due = self._is_validation_due()
            validation_loss = self._evaluate() if is_due else 0.0
            if not (math.isfinite(loss + validation_loss) and self._has_finite_weights()):
                state.step = first_step
                self._roll_back(snapshot)
                continue
            state.loss_sum += loss
            state.loss_count += state.step - first_step
            if is_due:
                self._record_validation(validation_loss)
            snapshot = self._take_snapshot()
            should_stop = self.distributed.any_process(self.should_stop(), self.device)
            # after the last step there is nothing left to stop
            state.stopped = should_stop and state.step < self.config.max_steps
            mean = loss / (state.step - first_step)
            self.on_progress(
                TrainingProgress(state.step, self.config.max_steps, mean, tuple(state.history))
            )
            if is_due or state.stopped:
                self._capture_state()
                self.save_state(state)
        self._load_final_weights()
        self.net.eval()
        return state

    def _load_final_weights(self) -> None:
        """Loads the best weights; the average of weights is one more candidate."""
        state, net = self.state, self.net
        selects_best = self.config.patience is not None
        if state.averaged_steps and not state.stopped:
            net.load_state_dict(averaged_weights(state, net))
            if selects_best and self.compute_validation_loss is not None:
                self._keep_if_best(self._evaluate())
        if selects_best and state.best_weights:
            net.load_state_dict(state.best_weights)

    def _keep_if_best(self, validation_loss: float) -> bool:
        """Copies the weights into the state if their loss is the lowest so far; returns whether it
        is."""
        state = self.state
        if not validation_loss < state.best_loss:
            return False
        state.best_loss, state.best_step = validation_loss, state.step
        state.validations_since_best = 0
        state.best_weights = clone_state_dict(self.net)
        return True

    def _is_done(self) -> bool:
        state, patience = self.state, self.config.patience
        is_exhausted = patience is not None and state.validations_since_best >= patience
        return state.stopped or is_exhausted or state.step >= self.config.max_steps

    def _train_until_check(self) -> float:
        """Takes the steps up to the next check; returns the sum of their losses."""
        state = self.state
        intervals = LOSS_CHECK_INTERVAL, self.validation_interval
        end = min(*(state.step + n - state.step % n for n in intervals), self.config.max_steps)
        total = torch.zeros((), device=self.device)
        while state.step < end:
            total += self._train_step()
            state.step += 1
            if state.step > self.swa_start_step:
                update_average(state, self.net)
        return float(total)

    def _train_step(self) -> Tensor:
        config, spec, state = self.config, self.config.spec, self.state
        factor = learning_rate_factor(spec.schedule, state.step, config.max_steps)
        reduction = state.rollback_factor * state.plateau_factor
        self.optimizer.learning_rate = config.learning_rate * factor * reduction
        self.net.training_progress = state.step / config.max_steps
        self.optimizer.zero_grad()
        loss = self._backward()
        add_l1_gradient(self.parameters, spec.l1)
        if spec.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, spec.clip_value)
        if spec.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, spec.clip_norm)
        self.optimizer.step()
        return loss

    def _backward(self) -> Tensor:
        """Sets the gradients of the step's batches; returns their mean loss."""
        n_batches = self.config.spec.gradient_accumulation
        total = weights = torch.zeros((), device=self.device)
        for index in range(n_batches):
            batch = self.get_batch(self.state.step * n_batches + index)
            with self._autocast():
                loss = self.net.loss(batch.history, batch.targets, batch.weight)
            if n_batches == self.distributed.world_size == 1:
                loss.backward()  # type: ignore[no-untyped-call]
                return loss.detach()
            weight = batch.weight.sum()  # the denominator of the loss
            (loss * weight).backward()  # type: ignore[no-untyped-call]
            total, weights = total + loss.detach() * weight, weights + weight
        return self.distributed.average(self.parameters, total, weights)

    def _autocast(self) -> torch.autocast:
        is_mixed = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=is_mixed)

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
        """Appends a row to the history and keeps the weights if they are the best."""
        state, is_validated = self.state, self.compute_validation_loss is not None
        train_loss = state.loss_sum / max(state.loss_count, 1)
        state.loss_sum, state.loss_count = 0.0, 0
        recorded = validation_loss if is_validated else math.nan
        rate = self.optimizer.learning_rate
        state.history.append(HistoryRow(state.step, train_loss, recorded, rate))
        if not is_validated:
            return
        is_best = self._keep_if_best(validation_loss)
        state.validations_since_best += not is_best
        if self.config.spec.schedule == "plateau":
            state.plateau_factor, state.validations_since_reduction = update_plateau(
                state.plateau_factor, state.validations_since_reduction, improved=is_best
            )

    def _has_finite_weights(self) -> bool:
        # a finite loss may have a gradient that is not finite
        return bool(torch.stack([weight.isfinite().all() for weight in self.parameters]).all())

    def _take_snapshot(self) -> RollbackSnapshot:
        state = self.state
        return RollbackSnapshot(
            clone_state_dict(self.net),
            clone_states(self.optimizer.states),
            {name: value.clone() for name, value in state.average_weights.items()},
            state.averaged_steps,
        )

    def _roll_back(self, snapshot: RollbackSnapshot) -> None:
        """Restores the snapshot and lowers the learning rate for the rest of the fit."""
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
        state.average_weights = snapshot.average_weights
        state.averaged_steps = snapshot.averaged_steps
        self.net.load_state_dict(snapshot.weights)
        self.optimizer.states = clone_states(snapshot.optimizer_states)

    def _capture_state(self) -> None:
        """Copies weights, optimizer state and random number generators into the state."""
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
        """The generator states of all processes, that of the first under `name` itself."""
        states = self.distributed.all_gather(rng_state, self.device)
        return {f"{name}.{rank}" if rank else name: value for rank, value in enumerate(states)}

    def _restore_state(self) -> None:
        state = self.state
        self.net.load_state_dict(state.weights)
        for key, value in state.optimizer_state.items():
            index, name = key.split(".", 1)
            self.optimizer.states[int(index)][name] = value.to(self.device, copy=True)
        state.average_weights = {
            name: value.to(self.device) for name, value in state.average_weights.items()
        }
        suffix = f".{self.distributed.rank}" if self.distributed.rank else ""
        if f"cpu{suffix}" in state.rng_state:  # missing if there were fewer processes
            torch.set_rng_state(state.rng_state[f"cpu{suffix}"])
        if f"cuda{suffix}" in state.rng_state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state.rng_state[f"cuda{suffix}"], self.device)
