"""Progress and warnings of the Python API: a line that updates in notebooks, lines elsewhere."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rnnforecast.errors import ForecastWarning, Problem, UsageError

if TYPE_CHECKING:
    from rnnforecast.pipeline.progress import FitProgress, ProgressListener

Progress: TypeAlias = "bool | Literal['auto'] | ProgressListener"
"""Whether to show progress: auto does in a notebook and on a terminal; or a listener of its own."""

PACKAGE_FOLDER = str(Path(__file__).parents[1])
BAR_WIDTH = 30
LOG_FRACTIONS = 10
"""Lines of a fit where none can be updated."""


class ApiListener:
    """Shows the progress of a workflow, keeps its messages, and issues its warnings.

    Warnings are those of Python, of the class `ForecastWarning`, at the caller's line.
    """

    def __init__(self, progress: Progress) -> None:
        """Raises UsageError for anything else than a choice or a listener."""
        if not (isinstance(progress, bool) or progress == "auto" or hasattr(progress, "info")):
            found = f"expected True, False, 'auto' or a ProgressListener, found {progress!r:.40}"
            raise UsageError(Problem("progress", found))
        self.messages: list[str] = []
        self._shown = _choose_display(progress)

    def info(self, text: str) -> None:
        """Keeps the line, and passes it on to a listener of the caller."""
        self.messages.append(text)
        if not isinstance(self._shown, ProgressDisplay | None):
            self._shown.info(text)

    def warning(self, text: str) -> None:
        """Keeps the warning, and issues it as a warning of Python or passes it on."""
        self.messages.append(text)
        if not isinstance(self._shown, ProgressDisplay | None):
            self._shown.warning(text)
        else:
            warnings.warn(text, ForecastWarning, stacklevel=_caller_level())

    def progress(self, progress: FitProgress) -> None:
        """Shows the step."""
        if self._shown is not None:
            self._shown.progress(progress)


class ProgressDisplay:
    """A line about a fit that is updated in place in a notebook; on stderr some lines."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}
        self._written: dict[str, int] = {}

    def progress(self, progress: FitProgress) -> None:
        """Updates the line of the fit, or writes one at every tenth of its steps."""
        share = progress.step * LOG_FRACTIONS // max(progress.total, 1)
        is_new = share > self._written.get(progress.title, -1)
        if not is_new and not progress.validated:
            return
        self._written[progress.title] = share
        line = describe_progress(progress)
        display = _notebook_display()
        if display is None:
            if is_new and share:
                sys.stderr.write(f"{line}\n")
            return
        content = {"text/plain": line}
        if progress.title in self._handles:
            self._handles[progress.title].update(content, raw=True)
        else:
            self._handles[progress.title] = display(content, raw=True, display_id=True)


def describe_progress(progress: FitProgress) -> str:
    """A bar, the step, and the losses in normalized values, as one line."""
    filled = BAR_WIDTH * progress.step // max(progress.total, 1)
    line = (
        f"{progress.title} {'█' * filled}{'░' * (BAR_WIDTH - filled)} "
        f"{progress.step:,} of {progress.total:,} {progress.unit}"
    )
    if progress.unit == "steps":
        line += f", loss {progress.train_loss:.4g}"
    if progress.validation_loss is not None:
        line += f", validation {progress.validation_loss:.4g}"
    return line


def _choose_display(progress: Progress) -> ProgressDisplay | ProgressListener | None:
    if progress == "auto":
        progress = _notebook_display() is not None or sys.stderr.isatty()
    if isinstance(progress, bool):
        return ProgressDisplay() if progress else None
    return progress


def _notebook_display() -> Any:
    """IPython's `display` inside a kernel; None elsewhere. IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    return display


def _caller_level() -> int:
    """The `stacklevel` of the first caller outside the package, seen from the caller of this."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        level, frame = level + 1, frame.f_back
    return level
