"""`report`: one HTML page about a run, a forecast or a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.errors import Problem, UsageError
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import find_backup
from rnnforecast.output.folder_snapshot import FolderFiles, FolderSnapshot
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.owned_files import check_page_replaceable
from rnnforecast.output.ownership import add_to_mark
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import RESOLVED_SPEC_FILE, read_run_folder
from rnnforecast.workflow.predict_output import REPORT_FILE, SUMMARY_FILE
from rnnforecast.workflow.predict_partitions_output import MANIFEST_FILE
from rnnforecast.workflow.report_forecast_page import forecast_report_again
from rnnforecast.workflow.report_run import read_run_and_files
from rnnforecast.workflow.report_windows_page import backtest_report, run_report

BACKTEST_FILE, TABLE_FILE = "backtest.json", "backtest.parquet"


@dataclass(frozen=True)
class ReportResult:
    """What `report` wrote."""

    out: str
    kind: str
    """``run``, ``forecast`` or ``backtest``."""
    series: int
    """Series and targets that the page can show."""
    headlines: tuple[str, ...]
    statements: tuple[str, ...]
    """The forecast and its accuracy in words."""


def report(
    folder: Path,
    out: Path | None = None,
    *,
    data: Sequence[str] | None = None,
    force: bool = False,
    listener: ProgressListener | None = None,
) -> ReportResult:
    """Writes a page about the run, the forecast or the backtest in `folder` to the file `out`.

    Args:
        out: ``report.html`` in the folder by default.
        data: files to read instead of those that were read then.
        force: whether any file at `out` is replaced, not only an earlier page.

    Raises:
        UsageError, RunFolderError, DataError, OutputError.
    """
    listener = listener or NullListener()
    if not folder.is_dir() and find_backup(folder) is None:
        raise _wrong_folder_error(folder, "is not a folder")
    kind, run, files = read_run_folder(folder, _read)
    if kind == "backtest":
        content = backtest_report(files)
    elif kind == "forecast":
        content = forecast_report_again(files, data, listener)
    else:
        assert run is not None
        content = run_report(run, files, data, listener)
    path = out or files.path / REPORT_FILE
    check_page_replaceable(path, force=force)
    if out is None:
        add_to_mark(files.path, [REPORT_FILE])
    write_text(path, render_forecast_report(content))
    return ReportResult(
        out=str(path),
        kind=kind,
        series=0 if content.gallery is None else len(content.gallery.series),
        headlines=content.headlines,
        statements=tuple(each.text for each in content.statements),
    )


def _read(folder: FolderSnapshot) -> tuple[str, Run | None, FolderFiles]:
    """The kind of folder, the run in it, and the files that a page is made of."""
    if folder.has(BACKTEST_FILE):
        return "backtest", None, folder.load((BACKTEST_FILE, TABLE_FILE, RESOLVED_SPEC_FILE))
    if folder.has(SUMMARY_FILE) and folder.has(MANIFEST_FILE):
        found = "is a forecast by partitions, which has no page"
        cure = "for a page, forecast some of the files without --partitions"
        raise UsageError(Problem(str(folder.path), found, cure))
    if folder.has(SUMMARY_FILE):
        return "forecast", None, folder.load((SUMMARY_FILE, "forecast.csv", "totals.csv"))
    if folder.has(RESOLVED_SPEC_FILE):
        return "run", *read_run_and_files(folder)
    raise _wrong_folder_error(folder.path, "is not a run, a forecast or a backtest")


def _wrong_folder_error(path: Path, found: str) -> UsageError:
    cure = "give a folder that 'rnnforecast train', 'predict' or 'backtest' wrote"
    return UsageError(Problem(str(path), found, cure))
