"""`rnnforecast check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import handle_errors
from rnnforecast.cli.garbage import resume_gc
from rnnforecast.cli.options import Json, Overrides, Quiet, SpecFile, Verbose

if TYPE_CHECKING:
    from rnnforecast.workflow.check import CheckResult

MAX_SERIES_ROWS = 20
"""Series in the table; those with most to repair come first."""


def check(
    spec: SpecFile,
    set_: Overrides = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if cleaning would change anything.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder for the report with pictures.",
            show_default="checks/NAME-OF-SPEC",
        ),
    ] = None,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Write no report, print only.")
    ] = False,
    impute_report: Annotated[
        bool,
        typer.Option(
            "--impute-report",
            help="Hide known values and show how well each method of clean.missing finds them.",
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Read spec and data, train nothing, report what is there and what cleaning would change."""
    voice = ConsoleListener(quiet=quiet, verbose=verbose)
    with handle_errors(voice):
        from rnnforecast.errors import DataError, Problem
        from rnnforecast.workflow.check import check as look

        resume_gc()

        folder = None if no_report else report or Path("checks") / spec.stem
        found = look(spec, overrides=set_ or [], impute_report=impute_report, report_folder=folder)
        if json:
            voice.out.file.write(found.to_json() + "\n")
        elif not quiet:
            _print_result(voice, found)
        if found.report.problems:
            if folder is not None:
                voice.info("no report with pictures: the data cannot be used as they are")
            raise DataError(*found.report.problems)
        if folder is not None:
            voice.info(f"report with pictures: {folder / 'data_report.html'}")
        if strict and found.repairs:
            raise DataError(
                Problem(
                    str(spec),
                    f"cleaning would change {found.repairs:,} rows, values or series",
                    "mend the data, or check without --strict",
                )
            )


def _print_imputation_scores(console: ConsoleListener, result: CheckResult) -> None:
    console.out.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("clean.missing")
    for name in ("hidden one by one", "hidden in runs", "uses what comes after"):
        table.add_column(name, justify="right")
    for one in result.imputation_scores:
        table.add_row(
            one.method,
            f"{one.single:.3f}",
            f"{one.runs:.3f}",
            "yes" if one.looks_ahead else "",
        )
    console.out.print(table)
    console.out.print(
        "Mean absolute error at hidden values of the training part; 1 is the usual distance of a"
        " value from the mean of its series."
    )


def _print_result(console: ConsoleListener, result: CheckResult) -> None:
    for sentence in result.report.summary_lines():
        console.out.print(sentence, markup=False)
    if result.n_too_short:
        console.out.print(
            f"{result.n_too_short:,} series too short to be scored: used in the last fit only"
        )
    for choice in result.choices:
        console.out.print(f"auto  {choice}", markup=False)
    from rnnforecast.pipeline.data_report import repair_table

    header, rows = repair_table(result.report, MAX_SERIES_ROWS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, no_wrap=True, justify="left" if name == "series" else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.out.print()
    console.out.print(table)
    more = len(result.report.per_series) - len(rows)
    if more:
        console.out.print(f"… and {more:,} more series; all of them with --json")
    if result.imputation_scores:
        _print_imputation_scores(console, result)
