"""An engine that runs one task after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnnforecast.parallel.engine import Engine, TaskBatch


@dataclass(frozen=True)
class _Context:
    index: int
    batch: TaskBatch

    def send(self, message: Any) -> None:
        if self.batch.on_message is not None:
            self.batch.on_message(self.index, message)

    def should_stop(self) -> bool:
        return self.batch.should_stop()


class InProcessEngine(Engine):
    """Runs one task after the other in this process, in their order."""

    n_workers = 1

    def _run(self, batch: TaskBatch) -> Iterator[tuple[int, Any]]:
        for index, task in enumerate(batch.tasks):
            if batch.should_stop():
                return
            yield index, batch.function(batch.shared, task, _Context(index, batch))


IN_PROCESS = InProcessEngine()
