"""The evaluation part of a report: accuracy beside baselines, calibration, errors, worst series."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.reliability import reliability
from rnnforecast.evaluation.stability import forecast_changes
from rnnforecast.evaluation.verdict import compare_forecasts
from rnnforecast.output.forecast_report.charts import Chart
from rnnforecast.output.forecast_report.content import ReportSection, ReportTable, Statement
from rnnforecast.output.forecast_report.pictures import (
    coverage_by_step,
    lines_by_origin,
    lines_by_step,
    pit_chart,
    reliability_chart,
)
from rnnforecast.output.style import format_rounded
from rnnforecast.types import Floats
from rnnforecast.wording import count_of
from rnnforecast.workflow.report_rows import EvaluationRows

MAX_WORST = 15
MIN_GAIN = 0.005
"""Smaller differences from a baseline are no difference."""

MAX_ITEMS_OF_BOOTSTRAP = 2000
"""Most targets of series in the bootstrap of verdicts and calibration."""

COVERAGE_TOLERANCE = 0.05
"""A coverage within this distance of the nominal one is well calibrated."""


@dataclass(frozen=True)
class Accuracy:
    """Scores of the forecast and of baselines, as the run or backtest has stored them."""

    measure: str
    """The measure of the comparison, such as MASE."""
    forecast: float
    baselines: Mapping[str, float]
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Outcome (``better``, ``worse``, ``not shown``) and words of the paired bootstrap against
    baselines, where it was made."""

    @property
    def best(self) -> str:
        """The baseline with the smallest error; empty without any."""
        known = {name: each for name, each in self.baselines.items() if math.isfinite(each)}
        return min(known, key=lambda name: known[name]) if known else ""


def accuracy_of_run(
    stored: Mapping[str, Any], rows: EvaluationRows, scale: Floats | None
) -> Accuracy:
    """The accuracy in `metrics.json`, with verdicts on the rows of the held-out horizon.

    `scale` is the divisor of MASE by item `[I]`, if it is known.
    """
    baselines = stored["baseline_mase"].items()
    windows = rows.windows(most_items=MAX_ITEMS_OF_BOOTSTRAP, scale=scale)
    best = min(
        windows.baselines, key=lambda name: _number(stored["baseline_mase"].get(name)), default=""
    )
    verdicts = compare_forecasts(windows, {best: windows.baselines[best]}) if best else {}
    return Accuracy(
        "MASE",
        _number(stored["model_metrics"].get("mase")),
        {name: _number(mase) for name, mase in baselines},
        {name: (each.outcome, each.words()) for name, each in verdicts.items()},
    )


def accuracy_of_backtest(stored: Mapping[str, Any]) -> Accuracy:
    """The accuracy in `backtest.json`."""
    return Accuracy(
        "MASE",
        _number(stored["metrics"].get("mase")),
        {name: _number(found.get("mase")) for name, found in stored["baselines"].items()},
        _verdicts(stored),
    )


def _verdicts(stored: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    found = stored.get("verdicts") or {}
    return {name: (each["outcome"], each["words"]) for name, each in found.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


@dataclass(frozen=True)
class AccuracyClaim:
    """Whether the forecast is better than the best baseline, and the figures behind it."""

    claim: str
    figures: str
    grade: str

    def statement(self) -> Statement:
        """Both in one sentence."""
        return Statement(f"{self.claim}: {self.figures}.", self.grade)


def compare_with_best(accuracy: Accuracy, tested_on: str) -> AccuracyClaim | None:
    """The comparison with the best baseline; None without figures."""
    best = accuracy.best
    if not best or not math.isfinite(accuracy.forecast):
        return None
    other = accuracy.baselines[best]
    outcome = accuracy.verdicts.get(best, ("", ""))[0]
    doubt = {"not shown": ", which may be chance", "": ""}.get(outcome, ", hardly by chance")
    figures = (
        f"{accuracy.measure} {format_rounded(accuracy.forecast)} beside {format_rounded(other)} "
        f"on {tested_on}{doubt}"
    )
    gain = 1 - accuracy.forecast / other if other else 0.0
    if abs(gain) <= MIN_GAIN:
        return AccuracyClaim(f"As accurate as the best simple method, {best}", figures, "look")
    if outcome == "not shown":
        claim = f"No difference from the best simple method, {best}, is shown"
        return AccuracyClaim(claim, figures, "look")
    if gain < 0:
        share = _share(1 - other / accuracy.forecast)
        claim = f"A simple method, {best}, is more accurate: its errors are {share} smaller"
        return AccuracyClaim(claim, figures, "bad")
    claim = f"Errors are {_share(gain)} smaller than those of the best simple method, {best}"
    return AccuracyClaim(claim, figures, "good")


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 else "less than 1 %"


def coverage_statement(rows: EvaluationRows) -> Statement | None:
    """How many of the observed values lay in the intervals; None without intervals."""
    parts, is_good = [], True
    for nominal, (low, high) in list(rows.intervals().items())[:2]:
        observed = float(_coverage(rows, low, high).mean())
        by_chance = 2 * math.sqrt(nominal * (1 - nominal) / len(rows.y))
        is_good &= abs(observed - nominal) <= max(COVERAGE_TOLERANCE, by_chance)
        parts.append(f"{100 * observed:.0f} % in the {100 * nominal:.4g} % interval")
    if not parts:
        return None
    text = f"Of {count_of(len(rows.y), 'observed value')}, {' and '.join(parts)}"
    return Statement(f"{text}.", "good" if is_good else "look")


def evaluation_sections(
    rows: EvaluationRows,
    names: Sequence[str],
    accuracy: Accuracy,
    tested_on: str,
    *,
    unseen: bool = True,
) -> list[ReportSection]:
    """The sections on accuracy, calibration and the worst series.

    `unseen` says whether no network was trained on any of the values.
    """
    windows = rows.windows(most_items=MAX_ITEMS_OF_BOOTSTRAP)
    measured = f"Measured on {tested_on}"
    if unseen:
        measured += ": values that no network had seen before it forecast them"
    return [
        _accuracy_section(rows, accuracy, [f"{measured}.", *_stability_lines(windows)]),
        *_calibration_section(rows, windows),
        *([_worst_section(rows, names)] if len(names) > 1 else []),
    ]


def errors_by_item(rows: EvaluationRows) -> dict[str, Floats]:
    """Errors `[I]` by title: sMAPE, and the mean absolute error relative to the best baseline."""
    count = len(rows.series)
    smape = rows.mean_by(rows.item, rows.smape_of(rows.yhat), count)
    found = {"sMAPE, %": smape}
    best = rows.best_baseline
    if best:
        own = rows.mean_by(rows.item, np.abs(rows.y - rows.yhat), count)
        other = rows.mean_by(rows.item, np.abs(rows.y - rows.baselines[best]), count)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[f"error relative to {best}"] = own / other
    return found


def error_words(
    errors: Mapping[str, Floats], tested_on: str, items: Iterable[int]
) -> dict[int, str]:
    """A sentence on the errors of those of the items that have any."""
    smape, *relative = errors.values()
    titles = [title.removeprefix("error relative to ") for title in list(errors)[1:]]
    words = {}
    for item in items:
        value = float(smape[item])
        if not math.isfinite(value):
            continue
        text = f"On {tested_on}: sMAPE {format_rounded(value)} %"
        if relative and math.isfinite(relative[0][item]):
            text += f", error {format_rounded(relative[0][item])} times that of {titles[0]}"
        words[item] = f"{text}."
    return words


def _stability_lines(windows: EvaluatedWindows) -> list[str]:
    """How much the forecast of a step changes from one origin to the next, if horizons overlap."""
    changes = forecast_changes(windows, windows.forecast)["smapc"]
    if not np.isfinite(changes).any():
        return []
    change = format_rounded(float(np.nanmean(changes)))
    return [
        f"From one origin to the next, the forecast of a step changes by {change} % on average."
    ]


def _accuracy_section(
    rows: EvaluationRows, accuracy: Accuracy, lines: Sequence[str]
) -> ReportSection:
    own = np.abs(rows.y - rows.yhat)
    own_error = rows.mean_by(rows.item, own, len(rows.series))
    smape = float(rows.smape_of(rows.yhat).mean())
    table = [["this forecast", _cell(accuracy.forecast), _cell(smape), ""]]
    for name in sorted(rows.baselines, key=lambda name: accuracy.baselines.get(name, math.inf)):
        yhat = rows.baselines[name]
        error = rows.mean_by(rows.item, np.abs(rows.y - yhat), len(rows.series))
        mase = accuracy.baselines.get(name, math.nan)
        smape = float(rows.smape_of(yhat).mean())
        wins = float((own_error < error).mean())
        table.append([name, _cell(mase), _cell(smape), f"{100 * wins:.0f} %"])
    header = ["method", "MASE", "sMAPE, %", "series with larger errors than this forecast"]
    explanation = (
        "Smaller is better; a MASE below 1 means smaller errors than those that repeating the last "
        "season had in the past."
    )
    return ReportSection(
        "accuracy",
        "Accuracy",
        (*lines, *_verdict_lines(accuracy), explanation),
        charts=tuple(_error_charts(rows, accuracy.best)),
        table=ReportTable(header, table),
    )


def _verdict_lines(accuracy: Accuracy) -> list[str]:
    """The comparison with the best baseline, tested by a bootstrap."""
    if accuracy.best not in accuracy.verdicts:
        return []
    return [f"Paired bootstrap: {accuracy.verdicts[accuracy.best][1]}."]


def _error_charts(rows: EvaluationRows, best: str) -> list[Chart]:
    """Errors by step and by origin, beside the best baseline."""
    best = best if best in rows.baselines else rows.best_baseline
    methods = {"this forecast": rows.yhat} | ({best: rows.baselines[best]} if best else {})
    errors = {name: rows.smape_of(yhat) for name, yhat in methods.items()}
    charts = []
    if rows.n_steps > 1:
        by_step = {name: rows.mean_by_step(each) for name, each in errors.items()}
        charts.append(lines_by_step("Error by step", by_step, y_label="mean sMAPE, %"))
    if rows.n_windows > 1:
        count = rows.n_windows
        by_origin = {name: rows.mean_by(rows.window, each, count) for name, each in errors.items()}
        cutoffs = [rows.cutoff[rows.window == window].max() for window in range(count)]
        labels = [format_timestamp(cutoff) for cutoff in cutoffs]
        if len(set(days := [label[:10] for label in labels])) == count:
            labels = days
        charts.append(
            lines_by_origin("Error by origin", by_origin, labels, y_label="mean sMAPE, %")
        )
    return charts


def _calibration_section(rows: EvaluationRows, windows: EvaluatedWindows) -> list[ReportSection]:
    """Coverage by step, reliability and PIT histogram; nothing without intervals."""
    intervals = rows.intervals()
    if not intervals:
        return []
    charts = []
    if rows.n_steps > 1:
        by_step = {
            nominal: rows.mean_by_step(_coverage(rows, low, high))
            for nominal, (low, high) in list(intervals.items())[:2]
        }
        charts.append(coverage_by_step(by_step))
    found = reliability(windows)
    charts.append(reliability_chart(found.levels, found.observed, found.low, found.high))
    charts.append(pit_chart(found.edges, found.density))
    table = [
        [f"{100 * nominal:.4g} %", f"{100 * _coverage(rows, low, high).mean():.1f} %"]
        for nominal, (low, high) in intervals.items()
    ]
    lines = (
        (
            "An interval of 80 % should hold 80 of 100 values, at each step. In the reliability "
            "plot the line should follow the diagonal; in the PIT histogram, bars above 1 at both "
            "ends mean intervals that are too narrow, bars below 1 intervals that are too wide."
        ),
    )
    return [
        ReportSection(
            "calibration",
            "Calibration",
            lines,
            charts=tuple(charts),
            table=ReportTable(["interval", "held"], table),
        )
    ]


def _worst_section(rows: EvaluationRows, names: Sequence[str]) -> ReportSection:
    errors = errors_by_item(rows)
    order = worst_items(errors)
    header = ["series", *errors]
    table = [
        [names[item], *(_cell(float(each[item])) for each in errors.values())] for item in order
    ]
    return ReportSection(
        "worst",
        "Worst series",
        ("The series with the largest errors relative to their size.",),
        table=ReportTable(header, table, links_series=True),
    )


def worst_items(errors: Mapping[str, Floats]) -> list[int]:
    """The items with the largest sMAPE, the worst first."""
    smape = np.nan_to_num(next(iter(errors.values())), nan=-1.0)
    order: list[int] = np.argsort(-smape, kind="stable")[:MAX_WORST].tolist()
    return order


def _coverage(rows: EvaluationRows, low: Floats, high: Floats) -> Floats:
    """`[R]` 1 where the observed value lies in the interval."""
    inside: Floats = ((rows.y >= low) & (rows.y <= high)).astype(np.float64)
    return inside


def _cell(value: float) -> str:
    return format_rounded(value) if math.isfinite(value) else "–"
