"""`check`: what the data are like and what cleaning would change; trains nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.faults import spoken
from rnnforecast.data.plan import lay, read_table
from rnnforecast.data.regularize import inspect
from rnnforecast.data.report import Report, describe, percent
from rnnforecast.workflow.imputation import Filling, compare
from rnnforecast.workflow.prepare import Prepared, plan_of, settle
from rnnforecast.workflow.resolve import Choice
from rnnforecast.workflow.spec import load_spec, source_of

COLUMNS = {
    "label": "series",
    "rows": "rows",
    "start": "from",
    "end": "to",
    "agreement": "steps agree",
    "out_of_order": "out of order",
    "ambiguous": "hours twice",
    "skipped_hour": "hours skipped",
    "duplicates": "duplicates",
    "snapped": "moved",
    "interpolated": "drawn",
    "resampled": "resampled",
    "partial": "partial periods",
    "off_grid": "off grid",
    "gaps": "gaps",
    "missing": "missing",
    "leading": "dropped before",
    "trailing": "dropped after",
    "cut": "cut off",
    "constant": "constant",
    "skipped": "left out",
}
"""What the table of series shows, if there is anything to show."""

REPAIRS = (
    "out_of_order", "ambiguous", "skipped_hour", "duplicates", "snapped", "interpolated", "gaps",
    "missing", "infinite", "leading", "trailing",
)  # fmt: skip
"""What `--strict` does not let pass: not what the spec orders for all rows, as resampling."""


@dataclass(frozen=True)
class Checked:
    """The findings, and what training would choose; no choices where the data are not usable."""

    report: Report
    choices: list[Choice]
    short: int = 0
    """Series too short to be scored; they are learnt from in the last fit only."""
    prepared: Prepared | None = None
    """What training would start from."""
    fillings: tuple[Filling, ...] = ()
    """How well each method fills gaps, the best first, if that was asked for."""

    def to_json(self) -> str:
        """One JSON object: that of the report, and ``imputation``, a method each, if there is."""
        whole = json.loads(self.report.to_json())
        if self.fillings:
            whole["imputation"] = [asdict(filling) for filling in self.fillings]
        return json.dumps(whole, ensure_ascii=False)

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


def check(path: Path, *, overrides: Sequence[str] = (), impute_report: bool = False) -> Checked:
    """Looks through the data of the spec at `path`; with `impute_report` compares the methods of
    `clean.missing` on gaps made on purpose.

    Raises SpecError, and DataError where the file cannot be read or no series is long enough for
    the horizon; faults of single series are in the report.
    """
    spec = load_spec(path, overrides)
    plan = plan_of(spec)
    source = source_of(spec, path)
    table = read_table(plan, source)
    report = describe(table, inspect(table, plan.rules))
    if report.faults:
        return Checked(report, [])
    prepared = settle(spec, lay(plan, table), plan, source)
    return Checked(
        report,
        prepared.choices,
        int((prepared.split.test_origin < 0).sum()),
        prepared,
        tuple(compare(prepared)) if impute_report else (),
    )
