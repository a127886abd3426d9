"""Progress on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from rnnforecast.cli.console import METRIC_LABELS, ConsoleListener
from rnnforecast.pipeline.progress import FitProgress
from rnnforecast.workflow.train_output import TrainResult


def bars_after(*steps: FitProgress) -> str:
    """What is shown on the terminal after these steps."""
    listener = ConsoleListener()
    listener.err = Console(file=io.StringIO(), force_terminal=True, width=120)
    for step in steps:
        listener.progress(step)
    assert listener._progress_bars is not None
    shown = Console(file=io.StringIO(), width=120)
    shown.print(listener._progress_bars.progress)
    listener.close()
    return shown.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_bar_of_a_finished_fit_leaves_the_terminal_when_the_next_begins() -> None:
    text = bars_after(
        FitProgress("fit", 20, 20, 0.5, None, validated=False),
        FitProgress("final fit", 3, 30, 0.25, None, validated=False),
    )
    assert "20/20 steps" not in text
    assert "3/30 steps loss 0.2500" in text


def test_trainings_that_run_at_the_same_time_have_a_bar_each() -> None:
    text = bars_after(
        FitProgress("fit", 20, 20, 0.5, None, validated=False, task="trial 1"),
        FitProgress("fit", 4, 20, 0.5, None, validated=False, task="trial 2"),
        FitProgress("fit", 5, 20, 0.5, None, validated=False, task="trial 3"),
        FitProgress("final fit", 6, 20, 0.5, None, validated=False, task="trial 2"),
    )
    assert [line.split()[:2] for line in text.splitlines()] == [["trial", "3,"], ["trial", "2,"]]
    assert "6/20 steps" in text


def test_scores_that_are_not_defined_are_dashes() -> None:
    listener = ConsoleListener()
    listener.out = Console(file=io.StringIO(), width=120)
    ours = dict.fromkeys(METRIC_LABELS, 0.5) | {"coverage_80": 0.825}
    simple = dict.fromkeys(METRIC_LABELS, float("nan")) | {"coverage_80": float("nan")}
    listener.print_scores(
        TrainResult(
            Path("run"), ours, simple, "naive", {}, {}, 1, 1, interrupted=False, sampled_from=1
        )
    )
    text = listener.out.file.getvalue()  # type: ignore[attr-defined]
    assert "82.5" in text
    assert "nan" not in text


@pytest.mark.parametrize("beats", [False, True])
def test_a_run_that_does_not_beat_its_best_baseline_says_so(beats: bool) -> None:
    listener = ConsoleListener()
    listener.out = Console(file=io.StringIO(), width=120)
    scores = dict.fromkeys(METRIC_LABELS, 0.5)
    result = TrainResult(
        Path("run"), scores, scores, "DOT", {}, {}, 1, 1, False, 1, beats_best_baseline=beats
    )
    listener.print_scores(result)
    text = listener.out.file.getvalue()  # type: ignore[attr-defined]
    assert ("not better than DOT" in text) == (not beats)


def test_a_table_is_never_cut_off_on_a_narrow_terminal() -> None:
    listener = ConsoleListener()
    listener.out = Console(file=io.StringIO(), force_terminal=True, width=20, no_color=True)
    table = Table("held-out horizon", "rnnforecast", "seasonal naive with drift", box=None)
    table.add_row("weighted quantile loss", "0.006951", "0.004965")
    listener.print_table(table)
    text = listener.out.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    for word in ("seasonal naive with drift", "0.006951", "0.004965"):
        assert word in text
