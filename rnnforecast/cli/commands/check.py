"""The command `rnnforecast check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from rnnforecast.cli.console import ConsoleListener
from rnnforecast.cli.error_handling import open_console, resume_gc
from rnnforecast.cli.options import (
    EngineName,
    Force,
    Json,
    Overrides,
    Quiet,
    SpecFile,
    Verbose,
    Wait,
    Workers,
    refuse_workers,
)
from rnnforecast.cli.printable import cell_text, message_text
from rnnforecast.parallel.engine import LOCAL, open_engine

if TYPE_CHECKING:
    from rnnforecast.workflow.check import CheckResult

MAX_SERIES_ROWS = 20
"""Series in the table; those with the most repairs come first."""


def check(
    spec: SpecFile,
    set_: Overrides = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Fail if cleaning would change anything, or if a reading is doubtful."
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder for the report with plots.",
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
            help="Hide known values and compare how well the methods of clean.missing impute them.",
        ),
    ] = False,
    partitions: Annotated[
        bool,
        typer.Option(
            "--partitions",
            help="Check Parquet files (a folder, a pattern or one file), each with whole series,"
            " file by file, in the memory of one file a process; without a report with plots.",
        ),
    ] = False,
    workers: Workers = None,
    engine: EngineName = LOCAL,
    force: Force = False,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check spec and data, and report what cleaning would change."""
    with open_console(spec, set_, quiet=quiet, verbose=verbose) as console:
        from rnnforecast.spec.load import read_spec

        read_spec(spec, set_ or [])  # a wrong spec is reported before anything heavy is imported
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.workflow.check import check as run_check

        resume_gc()

        if partitions:
            is_alone = not (report or impute_report)
            result = _check_partitions(
                console, spec, set_ or [], workers, engine, is_alone=is_alone
            )
            _write_result(console, result, json=json, quiet=quiet)
            _raise_problems(spec, result, strict=strict)
            console.info(f"next: rnnforecast train {spec}")
            return
        refuse_workers("check", workers, engine)
        folder = None if no_report else report or Path("checks") / spec.stem
        with output_lock(folder or "-", "check", wait, on_wait=console.info):
            result = run_check(
                spec,
                overrides=set_ or [],
                impute_report=impute_report,
                report_folder=folder,
                force=force,
            )
        _write_result(console, result, json=json, quiet=quiet)
        if folder is not None and result.report.problems:
            console.info("no report with plots: the data cannot be used as they are")
        elif folder is not None:
            console.info(f"report with plots: {folder / 'data_report.html'}")
        _raise_problems(spec, result, strict=strict)


def _check_partitions(
    console: ConsoleListener,
    spec: Path,
    overrides: list[str],
    workers: int | None,
    engine: str,
    *,
    is_alone: bool,
) -> CheckResult:
    from rnnforecast.errors import Problem, UsageError
    from rnnforecast.workflow.check_partitions import check_partitions

    if not is_alone:
        found = "--report and --impute-report read all data at once"
        raise UsageError(Problem("check --partitions", found, "leave them out"))
    opened = open_engine(engine, workers)
    return check_partitions(spec, overrides=overrides, engine=opened, listener=console)


def _write_result(
    console: ConsoleListener, result: CheckResult, *, json: bool, quiet: bool
) -> None:
    if json:
        console.write_json(result.to_json())
    elif not quiet:
        _print_result(console, result)


def _raise_problems(spec: Path, result: CheckResult, *, strict: bool) -> None:
    """Raises DataError for problems; with `strict` for doubtful readings and repairs, too."""
    from rnnforecast.errors import DataError, Problem

    if result.problems:
        raise DataError(*result.problems)
    doubtful = [note.decision for note in result.report.notes if note.is_doubtful]
    if strict and doubtful:
        raise DataError(*doubtful)
    if strict and result.repairs:
        found = f"cleaning would change {result.repairs:,} rows, values or series"
        cure = "correct the data, or check without --strict"
        raise DataError(Problem(str(spec), found, cure))


def _print_imputation_scores(console: ConsoleListener, result: CheckResult) -> None:
    console.out.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("clean.missing")
    for name in ("hidden one by one", "hidden in runs", "uses later values"):
        table.add_column(name, justify="right")
    for score in result.imputation_scores:
        table.add_row(
            score.method,
            f"{score.single:.3f}",
            f"{score.runs:.3f}",
            "yes" if score.looks_ahead else "",
        )
    console.print_table(table)
    console.out.print(
        "Mean absolute error at hidden values of the training part; 1 is the mean absolute"
        " deviation of the series."
    )


def _print_result(console: ConsoleListener, result: CheckResult) -> None:
    for sentence in result.report.summary_lines():
        console.out.print(Text(message_text(sentence)))
    if result.n_too_short:
        console.out.print(
            f"{result.n_too_short:,} series too short to be scored: used in the final fit only"
        )
    for problem in result.prepared.unused_keys if result.prepared else ():
        console.out.print(Text(message_text(str(problem))))
    for choice in result.choices:
        console.out.print(Text(message_text(f"auto  {choice}")))
    from rnnforecast.pipeline.data_report import repair_table

    header, rows = repair_table(result.report, MAX_SERIES_ROWS)
    more = len(result.report.per_series) - len(rows)
    if rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in header:
            table.add_column(name, no_wrap=True, justify="left" if name == "series" else "right")
        for row in rows:
            table.add_row(*(Text(cell_text(cell)) for cell in row))
        console.out.print()
        console.print_table(table)
    if rows and result.n_partitions:
        console.out.print("of the series of each partition those with the most repairs")
    elif rows and more:
        console.out.print(f"… and {more:,} more series; all of them with --json")
    if result.imputation_scores:
        _print_imputation_scores(console, result)
