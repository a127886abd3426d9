"""The folder of a score: its numbers, tables and page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from rnnforecast.batch.score.ledger_score import LedgerScore
from rnnforecast.batch.score.page import score_page
from rnnforecast.batch.score.score import ScoreResult
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.forecast_table import write_forecast
from rnnforecast.output.json_files import write_json

SCORE_FILE, TABLE_FILE, DRIFT_FILE = "score.json", "score.parquet", "drift.csv"
PAGE_FILE = "score.html"


def write_score(
    folder: Path, result: ScoreResult, found: LedgerScore, *, page: bool = True, force: bool = False
) -> ScoreResult:
    """Writes the folder; returns the result with its path.

    Raises OutputError; OutputPathError if the folder is not one of a score.
    """
    result = replace(result, out=str(folder))
    with atomic_folder(folder, "score", force=force) as partial:
        write_json(partial / SCORE_FILE, result.to_json())
        if result.values:
            write_forecast(partial / TABLE_FILE, found.totals.table())
            write_forecast(partial / DRIFT_FILE, drift_table(found))
        if page:
            write_text(partial / PAGE_FILE, render_forecast_report(score_page(result, found)))
    return result


def drift_table(found: LedgerScore) -> pd.DataFrame:
    """A row for each point of each chart: ``statistic``, ``day``, ``run_id``, ``value``,
    ``deviation`` and the sums ``upper`` and ``lower`` in standard deviations, ``threshold``, and
    whether it raised an ``alarm``."""
    parts = []
    for each in found.charts:
        alarms = {alarm.index for alarm in each.chart.alarms}
        parts.append(
            pd.DataFrame(
                {
                    "statistic": each.statistic,
                    "day": [str(day) for day in each.days],
                    "run_id": list(each.run_ids),
                    "value": each.values,
                    "deviation": each.chart.deviations,
                    "upper": each.chart.upper,
                    "lower": each.chart.lower,
                    "threshold": each.chart.threshold,
                    "alarm": [int(index in alarms) for index in range(len(each.days))],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
