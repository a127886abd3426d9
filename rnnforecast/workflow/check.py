"""`check`: what the data are like and what cleaning would change; trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.data.plan import learn, read_table
from rnnforecast.data.regularize import inspect
from rnnforecast.data.report import Report, describe
from rnnforecast.data.split import split
from rnnforecast.workflow.prepare import load_spec, plan_of, source_of
from rnnforecast.workflow.resolve import Choice, resolve

REPAIRS = ("out_of_order", "duplicates", "gaps", "missing", "infinite", "leading", "trailing")


@dataclass(frozen=True)
class Checked:
    """The findings, and what training would choose; no choices where the data are not usable."""

    report: Report
    choices: list[Choice]

    @property
    def repairs(self) -> int:
        """How many rows, steps or values cleaning would change, and series it would leave out."""
        totals = self.report.totals
        return sum(int(totals[name]) for name in REPAIRS) + len(totals["skipped"])


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
    split(
        panel.lengths,
        horizon=settled.window.horizon,
        season=int(settled.window.season),
        channels=panel.observed.shape[1],
    )
    return Checked(report, choices)
