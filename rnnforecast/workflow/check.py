"""`check`: what the data are like and what cleaning would change; trains nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rnnforecast.data.cleaning_plan import lay, read_table
from rnnforecast.data.panel.regularize import inspect
from rnnforecast.data.profiling.cleaning_report import REPAIRS, Report, describe
from rnnforecast.output.atomic_files import whole_folder
from rnnforecast.pipeline import data_report
from rnnforecast.pipeline.auto import Choice
from rnnforecast.pipeline.load_spec import load_spec, source_of
from rnnforecast.pipeline.prepare import Prepared, plan_of, settle
from rnnforecast.workflow.check_imputation import Filling, compare


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


def check(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    impute_report: bool = False,
    report_folder: Path | None = None,
) -> Checked:
    """Looks through the data of the spec at `path`; with `impute_report` compares the methods of
    `clean.missing` on gaps made on purpose. The report with pictures is in `folder`, if there is
    one, unless the data cannot be used.

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
    prepared = settle(spec, lay(plan, table), plan, source, path.resolve().parent)
    if report_folder is not None:
        with whole_folder(report_folder, replace_if=data_report.JSON) as partial:
            data_report.write(partial, prepared)
    return Checked(
        report,
        prepared.choices,
        int((prepared.split.test_origin < 0).sum()),
        prepared,
        tuple(compare(prepared)) if impute_report else (),
    )
