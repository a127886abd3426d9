"""`data_report.json` and `data_report.html`: what `check` and `train` leave to be looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning.seasonality import Season, detect
from rnnforecast.data.panel.problems import spoken
from rnnforecast.data.profiling.cleaning_report import REPAIRS, Report, describe, percent
from rnnforecast.data.profiling.profile import profile
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.data_report.page import page
from rnnforecast.pipeline.prepare import Prepared

JSON, HTML = "data_report.json", "data_report.html"
SHOWN = 10
"""Series in the page's table."""

LISTED = 1000
"""Series listed one by one in the JSON, those with most to repair; `check --json` has all."""

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
"""What a table of series shows, if there is anything to show."""

ALWAYS = ("label", "rows", "start", "end", "agreement")


def most_to_repair(report: Report, count: int) -> pd.DataFrame:
    """The rows of `report.series` of so many series, those with most to repair first."""
    series = report.series
    faults = series[[name for name in REPAIRS if name in series]].sum(axis=1)
    order = (faults + (series["skipped"] != "")).sort_values(ascending=False, kind="stable")
    return series.loc[order.index[:count]]


def worst(report: Report, count: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as text, of the `count` series with most to repair.

    Columns that are empty or zero for all series are left out.
    """
    series = report.series
    table = most_to_repair(report, count)
    names = [name for name in COLUMNS if name in ALWAYS or series[name].any()]
    columns = [[_cell(value) for value in table[name].to_numpy()] for name in names]
    return [COLUMNS[name] for name in names], [list(row) for row in zip(*columns, strict=True)]


def write(folder: Path, prepared: Prepared) -> None:
    """Both files are in `folder`; raises OutputError."""
    cleaned, spec = prepared.cleaned, prepared.spec
    report = describe(prepared.table, cleaned.changes)
    season = _season(prepared)
    found = profile(
        cleaned.panel,
        cleaned.filled,
        cleaned.changes,
        season,
        horizon=spec.window.horizon,
        outlier_mask=cleaned.outliers.flags,
    )
    flagged = found.outliers
    lines = report.sentences()
    if flagged:
        lines.append(f"{flagged:,} outliers by clean.outliers: {prepared.plan.outliers.method}")
    few = replace(report, series=most_to_repair(report, LISTED))
    whole = json.loads(few.to_json()) | {"profile": found.to_json(), "outliers": flagged}
    write_text(folder / JSON, json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n")
    names = ", ".join(prepared.given.data.path)
    text = page(
        f"The data of {names}",
        found,
        lines,
        worst(report, SHOWN),
        targets=cleaned.panel.targets_names,
    )
    write_text(folder / HTML, text)


def _season(prepared: Prepared) -> Season:
    """What was tried, with the season that is used."""
    panel, length = prepared.cleaned.panel, int(prepared.spec.window.season)
    found = detect(panel.targets, panel.observed, panel.offsets, panel.frequency.seasons())
    return Season(length, found.tried.get(length, 0.0), found.tried)


def _cell(value: object) -> str:
    if isinstance(value, np.datetime64):
        return spoken(value)
    if isinstance(value, float):
        return "–" if np.isnan(value) else percent(value)
    return str(value)
