"""The scores and verdicts of a backtest on the console."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from rnnforecast.cli.console import METRIC_LABELS, format_number, format_percent
from rnnforecast.cli.printable import cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rnnforecast.cli.console import ConsoleListener
    from rnnforecast.workflow.backtest_output import BacktestResult

SHOWN_METRICS = ("mae", "rmse", "smape", "mase", "wql")
"""Metrics in the table; those in units only if there is one target."""

MAX_GROUPS = 12
"""Most groups with a row of their own."""


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
    if result.groups:
        console.print_table(_table_by_group(result))
    shown = [result.best_baseline]
    shown += [name for name, each in result.verdicts.items() if each.outcome == "worse"]
    for name in dict.fromkeys(shown):
        console.out.print(Text(result.verdicts[name].words))
    others = [name for name, each in result.verdicts.items() if each.outcome == "better"]
    if others := [name for name in others if name not in shown]:
        console.out.print(Text(f"better than {', '.join(others)}, too"))


def _table_by_group(result: BacktestResult) -> Table:
    """MASE of the forecasts and of the best baseline in each group, the worst group first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("by group: MASE", no_wrap=True)
    for name in ("rnnforecast", result.best_baseline):
        table.add_column(name, justify="right", no_wrap=True)
    rows = sorted(result.groups.items(), key=lambda item: -_finite(item[1]["rnnforecast"]["mase"]))
    for name, found in rows[:MAX_GROUPS]:
        ours, baseline = (found[model]["mase"] for model in ("rnnforecast", result.best_baseline))
        table.add_row(
            Text(cell_text(name)),
            Text(format_number(ours), "green" if ours < baseline else ""),
            format_number(baseline),
        )
    if len(rows) > MAX_GROUPS:
        table.add_row(f"… and {len(rows) - MAX_GROUPS:,} more: scores.csv")
    return table


def _finite(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _known(value: float) -> float:
    return math.inf if math.isnan(value) else value
