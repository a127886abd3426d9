"""Charts of the report: a series with its forecast, errors and coverage by step, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnnforecast.output.forecast_report.charts import (
    Chart,
    ChartBuilder,
    number_ticks,
    percent_ticks,
    step_ticks,
    value_range,
)
from rnnforecast.output.forecast_report.series_data import PicturedSeries
from rnnforecast.types import Floats

LINE_KINDS = ("line-forecast", "line-b", "line-a", "line-c")
"""The forecast, then baselines."""

N_TIME_TICKS = 5


def series_chart(
    series: PicturedSeries,
    intervals: Sequence[float],
    time_labels: Sequence[str],
    baseline_name: str,
) -> Chart:
    """The series with its forecasts; `time_labels [T]` are those of its timestamps."""
    n_steps = len(series.timestamps)
    ends = [each.intervals.reshape(-1) for each in series.forecasts]
    limits = value_range(series.values, *(each.yhat for each in series.forecasts), *ends)
    builder = ChartBuilder((0.0, float(max(n_steps - 1, 1))), limits, width=760.0, height=340.0)
    for number, each in enumerate(series.forecasts):
        steps = each.begin + np.arange(len(each.yhat), dtype=np.float64)
        for place, (low, high) in enumerate(each.intervals):
            name = f"{100 * intervals[place]:.4g} % interval"
            builder.band(f"band-{min(place + 1, 3)}", steps, low, high, "" if number else name)
    builder.line("line-actual", np.arange(n_steps, dtype=np.float64), series.values, "observed")
    for number, each in enumerate(series.forecasts):
        steps = each.begin + np.arange(len(each.yhat), dtype=np.float64)
        is_first = number == 0
        if each.baseline is not None:
            builder.line("line-b", steps, each.baseline, baseline_name if is_first else "")
        builder.line("line-forecast", steps, each.yhat, "forecast" if is_first else "")
    places = np.unique(np.linspace(0, n_steps - 1, N_TIME_TICKS + 2).round().astype(int)[1:-1])
    return builder.build(
        series.name,
        " ".join(series.words) or "history and forecast",
        x_ticks=[(int(place), time_labels[place]) for place in places],
        y_ticks=number_ticks(*limits),
    )


def lines_by_step(
    title: str, lines: Mapping[str, Floats], *, y_label: str, x_label: str = "step ahead"
) -> Chart:
    """Lines over steps 1 to H, by name; the first is the forecast."""
    n_steps = len(next(iter(lines.values())))
    limits = value_range(*lines.values(), with_zero=True)
    builder = ChartBuilder((1.0, float(max(n_steps, 2))), limits)
    steps = np.arange(1, n_steps + 1, dtype=np.float64)
    for kind, (name, values) in reversed(list(zip(LINE_KINDS, lines.items(), strict=False))):
        builder.line(kind, steps, values, name)
    builder.legend.reverse()
    first = next(iter(lines.values()))
    description = f"from {first[0]:.3g} at step 1 to {first[-1]:.3g} at step {n_steps}"
    return builder.build(
        title,
        description,
        x_ticks=step_ticks(n_steps),
        y_ticks=number_ticks(*limits),
        x_label=x_label,
        y_label=y_label,
    )


def lines_by_origin(
    title: str,
    lines: Mapping[str, Floats],
    labels: Sequence[str],
    *,
    y_label: str,
    x_label: str = "last known timestamp",
    levels: Sequence[float] = (),
) -> Chart:
    """Lines over the windows of a backtest, whose cutoffs are the `labels`, or over other points.

    `levels` are values of y that are dashed lines.
    """
    count = len(labels)
    limits = value_range(*lines.values(), np.array(levels), with_zero=True)
    builder = ChartBuilder((0.0, float(max(count - 1, 1))), limits)
    at = np.arange(count, dtype=np.float64)
    for level in levels:
        builder.line("line-nominal", at, np.full(count, level))
    for kind, (name, values) in reversed(list(zip(LINE_KINDS, lines.items(), strict=False))):
        builder.line(kind, at, values, name)
    builder.legend.reverse()
    places = np.unique(np.linspace(0, count - 1, min(count, 3)).round().astype(int))
    return builder.build(
        title,
        f"{count} points from {labels[0]} to {labels[-1]}",
        x_ticks=[(int(place), labels[place]) for place in places],
        y_ticks=number_ticks(*limits),
        x_label=x_label,
        y_label=y_label,
    )


def coverage_by_step(coverages: Mapping[float, Floats]) -> Chart:
    """The share of values in each interval, `[H]` by nominal coverage, with the nominal ones."""
    n_steps = len(next(iter(coverages.values())))
    low = min(float(np.nanmin(each, initial=1.0)) for each in coverages.values())
    limits = (max(0.0, np.floor(10 * min(low, min(coverages) - 0.1)) / 10), 1.0)
    builder = ChartBuilder((1.0, float(max(n_steps, 2))), limits)
    steps = np.arange(1, n_steps + 1, dtype=np.float64)
    kinds = ("line-forecast", "line-a", "line-c")
    for kind, (nominal, observed) in zip(kinds, coverages.items(), strict=False):
        name = f"{100 * nominal:.4g} % interval"
        builder.line("line-nominal", steps, np.full(n_steps, nominal))
        builder.line(kind, steps, observed, name)
    means = [f"{100 * n:.4g} %: {100 * np.nanmean(each):.0f} %" for n, each in coverages.items()]
    return builder.build(
        "Coverage by step",
        f"share of observed values in each interval: {', '.join(means)}",
        x_ticks=step_ticks(n_steps),
        y_ticks=percent_ticks(*limits),
        x_label="step ahead",
        y_label="share of observed values in the interval; dashed: nominal",
    )


def reliability_chart(
    levels: Sequence[float], observed: Floats, low: Floats, high: Floats
) -> Chart:
    """The share of observed values below each quantile `[Q]`, over its level, with its interval."""
    builder = ChartBuilder((0.0, 1.0), (0.0, 1.0))
    diagonal = np.array([0.0, 1.0])
    builder.band("band-1", np.asarray(levels), low, high, "its 95 % interval")
    builder.line("line-nominal", diagonal, diagonal, "perfectly calibrated")
    builder.line("line-forecast", np.asarray(levels), observed, "forecast")
    pairs = zip(levels, observed, strict=True)
    shares = [f"{100 * level:.4g} %: {100 * share:.0f} %" for level, share in pairs]
    ticks = percent_ticks(0.0, 1.0)
    return builder.build(
        "Reliability",
        f"share of values below each quantile: {', '.join(shares)}",
        x_ticks=ticks,
        y_ticks=ticks,
        x_label="level of the quantile",
        y_label="share of observed values below it",
    )


def pit_chart(edges: Floats, density: Floats) -> Chart:
    """PIT histogram: between quantile levels `edges [B + 1]`, the share of observed values over
    the expected one `[B]`."""
    limits = value_range(density, np.array([0.0, 2.0]), with_zero=True)
    builder = ChartBuilder((0.0, 1.0), limits)
    builder.bars("bar", edges, density)
    builder.line("line-nominal", np.array([0.0, 1.0]), np.ones(2), "calibrated: 1 everywhere")
    return builder.build(
        "PIT histogram",
        "where observed values lie in the forecast distribution, relative to the expected share: "
        + ", ".join(f"{share:.2f}" for share in density),
        x_ticks=percent_ticks(0.0, 1.0),
        y_ticks=number_ticks(*limits),
        x_label="position in the forecast distribution",
        y_label="observed share, relative to the expected one",
    )
