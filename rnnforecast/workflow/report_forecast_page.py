"""Content of the page about a forecast."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel, describe_size
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.evaluation.window_metrics import symmetric_level_pairs
from rnnforecast.output.folder_snapshot import ReadableFolder
from rnnforecast.output.forecast_report.content import (
    ForecastReport,
    SeriesGallery,
    Statement,
)
from rnnforecast.output.forecast_report.words import describe_forecast, describe_series
from rnnforecast.output.time_words import format_period, format_steps
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import count_of
from rnnforecast.workflow.predict_forecast import Prediction, forecast_data
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_subject import UntrainedSubject
from rnnforecast.workflow.predict_totals import NO_EXTRA_TABLES
from rnnforecast.workflow.predict_untrained import files_of_untrained, forecast_untrained
from rnnforecast.workflow.report_files import FORECAST_TYPES, damaged_file, read_summary
from rnnforecast.workflow.report_forecast import ForecastTotals, total_kind
from rnnforecast.workflow.report_gallery import (
    build_gallery,
    choose_items,
    describe_choice,
    panel_item_names,
    pictured_forecasts,
    plan_page,
    steps_shown_first,
    timestamp_labels,
)
from rnnforecast.workflow.report_holdout import HELD_OUT, HoldoutEvaluation
from rnnforecast.workflow.report_methods import untrained_methods
from rnnforecast.workflow.report_run import (
    RunFiles,
    data_statement,
    read_run_and_files,
    run_sections,
)

MAX_HEADLINES = 5


def forecast_report(
    folder: ReadableFolder,
    run: Run,
    prediction: Prediction,
    *,
    requested_totals: Sequence[int] = (),
    given: Mapping[str, Any] | None = None,
    origin: str | None = None,
) -> ForecastReport:
    """The page about a forecast of a run; `folder` has its `REPORT_SOURCES`. `given` is what was
    forecast without a run, see `UntrainedSubject.to_json`; `origin` if one was given."""
    panel, forecasts = prediction.cleaned.panel, prediction.forecasts
    files = RunFiles.read(folder)
    tested = HoldoutEvaluation.read(folder, run, files.metrics)
    correlation = float("nan") if tested is None else tested.rows.correlation_between_series()
    totals = [
        ForecastTotals(
            run,
            panel,
            forecasts,
            target,
            total_kind(run, panel, target, requested_totals),
            correlation,
        )
        for target in range(len(panel.target_names))
    ]
    names = panel_item_names(panel)
    horizon = forecasts.yhat.shape[1]
    steps = format_steps(horizon, panel.frequency)
    command = _command(run, files.run_name, given, horizon, origin)
    methods = "" if run.is_trained else untrained_methods(run, prediction)
    return ForecastReport(
        title=f"Forecast of {files.run_name}",
        subtitle_lines=(_forecast_subtitle(panel, steps),),
        headlines=tuple(_headlines(totals, panel)),
        statements=tuple(_statements(tested, files, totals[0], prediction.warnings)),
        gallery=_forecast_gallery(run, prediction, totals, tested, names),
        sections=(
            *([] if tested is None else tested.sections()),
            *run_sections(run, files, command, methods),
        ),
    )


def forecast_report_again(
    folder: ReadableFolder, data: Sequence[str] | None, listener: ProgressListener
) -> ForecastReport:
    """The page about the forecast in `folder`, which is computed again from the same data.

    Raises DataError if the data give another forecast than the one in the folder.
    """
    summary = read_summary(folder, "run.json", FORECAST_TYPES)
    file = folder.path / "run.json"
    if not isinstance(summary.get("origin"), str | None):
        raise damaged_file(file, f"origin is {summary['origin']!r:.40}")
    if not isinstance(summary.get("data"), list | None) or summary["horizon"] < 1:
        raise damaged_file(file, "data is no list, or horizon below 1")
    origin = summary.get("origin")
    request = ForecastRequest(
        summary["horizon"], origin, NO_EXTRA_TABLES, checks=None, listener=listener
    )
    if summary["run"] is None:
        subject = _read_subject(summary, data or summary.get("data") or (), file)
        run, prediction = forecast_untrained(subject, request)
        run_files = files_of_untrained(subject, run)
    else:
        run, run_files = read_run_folder(Path(summary["run"]), read_run_and_files)
        source = data or summary.get("data") or run.source
        prediction = forecast_data(run, source, request)
    _check_same_forecast(folder, prediction.tables["forecast"])
    requested = (summary["horizon"],) if folder.has("totals.csv") else ()
    return forecast_report(
        run_files,
        run,
        prediction,
        requested_totals=requested,
        given=None if run.is_trained else summary,
        origin=origin,
    )


def _command(
    run: Run, run_name: str, given: Mapping[str, Any] | None, horizon: int, origin: str | None
) -> str:
    """The command that makes the forecast again."""
    words = ["rnnforecast", "predict", *([run_name] if given is None else [given["subject"]])]
    if given is not None or horizon != run.horizon:
        words += ["--horizon", str(horizon)]
    words += [] if given is None else given.get("arguments", [])
    words += [] if origin is None else ["--origin", origin]
    return shlex.join(words)


def _read_subject(
    summary: Mapping[str, Any], source: Sequence[str], file: Path
) -> UntrainedSubject:
    """The data of a forecast without a run. DataError if the summary is damaged."""
    if not source:
        found = "the data of this forecast were not files"
        raise DataError(Problem(str(file), found, "give them with --data"))
    try:
        return UntrainedSubject.from_json(summary, source, summary["horizon"])
    except (ValueError, SpecError) as error:
        raise damaged_file(file, str(error)) from error


def _headlines(totals: Sequence[ForecastTotals], panel: Panel) -> list[str]:
    """The forecast of all series in words, for each of the first targets."""
    lines = []
    for each in totals[:MAX_HEADLINES]:
        n_series = int(each.known.sum())
        if not n_series:
            continue
        lines.append(
            describe_forecast(
                each.of_all(),
                panel.frequency,
                each.steps,
                is_total=each.kind.is_total,
                name=panel.target_names[each.target] if len(totals) > 1 else "",
                n_series=n_series,
            )
        )
    if (more := len(totals) - MAX_HEADLINES) > 0:
        lines.append(f"{count_of(more, 'more target')}: in the list of series below.")
    return lines


def _statements(
    tested: HoldoutEvaluation | None,
    files: RunFiles,
    totals: ForecastTotals,
    warnings: Sequence[Finding],
) -> list[Statement]:
    found: list[Statement | None] = []
    if tested is not None:
        found += [None if tested.claim is None else tested.claim.statement(), tested.coverage]
    found += [data_statement(files), Statement(_explain_totals(totals))]
    lines = [finding.message for finding in warnings]
    found += [Statement(f"{line[0].upper()}{line[1:]}.", "look") for line in lines]
    return [each for each in found if each is not None]


def _forecast_subtitle(panel: Panel, steps: str) -> str:
    size = describe_size(panel.n_series, len(panel.target_names))
    last = panel.window_timestamps(panel.lengths - 1, 1)[:, 0]
    shown = panel.to_display_timezone(last)
    period = format_period(shown.max(), shown.max(), panel.frequency)
    return f"{size}, {steps} ahead; the latest observed step is {period}."


def _explain_totals(totals: ForecastTotals) -> str:
    """Why the page speaks of totals or averages, and how errors of series were taken together."""
    kind = totals.kind
    text = f"{'Totals' if kind.is_total else 'Averages'}, as {kind.reason}."
    if int(totals.known.sum()) > 1:
        if np.isfinite(totals.correlation):
            text += (
                " The range of all series together assumes that their errors are correlated by "
                f"{totals.correlation:.2f}, as on {HELD_OUT}."
            )
        else:
            text += " The range of all series together assumes that they err all in one direction."
    return text


def _forecast_gallery(
    run: Run,
    prediction: Prediction,
    totals: Sequence[ForecastTotals],
    tested: HoldoutEvaluation | None,
    names: Sequence[str],
) -> SeriesGallery:
    panel, forecasts = prediction.cleaned.panel, prediction.forecasts
    horizon, _n_targets = forecasts.yhat.shape[1:]
    levels = run.quantiles
    intervals = {
        round(levels[high] - levels[low], 6): (
            forecasts.quantiles[..., low],
            forecasts.quantiles[..., high],
        )
        for low, high in symmetric_level_pairs(levels)
    }
    budget = plan_page(len(names), horizon, run.season, tuple(intervals))
    sizes = np.abs(forecasts.yhat).sum(1).reshape(-1)  # [S * C]
    chosen = choose_items(sizes, budget.n_items)
    words, measures = _words_of_items(totals, chosen, len(names), panel)
    accuracy = {} if tested is None else tested.words({names[item] for item in chosen.tolist()})
    texts = {
        item: tuple(filter(None, (line, accuracy.get(names[item], ""))))
        for item, line in words.items()
    }
    pictured = pictured_forecasts(
        panel, names, chosen, (forecasts.yhat, intervals), budget, words=texts, measures=measures
    )
    return build_gallery(
        pictured,
        timestamp_labels(panel.frequency, panel.display_timezone),
        budget,
        note=describe_choice(len(names), len(chosen), "forecast"),
        frequency=panel.frequency,
        n_first=steps_shown_first(horizon, run.season),
    )


def _words_of_items(
    totals: Sequence[ForecastTotals], chosen: Ints, n_items: int, panel: Panel
) -> tuple[dict[int, str], dict[str, Floats]]:
    """The forecasts of the chosen items in words, and numbers to sort them by, `[I]`."""
    words: dict[int, str] = {}
    is_total = totals[0].kind.is_total
    steps = format_steps(totals[0].steps, panel.frequency).removeprefix("1 ")
    center, width, change = (np.full(n_items, np.nan) for _ in range(3))
    for each in totals:
        items = chosen[chosen % len(totals) == each.target]
        summaries = each.of_series(items // len(totals))
        for item, summary in zip(items.tolist(), summaries, strict=True):
            if not np.isfinite(summary.center):
                words[item] = "No forecast."
                continue
            words[item] = describe_series(summary, is_total=each.kind.is_total)
            center[item], change[item] = summary.center, 100 * summary.change
            if summary.coverage and summary.center:
                width[item] = 100 * (summary.high - summary.low) / abs(summary.center)
    title = f"{'total' if is_total else 'average'} of the next {steps}"
    measures = {title: center, "change, %": change, "width of the range, %": width}
    return words, {name: each for name, each in measures.items() if np.isfinite(each).any()}


def _check_same_forecast(folder: ReadableFolder, again: pd.DataFrame) -> None:
    """Raises DataError unless the forecast in ``forecast.csv`` is `again`."""
    path = folder.path / "forecast.csv"
    try:
        file = io.BytesIO(folder.read_bytes("forecast.csv"))
        stored = pd.read_csv(file, usecols=["yhat"])["yhat"].to_numpy()
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}")) from error
    now = again["yhat"].to_numpy()
    if stored.shape != now.shape or not np.allclose(stored, now, rtol=1e-5, equal_nan=True):
        found = "the data or the run have changed since: they give another forecast now"
        raise DataError(Problem(str(path), found, "run 'rnnforecast predict' again"))
