"""An engine that runs one task after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnforecast.parallel.engine import MAX_ATTEMPTS, TaskFunction, never_stop


@dataclass(frozen=True)
class _Context:
    index: int
    on_message: Callable[[int, Any], None] | None
    should_stop: Callable[[], bool]

    def send(self, message: Any) -> None:
        if self.on_message is not None:
            self.on_message(self.index, message)


class InProcessEngine:
    """Runs one task after the other in this process; see `Engine`."""

    n_workers = 1

    def run(
        self,
        function: TaskFunction,
        shared: Any,
        tasks: Sequence[Any],
        *,
        on_message: Callable[[int, Any], None] | None = None,
        should_stop: Callable[[], bool] = never_stop,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> Iterator[tuple[int, Any]]:
        """As `Engine.run`, in the order of the tasks."""
        for index, task in enumerate(tasks):
            if should_stop():
                return
            yield index, function(shared, task, _Context(index, on_message, should_stop))

    def check_files(self, paths: Sequence[str | Path], folder: Path | None = None) -> None:
        """Nothing: this process sees the same files."""


IN_PROCESS = InProcessEngine()
