"""Output on the console: messages to stderr, data to stdout, progress bars on a terminal only."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from rnnforecast.cli.printable import cell_text, message_text, printable_json
from rnnforecast.errors import OutputError, Problem

if TYPE_CHECKING:
    from rnnforecast.cli.progress_bars import ProgressBars
    from rnnforecast.pipeline.progress import FitProgress
    from rnnforecast.workflow.train_holdout import HoldoutScores
    from rnnforecast.workflow.train_output import TrainResult

LOG_FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the steps at which a line is logged when stderr is not a terminal."""

NON_TERMINAL_WIDTH = 200
"""Width of lines in a file or pipe."""

MAX_TABLE_WIDTH = 1000
"""Most characters of a line of a table; cells are shortened before."""

MAX_TARGET_ROWS = 12
"""Most targets with a row of their own in the table of scores."""

TARGET_METRICS = ("mae", "rmse", "smape", "mase")
"""Metrics in the table of several targets."""

METRIC_LABELS = {
    "smape": "sMAPE %",
    "mase": "MASE",
    "mae": "MAE",
    "rmse": "RMSE",
    "wql": "weighted quantile loss",
}


class ConsoleListener:
    """Prints the messages and the progress of a workflow.

    `quiet`: errors only; `verbose`: also tracebacks of unexpected errors.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.has_spec = True
        """Whether the user has a spec; else cures that name its keys get the options for them."""
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = Console(highlight=False, soft_wrap=True)
        if not self.out.is_terminal:
            self.out.width = NON_TERMINAL_WIDTH
        self._progress_bars: ProgressBars | None = None
        self._logged_fractions: dict[str, float] = {}

    def info(self, text: str) -> None:
        """Prints a line on stderr."""
        if not self.quiet:
            self.err.print(Text(message_text(text)))

    def warning(self, text: str) -> None:
        """Prints a warning on stderr."""
        if self.quiet:
            return
        self.err.print(Text.assemble(("warning: ", "yellow"), message_text(text)))

    def progress(self, step: FitProgress) -> None:
        """Updates the progress bar, or logs some lines when stderr is not a terminal."""
        if self.quiet:
            return
        if self.err.is_terminal:
            self._show_progress_bar(step)
        else:
            self._log_progress(step)

    def close(self) -> None:
        """Removes the progress bars from the screen."""
        if self._progress_bars is not None:
            self._progress_bars.stop()
            self._progress_bars = None

    def print_json(self, value: object) -> None:
        """Prints one JSON document on stdout, NaN as null.

        Raises OutputError if stdout is closed.
        """
        # slow to import (numpy)
        from rnnforecast.output.json_files import to_json_types

        self.write_json(
            json.dumps(to_json_types(value), ensure_ascii=False, indent=2, allow_nan=False)
        )

    def write_json(self, text: str) -> None:
        """Writes the JSON document `text` to stdout; OutputError if stdout is closed."""
        require_stdout()
        text = printable_json(text)
        try:
            text.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            text = json.dumps(json.loads(text), indent=2 if "\n" in text else None)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def print_scores(self, result: TrainResult) -> None:
        """Prints to stdout a table of the held-out scores; nothing if quiet."""
        self.close()
        if self.quiet:
            return
        if len(result.targets) > 1:
            self.print_table(_table_by_target(result))
            self._print_example_series(result)
            return
        model_scores, baseline_scores = result.model_metrics, result.baseline_metrics
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("held-out horizon", no_wrap=True)
        for name in ("rnnforecast", result.baseline_name):
            table.add_column(name, justify="right", no_wrap=True)
        for key, name in METRIC_LABELS.items():
            better = "green" if model_scores[key] < baseline_scores[key] else ""
            table.add_row(
                name,
                Text(format_number(model_scores[key]), better),
                format_number(baseline_scores[key]),
            )
        levels = [
            key.removeprefix("coverage_") for key in model_scores if key.startswith("coverage_")
        ]
        for level in sorted(levels, key=float, reverse=True):
            shares = (
                format_percent(scores[f"coverage_{level}"])
                for scores in (model_scores, baseline_scores)
            )
            table.add_row(f"coverage of the {level} % interval, %", *shares)
        if result.is_beaten:
            table.add_row(Text(f"not better than {result.baseline_name}", "yellow"))
        self.print_table(table)
        self._print_example_series(result)

    def _print_example_series(self, result: TrainResult) -> None:
        """Prints the worst, median and best series by sMAPE; nothing if few were scored."""
        if not result.example_series:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("", no_wrap=True)
        table.add_column("series", no_wrap=True)
        for key in ("smape", "mase"):
            table.add_column(METRIC_LABELS[key], justify="right", no_wrap=True)
        for name in ("worst", "median", "best"):
            row = result.example_series[name]
            numbers = (format_number(float(row[key])) for key in ("smape", "mase"))
            table.add_row(name, Text(cell_text(str(row["series"]))), *numbers)
        self.print_table(table)

    def print_table(self, table: Table) -> None:
        """Prints a table to stdout in its full width: narrow terminals wrap lines, but no number is
        cut off."""
        options = self.out.options.update(width=MAX_TABLE_WIDTH)
        needed = Measurement.get(self.out, options, table).maximum
        self.out.width = max(self.out.width, needed)
        self.out.print(table, crop=False)

    def _show_progress_bar(self, step: FitProgress) -> None:
        # slow to import, and needed on a terminal only
        from rnnforecast.cli.progress_bars import ProgressBars

        if self._progress_bars is None:
            self._progress_bars = ProgressBars(self.err)
        self._progress_bars.show(step, _format_losses(step))

    def _log_progress(self, step: FitProgress) -> None:
        if step.task:  # which have a line each
            return
        before, share = self._logged_fractions.get(step.phase, 0.0), step.step / step.total
        if any(before < fraction <= share for fraction in LOG_FRACTIONS):
            self._logged_fractions[step.phase] = share
            self.info(_format_step(step))


def require_stdout() -> None:
    """Raises OutputError if the process was started with stdout closed."""
    if sys.stdout is None:
        cure = "send it to a file or a pipe, or give -o a file"
        raise OutputError(Problem("standard output", "is closed", cure))


def _table_by_target(scores: TrainResult) -> Table:
    """A row for each of the first targets, in its units, and the mean of those without units."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("held-out horizon", no_wrap=True)
    levels = sorted(
        (key for key in scores.model_metrics if key.startswith("coverage_")),
        key=lambda key: -float(key.removeprefix("coverage_")),
    )
    titles = [METRIC_LABELS[name] for name in TARGET_METRICS]
    titles += [f"{key.removeprefix('coverage_')} % interval holds %" for key in levels]
    for title in (*titles, "best baseline", "its MASE"):
        is_text = title == "best baseline"
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
    names = list(scores.targets)
    rows: list[tuple[str, HoldoutScores | TrainResult]] = [
        (name, scores.targets[name]) for name in names[:MAX_TARGET_ROWS]
    ]
    rows.append((f"mean of {len(names):,} targets", scores))
    for place, (name, row) in enumerate(rows):
        if place == len(rows) - 1 and len(names) > MAX_TARGET_ROWS:
            table.add_row(f"… and {len(names) - MAX_TARGET_ROWS:,} more: metrics.json")
        ours, baseline = row.model_metrics, row.baseline_metrics
        better = "green" if ours["mase"] < baseline["mase"] else ""
        table.add_row(
            Text(cell_text(name)),
            *(
                Text(format_number(ours[key]), better if key == "mase" else "")
                if key in ours
                else ""
                for key in TARGET_METRICS
            ),
            *(format_percent(ours[key]) for key in levels),
            row.baseline_name + ("" if ours["mase"] < baseline["mase"] else ": not beaten"),
            format_number(baseline["mase"]),
        )
    return table


def _format_step(step: FitProgress) -> str:
    if step.unit != "steps":
        return f"{step.phase}: {step.step:,} of {step.total:,} {step.unit}"
    return f"{step.phase}: step {step.step:,} of {step.total:,}, {_format_losses(step)}"


def _format_losses(step: FitProgress) -> str:
    if math.isnan(step.train_loss):
        return ""
    text = f"loss {step.train_loss:.4f}"
    if step.validation_loss is not None:
        text += f", validation {step.validation_loss:.4f}"
    return text


def format_percent(share: float) -> str:
    """A share as percent; a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def format_number(value: float) -> str:
    """At least four significant digits; a dash for NaN."""
    if math.isnan(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 1
    return f"{value:,.{digits}f}"
