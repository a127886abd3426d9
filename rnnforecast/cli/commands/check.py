"""`rnnforecast check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from rnnforecast.cli.console import Voice
from rnnforecast.cli.failures import told
from rnnforecast.cli.options import Json, Overrides, Quiet, SpecFile, Verbose

if TYPE_CHECKING:
    from rnnforecast.workflow.check import Checked

ROWS = 20
"""Series in the table; those with most to repair come first."""

COLUMNS = {
    "label": "series",
    "rows": "rows",
    "start": "from",
    "end": "to",
    "agreement": "steps agree",
    "gaps": "gaps",
    "duplicates": "duplicates",
    "out_of_order": "out of order",
    "missing": "missing",
    "skipped": "left out",
}


def check(
    spec: SpecFile,
    set_: Overrides = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if cleaning would change anything.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Read spec and data, train nothing, report what is there and what cleaning would change."""
    voice = Voice(quiet=quiet, verbose=verbose)
    with told(voice):
        from rnnforecast.errors import DataError, Problem
        from rnnforecast.workflow.check import check as look

        found = look(spec, overrides=set_ or [])
        if json:
            voice.out.file.write(found.report.to_json() + "\n")
        elif not quiet:
            _print(voice, found)
        if found.report.faults:
            raise DataError(*found.report.faults)
        if strict and found.repairs:
            raise DataError(
                Problem(
                    str(spec),
                    f"cleaning would change {found.repairs:,} rows, values or series",
                    "mend the data, or check without --strict",
                )
            )


def _print(voice: Voice, found: Checked) -> None:
    series = found.report.series
    for sentence in found.report.sentences():
        voice.out.print(sentence)
    for choice in found.choices:
        voice.out.print(f"auto  {choice}", markup=False)
    repairs = series[["gaps", "duplicates", "out_of_order", "missing"]].sum(axis=1)
    worst = series.loc[repairs.sort_values(ascending=False, kind="stable").index].head(ROWS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS.values():
        table.add_column(name, no_wrap=name == "series")
    for _, row in worst.iterrows():
        cells = [row[name] for name in COLUMNS]
        cells[4] = "–" if row["agreement"] != row["agreement"] else f"{row['agreement']:.1%}"
        table.add_row(*(str(cell) for cell in cells))
    voice.out.print()
    voice.out.print(table)
    if len(series) > ROWS:
        voice.out.print(f"… and {len(series) - ROWS:,} more series; all of them with --json")
