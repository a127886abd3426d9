"""The fits of a backtest's networks, each on what was known before its first window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

from rnnforecast.data.cleaning_plan import AlignedData
from rnnforecast.data.panel.last_steps import keep_last
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import DataError, Problem, RunFolderError, SpecError, UsageError
from rnnforecast.parallel.engine import Engine, never_stop
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.finetune import START_FROM_KEY
from rnnforecast.pipeline.prepare import PreparedData, prepare_aligned
from rnnforecast.pipeline.progress import FitProgress, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import RESOLVED_SPEC_FILE, load_run
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.workflow.backtest_plan import BacktestPlan
from rnnforecast.workflow.backtest_subject import BacktestSubject
from rnnforecast.workflow.backtest_work import BacktestWork
from rnnforecast.workflow.train import train_prepared

WARM_STEP_SHARE = 0.25
"""The steps of a training that starts from the weights of the one before, as a share of its own."""


@dataclass(frozen=True)
class Seasons:
    """Steps a season, of scores and seasonal naive forecasts, and of statistical baselines."""

    season: int
    statistical: int

    @classmethod
    def of(cls, season: int, statistical_seasons: Sequence[int]) -> Seasons:
        """Those of a run or a training."""
        return cls(season, statistical_seasons[0] if statistical_seasons else 1)


@dataclass(frozen=True)
class _FitListener:
    """Passes on the progress of a training under its title, and the messages of the first one,
    which those of others repeat."""

    listener: ProgressListener
    title: str
    is_first: bool

    def info(self, text: str) -> None:
        """Passes the line on if the training is the first."""
        if self.is_first:
            self.listener.info(text)

    def warning(self, text: str) -> None:
        """Passes the warning on if the training is the first."""
        if self.is_first:
            self.listener.warning(text)

    def progress(self, progress: FitProgress) -> None:
        """Passes the progress on."""
        self.listener.progress(replace(progress, task=self.title))


@dataclass(frozen=True)
class BacktestFits:
    """The trained networks of each fit, in the work folder of a backtest."""

    subject: BacktestSubject
    plan: BacktestPlan
    work: BacktestWork
    listener: ProgressListener
    should_stop: Callable[[], bool] = never_stop
    engine: Engine = IN_PROCESS
    """Trains the networks of an ensemble."""

    @property
    def are_independent(self) -> bool:
        """Whether there are several fits, none of which starts from the weights of another."""
        is_cold = self.subject.run is None and not self.subject.spec.backtest.warm_start
        return is_cold and len(self.plan.fits) > 1

    @property
    def is_on_accelerator(self) -> bool:
        """Whether the networks are trained, or forecast, on another device than the CPU."""
        if self.subject.run is None:
            return device.select_device(self.subject.spec.training.device).type != "cpu"
        return device.device_of(self.subject.run.members[0].net).type != "cpu"

    def seasons(self) -> Seasons:
        """The seasons of the run, or of the first fit."""
        if self.subject.run is not None:
            run = self.subject.run
            return Seasons.of(run.plan.season, run.statistical_seasons)
        return Seasons.of(int(self.first.spec.window.season), self.first.statistical_seasons)

    def run(self, fit: int) -> Run:
        """The run of a fit, trained unless it is finished.

        Raises Stopped if a stop is requested in a training, whose state is saved.
        """
        if self.subject.run is not None:
            return self.subject.run
        folder = self.work.run_folder(fit)
        if folder.exists():
            try:
                return load_run(folder)
            except RunFolderError:  # damaged
                self.work.remove_fit(fit)
        self._train(fit)
        return load_run(folder)

    def resolved_spec(self) -> Spec:
        """The spec of the run, or of the first fit with every `auto` resolved."""
        if self.subject.run is not None:
            return self.subject.spec
        self.run(0)  # trained again if it is damaged
        return read_spec(self.work.run_folder(0) / RESOLVED_SPEC_FILE, rules=(), needs_path=False)

    def training_data(self, fit: int) -> AlignedData:
        """What is known before the first window of a fit, from the first step that is used on."""
        first = self.plan.fits[fit][0]
        known = self.subject.data.known_before(self.plan.origins[first]).aligned
        history = self.subject.spec.backtest.history
        if history == "expanding":
            return known
        return AlignedData(known.table, keep_last(known.panel, history), known.changes)

    @cached_property
    def first(self) -> PreparedData:
        """The prepared training of the first fit."""
        return self.prepare(0)

    def prepare(self, fit: int, spec: Spec | None = None) -> PreparedData:
        """The prepared training of a fit by its spec, that of the subject by default."""
        subject = self.subject
        forecast = (spec or subject.spec).forecast.model_copy(update={"plots": 0})
        spec = (spec or subject.spec).model_copy(update={"forecast": forecast})
        data = self.training_data(fit)
        try:
            return prepare_aligned(spec, data, subject.source, subject.spec_folder)
        except DataError as error:
            raise self._with_window(error, fit) from error

    def _with_window(self, error: DataError, fit: int) -> DataError:
        """The error of a training's data, with the time up to which they reach."""
        plan, panel = self.plan, self.subject.data.panel
        cutoff = plan.latest_cutoff(plan.fits[fit][0], panel)
        known = f", in the data up to {format_timestamp(cutoff, panel.display_timezone)}"
        cure = "backtest later or fewer windows"
        return DataError(
            *(
                Problem(
                    each.where,
                    each.found + known,
                    f"{each.cure}, or {cure}" if each.cure else cure,
                )
                for each in error.problems
            )
        )

    def _train(self, fit: int) -> None:
        """Trains a fit, from the weights of the one before if that is possible."""
        if title := self._title(fit):
            self.listener.info(title)
        # as in a worker
        with device.one_thread() if self.are_independent else nullcontext():
            if not (fit and self.subject.spec.backtest.warm_start and self._train_warm(fit)):
                self._train_prepared(fit, self.prepare(fit) if fit else self.first)

    def _train_warm(self, fit: int) -> bool:
        """Trains a fit from the weights of the one before; returns whether that is possible."""
        self.run(fit - 1)  # trained again if it is damaged
        try:
            self._train_prepared(fit, self.prepare(fit, self._warm_spec(fit)))
        except SpecError as error:
            if any(problem.where != START_FROM_KEY for problem in error.problems):
                raise
            reason = error.problems[0].found
            self.listener.info(f"trained without the weights of the training before: {reason}")
            return False
        return True

    def _title(self, fit: int) -> str:
        """The training in messages; "" if it is the only one."""
        total = len(self.plan.fits)
        return f"training {fit + 1} of {total}" if total > 1 else ""

    def _train_prepared(self, fit: int, prepared: PreparedData) -> None:
        listener = _FitListener(self.listener, self._title(fit), is_first=fit == 0)

        def train(*, resume: bool) -> None:
            folder = self.work.run_folder(fit)
            train_prepared(
                prepared,
                folder,
                resume=resume,
                listener=listener,
                should_stop=self.should_stop,
                engine=self.engine,
                reports=False,
            )

        if self.work.has_checkpoint(fit):
            try:
                return train(resume=True)
            except (RunFolderError, UsageError):  # damaged, or of another training
                pass
        self.work.remove_checkpoint(fit)
        return train(resume=False)

    def _warm_spec(self, fit: int) -> Spec:
        """The spec of a training that starts from the run of the fit before."""
        spec = self.subject.spec
        steps = int(self.resolved_spec().training.max_steps)
        update = {
            "start_from": str(self.work.run_folder(fit - 1).resolve()),
            "max_steps": math.ceil(WARM_STEP_SHARE * steps),
        }
        return spec.model_copy(update={"training": spec.training.model_copy(update=update)})
