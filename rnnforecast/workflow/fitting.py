"""The two fits of a training, and the scores between them.

1. Fit on the training part, stop early on the validation origins, keep the best weights.
2. Score the held-out last horizon with those.
3. A short last fit on everything, so that the newest data are learnt; the scores of 2 stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.data.plan import Cleaned
from rnnforecast.data.window import Index, Origins, at, training, validation
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.models.covariates import Sizes
from rnnforecast.models.forecaster import Architecture, Forecaster
from rnnforecast.output.files import write_bytes
from rnnforecast.spec.load import dump
from rnnforecast.spec.model import Spec
from rnnforecast.training import checkpoint, device, inference
from rnnforecast.training.batches import Batch, Sampler
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.loop import FitState, Fitter, Progress, Recipe
from rnnforecast.workflow.events import Listener, Step
from rnnforecast.workflow.forecasting import (
    Floats,
    Forecasts,
    Ints,
    Rules,
    calibrate,
    forecast,
    items_of,
    levels_with_median,
    windows_of,
)
from rnnforecast.workflow.holdout import Scored, score
from rnnforecast.workflow.prepare import Prepared, hash_of
from rnnforecast.workflow.resolve import difference_of

MOST_VALIDATION_WINDOWS = 2048
MEASURED_WINDOWS = 1024
"""Windows whose spread sets the unit the net works in."""

LAST_FIT_SHARE = 0.25
"""Steps of the last fit, as a share of the first one's."""

LAST_FIT_RATE = 0.5
"""Peak learning rate of the last fit, as a share of the first one's."""

FIRST, LAST = "fit", "last fit"


@dataclass(frozen=True)
class Fitted:
    """What the fits leave behind; the net holds its final weights."""

    scored: Scored
    held_out: Forecasts
    """Forecasts of the held-out horizon, of all series."""
    residuals: Floats | None
    """`[H, Q]` normalised quantiles of a point head's errors."""
    rows: list[dict[str, float]]
    """The history of the first fit, a row a validation."""
    best_step: int
    interrupted: bool


class Session:
    """One training: the net, its windows, and how it got where it is."""

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        listener: Listener,
        asked_to_stop: Callable[[], bool],
    ) -> None:
        """Builds a fresh net, seeded; `folder` is where the run will be."""
        self.listener, self.asked_to_stop = listener, asked_to_stop
        spec = self.spec = prepared.spec
        self.cleaned, self.split = prepared.cleaned, prepared.split
        self.panel = self.cleaned.panel
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.data_hash = hash_of(self.cleaned)
        self.identity = hashlib.sha256(f"{dump(spec)}\n{self.data_hash}".encode()).hexdigest()
        place = folder.resolve()
        self.checkpoint_file = place.parent / f"{place.name}.checkpoint"
        try:
            self.device = device.choose(spec.training.device)
        except ValueError as error:
            cure = "set training.device to auto or cpu"
            raise UsageError(Problem("training.device", str(error), cure)) from None
        device.seed(spec.training.seed)
        self.net = Forecaster(architecture_of(spec, self.cleaned)).to(self.device)
        self.windows = windows_of(self.cleaned, self.net)
        together = self.windows.channels < self.cleaned.counted.shape[1]
        self.counted = items_of(self.cleaned, joint=together)
        self.plan = prepared.plan

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

    def run(self, unfinished: Checkpoint | None = None) -> Fitted:
        """Both fits with the scores between them, from the start or from where it stopped."""
        if unfinished is None or unfinished.phase == FIRST:
            state = self._fit(FIRST, unfinished.state if unfinished else None, before={})
            before: dict[str, Any] = {
                "rows": [asdict(row) for row in state.rows],
                "best_step": state.best_step,
            }
            interrupted = state.stopped
            # the weights that are scored stay at hand, for a last fit that is interrupted
            last = FitState(best={name: v.clone() for name, v in self.net.state_dict().items()})
        else:
            before, interrupted, last = unfinished.before, False, unfinished.state
            self.net.load_state_dict(last.best)
            self.net.eval()
        scored, held_out, residuals = self._score()
        if self.spec.training.final_fit and not interrupted:
            interrupted = self._fit(LAST, last, before=before).stopped
            if interrupted:
                self.net.load_state_dict(last.best)
        return Fitted(scored, held_out, residuals, **before, interrupted=interrupted)

    def _fit(self, phase: str, state: FitState | None, *, before: dict[str, Any]) -> FitState:
        spec, first = self.spec.training, phase == FIRST
        ends = self.split.train_end if first else self.panel.lengths
        # the last fit draws other windows than the first
        draw = self._draw(ends, int(spec.batch_size), spec.seed if first else spec.seed + 1)
        if first and state is None:
            some = self._draw(ends, MEASURED_WINDOWS, spec.seed)(0)
            self.net.measure(some.history, some.future, some.weight)

        def write(state: FitState) -> None:
            found = Checkpoint(phase, self.identity, state, before)
            write_bytes(self.checkpoint_file, checkpoint.to_bytes(found))

        small = device.threads_for(int(spec.batch_size), int(self.spec.model.hidden_size))
        fitter = Fitter(
            self.net,
            self._recipe(first=first),
            draw=draw,
            validate=self._validate() if first else None,
            asked_to_stop=self.asked_to_stop,
            watch=lambda progress: self.listener.progress(_step(phase, progress)),
            save=write,
            state=state,
        )
        with small:
            return fitter.run()

    def _draw(self, ends: Ints, batch_size: int, seed: int) -> Callable[[int], Batch]:
        """The random windows of each step, with targets before `ends [S]`."""
        origins = self._origins(ends)
        sampler = Sampler(
            first=origins.first,
            last=origins.last,
            limit=origins.limit,
            weight=origins.weight,
            batch_size=batch_size,
            seed=seed,
            device=self.device,
        )
        return lambda step: self.windows.gather(*sampler.draw(step))

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
                    "set a shorter window.horizon, or bring more history",
                )
            )
        return found

    def _recipe(self, *, first: bool) -> Recipe:
        spec = self.spec.training
        recipe = Recipe(
            max_steps=int(spec.max_steps),
            learning_rate=spec.learning_rate,
            schedule=spec.schedule,
            weight_decay=spec.weight_decay,
            clip_norm=spec.clip_norm,
            clip_value=spec.clip_value,
            patience=spec.patience if spec.early_stopping else None,
            precision=device.precision(spec.precision, self.device),
        )
        if first:
            return recipe
        return replace(
            recipe,
            max_steps=max(1, round(LAST_FIT_SHARE * recipe.max_steps)),
            learning_rate=LAST_FIT_RATE * recipe.learning_rate,
            patience=None,
        )

    def _validate(self) -> Callable[[], float] | None:
        index = self._validation_index()
        if index is None:
            return None
        return lambda: inference.mean_loss(self.net, self.windows, index.item, index.origin)

    def _validation_index(self) -> Index | None:
        if not self.split.validated.any():
            return None
        return validation(
            self.split,
            horizon=self.horizon,
            channels=self.windows.channels,
            most=MOST_VALIDATION_WINDOWS,
        )

    def _score(self) -> tuple[Scored, Forecasts, Floats | None]:
        """The scores on the held-out horizon, its forecasts, and the quantiles of a point head."""
        quantiles, origins = self.spec.forecast.quantiles, self.split.test_origin
        residuals = None
        if self.spec.training.loss != "quantile":
            # without a validation part the held-out horizon itself has to tell
            index = self._validation_index()
            index = index or at(origins, horizon=self.horizon, channels=self.windows.channels)
            residuals = calibrate(self.net, self.windows, index, quantiles)
        rules = Rules(quantiles, self.plan.transform, self.plan.bounds, residuals)
        found = forecast(self.net, self.cleaned, origins, rules=rules, windows=self.windows)
        scored = score(self.panel, found, origins, season=self.season, quantiles=quantiles)
        return scored, found, residuals


def architecture_of(spec: Spec, cleaned: Cleaned) -> Architecture:
    """The net that a settled spec asks for, with room for the covariates that there are."""
    window, model, features = spec.window, spec.model, cleaned.features
    targets = cleaned.panel.observed.shape[1]
    return Architecture(
        lookback=int(window.lookback),
        horizon=window.horizon,
        segment=int(window.segment),
        season=int(window.season),
        backbone=model.backbone,
        hidden_size=int(model.hidden_size),
        layers=model.layers,
        dropout=model.dropout,
        decoder=model.decoder,
        normalize=model.normalize,
        linear_first=model.linear_first,
        loss=spec.training.loss,
        levels=levels_with_median(spec.forecast.quantiles),
        options=model.options,
        channels=targets if model.channels == "joint" else 1,
        difference=difference_of(spec),
        covariates=Sizes(
            past=features.past.shape[1],
            past_codes=features.past_sizes,
            known=features.future.shape[1],
            known_codes=features.future_sizes,
            static=features.static.shape[1],
            static_codes=features.static_sizes,
            elapsed=not cleaned.counted.all(),
        ),
    )


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
