"""The command `rnnforecast compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from rnnforecast.cli.console import format_number, format_percent
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import Json, Quiet, Verbose
from rnnforecast.cli.printable import cell_text
from rnnforecast.wording import count_of

if TYPE_CHECKING:
    from rnnforecast.workflow.compare import CompareResult

LABELS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "bias": "bias",
    "smape": "sMAPE %",
    "wape": "WAPE %",
    "mase": "MASE",
    "rmsse": "RMSSE",
    "wql": "weighted quantile loss",
    "crps": "CRPS",
}
"""The metrics in the table, as far as they are defined."""

INTERVAL_LABELS = {
    "msis": "MSIS of the {} % interval",
    "coverage": "coverage of the {} % interval, %",
}


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN …", help="Folders that train or backtest wrote, two or more."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RUN",
            help="The one that the others are compared with; the first if not given.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare the accuracy of runs or backtests.

    They are scored on the values that all of them have forecast from the same cutoffs. A paired
    bootstrap over series and cutoffs says whether a difference is more than chance.
    """
    with open_console(quiet=quiet, verbose=verbose) as console:
        from rnnforecast.workflow.compare import compare as run_compare

        resume_gc()

        result = run_compare(folders, against)
        if json:
            console.print_json(result.to_json())
        elif not quiet:
            console.print_table(_score_table(result))
        for sentence in (*result.dropped(), *result.sentences()):
            console.info(sentence)


def _score_table(result: CompareResult) -> Table:
    """A row for each metric, a column for each run; the best value of a row is green."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shared = f"{result.series:,} series, {count_of(result.windows, 'window')}"
    table.add_column(shared, no_wrap=True)
    for each in result.compared:
        table.add_column(cell_text(each.name), justify="right", no_wrap=True)
    first = result.compared[0].metrics
    names = [name for name in LABELS if name in first]
    names += [name for name in first if name.startswith(tuple(INTERVAL_LABELS))]
    for name in names:
        values = [each.metrics[name] for each in result.compared]
        is_share = name.startswith("coverage_")
        best = None if is_share or "bias" in name else min(values)
        texts = [format_percent(value) if is_share else format_number(value) for value in values]
        cells = [
            Text(text, "green" if value == best else "")
            for text, value in zip(texts, values, strict=True)
        ]
        table.add_row(_label(name), *cells)
    outcomes = [
        result.verdicts[each.name].outcome if each.name in result.verdicts else "–"
        for each in result.compared
    ]
    table.add_row(f"against {cell_text(result.against)}", *outcomes)
    return table


def _label(name: str) -> str:
    """The name of a metric in a table."""
    kind, _, level = name.partition("_")
    return INTERVAL_LABELS[kind].format(level) if kind in INTERVAL_LABELS else LABELS[name]
