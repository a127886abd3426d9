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
from rnnforecast.training.distributed import ALONE, Team
from rnnforecast.training.fit_state import FitState as FitState
from rnnforecast.training.fit_state import Row as Row
from rnnforecast.training.fit_state import Weights as Weights
from rnnforecast.training.fit_state import copied
from rnnforecast.training.optimizers import Optimizer, State, add_l1, copies
from rnnforecast.training.schedules import fallen, rate
from rnnforecast.training.weight_averaging import averaged_weights, first_averaged, take_in

CHECK_EVERY = 10
"""Steps between two looks at the loss: a look makes a GPU wait, so there are few."""

VALIDATIONS = 20
"""How often a fit is validated from its first step to its last."""

RATE_CUT = 0.3
"""What is left of the learning rate after a step was undone."""

MOST_CUTS = 3
"""After so many undone steps the fit is given up."""


@dataclass(frozen=True)
class Recipe:
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
    accumulate: int = 1
    """Batches in a step."""
    average_last: float = 0.0
    """Share of the steps, the last ones, whose weights are averaged."""


@dataclass(frozen=True)
class Progress:
    """What a watcher is told every few steps."""

    step: int
    total: int
    train_loss: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Good:
    """What a fit goes back to when a step has to be undone."""

    weights: Weights
    optimizer: list[State]
    average: Weights
    averaged: int


class Fitter:
    """One fit of one net. `run()` returns when it is done, out of patience or asked to stop."""

    def __init__(
        self,
        net: Forecaster,
        config: Recipe,
        *,
        get_batch: Callable[[int], Batch],
        compute_validation_loss: Callable[[], float] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        save_state: Callable[[FitState], None] = lambda state: None,
        state: FitState | None = None,
        distributed: Team = ALONE,
    ) -> None:
        """`draw(number)` gives a batch, `validate()` the loss on the validation origins.

        Batches are numbered from 0 over all steps. `state` is a saved one to go on from. Weights
        that need no gradient stay as they are.
        """
        self.net, self.recipe, self.draw, self.validate = net, config, get_batch, compute_validation_loss
        self.asked_to_stop, self.watch, self.save = should_stop, on_progress, save_state
        self.team, self.device = distributed, device.of(net)
        self.parameters = [weight for weight in net.parameters() if weight.requires_grad]
        self.optimizer = Optimizer(
            config.optimizer,
            self.parameters,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.between_validations = max(1, config.max_steps // VALIDATIONS)
        self.averaged_from = first_averaged(config.max_steps, config.average_last)
        self.state = state or FitState()
        if self.state.weights:
            self._restore()

    def run(self) -> FitState:
        """Fits; afterwards the net holds the best weights; where `patience` is None or nothing
        validates, the last ones, or their average.

        Raises TrainingDiverged after `MOST_CUTS` undone steps.
        """
        state = self.state
        state.stopped = False
        self.net.train()
        good = self._snapshot()
        while not self._over():
            before = state.step
            loss = self._advance()
            due = self._validation_due()
            validation = self._validation_loss() if due else 0.0
            if not (math.isfinite(loss + validation) and self._weights_are_finite()):
                state.step = before
                self._undo(good)
                continue
            state.loss_sum += loss
            state.loss_count += state.step - before
            if due:
                self._record(validation)
            good = self._snapshot()
            asked = self.team.any(self.asked_to_stop(), self.device)
            # at the last look there is nothing left to stop
            state.stopped = asked and state.step < self.recipe.max_steps
            mean = loss / (state.step - before)
            self.watch(Progress(state.step, self.recipe.max_steps, mean, tuple(state.rows)))
            if due or state.stopped:
                self._capture()
                self.save(state)
        self._keep()
        self.net.eval()
        return state

    def _keep(self) -> None:
        """Leaves in the net the weights that are to be kept; the average competes for it."""
        state, net = self.state, self.net
        choosing = self.recipe.patience is not None and self.validate is not None
        if state.averaged and not state.stopped:
            net.load_state_dict(averaged_weights(state, net))
            loss = self._validation_loss() if choosing else math.nan
            if loss < state.best_loss:
                state.best_loss, state.best_step, state.since_best = loss, state.step, 0
                state.best = copied(net)
        if self.recipe.patience is not None and state.best:
            net.load_state_dict(state.best)

    def _over(self) -> bool:
        state, patience = self.state, self.recipe.patience
        tired = patience is not None and state.since_best >= patience
        return state.stopped or tired or state.step >= self.recipe.max_steps

    def _advance(self) -> float:
        """Steps up to the next look at the loss; the sum of their losses."""
        state = self.state
        stop = state.step + CHECK_EVERY - state.step % CHECK_EVERY
        next_validation = (
            state.step + self.between_validations - state.step % self.between_validations
        )
        stop = min(stop, next_validation, self.recipe.max_steps)
        total = torch.zeros((), device=self.device)
        while state.step < stop:
            total += self._step()
            state.step += 1
            if state.step > self.averaged_from:
                take_in(state, self.net)
        return float(total)

    def _step(self) -> Tensor:
        recipe, state = self.recipe, self.state
        share = rate(recipe.schedule, state.step, recipe.max_steps)
        scale = state.rate_scale * state.plateau_scale
        self.optimizer.learning_rate = recipe.learning_rate * share * scale
        self.net.progress = state.step / recipe.max_steps
        self.optimizer.zero_grad()
        loss = self._gradients()
        add_l1(self.parameters, recipe.l1)
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, recipe.clip_value)
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip_norm)
        self.optimizer.step()
        return loss

    def _gradients(self) -> Tensor:
        """Leaves the gradients of the step's windows in the weights; their mean loss."""
        batches = self.recipe.accumulate
        total = weights = torch.zeros((), device=self.device)
        for part in range(batches):
            batch = self.draw(self.state.step * batches + part)
            with self._precision():
                loss = self.net.loss(batch.history, batch.future, batch.weight)
            if batches == self.team.size == 1:
                loss.backward()  # type: ignore[no-untyped-call]
                return loss.detach()
            weight = batch.weight.sum()  # what the loss was divided by
            (loss * weight).backward()  # type: ignore[no-untyped-call]
            total, weights = total + loss.detach() * weight, weights + weight
        return self.team.average(self.parameters, total, weights)

    def _precision(self) -> torch.autocast:
        mixed = self.recipe.precision != torch.float32
        return torch.autocast(self.device.type, self.recipe.precision, enabled=mixed)

    def _validation_due(self) -> bool:
        step = self.state.step
        return step % self.between_validations == 0 or step == self.recipe.max_steps

    def _validation_loss(self) -> float:
        if self.validate is None:
            return 0.0
        self.net.eval()
        with torch.no_grad(), self._precision():
            loss = self.validate()
        self.net.train()
        return self.team.agreed(loss, self.device)

    def _record(self, validation_loss: float) -> None:
        """Writes a row of the history and keeps the weights if they are the best so far."""
        state = self.state
        train = state.loss_sum / max(state.loss_count, 1)
        state.loss_sum, state.loss_count = 0.0, 0
        used = self.optimizer.learning_rate
        shown = math.nan if self.validate is None else validation_loss
        state.rows.append(Row(state.step, train, shown, used))
        if self.validate is None:
            return
        better = validation_loss < state.best_loss
        if self.recipe.schedule == "plateau":
            state.plateau_scale, state.since_fall = fallen(
                state.plateau_scale, state.since_fall, improved=better
            )
        if better:
            state.best_loss, state.best_step, state.since_best = validation_loss, state.step, 0
            state.best = copied(self.net)
        else:
            state.since_best += 1

    def _weights_are_finite(self) -> bool:
        # a finite loss can have a gradient that is not: such weights must not count as good ones
        return bool(torch.stack([weight.isfinite().all() for weight in self.parameters]).all())

    def _snapshot(self) -> Good:
        state = self.state
        average = {name: value.clone() for name, value in state.average.items()}
        return Good(copied(self.net), copies(self.optimizer.state), average, state.averaged)

    def _undo(self, snapshot: Good) -> None:
        """Back to the last good look, with a lower rate from now on."""
        state = self.state
        state.cuts += 1
        if state.cuts >= MOST_CUTS:
            raise TrainingDiverged(
                Problem(
                    f"training, near step {state.step}",
                    f"the loss was not a finite number {MOST_CUTS} times, at ever lower rates",
                    f"set training.learning_rate below {self.recipe.learning_rate:g}, or look for "
                    "extreme values with 'rnnforecast check'",
                )
            )
        state.rate_scale *= RATE_CUT
        state.average, state.averaged = snapshot.average, snapshot.averaged
        self.net.load_state_dict(snapshot.weights)
        self.optimizer.state = copies(snapshot.optimizer)

    def _capture(self) -> None:
        """Copies what lies outside the state (weights, moments, random numbers) into it."""
        state = self.state
        state.weights = copied(self.net)
        state.optimizer = {
            f"{index}.{name}": value.clone()
            for index, entry in enumerate(self.optimizer.state)
            for name, value in entry.items()
        }
        state.random = self._random("cpu", torch.get_rng_state())
        if self.device.type == "cuda":
            state.random |= self._random("cuda", torch.cuda.get_rng_state(self.device))

    def _random(self, name: str, rng_state: Tensor) -> Weights:
        """The random numbers' states of all processes, the first one's under the plain name."""
        found = self.team.gathered(rng_state, self.device)
        return {f"{name}.{rank}" if rank else name: value for rank, value in enumerate(found)}

    def _restore(self) -> None:
        state = self.state
        self.net.load_state_dict(state.weights)
        for key, value in state.optimizer.items():
            index, name = key.split(".", 1)
            entry = self.optimizer.state[int(index)]
            entry[name] = value.to(self.device, copy=True)
        state.average = {name: value.to(self.device) for name, value in state.average.items()}
        own = f".{self.team.rank}" if self.team.rank else ""
        if f"cpu{own}" in state.random:  # not where there were fewer processes
            torch.set_rng_state(state.random[f"cpu{own}"])
        if f"cuda{own}" in state.random and self.device.type == "cuda":
            torch.cuda.set_rng_state(state.random[f"cuda{own}"], self.device)
