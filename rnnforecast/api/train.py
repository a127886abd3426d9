"""Training in Python: `rnnforecast.train`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.api.inputs import DataLike, SpecLike, read_inputs
from rnnforecast.api.progress import ApiListener, Progress

if TYPE_CHECKING:
    from rnnforecast.api.run import Run


def train(
    spec: SpecLike,
    data: DataLike | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    keep_interrupted: bool = False,
    workers: int | None = None,
    progress: Progress = "auto",
) -> Run:
    """Trains a forecaster; the run stays in memory unless `folder` is given.

    Results are those of ``rnnforecast train`` on a file with the same rows. An interrupt (Ctrl-C,
    or the square of a notebook) ends a training in memory with the best weights so far. One into a
    folder raises KeyboardInterrupt then, with its state saved for `resume`, and leaves an earlier
    run there as it is. A second interrupt stops at once.

    Args:
        spec: the path of a YAML file, a dict of its sections, or a `Spec`; `data.path` may be
            missing if `data` are given.
        data: a data frame (of pandas, polars, or any library that narwhals reads), the path of a
            file or folder, or a list of these; those of `data.path` in the spec if not given.
        folder: where to write the run folder, if anywhere.
        resume: continue an interrupted training into `folder`.
        keep_interrupted: write an interrupted training into `folder`, with its best weights so far.
        workers: networks of an ensemble that are trained at once, each in a process of its own; as
            many as there are cores by default. The result does not depend on it.
        progress: show the progress of the fits; ``"auto"`` does in notebooks and on terminals. An
            object with the methods of `rnnforecast.pipeline.progress.ProgressListener` receives
            all messages instead.

    Raises:
        SpecError: the spec is not valid.
        DataError: the data cannot be used; the message names row and column.
        TrainingDiverged: the loss became infinite or NaN.
        OutputError, LockHeld, RunFolderError: the folder cannot be written.

    Warns:
        ForecastWarning: what cleaning changed, series left out, a baseline that is better.

    Examples:
        >>> import pandas as pd
        >>> import rnnforecast as rf
        >>> days = pd.date_range("2024-01-01", periods=60)
        >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day % 7 for day in range(60)]})
        >>> run = rf.train({"window": {"horizon": 7}, "training": {"max_steps": 2}}, sales)
        >>> run.predict().columns.tolist()
        ['ds', 'cutoff', 'yhat', 'q0.025', 'q0.1', 'q0.5', 'q0.9', 'q0.975', 'status']
    """
    inputs = read_inputs(spec, data)  # a wrong spec is reported before anything heavy is imported
    from rnnforecast.api.run import Run, read_run
    from rnnforecast.batch.lock import output_lock
    from rnnforecast.batch.stop_signal import stop_on_signal
    from rnnforecast.parallel.engine import open_engine
    from rnnforecast.pipeline.prepare import prepare_source
    from rnnforecast.pipeline.progress import RecordingListener
    from rnnforecast.workflow.train import fit_prepared, train_prepared

    listener, engine = ApiListener(progress), open_engine(workers=workers)
    prepared = prepare_source(inputs.spec, inputs.source, inputs.folder)
    if folder is not None:
        path = Path(folder)
        with output_lock(path, "train"), stop_on_signal(listener, [signal.SIGINT]) as should_stop:
            train_prepared(
                prepared,
                path,
                resume=resume,
                keep_interrupted=keep_interrupted,
                listener=listener,
                should_stop=should_stop,
                engine=engine,
            )
        return read_run(path, inputs.source, listener.messages)
    recorder = RecordingListener(listener)
    result = "finishing with the best weights so far"
    with stop_on_signal(recorder, [signal.SIGINT], result=result) as should_stop:
        trained = fit_prepared(prepared, listener=recorder, should_stop=should_stop, engine=engine)
    return Run(
        trained.run,
        trained.spec,
        trained=trained,
        source=inputs.source,
        messages=listener.messages,
        log=recorder.to_jsonl(),
    )
