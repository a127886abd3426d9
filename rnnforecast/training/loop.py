"""The training loop: fits a forecaster to windows, keeps the best weights, undoes bad steps.

It knows nets and batches, not specs or tables. All that changes while it runs lies in one
`FitState`, which `checkpoint` writes and reads, so that a resumed fit goes on as if it had never
stopped.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rnnforecast.errors import Problem, TrainingDiverged
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.batches import Batch
from rnnforecast.training.schedule import rate

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


@dataclass(frozen=True)
class Row:
    """One line of `history.csv`: mean training loss since the last one, and the validation loss."""

    step: int
    train_loss: float
    validation_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Progress:
    """What a watcher is told every few steps."""

    step: int
    total: int
    train_loss: float
    rows: tuple[Row, ...]


Weights = dict[str, Tensor]


@dataclass
class FitState:
    """All that changes during a fit; enough to go on later as if nothing had happened."""

    step: int = 0
    rate_scale: float = 1.0
    cuts: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    since_best: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    rows: list[Row] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    optimizer: Weights = field(default_factory=dict)
    random: Weights = field(default_factory=dict)
    stopped: bool = False


class Fitter:
    """One fit of one net. `run()` returns when it is done, out of patience or asked to stop."""

    def __init__(
        self,
        net: Forecaster,
        recipe: Recipe,
        *,
        draw: Callable[[int], Batch],
        validate: Callable[[], float] | None = None,
        asked_to_stop: Callable[[], bool] = lambda: False,
        watch: Callable[[Progress], None] = lambda progress: None,
        save: Callable[[FitState], None] = lambda state: None,
        state: FitState | None = None,
    ) -> None:
        """`draw(step)` gives the step's batch, `validate()` the loss on the validation origins.

        `state` is a saved one to go on from.
        """
        self.net, self.recipe, self.draw, self.validate = net, recipe, draw, validate
        self.asked_to_stop, self.watch, self.save = asked_to_stop, watch, save
        self.parameters = list(net.parameters())
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.between_validations = max(1, recipe.max_steps // VALIDATIONS)
        self.state = state or FitState()
        if self.state.weights:
            self._restore()

    def run(self) -> FitState:
        """Fits; afterwards the net holds the best weights (the last ones where `patience` is None).

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
            # at the last look there is nothing left to stop
            state.stopped = self.asked_to_stop() and state.step < self.recipe.max_steps
            mean = loss / (state.step - before)
            self.watch(Progress(state.step, self.recipe.max_steps, mean, tuple(state.rows)))
            if due or state.stopped:
                self._capture()
                self.save(state)
        if self.recipe.patience is not None and state.best:
            self.net.load_state_dict(state.best)
        self.net.eval()
        return state

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
        return float(total)

    def _step(self) -> Tensor:
        recipe, state = self.recipe, self.state
        share = rate(recipe.schedule, state.step, recipe.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * share * state.rate_scale
        batch = self.draw(state.step)
        with self._precision():
            loss = self.net.loss(batch.history, batch.future, batch.weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, recipe.clip_value)
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip_norm)
        self.optimizer.step()
        return loss.detach()

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
        return loss

    def _record(self, validation: float) -> None:
        """Writes a row of the history and keeps the weights if they are the best so far."""
        state = self.state
        train = state.loss_sum / max(state.loss_count, 1)
        state.loss_sum, state.loss_count = 0.0, 0
        used = self.optimizer.param_groups[0]["lr"]
        shown = math.nan if self.validate is None else validation
        state.rows.append(Row(state.step, train, shown, used))
        if self.validate is None:
            return
        if validation < state.best_loss:
            state.best_loss, state.best_step, state.since_best = validation, state.step, 0
            state.best = _copied(self.net)
        else:
            state.since_best += 1

    def _weights_are_finite(self) -> bool:
        # a finite loss can have a gradient that is not: such weights must not count as good ones
        return bool(torch.stack([weight.isfinite().all() for weight in self.parameters]).all())

    def _snapshot(self) -> tuple[Weights, dict[str, Any]]:
        return _copied(self.net), copy.deepcopy(self.optimizer.state_dict())

    def _undo(self, good: tuple[Weights, dict[str, Any]]) -> None:
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
        self.net.load_state_dict(good[0])
        self.optimizer.load_state_dict(good[1])

    def _capture(self) -> None:
        """Copies what lies outside the state (weights, moments, random numbers) into it."""
        state = self.state
        state.weights = _copied(self.net)
        state.optimizer = {
            f"{index}.{name}": value.clone()
            for index, entry in self.optimizer.state_dict()["state"].items()
            for name, value in entry.items()
        }
        state.random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state.random["cuda"] = torch.cuda.get_rng_state(self.device)

    def _restore(self) -> None:
        state = self.state
        self.net.load_state_dict(state.weights)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in state.optimizer.items():
            index, name = key.split(".", 1)
            entries.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": entries, "param_groups": groups})
        torch.set_rng_state(state.random["cpu"])
        if "cuda" in state.random:
            torch.cuda.set_rng_state(state.random["cuda"], self.device)


def _copied(net: Forecaster) -> Weights:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
