"""`train`: a run folder from a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rnnforecast.data.panel.panel import describe_size
from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.evaluation.baselines import Baseline, describe_omitted
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.json_files import parse_json
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.prepare import PreparedData, prepare
from rnnforecast.pipeline.progress import NullListener, ProgressListener, RecordingListener
from rnnforecast.pipeline.run_folder import (
    METRICS_FILE,
    create_run_folder,
    parse_run,
    read_run_folder,
)
from rnnforecast.pipeline.run_versions import is_store, list_versions, store_of
from rnnforecast.training import device
from rnnforecast.training.checkpoint import Checkpoint
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.wording import join_names
from rnnforecast.workflow.train_holdout import HoldoutScores
from rnnforecast.workflow.train_output import (
    TrainedRun,
    TrainResult,
    write_trained_run,
)
from rnnforecast.workflow.train_session import TrainingSession
from rnnforecast.workflow.train_warnings import score_warnings, training_warnings


def train(
    path: Path,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    keep_interrupted: bool = False,
    force: bool = False,
    now: datetime | None = None,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
    engine: Engine = IN_PROCESS,
    before_publish: Callable[[Path, TrainedRun], None] | None = None,
) -> TrainResult:
    """Trains the networks of the spec at `path` and writes the run to `folder`.

    Args:
        overrides: ``section.key=value`` each.
        resume: continue an unfinished training of the same spec and data.
        keep_interrupted: whether the run with the best weights so far is written if it is stopped.
        force: whether any folder at `folder` is replaced, not only another run.
        now: the time of the training, which the run stores; the clock's by default.
        should_stop: polled during training; True stops it, with its state saved.
        distributed: the processes of this training; the main one writes the run.
        engine: trains the networks of an ensemble, in parallel if it has several workers.
        before_publish: called in the main process with the run folder, complete but for the log
            and still under a temporary name, and the trained run; it may add files.

    Raises:
        SpecError, DataError, TrainingDiverged, OutputError, UsageError, RunFolderError; Stopped if
        it was stopped and not `keep_interrupted`.
    """
    return train_prepared(
        prepare(path, overrides),
        folder,
        resume=resume,
        keep_interrupted=keep_interrupted,
        force=force,
        now=now,
        listener=listener,
        should_stop=should_stop,
        distributed=distributed,
        engine=engine,
        before_publish=before_publish,
    )


def train_prepared(
    prepared: PreparedData,
    folder: Path,
    *,
    resume: bool = False,
    keep_interrupted: bool = False,
    force: bool = False,
    now: datetime | None = None,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
    engine: Engine = IN_PROCESS,
    reports: bool = True,
    before_publish: Callable[[Path, TrainedRun], None] | None = None,
) -> TrainResult:
    """As `train`, for prepared data; without `reports` only the model and its metrics are
    written."""
    recorder = RecordingListener(listener or NullListener())
    session = TrainingSession(prepared, folder, recorder, should_stop, distributed)
    checkpoint = session.load_checkpoint() if resume else None
    if resume and checkpoint is None:
        finished = _load_finished(folder, session.fingerprint)
        if finished is not None:
            recorder.info(f"{folder} is finished already: nothing to resume")
            return finished
        recorder.info("no unfinished training to resume: starting from the beginning")
    # before the fits, so that a folder that cannot be written fails now
    created = create_run_folder(folder, force=force) if distributed.is_main else nullcontext()
    with created as partial:
        trained = _fit(
            session, checkpoint, folder, engine=engine, keep_interrupted=keep_interrupted
        )
        if now is not None:
            trained = replace(trained, trained_at=now.astimezone(UTC).replace(microsecond=0))
        if partial is not None:
            write_trained_run(partial, trained, reports=reports)
            if before_publish is not None:
                before_publish(partial, trained)
            write_text(partial / "log.jsonl", recorder.to_jsonl())
    if distributed.is_main and not trained.result.interrupted:
        session.remove_checkpoint()
    return trained.result


def fit_prepared(
    prepared: PreparedData,
    *,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    engine: Engine = IN_PROCESS,
    baselines: Sequence[Baseline] | None = None,
) -> TrainedRun:
    """The run trained on prepared data, in memory; nothing is written.

    `engine` is as in `train`, `baselines` are as in `evaluate_windows`.

    Raises TrainingDiverged, DataError, SpecError.
    """
    session = TrainingSession(
        prepared, None, listener or NullListener(), should_stop, baselines=baselines
    )
    return _fit(session, None, engine=engine)


def save_trained(
    folder: Path, trained: TrainedRun, log: str, *, reports: bool = True, force: bool = False
) -> None:
    """Writes a run folder of a run in memory; `log` is the content of ``log.jsonl``; see
    `write_trained_run` and `create_run_folder`.

    Raises OutputError.
    """
    with create_run_folder(folder, force=force) as partial:
        write_trained_run(partial, trained, reports=reports)
        write_text(partial / "log.jsonl", log)


def _fit(
    session: TrainingSession,
    checkpoint: Checkpoint | None,
    folder: Path | None = None,
    *,
    engine: Engine = IN_PROCESS,
    keep_interrupted: bool = True,
) -> TrainedRun:
    """Trains the networks of a session, and reports what is worth knowing before and after."""
    prepared, listener = session.prepared, session.listener
    for line in _summary_lines(prepared, session):
        listener.info(line)
    for line in training_warnings(prepared, session):
        listener.warning(line)
    fit_result = session.run(checkpoint, engine=engine, keep_interrupted=keep_interrupted)
    sampled = session.cleaned.table.sampled
    result = TrainResult(
        folder=folder,
        **vars(fit_result.evaluation.scores),
        targets=fit_result.evaluation.by_target,
        series_tested=len(fit_result.evaluation.windows.series),
        series=session.panel.n_series,
        interrupted=fit_result.interrupted,
        sampled_from=session.panel.n_series if sampled is None else sampled.of_series,
        example_series=fit_result.evaluation.example_series(session.panel.labels().tolist()),
    )
    if sample := _describe_scored(session, result.series_tested):
        listener.info(sample)
    if omitted := describe_omitted(fit_result.evaluation.windows.scale.size):
        listener.info(omitted)
    if not result.interrupted:
        for line in score_warnings(fit_result.evaluation.scores, result.targets):
            listener.warning(line)
    return TrainedRun(session, fit_result, result)


def _load_finished(folder: Path, fingerprint: str) -> TrainResult | None:
    """The finished run at `folder`, or the latest version of its store, if it is of the same spec
    and data."""
    folder = store_of(folder) or folder
    if not folder.exists() or (is_store(folder) and not list_versions(folder)):
        return None
    run, files = read_run_folder(
        folder, lambda found: (parse_run(found), found.load((METRICS_FILE,)))
    )
    if run.metadata["fingerprint"] != fingerprint or run.metadata["interrupted"]:
        return None
    stored = parse_json(files.read_bytes(METRICS_FILE))
    targets = {name: HoldoutScores(**scores) for name, scores in stored.pop("targets").items()}
    return TrainResult(folder=files.path, targets=targets, **stored)


def _describe_scored(session: TrainingSession, n_scored: int) -> str | None:
    """A line about a sample of scored series; None if all with a held-out horizon are scored."""
    possible = int((session.split.test_origin >= 0).sum())
    if n_scored == possible:
        return None
    return (
        f"scores are those of {n_scored:,} of {possible:,} series, spread over all "
        "(training.holdout_series)"
    )


def _summary_lines(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about the size of the data and the automatic values."""
    panel = session.panel
    size = describe_size(panel.n_series, len(panel.target_names))
    yield (
        f"{size}, {len(panel.targets):,} steps at {panel.frequency.alias}, "
        f"{join_names(panel.target_names)}; on {device.describe_device(session.device)}"
    )
    if sampled := prepared.cleaned.table.sampled:
        yield f"trained on {sampled.describe()}"
    yield from describe_changes(prepared.cleaned.changes.counts, requested=True)
    for choice in prepared.choices:
        yield f"auto  {choice}"
