"""Training of a new version of a run, beside the earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_retention import prune
from rnnforecast.pipeline.run_versions import new_version
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.wording import count_of
from rnnforecast.workflow.train import train
from rnnforecast.workflow.train_output import TrainedRun, TrainResult


@dataclass(frozen=True)
class Retention:
    """Which versions of a run stay; see `pipeline.run_retention.prune`."""

    keep: int | None = None
    keep_days: float | None = None

    @property
    def is_limited(self) -> bool:
        """Whether any version is to be deleted at some time."""
        return self.keep is not None or self.keep_days is not None


KEEP_ALL = Retention()


@dataclass(frozen=True)
class TrainRequest:
    """A training into a store of versions: its spec, and how it goes on and ends."""

    spec: Path
    overrides: Sequence[str] = ()
    """``section.key=value`` each."""
    resume: bool = False
    """Whether an unfinished training is continued."""
    keep_interrupted: bool = False
    """Whether a training that is stopped writes the run with the best weights so far."""
    force: bool = False
    """Whether a folder in the place of the store is replaced, whatever it is."""
    retention: Retention = KEEP_ALL
    """Which old versions stay."""


def train_version(
    request: TrainRequest,
    store: Path,
    *,
    now: datetime,
    publish: bool = True,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
    engine: Engine = IN_PROCESS,
    before_publish: Callable[[Path, TrainedRun], None] | None = None,
) -> TrainResult:
    """Trains the networks of a spec into a new version of the run at `store`.

    The new version is in use once it is complete; then old ones are deleted. A plain run at
    `store` becomes its first version. Hold the lock of `store`.

    Args:
        store: the folder of the versions; it is made if there is none.
        now: the time of the training, which names the version.
        publish: False for a candidate, see `pipeline.run_versions.new_version`.
        should_stop, distributed, engine, before_publish: see `workflow.train.train`.

    Raises:
        what `workflow.train.train` raises.
    """
    listener = listener or NullListener()
    target: AbstractContextManager[Path] = nullcontext(store)  # of processes that do not write
    if distributed.is_main:
        target = new_version(store, now, publish=publish, force=request.force)
    with target as folder:
        result = train(
            request.spec,
            folder,
            overrides=request.overrides,
            resume=request.resume,
            keep_interrupted=request.keep_interrupted,
            now=now,
            listener=listener,
            should_stop=should_stop,
            distributed=distributed,
            engine=engine,
            before_publish=before_publish,
        )
        is_written = folder.is_dir()
    if distributed.is_main and is_written:
        delete_old_versions(store, now, request.retention, listener)
    return result


def delete_old_versions(
    store: Path, now: datetime, retention: Retention, listener: ProgressListener
) -> None:
    """Deletes the versions that are not to stay, and says how many; raises OutputError."""
    deleted = prune(store, now, keep=retention.keep, keep_days=retention.keep_days)
    if deleted:
        listener.info(f"{count_of(len(deleted), 'old version')} deleted")
