"""A small report for tests: names that are hard to escape, two intervals, a chart of errors."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.output.forecast_report.content import (
    ForecastReport,
    ReportSection,
    ReportTable,
    SeriesGallery,
    Statement,
)
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.forecast_report.pictures import lines_by_step, series_chart
from rnnforecast.output.forecast_report.series_data import (
    PicturedForecast,
    PicturedSeries,
    TimestampLabels,
)
from rnnforecast.output.time_words import format_step

NAMES = (
    "</script><script>alert(1)</script>",
    "\"quotes\" & 'apostrophes' <!--",
    "مبيعات الرياض",
    "🛒 two\u2028lines",
    "Ärger Straße",
    "a name as long as that of a product with all its sizes and colors in a big catalog " * 2,
)
HISTORY, HORIZON = 24, 6


def pictured(name: str, level: float = 100.0) -> PicturedSeries:
    """A series of two years of months, and half a year ahead."""
    months = np.arange("2022-01", "2024-07", dtype="datetime64[M]").astype("datetime64[us]")
    cycle = level * (1 + 0.3 * np.sin(np.arange(HISTORY + HORIZON) / 12 * 2 * np.pi))
    values = np.r_[cycle[:HISTORY], np.full(HORIZON, np.nan)]
    values[3] = np.nan
    yhat = cycle[HISTORY:]
    ends = np.array([[yhat * 0.8, yhat * 1.2], [yhat * 0.9, yhat * 1.1]])
    forecast = PicturedForecast(HISTORY, yhat, ends, baseline=yhat * 1.05)
    return PicturedSeries(
        name, months, values, (forecast,), (f"Total {level:g}.",), {"total": level}
    )


def report(n_series: int = len(NAMES), *, names: tuple[str, ...] = NAMES) -> str:
    """The page of `n_series` series."""
    labels = [names[i] if i < len(names) else f"store_{i:04d}" for i in range(n_series)]
    series = [pictured(label, 100.0 + place) for place, label in enumerate(labels)]
    monthly = parse_frequency("MS")
    times = [format_step(each, monthly, with_clock=False) for each in series[0].timestamps]
    errors = {"this forecast": np.arange(1.0, 7.0), "theta": np.arange(2.0, 8.0)}
    table = ReportTable(["series", "sMAPE"], [[label, "12.3"] for label in labels[:3]], True)
    return render_forecast_report(
        ForecastReport(
            title=f"Forecast of {names[0]}",
            subtitle_lines=("6 months ahead",),
            headlines=("Next 6 months: 600 in total.",),
            statements=(Statement("Better than theta.", "good"), Statement("Old data.", "look")),
            gallery=SeriesGallery(
                series,
                TimestampLabels("month"),
                (0.95, 0.8),
                f"All {n_series:,} series.",
                series_chart(series[0], (0.95, 0.8), times, "theta"),
                "theta",
            ),
            sections=(
                ReportSection(
                    "accuracy",
                    "Accuracy",
                    charts=(lines_by_step("Error by step", errors, y_label="sMAPE, %"),),
                    table=table,
                ),
                ReportSection("data", "State of the data", table=ReportTable((), [["rows", "7"]])),
                ReportSection("spec", "Spec", files=(("resolved.yaml", f"# {names[0]}"),)),
            ),
        )
    )
