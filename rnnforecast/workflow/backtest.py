"""`backtest`: forecasts from past origins, beside what was observed and baselines."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.panel.panel import describe_size
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import RnnForecastError
from rnnforecast.evaluation.baselines import describe_omitted
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, concatenate_windows
from rnnforecast.output.ownership import check_replaceable
from rnnforecast.parallel.engine import Engine, never_stop
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import CHECKSUMS_FILE
from rnnforecast.pipeline.statsforecast_baselines import check_baselines, choose_baselines
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.workflow.backtest_fits import BacktestFits
from rnnforecast.workflow.backtest_output import (
    BacktestResult,
    find_baseline,
    score_backtest,
    series_groups,
    write_backtest,
)
from rnnforecast.workflow.backtest_plan import BacktestPlan, describe_left_out, plan_backtest
from rnnforecast.workflow.backtest_subject import (
    BacktestSubject,
    subject_of_run,
    subject_of_spec,
)
from rnnforecast.workflow.backtest_tasks import finish_windows
from rnnforecast.workflow.backtest_work import BacktestWork


@dataclass(frozen=True)
class BacktestedWindows:
    """The windows of a finished backtest, and what they were forecast from."""

    subject: BacktestSubject
    plan: BacktestPlan
    windows: EvaluatedWindows
    resolved_spec: Spec
    """The spec of the first training, or of the run, with every `auto` resolved."""


def backtest(
    path: Path,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    data: Sequence[str] | None = None,
    report: bool = True,
    compared_to: str | None = None,
    force: bool = False,
    engine: Engine = IN_PROCESS,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = never_stop,
) -> BacktestResult:
    """Backtests the spec or the run at `path` and writes the result to the folder `out`.

    A backtest that was ended is continued. A run forecasts with its networks as they are, a spec is
    trained before the windows.

    Args:
        overrides: ``section.key=value`` each; of a run those of the section backtest.
        data: of a run, files to read instead of those of its spec.
        report: whether a page about the backtest is written.
        compared_to: a baseline that has to be among the computed ones.
        force: whether any folder at `out` is replaced.
        engine: runs independent trainings, networks of an ensemble, and forecasts.
        should_stop: polled during the work; True ends it, and the next call goes on from there.

    Raises:
        SpecError, DataError, TrainingDiverged, OutputError, UsageError, RunFolderError; WorkerLost
        if a process of the engine died; Stopped if a stop was requested.
    """
    subject = read_subject(path, overrides, data)
    return backtest_subject(
        subject,
        out,
        report=report,
        compared_to=compared_to,
        force=force,
        engine=engine,
        listener=listener,
        should_stop=should_stop,
    )


def backtest_subject(
    subject: BacktestSubject,
    out: Path,
    *,
    report: bool = True,
    compared_to: str | None = None,
    force: bool = False,
    engine: Engine = IN_PROCESS,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = never_stop,
) -> BacktestResult:
    """As `backtest`, for a subject that has been read."""
    listener = listener or NullListener()
    plan = plan_subject(subject)
    series_groups(subject)  # raises for a wrong column before the work begins
    if compared_to is not None:
        names, count = subject.spec.backtest.baselines, plan.count_forecasts(subject.data.panel)
        # whether there is a season is not known yet
        baselines = choose_baselines(names, season=2, count=count)
        find_baseline(compared_to, [each.name for each in baselines])
    check_replaceable(Path(os.path.realpath(out)), "backtest", force=force)
    work = BacktestWork(out, fingerprint(subject, plan))
    if work.prepare():
        listener.info("an unfinished backtest of another spec or other data is left out")
    try:
        found = run_backtest(
            subject, plan, work, engine=engine, listener=listener, should_stop=should_stop
        )
    except RnnForecastError:
        work.remove_if_empty()
        raise
    result, scores = score_backtest(found)
    write_backtest(out, found, result, scores, report=report, force=force)
    work.remove()
    return result


def read_subject(
    path: Path, overrides: Sequence[str] = (), data: Sequence[str] | None = None
) -> BacktestSubject:
    """The run in the folder, or the spec in the file `path`; see `subject_of_run`."""
    if path.is_dir():
        return subject_of_run(path, overrides, data)
    return subject_of_spec(path, overrides)


def plan_subject(subject: BacktestSubject) -> BacktestPlan:
    """The plan of a backtest by the section backtest of its spec.

    Raises DataError without a window; UsageError for baselines of a package that is not installed.
    """
    check_baselines(subject.spec.backtest.baselines)
    return plan_backtest(
        subject.data.panel,
        subject.spec.backtest,
        horizon=subject.spec.window.horizon,
        season=subject.season,
        trained_steps=subject.trained_steps(),
    )


def run_backtest(
    subject: BacktestSubject,
    plan: BacktestPlan,
    work: BacktestWork,
    *,
    engine: Engine = IN_PROCESS,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = never_stop,
) -> BacktestedWindows:
    """Trains and forecasts what is not finished in the work folder; returns all windows.

    Raises Stopped if a stop was requested.
    """
    listener = listener or NullListener()
    for line in describe_plan(subject, plan):
        listener.info(line)
    for line in _warnings(subject, plan):
        listener.warning(line)
    done = [number for number in range(plan.n_windows) if work.load(number) is not None]
    if done:
        listener.info(f"{len(done)} of {plan.n_windows} windows are done already")
    fits = BacktestFits(subject, plan, work, listener, should_stop)
    finish_windows(fits, done, engine)
    windows = concatenate_windows([work.require(number) for number in range(plan.n_windows)])
    return BacktestedWindows(subject, plan, windows, fits.resolved_spec())


def describe_plan(subject: BacktestSubject, plan: BacktestPlan) -> list[str]:
    """Lines about the data, the windows and the trainings."""
    panel = subject.data.panel
    size = describe_size(panel.n_series, len(panel.target_names))
    first, last = (_cutoff(subject, plan, window) for window in (0, plan.n_windows - 1))
    count = "1 window" if plan.n_windows == 1 else f"{plan.n_windows:,} windows"
    gap = f" after a gap of {plan.gap}" if plan.gap else ""
    span = f"with cutoffs from {first} to {last}" if first != last else f"with the cutoff {first}"
    lines = [
        (
            f"{size}, {len(panel.targets):,} steps at {panel.frequency.alias}; "
            f"{count} of {plan.horizon} steps{gap}, {span}"
        )
    ]
    if sampled := subject.data.table.sampled:
        lines.append(f"a sample: {sampled.describe()}")
    if subject.run is None:
        total = len(plan.fits)
        lines.append(
            "the networks are trained once, before the first window"
            if total == 1
            else f"the networks are trained {total:,} times, each before its windows"
        )
    if plan.lacking:
        asked = plan.lacking + plan.n_windows
        lines.append(
            f"there are {plan.n_windows:,} of {asked:,} windows: no series is long enough for more"
        )
    if left_out := describe_left_out(plan):
        lines.append(left_out)
    slow = describe_omitted(
        plan.count_forecasts(subject.data.panel), subject.spec.backtest.baselines
    )
    if slow is not None:
        lines.append(f"{slow}; backtest.baselines names those to compute all the same")
    return lines


def _cutoff(subject: BacktestSubject, plan: BacktestPlan, window: int) -> str:
    """The latest cutoff of a window as text."""
    panel = subject.data.panel
    return format_timestamp(plan.latest_cutoff(window, panel), panel.display_timezone)


def _warnings(subject: BacktestSubject, plan: BacktestPlan) -> list[str]:
    """Lines about windows that the networks may have seen in training."""
    lines = []
    if plan.in_sample:
        count, total = len(plan.in_sample), plan.n_windows
        which = "all windows lie" if count == total else f"{count} of {total} windows begin"
        lines.append(
            f"{which} in the training data of the run, which end on "
            f"{subject.describe_training_end()}: their scores are too good, and no verdict is "
            "drawn from them; for a fair test give the spec instead of the run, or newer data"
        )
    start_from = subject.spec.training.start_from
    if subject.run is None and start_from is not None:
        lines.append(
            f"training starts from the weights of {start_from}, which may have been trained on the "
            "windows"
        )
    return lines


def fingerprint(subject: BacktestSubject, plan: BacktestPlan) -> str:
    """SHA-256 of all that the result depends on."""
    run = ""
    if subject.run is not None:
        run = (subject.spec_folder / CHECKSUMS_FILE).read_text(encoding="utf-8")
    parts = [
        __version__,
        device.TORCH_VERSION,
        dump_spec(subject.spec),
        run,
        subject.data.sha256(),
        json.dumps(asdict(plan) | {"origins": None, "is_used": None}),
        hashlib.sha256(np.ascontiguousarray(plan.origins).data).hexdigest(),
        hashlib.sha256(np.ascontiguousarray(plan.is_used).data).hexdigest(),
    ]
    if subject.spec.training.start_from is not None and subject.run is None:
        folder = subject.spec_folder / subject.spec.training.start_from
        parts.append((folder / CHECKSUMS_FILE).read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
