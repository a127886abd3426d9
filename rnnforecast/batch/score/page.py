"""The page about the score of a run: accuracy, bias and coverage by day, drift, worst series."""

from __future__ import annotations

import math

import numpy as np

from rnnforecast.batch.score.drift import DriftChart
from rnnforecast.batch.score.ledger_score import LedgerScore
from rnnforecast.batch.score.score import ScoreResult, describe_alarm
from rnnforecast.evaluation.scores import MODEL_NAME
from rnnforecast.output.forecast_report.charts import Chart
from rnnforecast.output.forecast_report.content import (
    ForecastReport,
    ReportSection,
    ReportTable,
    Statement,
)
from rnnforecast.output.forecast_report.pictures import lines_by_origin, lines_by_step
from rnnforecast.output.style import format_rounded
from rnnforecast.types import Floats
from rnnforecast.wording import count_of

MAX_WORST = 20
"""Series in the table of the worst."""

DRIFT_TITLES = {
    "bias": ("Bias by day", "mean error / MASE scale; above 0: forecasts too high"),
    "error": ("Error by day", "mean absolute error / MASE scale"),
    "coverage": ("Coverage by day", "share of values in the interval; dashed: nominal"),
}


def score_page(result: ScoreResult, found: LedgerScore) -> ForecastReport:
    """The content of `score.html`."""
    sections: list[ReportSection] = []
    if result.values:
        sections = [_accuracy(result, found), _drift(found), _worst(found)]
    return ForecastReport(
        title=f"Score of {result.run}",
        subtitle_lines=(
            f"{count_of(result.issues, 'issue')} of forecasts, beside what was observed since.",
        ),
        headlines=(headline(result),),
        statements=tuple(_statements(result)),
        gallery=None,
        sections=(*sections, _facts(result)),
    )


def console_lines(result: ScoreResult) -> list[str]:
    """The result on the console: the headline, its size, and alarms."""
    lines = [headline(result).removesuffix(".")]
    if result.values:
        size = f"{count_of(result.values, 'value')} of {result.series:,} series"
        lines.append(f"{size}, in {count_of(result.issues, 'issue')} of the ledger")
    lines += [f"drift: {describe_alarm(each)}" for each in result.alarms if each.is_current]
    if result.calibration is not None:
        state = "new intervals" if result.calibration["changed"] else "intervals unchanged"
        lines.append(f"{state}: {result.calibration['reason']}")
    return lines


def headline(result: ScoreResult) -> str:
    """The result in a sentence."""
    if not result.issues:
        return f"{result.ledger} has no issue of {result.run} yet: each predict adds one."
    if not result.values:
        return f"No forecast has an actual value yet: the next ones are of {result.next_actual}."
    ours, theirs = result.metrics["mase"], result.baseline_metrics["mase"]
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return f"{count_of(result.values, 'value')} scored; no error has a scale to be divided by."
    sign = "smaller" if ours < theirs else "larger"
    return (
        f"Live MASE {format_rounded(ours)}, {sign} than that of the {result.baseline} forecast "
        f"from the same cutoffs, {format_rounded(theirs)}."
    )


def _statements(result: ScoreResult) -> list[Statement]:
    lines = []
    if result.values:
        size = f"{count_of(result.values, 'value')} of {result.series:,} series"
        span = f"cutoffs from {result.first_cutoff} to {result.last_cutoff}"
        lines.append(Statement(f"{size}, {span}.", "bad" if result.worse_than_baseline else "good"))
        if math.isfinite(bias := result.metrics["relative_bias"]):
            side = "too high" if bias > 0 else "too low"
            text = f"On average the forecasts are {format_rounded(abs(bias))} % {side}."
            lines.append(Statement(text))
    for name, value in result.metrics.items():
        if name.startswith("coverage_") and math.isfinite(value):
            nominal = float(name.removeprefix("coverage_"))
            far = abs(100 * value - nominal) > 10
            text = f"The {nominal:.4g} % intervals held {100 * value:.1f} % of the values."
            lines.append(Statement(text, "look" if far else "good"))
    for alarm in result.alarms:
        of_earlier = "" if alarm.is_current else " (of an earlier training)"
        grade = "bad" if alarm.is_current else "look"
        lines.append(Statement(f"Drift: {describe_alarm(alarm)}{of_earlier}.", grade))
    if result.values and not result.alarms:
        lines.append(Statement("No drift was found.", "good"))
    if result.awaiting:
        text = f"{count_of(result.awaiting, 'forecast')} without an actual value as yet; the next "
        lines.append(Statement(f"{text}values are of {result.next_actual}."))
    if result.calibration is not None:
        state = "new intervals" if result.calibration["changed"] else "intervals unchanged"
        lines.append(Statement(f"Calibration: {state}: {result.calibration['reason']}."))
    lines += [Statement(f"{finding}.", "look") for finding in result.findings]
    return lines


def _accuracy(result: ScoreResult, found: LedgerScore) -> ReportSection:
    totals, charts = found.totals, []
    order = np.argsort(np.array(list(totals.cutoffs)))
    if len(order) > 1:
        names = totals.names("cutoff")
        labels = [names[index] for index in order]
        mase = {
            name: totals.metrics(model, "cutoff")["mase"][order]
            for name, model in _models(result).items()
        }
        charts.append(lines_by_origin("MASE by cutoff", mase, labels, y_label="MASE"))
    by_step = {
        name: totals.metrics(model, "step")["mase"] for name, model in _models(result).items()
    }
    if len(by_step["these forecasts"]) > 1:
        charts.append(lines_by_step("MASE by step", by_step, y_label="MASE"))
    header = ["training", "first cutoff", "last cutoff", "forecasts", "MASE", result.baseline]
    rows = [
        [
            each.run_id + (" (in service)" if each.run_id == result.run_id else ""),
            each.first_cutoff,
            each.last_cutoff,
            f"{each.windows:,}",
            _cell(each.mase),
            _cell(each.baseline_mase),
        ]
        for each in result.runs
    ]
    line = (
        "MASE divides errors by the mean change over a season before the cutoff; smaller is better."
    )
    return ReportSection(
        "accuracy", "Accuracy", (line,), charts=tuple(charts), table=ReportTable(header, rows)
    )


def _models(result: ScoreResult) -> dict[str, str]:
    """The name of each model on the page, and in the totals."""
    return {"these forecasts": MODEL_NAME, result.baseline: result.baseline}


def _drift(found: LedgerScore) -> ReportSection:
    charts = [
        chart
        for each in found.charts
        if len(each.days) > 1
        for chart in _drift_charts(each, found.drift.nominal)
    ]
    line = (
        "Each value counts once, with the latest forecast that was issued for it. The CUSUM charts "
        "add up deviations from the days before, in standard deviations; beyond a dashed line they "
        "raise an alarm, which without a change happens once in 1,000 points."
    )
    nominal = found.drift.nominal
    if nominal is not None:
        line += f" The coverage is that of the {100 * nominal:.4g} % interval."
    return ReportSection("drift", "Drift", (line,), charts=tuple(charts))


def _drift_charts(each: DriftChart, nominal: float | None) -> list[Chart]:
    """The statistic, and its CUSUM chart; `nominal` is that of its interval."""
    title, y_label = DRIFT_TITLES[each.statistic]
    labels = [str(day) for day in each.days]
    levels = [nominal] if each.statistic == "coverage" and nominal is not None else []
    chart = each.chart
    sums = {"increase": chart.upper}
    limits = [chart.threshold]
    if (chart.lower > 0).any():
        sums["decrease"] = -chart.lower
        limits.append(-chart.threshold)
    raised = [labels[alarm.index] for alarm in chart.alarms]
    message = f"alarm on {', '.join(raised)}" if raised else "no alarm"
    return [
        lines_by_origin(
            title, {each.statistic: each.values}, labels, y_label=y_label, x_label="", levels=levels
        ),
        lines_by_origin(
            f"CUSUM of {each.statistic}: {message}",
            sums,
            labels,
            y_label="standard deviations",
            x_label="",
            levels=limits,
        ),
    ]


def _worst(found: LedgerScore) -> ReportSection:
    """The series with the largest errors beside the baseline."""
    totals = found.totals
    ours, theirs = (totals.metrics(model, "series") for model in (MODEL_NAME, totals.baseline))
    coverage = next((name for name in ours if name.startswith("coverage_")), None)
    mase: Floats = ours["mase"]
    labels = totals.names("series")
    header = ["series", "MASE", totals.baseline, "bias, %"]
    header += [f"in {coverage.removeprefix('coverage_')} % interval, %"] if coverage else []
    rows = []
    for index in totals.worst_series(MAX_WORST).tolist():
        row = [labels[index], _cell(mase[index]), _cell(theirs["mase"][index])]
        row.append(_cell(ours["relative_bias"][index]))
        rows.append([*row, _cell(100 * ours[coverage][index])] if coverage else row)
    return ReportSection(
        "worst",
        "Worst series",
        ("The series with the largest errors relative to their changes.",),
        table=ReportTable(header, rows),
    )


def _facts(result: ScoreResult) -> ReportSection:
    facts = [
        ["run", result.run],
        ["training in service", result.run_id],
        ["ledger", result.ledger],
        ["issues", f"{result.issues:,}"],
        ["forecasts scored", f"{result.windows:,}"],
    ]
    return ReportSection("reproduce", "How it was made", table=ReportTable((), facts))


def _cell(value: float) -> str:
    return format_rounded(float(value)) if math.isfinite(value) else "–"
