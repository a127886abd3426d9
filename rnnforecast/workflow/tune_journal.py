"""The journal file of a search, which several processes write, one of them killed perhaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from rnnforecast.errors import DataError, Problem

STUDY_FILE = "study.journal"


class _JournalLock:
    """A lock of the operating system on the journal, which ends with its process.

    A line that a killed writer left unfinished is cut off before the next one is written.
    """

    def __init__(self, journal: Path) -> None:
        self._journal, self._lock = journal, FileLock(journal.with_suffix(".lock"))

    def acquire(self) -> bool:
        """Waits for the lock."""
        self._lock.acquire()
        if self._journal.exists():
            with self._journal.open("rb+") as file:
                content_end = file.seek(0, 2)
                if content_end and _last_byte(file, content_end) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        """Releases the lock."""
        self._lock.release()


def _last_byte(file: Any, end: int) -> bytes:
    file.seek(end - 1)
    last: bytes = file.read(1)
    return last


def open_journal(folder: Path) -> optuna.Study:
    """The study in the journal of `folder`, begun if there is none; DataError if it is damaged."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lock: Any = _JournalLock(folder / STUDY_FILE)  # of the shape of Optuna's locks
    backend = JournalFileBackend(str(folder / STUDY_FILE), lock_obj=lock)
    try:
        return optuna.create_study(
            study_name="tune",
            storage=JournalStorage(backend),
            sampler=RandomSampler(),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
    # Optuna reads the journal without checks of its own
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        found = f"the file is damaged: {type(error).__name__}: {error}"
        cure = f"restore it from a copy, or delete {folder} to begin anew"
        raise DataError(Problem(str(folder / STUDY_FILE), found, cure)) from error
