"""`train`: from a spec to a run folder.

1. Fit on the training part, stop early on the validation origins, keep the best weights.
2. Score the held-out last horizon, ours beside the seasonal naive.
3. A short last fit on everything, so that the newest data are learnt; the scores of 2 stay.
4. Write the run folder, whole or not at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.split import Split, split
from rnnforecast.data.window import Index, Origins, at, training, validation
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.models.forecaster import Architecture, Forecaster
from rnnforecast.output.files import write_bytes, write_json, write_text
from rnnforecast.output.plots import plot_loss
from rnnforecast.spec.load import dump
from rnnforecast.spec.model import Spec
from rnnforecast.training import checkpoint, device, inference
from rnnforecast.training.batches import Batch, Sampler, Windows
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.loop import Fitter, FitState, Progress, Recipe, Row
from rnnforecast.workflow.artifact import MARK, Run, load_run, new_run, write_model
from rnnforecast.workflow.events import Listener, Recorder, Silent, Step
from rnnforecast.workflow.forecasting import (
    Floats,
    Ints,
    calibrate,
    forecast,
    levels_with_median,
    windows_of,
)
from rnnforecast.workflow.holdout import Scored, score, spread_over
from rnnforecast.workflow.pictures import draw
from rnnforecast.workflow.prepare import Prepared, hash_of, prepare

MOST_VALIDATION_WINDOWS = 2048
MEASURED_WINDOWS = 1024
"""Windows whose spread sets the unit the net works in."""

LAST_FIT_SHARE = 0.25
"""Steps of the last fit, as a share of the first one's."""

LAST_FIT_RATE = 0.5
"""Peak learning rate of the last fit, as a share of the first one's."""

FIRST, LAST = "fit", "last fit"


@dataclass(frozen=True)
class Trained:
    """What `train` leaves behind, besides the run folder."""

    folder: Path
    ours: dict[str, float]
    seasonal_naive: dict[str, float]
    tested: int
    """Series that were long enough to be scored."""
    series: int
    interrupted: bool
    """True where training was asked to stop; the best weights so far were kept."""


def train(
    path: Path,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    listener: Listener | None = None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Trains what the spec at `path` says and writes the run to `folder`.

    `overrides` are `section.key=value`. With `resume` an unfinished training of the same spec and
    data goes on where it stopped. Raises SpecError, DataError, TrainingDiverged, OutputError.
    """
    listener = Recorder(listener or Silent())
    prepared = prepare(path, overrides)
    session = _Session(prepared, folder, listener, asked_to_stop)
    unfinished = session.unfinished() if resume else None
    if resume and unfinished is None:
        finished = _finished(folder, session.identity)
        if finished is not None:
            listener.say(f"{folder} is finished already: nothing to resume")
            return finished
        listener.say("no unfinished training to resume: starting from the beginning")
    _announce(prepared, session, listener)
    for warning in _warnings(prepared, session.split):
        listener.warn(warning)
    return session.run(unfinished)


class _Session:
    """One training: the net, its windows, and the two fits."""

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        listener: Recorder,
        asked_to_stop: Callable[[], bool],
    ) -> None:
        self.prepared, self.folder = prepared, folder
        self.listener, self.asked_to_stop = listener, asked_to_stop
        spec = self.spec = prepared.spec
        panel = self.panel = prepared.cleaned.panel
        self.channels = panel.observed.shape[1]
        self.horizon, self.season = spec.window.horizon, int(spec.window.season)
        self.split = split(
            panel.lengths, horizon=self.horizon, season=self.season, channels=self.channels
        )
        self.identity = f"{dump(spec)}\n{hash_of(panel)}"
        self.checkpoint_file = folder.with_name(f"{folder.name}.checkpoint")
        try:
            self.device = device.choose(spec.training.device)
        except ValueError as error:
            raise UsageError(
                Problem("training.device", str(error), "set training.device to auto or cpu")
            ) from None
        device.seed(spec.training.seed)
        self.net = Forecaster(architecture_of(spec)).to(self.device)
        self.windows = windows_of(panel, prepared.cleaned.filled, self.net)

    def unfinished(self) -> Checkpoint | None:
        """The checkpoint of a training of the same spec and data, if there is one."""
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

    def run(self, unfinished: Checkpoint | None) -> Trained:
        """Both fits and the scores between them, then the run folder."""
        state: FitState | None
        if unfinished is None or unfinished.phase == FIRST:
            state = self._fit(FIRST, unfinished.state if unfinished else None, before={})
            self.before = {"rows": [asdict(row) for row in state.rows], "best": state.best_step}
            best = {name: value.clone() for name, value in self.net.state_dict().items()}
            interrupted, again = state.stopped, None
        else:
            self.before, again = unfinished.before, unfinished.state
            best, interrupted = again.best, False
            self.net.load_state_dict(best)
        self.net.eval()
        scored, residuals = self._score()
        if self.spec.training.final_fit and not interrupted:
            if again is None:
                # the weights that were scored stay at hand, for a last fit that is interrupted
                again = FitState(best=best)
                self.before = {**self.before}
            interrupted = self._fit(LAST, again, before=self.before).stopped
            if interrupted:
                self.net.load_state_dict(best)
        trained = Trained(
            folder=self.folder,
            ours=scored.ours,
            seasonal_naive=scored.seasonal_naive,
            tested=len(scored.series),
            series=self.panel.size,
            interrupted=interrupted,
        )
        self._save(trained, scored, residuals)
        if not interrupted:
            self.checkpoint_file.unlink(missing_ok=True)
        return trained

    def _fit(self, phase: str, state: FitState | None, *, before: dict[str, Any]) -> FitState:
        spec, first = self.spec.training, phase == FIRST
        ends = self.split.train_end if first else self.panel.lengths
        # the last fit draws other windows than the first
        draw = self._draw(ends, int(spec.batch_size), spec.seed if first else spec.seed + 1)
        if first and state is None:
            some = self._draw(ends, MEASURED_WINDOWS, spec.seed)(0)
            self.net.measure(some.history, some.visible, some.future, some.weight)

        def write(state: FitState) -> None:
            found = Checkpoint(phase, self.identity, state, before)
            write_bytes(self.checkpoint_file, checkpoint.to_bytes(found))

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
            self.panel.observed,
            self.panel.offsets,
            ends=ends,
            horizon=self.horizon,
            season=self.season,
        )
        if not found.windows:
            raise DataError(
                Problem(
                    f"window.horizon: {self.horizon}",
                    "no series has enough observed values before the held-out horizon to learn from",
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
            channels=self.channels,
            most=MOST_VALIDATION_WINDOWS,
        )

    def _score(self) -> tuple[Scored, Floats | None]:
        """The scores on the held-out horizon, and the quantiles of a point head."""
        quantiles, origins = self.spec.forecast.quantiles, self.split.test_origin
        residuals = None
        if self.spec.training.loss != "quantile":
            # without a validation part the held-out horizon itself has to tell
            index = self._validation_index()
            index = index or at(origins, horizon=self.horizon, channels=self.channels)
            residuals = calibrate(self.net, self.windows, index, quantiles)
        found = forecast(
            self.net,
            self.windows,
            self.panel,
            origins,
            quantiles=quantiles,
            residuals=residuals,
        )
        scored = score(self.panel, found, origins, season=self.season, quantiles=quantiles)
        self.held_out = found
        return scored, residuals

    def _save(self, trained: Trained, scored: Scored, residuals: Floats | None) -> None:
        shown = spread_over(scored.smape, self.spec.forecast.plots)
        labels = self.panel.labels()[scored.series[shown]]
        run = Run(
            plan=self.prepared.plan,
            architecture=self.net.architecture,
            quantiles=self.spec.forecast.quantiles,
            residuals=residuals,
            source=self.prepared.source,
            plots=self.spec.forecast.plots,
            plotted=tuple(labels),
            facts={
                "version": __version__,
                "seed": self.spec.training.seed,
                "identity": self.identity,
                "interrupted": trained.interrupted,
                "parameters": sum(p.numel() for p in self.net.parameters()),
            },
        )
        with new_run(self.folder) as folder:
            write_text(folder / "spec.yaml", dump(self.prepared.given))
            write_text(folder / MARK, dump(self.spec))
            write_model(folder, self.net, run)
            write_json(folder / "metrics.json", _scores(trained))
            _write_history(folder, self.before["rows"], self.before["best"])
            draw(
                folder / "plots",
                self.panel,
                scored.series[shown],
                self.split.test_origin,
                self.held_out,
                quantiles=run.quantiles,
                naive=scored.naive[shown],
                actual=scored.actual[shown],
                note="held-out horizon",
            )
            write_text(folder / "log.jsonl", self.listener.lines())


def _scores(trained: Trained) -> dict[str, object]:
    return {
        "ours": trained.ours,
        "seasonal_naive": trained.seasonal_naive,
        "series": trained.series,
        "series_tested": trained.tested,
        "interrupted": trained.interrupted,
    }


def _write_history(folder: Path, rows: list[dict[str, float]], best_step: int) -> None:
    names = [field.name for field in fields(Row)]
    lines = [",".join(names)]
    lines += [",".join(f"{row[name]:.9g}" for name in names) for row in rows]
    write_text(folder / "history.csv", "\n".join(lines) + "\n")
    steps, train, validated = (
        np.array([row[name] for row in rows], float)
        for name in ("step", "train_loss", "validation_loss")
    )
    (folder / "plots").mkdir(exist_ok=True)
    kept = best_step if best_step else None
    plot_loss(folder / "plots" / "loss", steps, train, validated, kept)


def architecture_of(spec: Spec) -> Architecture:
    """The net that a settled spec asks for."""
    window, model = spec.window, spec.model
    levels = levels_with_median(spec.forecast.quantiles)
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
        levels=levels,
        options=model.options,
    )


def _finished(folder: Path, identity: str) -> Trained | None:
    """The finished run at `folder`, if it is one of the same spec and data."""
    if not folder.exists():
        return None
    run, _ = load_run(folder)
    if run.facts["identity"] != identity or run.facts["interrupted"]:
        return None
    stored = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))

    def table(name: str) -> dict[str, float]:
        return {key: math.nan if value is None else value for key, value in stored[name].items()}

    return Trained(
        folder=folder,
        ours=table("ours"),
        seasonal_naive=table("seasonal_naive"),
        tested=stored["series_tested"],
        series=stored["series"],
        interrupted=False,
    )


def _step(phase: str, progress: Progress) -> Step:
    rows = progress.rows
    latest = rows[-1].validation_loss if rows else math.nan
    return Step(
        phase=phase,
        step=progress.step,
        total=progress.total,
        train_loss=progress.train_loss,
        validation_loss=None if math.isnan(latest) else latest,
        validated=bool(rows) and rows[-1].step == progress.step,
    )


def _announce(prepared: Prepared, session: _Session, listener: Recorder) -> None:
    panel, changes = prepared.cleaned.panel, prepared.cleaned.changes
    listener.say(
        f"{panel.size:,} series, {panel.targets.shape[0]:,} steps at {changes.frequency.alias}, "
        f"targets {', '.join(panel.targets_names)}; on {device.describe(session.device)}"
    )
    for choice in prepared.choices:
        value = ", ".join(choice.value) or "none" if isinstance(choice.value, list) else choice.value
        listener.say(f"auto  {choice.key}: {value}  ({choice.reason})")


def _warnings(prepared: Prepared, parts: Split) -> list[str]:
    changes, panel = prepared.cleaned.changes, prepared.cleaned.panel
    lines = [f"left out: {label}: {reason}" for label, reason in list(changes.skipped.items())[:5]]
    if len(changes.skipped) > 5:
        lines.append(f"left out: … and {len(changes.skipped) - 5:,} more series")
    short = int((parts.test_origin < 0).sum())
    if short:
        lines.append(
            f"{short:,} of {panel.size:,} series are too short to be scored; "
            "they are learnt from in the last fit only"
        )
    counted = (
        ("gaps", "steps without a row were added as missing"),
        ("missing", "values are missing"),
        ("duplicates", "rows shared their series and time with another and were combined"),
        ("infinite", "infinite values were taken as missing"),
    )
    lines += [f"{getattr(changes, name):,} {text}" for name, text in counted if getattr(changes, name)]
    constant = int((changes.series["constant"] > 0).sum())
    if constant:
        lines.append(f"{constant:,} series never change; their MASE is not defined")
    return lines
