"""The data report of `check` and `train`: `data_report.json` and `data_report.html`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning.seasonality import Seasonality, detect_seasonality
from rnnforecast.data.panel.changes import CHANGE_COUNTS, REPAIR_COUNTS
from rnnforecast.data.profiling.cleaning_report import (
    CleaningReport,
    build_cleaning_report,
    format_share,
)
from rnnforecast.data.profiling.profile import profile_panel
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import DAY, Frequency
from rnnforecast.output.atomic_files import write_text
from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.spec.locations import mask_url
from rnnforecast.wording import count_of, join_words

JSON_FILE, HTML_FILE = "data_report.json", "data_report.html"
MAX_TABLE_SERIES = 10
"""Most series in the table of the HTML page."""

MAX_JSON_SERIES = 1000
"""Most series in the JSON, those with the most repairs; `check --json` has all."""

COLUMN_TITLES = {
    "label": "series",
    "rows": "rows",
    "start": "from",
    "end": "to",
    "agreement": "regular steps",
    **{count.name: count.title for count in CHANGE_COUNTS if count.title},
    "constant": "constant",
    "skipped": "left out because",
}
"""Titles by column; a column is shown if any series has a value."""

ALWAYS_SHOWN = ("label", "rows", "start", "end", "agreement")


def series_by_repairs(report: CleaningReport, count: int) -> pd.DataFrame:
    """The rows of up to `count` series, those with the most repairs first."""
    series = report.per_series
    order = _repair_counts(series).sort_values(ascending=False, kind="stable")
    return series.loc[order.index[:count]]


def repair_table(report: CleaningReport, count: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as text, of up to `count` series, those with the most repairs.

    Series without a repair are left out, and so are columns that are empty or zero for all series.
    """
    series = report.per_series
    table = series_by_repairs(report, count)
    table = table[_repair_counts(table) > 0]
    names = [name for name in COLUMN_TITLES if name in ALWAYS_SHOWN or series[name].any()]
    columns = [[_format_cell(value) for value in table[name].to_numpy()] for name in names]
    return [COLUMN_TITLES[name] for name in names], [
        list(row) for row in zip(*columns, strict=True)
    ]


def _repair_counts(series: pd.DataFrame) -> pd.Series[int]:
    """Repairs of each series; leaving it out is one."""
    repairs = series[[name for name in REPAIR_COUNTS if name in series]].sum(axis=1)
    return repairs + (series["skipped"] != "")


def _describe_calendar(frequency: Frequency) -> str:
    """Which days or hours have no steps, in words; "" without closed ones."""
    if frequency.calendar is None:
        return ""
    days = frequency.calendar.closed_days()
    if frequency.calendar.unit == DAY and days:
        return f"{join_words([f'{day}s' for day in days])} are closed and left out."
    return f"Only the open hours are steps: {frequency.calendar.describe_days()}."


def write_data_report(folder: Path, prepared: PreparedData) -> None:
    """Writes both files into `folder`. Raises OutputError."""
    # not at the top, since it imports matplotlib, which `check --no-report` does not need
    from rnnforecast.output.data_report.page import render_data_report

    cleaned, spec = prepared.cleaned, prepared.spec
    report = build_cleaning_report(cleaned.table, cleaned.changes)
    profile = profile_panel(
        cleaned.panel,
        cleaned.filled,
        cleaned.changes,
        _seasonality(prepared),
        horizon=spec.window.horizon,
        outlier_mask=cleaned.outliers.flags,
    )
    flagged = profile.outlier_count
    shown_as_notes = set(map(str, report.notes))
    lines = [line for line in report.summary_lines() if line not in shown_as_notes]
    if flagged:
        method = prepared.plan.clean.outliers
        lines.append(f"{count_of(flagged, 'outlier')} found by clean.outliers={method}")
    shortened = replace(report, per_series=series_by_repairs(report, MAX_JSON_SERIES))
    values = json.loads(shortened.to_json()) | {"profile": profile.to_json(), "outliers": flagged}
    write_text(folder / JSON_FILE, json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")
    names = ", ".join(map(mask_url, prepared.given_spec.data.path))
    text = render_data_report(
        f"The data of {names}",
        profile,
        lines,
        repair_table(report, MAX_TABLE_SERIES),
        targets=cleaned.panel.target_names,
        notes=report.notes,
        calendar=_describe_calendar(cleaned.panel.frequency),
    )
    write_text(folder / HTML_FILE, text)


def _seasonality(prepared: PreparedData) -> Seasonality:
    """The season of the spec, and the strengths of all candidates."""
    panel, length = prepared.cleaned.panel, int(prepared.spec.window.season)
    found = detect_seasonality(
        panel.targets, panel.observed_mask, panel.offsets, panel.frequency.season_lengths()
    )
    return replace(found, length=length, strength=found.candidate_strengths.get(length, 0.0))


def _format_cell(value: object) -> str:
    if isinstance(value, np.datetime64):
        return format_timestamp(value)
    if isinstance(value, float):
        return "–" if np.isnan(value) else format_share(value)
    return str(value)
