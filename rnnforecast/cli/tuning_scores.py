"""The table of `tune`: scores of the search, and of the comparison on windows that it never saw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

from rnnforecast.cli.console import METRIC_LABELS, format_number

if TYPE_CHECKING:
    from rnnforecast.workflow.tune import TuneResult


def tuning_table(tuned: TuneResult) -> Table:
    """The scores of the untuned spec, of the best trial and of the best baseline."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for title in ("untuned", "best trial", str(tuned.baseline)):
        table.add_column(title, justify="right", no_wrap=True)
    searched = (tuned.untuned_search_score, tuned.search_score, None)
    table.add_row(
        f"search, the lowest of {tuned.trials['complete']}: {_label(tuned.criterion)}",
        *(format_number(math.nan if score is None else score) for score in searched),
    )
    test = tuned.test or {}
    columns = (test["untuned"], test["tuned"] or test["untuned"], test["baselines"][tuned.baseline])
    names = [name for name in METRIC_LABELS if name in columns[0]]
    for name in [tuned.metric, *(name for name in names if name != tuned.metric)]:
        values = (format_number(each[name]) for each in columns)
        table.add_row(f"windows it never saw: {_label(name)}", *values)
    return table


def _label(name: str) -> str:
    return METRIC_LABELS.get(name, name.upper())
