"""`report`: one HTML page about a run, a forecast or a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.errors import Problem, UsageError
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.forecast_report.content import ForecastReport
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import RESOLVED_SPEC_FILE
from rnnforecast.workflow.predict import REPORT_FILE, SUMMARY_FILE
from rnnforecast.workflow.report_forecast_page import forecast_report_again
from rnnforecast.workflow.report_windows_page import backtest_report, run_report

BACKTEST_FILE = "backtest.json"


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
    listener: ProgressListener | None = None,
) -> ReportResult:
    """Writes a page about the run, the forecast or the backtest in `folder` to the file `out`.

    Args:
        out: ``report.html`` in the folder by default.
        data: files to read instead of those that were read then.

    Raises:
        UsageError, RunFolderError, DataError, OutputError.
    """
    listener = listener or NullListener()
    content, kind = _content(folder, data, listener)
    path = out or folder / REPORT_FILE
    write_text(path, render_forecast_report(content))
    return ReportResult(
        out=str(path),
        kind=kind,
        series=len(content.gallery.series),
        headlines=content.headlines,
        statements=tuple(each.text for each in content.statements),
    )


def _content(
    folder: Path, data: Sequence[str] | None, listener: ProgressListener
) -> tuple[ForecastReport, str]:
    """The content of the page, and the kind of folder."""
    if (folder / BACKTEST_FILE).is_file():
        return backtest_report(folder), "backtest"
    if (folder / SUMMARY_FILE).is_file():
        return forecast_report_again(folder, data, listener), "forecast"
    if (folder / RESOLVED_SPEC_FILE).is_file():
        return run_report(folder, data, listener), "run"
    found = "is not a run, a forecast or a backtest" if folder.is_dir() else "is not a folder"
    cure = "give a folder that 'rnnforecast train', 'predict' or 'backtest' wrote"
    raise UsageError(Problem(str(folder), found, cure))
