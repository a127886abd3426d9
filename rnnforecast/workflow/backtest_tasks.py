"""The trainings and forecasts of a backtest as tasks of an engine.

Trainings that do not start from the weights of another are independent: each is a task, which
forecasts its windows too. Others are done in order in this process, and the tasks are forecasts. A
task computes on one thread, in a worker or here, so that its result is the same to the last bit.
What is finished lies in the work folder, from which a backtest that was ended goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rnnforecast.errors import Stopped
from rnnforecast.parallel.engine import Engine, TaskContext, never_stop
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.progress import NullListener, SendingListener, pass_on
from rnnforecast.pipeline.statsforecast_baselines import choose_baselines
from rnnforecast.training import device
from rnnforecast.workflow.backtest_duration import Duration, estimate_duration
from rnnforecast.workflow.backtest_fits import BacktestFits, Seasons
from rnnforecast.workflow.backtest_forecast import WindowForecaster, window_batches
from rnnforecast.workflow.train_members import WORKER_START_SECONDS

MIN_FORECASTS = 20_000
"""Forecasts from which on workers are quicker than this process, which need not start."""
FORECAST = "forecast"
"""Sent by a task with the windows that it has stored."""

GOES_ON = "nothing was written; the same command goes on from here"


@dataclass(frozen=True)
class WindowTask:
    """Windows to forecast, and the training before them unless it is finished."""

    fit: int
    batches: tuple[tuple[int, ...], ...]
    """Numbers of the windows that are forecast in one pass."""


@dataclass
class _SharedWork:
    """What all tasks read; a process keeps what it has loaded for the next task."""

    fits: BacktestFits
    seasons: Seasons
    _forecaster: tuple[int, WindowForecaster] | None = field(default=None, init=False)

    def forecaster(self, fit: int, context: TaskContext) -> WindowForecaster:
        """Forecasts the windows of a fit, which is trained unless it is finished."""
        if self._forecaster is None or self._forecaster[0] != fit:
            listener = SendingListener(context.send)
            fits = replace(self.fits, listener=listener, should_stop=context.should_stop)
            subject, plan = fits.subject, fits.plan
            baselines = choose_baselines(
                subject.spec.backtest.baselines,
                season=self.seasons.season,
                count=plan.count_forecasts(subject.data.panel),
            )
            run = fits.run(fit)
            found = WindowForecaster(
                run, subject.data, plan, self.seasons, baselines, self.fits.engine
            )
            self._forecaster = fit, found
        return self._forecaster[1]


def run_window_task(shared: _SharedWork, task: WindowTask, context: TaskContext) -> None:
    """Stores the forecasts of a task in the work folder; if a stop is requested, those so far."""
    with device.one_thread():
        try:
            forecaster = shared.forecaster(task.fit, context)
        except Stopped:  # the state of the training is saved
            return
        for batch in task.batches:
            if context.should_stop():
                return
            for window, evaluated in zip(batch, forecaster.evaluate(batch), strict=True):
                shared.fits.work.save(window, evaluated)
            context.send((FORECAST, batch))


def finish_windows(fits: BacktestFits, done: Collection[int], engine: Engine) -> None:
    """Trains and forecasts what is not finished; `done` are the windows that are.

    Raises Stopped if a stop is requested before all is finished.
    """
    plan, listener = fits.plan, fits.listener
    finished = set(done)
    tasks = _open_tasks(fits, finished)
    if not tasks:
        return
    duration = estimate_duration(fits, [each for each in range(plan.n_windows) if each not in done])
    fits = replace(fits, engine=engine)  # for the networks of one training at a time
    engine = _engine_that_pays(fits, engine, tasks, duration)
    n_workers = min(engine.n_workers, len(tasks))
    if duration is not None:
        workers = "" if n_workers == 1 else f", with {n_workers} workers"
        listener.info(f"this takes up to about {duration.words(n_workers)}{workers}")
    if not fits.are_independent:
        try:
            for fit in sorted({task.fit for task in tasks}):
                fits.run(fit)
        except Stopped as stopped:
            raise Stopped(GOES_ON) from stopped

    def receive(_: int, message: tuple[str, Any]) -> None:
        if message[0] == FORECAST:
            finished.update(message[1])
            listener.info(f"{len(finished)} of {plan.n_windows} windows forecast")
        else:
            pass_on(message, listener)

    # listeners and signals are of this process, and only the outermost level is parallel
    inner = IN_PROCESS if engine.n_workers > 1 else fits.engine
    shared = _SharedWork(
        replace(fits, listener=NullListener(), should_stop=never_stop, engine=inner),
        fits.seasons(),
    )
    for _ in engine.run(
        run_window_task,
        shared,
        tasks,
        on_message=receive,
        should_stop=fits.should_stop,
    ):
        pass
    if len(finished) < plan.n_windows:
        raise Stopped(GOES_ON)


def _open_tasks(fits: BacktestFits, done: Collection[int]) -> list[WindowTask]:
    """A task for each independent training, or else for each batch, that has windows to do."""
    tasks = []
    for fit, windows in enumerate(fits.plan.fits):
        batches = [
            batch
            for batch in window_batches(fits.plan, fits.subject.data, windows)
            if not all(window in done for window in batch)
        ]
        if fits.are_independent and batches:
            tasks.append(WindowTask(fit, tuple(batches)))
        else:
            tasks += [WindowTask(fit, (batch,)) for batch in batches]
    return tasks


def _engine_that_pays(
    fits: BacktestFits, engine: Engine, tasks: Sequence[WindowTask], duration: Duration | None
) -> Engine:
    """The engine, or this process if that is not slower: workers take time to start."""
    n_workers = min(engine.n_workers, len(tasks))
    if n_workers == 1 or fits.is_on_accelerator:  # which one process keeps busy
        return IN_PROCESS
    if duration is None:
        windows = [window for task in tasks for batch in task.batches for window in batch]
        pays = int(fits.plan.is_used[windows].sum()) >= MIN_FORECASTS
    else:
        pays = duration.seconds(1) - duration.seconds(n_workers) > WORKER_START_SECONDS
    return engine if pays else IN_PROCESS
