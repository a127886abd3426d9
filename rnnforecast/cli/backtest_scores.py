"""The scores and verdicts of a backtest on the console."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from rnnforecast.cli.console import METRIC_LABELS, format_number, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.cli.console import ConsoleListener
    from rnnforecast.workflow.backtest_output import BacktestResult

SHOWN_METRICS = ("mae", "rmse", "smape", "mase", "wql")
"""Metrics in the table; those in units only if there is one target."""


def print_backtest(console: ConsoleListener, result: BacktestResult) -> None:
    """Prints to stdout a table of scores, ours first, and the verdicts; nothing if quiet."""
    if console.quiet:
        return
    names = [name for name in SHOWN_METRICS if name in result.metrics]
    levels = sorted(
        (key for key in result.metrics if key.startswith("coverage_")),
        key=lambda key: -float(key.removeprefix("coverage_")),
    )
    count = f"{result.windows:,} window{'' if result.windows == 1 else 's'}"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"{count} of {result.series:,} series", no_wrap=True)
    for name in names:
        table.add_column(METRIC_LABELS[name], justify="right", no_wrap=True)
    for level in levels:
        title = f"{level.removeprefix('coverage_')} % interval holds %"
        table.add_column(title, justify="right", no_wrap=True)
    rows: list[tuple[str, Mapping[str, float]]] = [("rnnforecast", result.metrics)]
    rows += sorted(result.baselines.items(), key=lambda item: _known(item[1]["mase"]))
    best = {name: min(_known(row[name]) for _, row in rows) for name in names}
    for label, row in rows:
        table.add_row(
            label,
            *(
                Text(format_number(row[name]), "green" if row[name] == best[name] else "")
                for name in names
            ),
            *(format_percent(row.get(level, math.nan)) for level in levels),
        )
    console.print_table(table)
    shown = [result.best_baseline]
    shown += [name for name, each in result.verdicts.items() if each.outcome == "worse"]
    for name in dict.fromkeys(shown):
        console.out.print(Text(result.verdicts[name].words))
    others = [name for name, each in result.verdicts.items() if each.outcome == "better"]
    if others := [name for name in others if name not in shown]:
        console.out.print(Text(f"better than {', '.join(others)}, too"))


def _known(value: float) -> float:
    return math.inf if math.isnan(value) else value
