"""Progress bars of trainings on a terminal, one for each that runs at the same time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from rnnforecast.pipeline.progress import FitProgress

IDLE_SECONDS = 10.0
"""A bar that has not moved for so long leaves when another training begins: its training ended
early."""


@dataclass
class _Bar:
    id: TaskID
    title: str
    changed: float = 0.0
    is_done: bool = False


class ProgressBars:
    """The bars below the messages of a console."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[unit]}"),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.progress.start()
        self._bars: dict[tuple[str, int], _Bar] = {}  # by task and network

    def show(self, step: FitProgress, losses: str) -> None:
        """Moves the bar of the step's network; a new phase has a new bar in its place."""
        key = (step.task, step.network)
        bar = self._bars.get(key)
        if bar is None or bar.title != step.title:
            self._remove(key)
            for each, other in list(self._bars.items()):
                if other.is_done or time.monotonic() - other.changed > IDLE_SECONDS:
                    self._remove(each)
            bar_id = self.progress.add_task(step.title, total=step.total, losses="", unit=step.unit)
            bar = self._bars[key] = _Bar(bar_id, step.title)
        bar.changed, bar.is_done = time.monotonic(), step.step == step.total
        self.progress.update(bar.id, completed=step.step, losses=losses)

    def stop(self) -> None:
        """Removes the bars from the screen."""
        self.progress.stop()

    def _remove(self, key: tuple[str, int]) -> None:
        if (bar := self._bars.pop(key, None)) is not None:
            self.progress.remove_task(bar.id)
