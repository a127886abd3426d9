"""`check`: what the data are like and what cleaning would change; trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.faults import spoken
from rnnforecast.data.plan import learn, read_table
from rnnforecast.data.regularize import inspect
from rnnforecast.data.report import Report, describe, percent
from rnnforecast.data.split import split
from rnnforecast.workflow.prepare import plan_of
from rnnforecast.workflow.resolve import Choice, resolve
from rnnforecast.workflow.spec import load_spec, source_of

COLUMNS = {
    "label": "series",
    "rows": "rows",
    "start": "from",
    "end": "to",
    "agreement": "steps agree",
    "out_of_order": "out of order",
    "duplicates": "duplicates",
    "off_grid": "off grid",
    "gaps": "gaps",
    "missing": "missing",
    "leading": "dropped before",
    "trailing": "dropped after",
    "constant": "constant",
    "skipped": "left out",
}
"""What the table of series shows, if there is anything to show."""

REPAIRS = ("out_of_order", "duplicates", "gaps", "missing", "infinite", "leading", "trailing")


@dataclass(frozen=True)
class Checked:
    """The findings, and what training would choose; no choices where the data are not usable."""

    report: Report
    choices: list[Choice]
    short: int = 0
    """Series too short to be scored; they are learnt from in the last fit only."""

    @property
    def repairs(self) -> int:
        """How many rows, steps or values cleaning would change, and series it would leave out."""
        totals = self.report.totals
        return sum(int(totals[name]) for name in REPAIRS) + len(totals["skipped"])

    def worst(self, count: int) -> tuple[list[str], list[list[str]]]:
        """Header and rows, as text, of the `count` series with most to repair.

        Columns that are empty or zero for all series are left out.
        """
        series = self.report.series
        faults = series[[name for name in REPAIRS if name in series]].sum(axis=1)
        order = (faults + (series["skipped"] != "")).sort_values(ascending=False, kind="stable")
        table = series.loc[order.index].head(count)
        names = [
            name
            for name in COLUMNS
            if name in ("label", "rows", "start", "end", "agreement") or series[name].any()
        ]
        columns = [[_cell(value) for value in table[name].to_numpy()] for name in names]
        return [COLUMNS[name] for name in names], [list(row) for row in zip(*columns, strict=True)]


def _cell(value: object) -> str:
    if isinstance(value, np.datetime64):
        return spoken(value)
    if isinstance(value, float):
        return "–" if np.isnan(value) else percent(value)
    return str(value)


def check(path: Path, *, overrides: Sequence[str] = ()) -> Checked:
    """Looks through the data of the spec at `path`.

    Raises SpecError, and DataError where the file cannot be read or no series is long enough for
    the horizon; faults of single series are in the report.
    """
    spec = load_spec(path, overrides)
    plan = plan_of(spec)
    table = read_table(plan, source_of(spec, path))
    changes = inspect(
        table,
        frequency=plan.frequency,
        duplicates=plan.duplicates,
        minimum_length=plan.minimum_length,
    )
    report = describe(table, changes)
    if report.faults:
        return Checked(report, [])
    _, cleaned = learn(plan, table)
    panel = cleaned.panel
    settled, choices = resolve(spec, panel)
    parts = split(
        panel.lengths,
        horizon=settled.window.horizon,
        season=int(settled.window.season),
        channels=panel.observed.shape[1],
    )
    return Checked(report, choices, int((parts.test_origin < 0).sum()))
