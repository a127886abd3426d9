"""Self-contained HTML page about a forecast, for a manager and for an engineer."""

from __future__ import annotations

from rnnforecast.output.forecast_report.content import ForecastReport
from rnnforecast.output.forecast_report.series_data import encode_series, to_script_json
from rnnforecast.output.rendering import render_template
from rnnforecast.output.style import PAGE_CSS, REPORT_CSS

GRADE_SYMBOLS = {"good": "✓", "look": "!", "bad": "✗", "": "·"}
"""Shown beside the color of a grade, for colorblind readers."""


def render_forecast_report(report: ForecastReport) -> str:
    """The page as HTML."""
    gallery, series_json = report.gallery, ""
    if gallery is not None:
        data = encode_series(gallery.series, labels=gallery.labels, intervals=gallery.intervals)
        series_json = to_script_json(
            data | {"baseline": gallery.baseline_name, "first": gallery.n_first}
        )
    return render_template(
        "forecast_report.html",
        css=PAGE_CSS + REPORT_CSS,
        title=report.title,
        subtitle_lines=report.subtitle_lines,
        report=report,
        gallery=gallery,
        symbols=GRADE_SYMBOLS,
        series_json=series_json,
    )
