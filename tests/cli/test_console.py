"""Progress on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.pipeline.progress import FitProgress


def test_the_bar_of_a_finished_fit_leaves_the_terminal_when_the_next_begins() -> None:
    listener = ConsoleListener()
    listener.err = Console(file=io.StringIO(), force_terminal=True, width=120)
    listener.progress(FitProgress("fit", 20, 20, 0.5, None, validated=False))
    listener.progress(FitProgress("final fit", 3, 30, 0.25, None, validated=False))
    assert listener._progress_bar is not None
    shown = Console(file=io.StringIO(), width=120)
    shown.print(listener._progress_bar)
    listener.close()
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "20/20 steps" not in text
    assert "3/30 steps loss 0.2500" in text
