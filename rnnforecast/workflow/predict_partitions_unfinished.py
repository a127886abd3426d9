"""What an earlier call of `predict --partitions` has finished, and what is said of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rnnforecast.data.io.partitions import Partition
from rnnforecast.errors import RnnForecastError, Stopped
from rnnforecast.output.work_folder import WorkFolder
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.wording import count_of
from rnnforecast.workflow.predict_partitions_record import RECORDS, record_path

OF_ANOTHER = "an unfinished forecast of another run or with other options is left out"


def prepare_work(
    work: WorkFolder, partitions: Sequence[Partition], *, resume: bool, listener: ProgressListener
) -> None:
    """Makes the work folder, with what is finished there if `resume`, and says what becomes of it.

    Raises OutputError.
    """
    finished = count_finished(work)
    is_other = work.prepare(keep=resume)
    if finished and not resume:
        count = count_of(finished, "finished partition")
        text = f"{count} of an unfinished forecast removed"
        listener.warning(text if is_other else f"{text}: --resume would go on from there")
    elif resume and is_other:
        listener.warning(OF_ANOTHER)
    elif resume:
        names = (record_path(work.folder, each) for each in partitions)
        kept = sum(path.exists() for path in names)
        listener.info(_describe_kept(work, kept, len(partitions)))


@contextmanager
def say_what_is_kept(work: WorkFolder, listener: ProgressListener) -> Iterator[None]:
    """Says what is kept of a forecast that ends with an error; Stopped says so for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped(describe_unfinished(work), getattr(error, "number", signal.SIGINT)) from None
    except RnnForecastError:
        if text := describe_unfinished(work, after="once the error below is mended, "):
            listener.info(text)
        raise


def describe_unfinished(work: WorkFolder, *, after: str = "") -> str:
    """What is kept of an unfinished forecast, in words; "" for nothing, which is removed then.

    `after` is what has to happen before a call can go on.
    """
    if not (finished := count_finished(work)):
        work.remove()
        return ""
    count = count_of(finished, "finished partition")
    return (
        f"{count} kept in {work.folder}: {after}the same command with --resume goes on from there"
    )


def count_finished(work: WorkFolder) -> int:
    """The partitions that are finished in a work folder."""
    return sum(1 for _ in (work.folder / RECORDS).glob("*.json"))


def _describe_kept(work: WorkFolder, kept: int, n_partitions: int) -> str:
    if not kept:
        return "no partition is finished yet: the forecast starts from the beginning"
    todo = n_partitions - kept
    return (
        f"{kept:,} of {count_of(n_partitions, 'partition')} taken over from {work.folder}, "
        f"{todo:,} to go; those whose files have changed are forecast again"
    )
