"""Words to stderr, data to stdout; colours and a progress bar on a terminal only."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rnnforecast.workflow.events import Step

LOGGED = (0.25, 0.5, 0.75, 1.0)
"""Shares of a fit at which a line is written where there is no terminal."""

MEASURES = {
    "smape": "sMAPE %",
    "mase": "MASE",
    "mae": "MAE",
    "rmse": "RMSE",
    "wql": "weighted quantile loss",
}


class Voice:
    """Hears a workflow and tells a person: `quiet` only problems, `verbose` every detail."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._phase, self._task, self._logged = "", None, 0.0

    def say(self, text: str) -> None:
        """A plain line on stderr."""
        if not self.quiet:
            self.err.print(Text(text))

    def detail(self, text: str) -> None:
        """A line for those who asked for more."""
        if self.verbose:
            self.err.print(Text(text, style="dim"))

    def warn(self, text: str) -> None:
        """A line that is not to be missed; also when quiet."""
        self.err.print(Text.assemble(("warning: ", "yellow"), text))

    def progress(self, step: Step) -> None:
        """The bar on a terminal, a line now and then in a log."""
        if self.quiet:
            return
        if self.err.is_terminal:
            self._show(step)
        else:
            self._log(step)

    def close(self) -> None:
        """The bar is gone from the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def json(self, value: object) -> None:
        """One JSON document on stdout, NaN as null."""
        sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2) + "\n")

    def scores(self, ours: Mapping[str, float], naive: Mapping[str, float]) -> None:
        """The small table of a training, on stdout."""
        self.close()
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("held-out horizon")
        for name in ("rnnforecast", "seasonal naive"):
            table.add_column(name, justify="right")
        for key, name in MEASURES.items():
            better = ours[key] <= naive[key]
            table.add_row(name, Text(_number(ours[key]), "green" if better else ""), _number(naive[key]))
        for key in sorted((key for key in ours if key.startswith("coverage_")), reverse=True):
            wanted = key.removeprefix("coverage_")
            row = (f"inside the {wanted} % band, %", ours[key] * 100, naive[key] * 100)
            table.add_row(row[0], f"{row[1]:.1f}", f"{row[2]:.1f}")
        self.out.print(table)

    def _show(self, step: Step) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} steps"),
                TextColumn("{task.fields[losses]}"),
                TimeRemainingColumn(),
                console=self.err,
                transient=True,
            )
            self._bar.start()
        if step.phase != self._phase or self._task is None:
            self._phase = step.phase
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(step.phase, total=step.total, losses="")
        self._bar.update(self._task, completed=step.step, losses=_losses(step))

    def _log(self, step: Step) -> None:
        if step.phase != self._phase:
            self._phase, self._logged = step.phase, 0.0
        share = step.step / step.total
        if any(self._logged < mark <= share for mark in LOGGED):
            self._logged = share
            self.say(f"{step.phase}: step {step.step:,} of {step.total:,}, {_losses(step)}")


def _losses(step: Step) -> str:
    text = f"loss {step.train_loss:.4f}"
    if step.validation_loss is not None:
        text += f", validation {step.validation_loss:.4f}"
    return text


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:.3g}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
