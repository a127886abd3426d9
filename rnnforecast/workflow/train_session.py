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

from rnnforecast.data.windows.origins import Index, Origins, at, training, validation
from rnnforecast.data.windows.split import shorter
from rnnforecast.errors import DataError, Problem, SpecError, UsageError
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.output.atomic_files import write_bytes
from rnnforecast.pipeline.auto import Choice
from rnnforecast.pipeline.ensemble import Joined, join
from rnnforecast.pipeline.finetune import Start
from rnnforecast.pipeline.forecasting import (
    Forecasts,
    Rules,
    forecast,
    item_names,
    items_of,
    windows_of,
)
from rnnforecast.pipeline.members import architecture_of, members_of
from rnnforecast.pipeline.prepare import Prepared, hash_of
from rnnforecast.pipeline.progress import Listener, Step
from rnnforecast.spec.load import dump
from rnnforecast.training import checkpoint, device
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.compile import compile_forward
from rnnforecast.training.dataset import Batch
from rnnforecast.training.distributed import ALONE, Team
from rnnforecast.training.ridge import fit_first
from rnnforecast.training.trainer import FitState, Fitter, Progress, Recipe, Weights
from rnnforecast.types import Ints
from rnnforecast.workflow.train_base_forecast import KEY as FIRST_KEY
from rnnforecast.workflow.train_base_forecast import first_choice, with_first
from rnnforecast.workflow.train_config import LAST_FIT_SHARE, recipe_of
from rnnforecast.workflow.train_evaluation import Scored, score
from rnnforecast.workflow.train_sampling import Emphasis

MOST_VALIDATION_WINDOWS = 2048
MEASURED_WINDOWS = 1024
"""Windows whose spread sets the unit the net works in."""

FIRST_WINDOWS = 32_768
"""Windows that the first forecast is fitted to by least squares."""

LAST_SEEDS = 1_000_000
"""What is added to the seed in the last fits."""

SECONDS = 60
"""Of a minute."""

CHECKPOINT_SECONDS = 5.0
"""A checkpoint that is no older is not written anew, unless training stops."""

FIRST, LAST = "fit", "last fit"


@dataclass(frozen=True)
class Fitted:
    """What the fits leave behind; the nets hold their final weights."""

    joined: Joined
    scored: Scored
    held_out: Forecasts
    """Forecasts of the held-out horizon, of all series."""
    rows: list[dict[str, float]]
    """The histories of the first fits, a row a validation."""
    best_step: int
    """Of the first network."""
    interrupted: bool


class Session:
    """One training: the nets, their windows, and how it got where it is."""

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        listener: Listener,
        should_stop: Callable[[], bool],
        distributed: Team = ALONE,
    ) -> None:
        """`folder` is where the run will be."""
        self.listener, self.asked_to_stop, self.team = listener, should_stop, distributed
        spec = self.spec = prepared.spec
        self.cleaned, self.split = prepared.cleaned, prepared.split
        self.panel = self.cleaned.panel
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.data_hash = hash_of(self.cleaned)
        place = folder.resolve()
        self.checkpoint_file = place.parent / f"{place.name}.checkpoint"
        try:
            self.device = distributed.device(device.choose(spec.training.device))
        except ValueError as error:
            cure = "set training.device to auto or cpu"
            raise UsageError(Problem("training.device", str(error), cure)) from None
        self.specs = members_of(prepared.opened, spec, self.cleaned)
        least = min(int(each.training.batch_size) for each in self.specs)
        if least < distributed.size:
            found = f"{least} windows cannot be shared by {distributed.size} processes"
            raise SpecError(Problem("training.batch_size", found, f"set it to {distributed.size} or more"))
        self.architectures = [architecture_of(each, self.cleaned) for each in self.specs]
        smooth = any(each.items for each in self.architectures)
        self.items = tuple(item_names(self.panel)) if smooth else ()
        self.windows = windows_of(self.cleaned, self.architectures, self.device, self.items)
        together = self.windows.channels < self.cleaned.counted.shape[1]
        self.counted = items_of(self.cleaned, joint=together)
        self.plan = prepared.plan
        start = spec.training.start_from
        self.start = (
            None
            if start is None
            else Start(prepared.base / start, spec.training.freeze, self.items)
        )
        told = [
            dump(self.spec),
            self.data_hash,
            *([] if self.start is None else [self.start.digest]),
        ]
        self.identity = hashlib.sha256("\n".join(told).encode()).hexdigest()
        self.no_compiler = False
        self.written = -math.inf
        """When the checkpoint was, in seconds on a clock of its own."""
        self.kept: Weights = {}
        """The weights of finished fits, ``phase/member/name``."""

    def _settle_first(self, earlier_results: dict[str, Any]) -> dict[str, Any]:
        """Settles the first forecast of the networks that leave it open, the first of them for all;
        what was found out before, and that."""
        open_ = [n for n, spec in enumerate(self.specs) if spec.model.first_forecast == "auto"]
        kind = earlier_results.get("first")
        if kind is None:
            choice = self._first_choice(open_[0]) if open_ else None
            if choice is not None:
                self.listener.say(f"auto  {choice}")
            kind = "linear" if choice is None else choice.value
        self.spec, *self.specs = with_first([self.spec, *self.specs], kind)
        self.architectures = [architecture_of(each, self.cleaned) for each in self.specs]
        return earlier_results | {"first": kind}

    def _first_choice(self, member_index: int) -> Choice:
        index = self._validation_index()
        if index is None:
            return Choice(FIRST_KEY, "linear", "there are no validation windows to judge by")
        emphasis = self._emphasis(member_index, self.split.train_end)
        some = self._draw(emphasis, MEASURED_WINDOWS, self.spec.training.seed)(0)
        return first_choice(self.architectures[member_index], emphasis, index, some, self.team)

    def _emphasis(self, member_index: int, ends: Ints) -> Emphasis:
        """What a fit of the network `number` on the steps before `ends [S]` dwells on."""
        architecture, spec = self.architectures[member_index], self.specs[member_index].training
        windows = self.windows.reaching(architecture.steps_read)
        return Emphasis(spec, architecture, self.cleaned, ends, windows, self._origins(ends))

    def unfinished(self) -> Checkpoint | None:
        """The checkpoint of a training of the same spec and data; None where there is none.

        UsageError where there is one of another spec or other data.
        """
        if not self.checkpoint_file.is_file():
            return None
        found = checkpoint.from_file(self.checkpoint_file)
        if found.identity != self.identity:
            raise UsageError(
                Problem(
                    str(self.checkpoint_file),
                    "the unfinished training had another spec or other data",
                    "train without --resume to start again",
                )
            )
        return found

    def run(self, resume_from: Checkpoint | None = None) -> Fitted:
        """All fits with the scores between them, from the start or from where it stopped."""
        before: dict[str, Any] = {"rows": [], "best_step": 0}
        if resume_from is not None:
            before, self.kept = resume_from.before, resume_from.kept
        before = self._settle_first(before)
        nets: list[Forecaster] = []
        interrupted, begun = False, time.monotonic()
        for number in range(len(self.specs)):
            if number and not self._time_for_another(number, time.monotonic() - begun):
                self.listener.say(f"time budget: {number} of {len(self.specs)} networks")
                break
            net, state = self._fitted(FIRST, number, None, resume_from, before)
            nets.append(net)
            if state is not None:
                before = _remembered(before, number, state, is_ensemble=len(self.specs) > 1)
                interrupted = state.stopped
            if interrupted:
                break
        joined, scored, held_out = self._score(nets)
        if self.spec.training.final_fit and not interrupted:
            for number, net in enumerate(nets):
                _, state = self._fitted(LAST, number, net, resume_from, before)
                interrupted = state is not None and state.stopped
                if interrupted:  # the weights that were scored are at hand
                    for each, scored_net in enumerate(nets):
                        scored_net.load_state_dict(self._kept_of(FIRST, each))
                    break
        rows, best = before["rows"], before["best_step"]
        return Fitted(joined, scored, held_out, rows, best, interrupted=interrupted)

    def _time_for_another(self, n_fitted: int, seconds: float) -> bool:
        """Whether one more network, as quick as the `count` before it, and all last fits would be
        done within the budget."""
        budget = self.spec.training.time_budget
        each = seconds / n_fitted
        last = LAST_FIT_SHARE * each * (n_fitted + 1) if self.spec.training.final_fit else 0.0
        return budget is None or seconds + each + last <= SECONDS * budget

    def _fitted(
        self,
        phase: str,
        member_index: int,
        net: Forecaster | None,
        resume_from: Checkpoint | None,
        earlier_results: dict[str, Any],
    ) -> tuple[Forecaster, FitState | None]:
        """The network `number` after its fit; no state where it was fitted before the stop."""
        # each fit has random numbers of its own, whatever was fitted before it
        device.seed(self.specs[member_index].training.seed + (0 if phase == FIRST else LAST_SEEDS))
        net = net or Forecaster(self.architectures[member_index]).to(self.device)
        if self.start is not None and phase == FIRST:
            self.start.give(net, member_index)
        done = self._kept_of(phase, member_index)
        if done:
            net.load_state_dict(done)
            return net.eval(), None
        state = None
        if resume_from is not None and (resume_from.phase, resume_from.member) == (phase, member_index):
            state = resume_from.state
        found = self._fit(phase, member_index, net, state, earlier_results=earlier_results)
        if not found.stopped or phase == FIRST:
            weights = net.state_dict().items()
            self.kept |= {f"{phase}/{member_index}/{name}": v.clone() for name, v in weights}
        return net, found

    def _kept_of(self, phase: str, member_index: int) -> Weights:
        start = f"{phase}/{member_index}/"
        return {
            name.removeprefix(start): value
            for name, value in self.kept.items()
            if name.startswith(start)
        }

    def _fit(
        self,
        phase: str,
        member_index: int,
        net: Forecaster,
        state: FitState | None,
        *,
        earlier_results: dict[str, Any],
    ) -> FitState:
        spec, first = self.specs[member_index].training, phase == FIRST
        ends = self.split.train_end if first else self.panel.lengths
        emphasis = self._emphasis(member_index, ends)
        # the last fit draws other windows than the first
        seed = spec.seed if first else spec.seed + 1
        draw = self._draw(emphasis, int(spec.batch_size), seed, self.team)
        if first and state is None and self.start is None:
            some = self._draw(emphasis, MEASURED_WINDOWS, spec.seed)(0)
            net.measure(some.history, some.future, some.weight)
            if net.first is not None:
                windows = emphasis.evenly(FIRST_WINDOWS)
                fit_first(net, windows, neighbors=emphasis.neighbours)
        recipe = recipe_of(spec, self.device, is_first_fit=first)
        if spec.compile and not self.no_compiler:
            self._compile(net, draw(0), recipe)
        self.team.share(net)
        self.team.seed(seed)

        def write(state: FitState) -> None:
            recent = time.monotonic() - self.written < CHECKPOINT_SECONDS
            if not self.team.leads or (recent and not state.stopped):
                return
            found = Checkpoint(phase, member_index, self.identity, state, earlier_results, self.kept)
            write_bytes(self.checkpoint_file, checkpoint.to_bytes(found))
            self.written = time.monotonic()

        several = len(self.specs)
        name = f"{phase} {member_index + 1} of {several}" if several > 1 else phase
        small = device.threads_for(int(spec.batch_size), net.architecture.hidden_size)
        fitter = Fitter(
            net,
            recipe,
            get_batch=draw,
            compute_validation_loss=self._validate(net, emphasis) if first else None,
            should_stop=self.asked_to_stop,
            on_progress=lambda progress: self.listener.progress(_step(name, progress)),
            save_state=write,
            state=state,
            distributed=self.team,
        )
        with small:
            found = fitter.run()
        if not found.stopped and found.step < recipe.max_steps:
            self.listener.say(
                f"{name}: stopped at step {found.step:,}: training.patience is {recipe.patience}, "
                f"and as many validations were no better than that of step {found.best_step:,}, "
                "which is kept"
            )
        return found

    def _draw(
        self, sampling: Emphasis, batch_size: int, seed: int, distributed: Team = ALONE
    ) -> Callable[[int], Batch]:
        """The random windows of each batch: this process's part."""
        sampler = sampling.sampler(batch_size=batch_size, seed=seed)

        def draw(number: int) -> Batch:
            item, origin, limit = distributed.part(sampler.draw(number))
            return sampling.weighing(sampling.windows.gather(item, origin, limit), item)

        return draw

    def _compile(self, net: Forecaster, batch: Batch, trainer_config: Recipe) -> None:
        reason = compile_forward(net, batch, trainer_config.precision)
        if reason is not None:
            self.no_compiler = True  # told once, and not tried again
            self.listener.warn(f"training.compile: the network is not compiled: {reason}")

    def _origins(self, ends: Ints) -> Origins:
        found = training(
            self.counted,
            self.panel.offsets,
            ends=ends,
            horizon=self.horizon,
            season=self.season,
        )
        if not found.windows:
            raise DataError(
                Problem(
                    f"window.horizon: {self.horizon}",
                    "no series has enough observed values before the held-out horizon",
                    shorter(self.horizon, int(self.panel.lengths.max()), self.season),
                )
            )
        return found

    def _validate(self, net: Forecaster, sampling: Emphasis) -> Callable[[], float] | None:
        index = self._validation_index()
        if index is None:
            return None
        windows, weighing = sampling.windows, sampling.weighing
        return lambda: inference.mean_loss(net, windows, index.item, index.origin, weighing)

    def _validation_index(self) -> Index | None:
        if not self.split.validated.any():
            return None
        return validation(
            self.split,
            horizon=self.horizon,
            channels=self.windows.channels,
            max_windows=MOST_VALIDATION_WINDOWS,
        )

    def _score(self, nets: list[Forecaster]) -> tuple[Joined, Scored, Forecasts]:
        """The networks made into one, and the scores of that on the held-out horizon, with its
        forecasts."""
        quantiles, origins = self.spec.forecast.quantiles, self.split.test_origin
        # without a validation part the held-out horizon itself has to tell
        validated = self._validation_index()
        joined = join(
            nets,
            self.windows,
            validated or at(origins, horizon=self.horizon, channels=self.windows.channels),
            quantiles=quantiles,
            method=self.spec.ensemble.combine,
            is_validation=validated is not None,
        )
        bounds, transform = self.plan.bounds, self.plan.transform
        rules = Rules(quantiles, transform, bounds, joined.combination, joined.widening, self.items)
        found = forecast(joined.members, self.cleaned, origins, postprocessing=rules, windows=self.windows)
        scored = score(self.panel, found, origins, season=self.season, quantiles=quantiles)
        return joined, scored, found


def _remembered(
    earlier_results: dict[str, Any], member_index: int, state: FitState, *, is_ensemble: bool
) -> dict[str, Any]:
    """What the fits before and this one leave to tell."""
    rows = [{"member": member_index + 1} | asdict(row) if is_ensemble else asdict(row) for row in state.rows]
    best = state.best_step if member_index == 0 else earlier_results["best_step"]
    return earlier_results | {"rows": [*earlier_results["rows"], *rows], "best_step": best}


def _step(phase: str, progress: Progress) -> Step:
    rows = progress.rows
    latest = rows[-1].validation_loss if rows else np.nan
    return Step(
        phase=phase,
        step=progress.step,
        total=progress.total,
        train_loss=progress.train_loss,
        validation_loss=None if np.isnan(latest) else latest,
        validated=bool(rows) and rows[-1].step == progress.step,
    )
