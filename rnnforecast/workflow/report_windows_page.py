"""Content of the pages about a run and about a backtest: forecasts of observed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnnforecast.data.cleaning_plan import prepare_data
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import Frequency, parse_frequency
from rnnforecast.errors import DataError
from rnnforecast.output.folder_snapshot import ReadableFolder
from rnnforecast.output.forecast_report.content import (
    ForecastReport,
    ReportSection,
    ReportTable,
    SeriesGallery,
    Statement,
)
from rnnforecast.output.forecast_report.series_data import TimestampLabels
from rnnforecast.output.time_words import format_steps
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.types import Floats, Timestamps
from rnnforecast.wording import count_of
from rnnforecast.workflow.report_evaluation import (
    AccuracyClaim,
    accuracy_of_backtest,
    compare_with_best,
    coverage_statement,
    error_words,
    errors_by_item,
    evaluation_sections,
    worst_items,
)
from rnnforecast.workflow.report_files import BACKTEST_TYPES, damaged_file, read_summary
from rnnforecast.workflow.report_gallery import (
    MAX_HISTORY,
    MAX_WINDOWS,
    PageBudget,
    build_gallery,
    choose_items,
    describe_choice,
    item_names,
    panel_item_names,
    pictured_windows,
    plan_page,
    row_timestamp_labels,
    steps_shown_first,
    timestamp_labels,
)
from rnnforecast.workflow.report_holdout import HoldoutEvaluation
from rnnforecast.workflow.report_rows import EvaluationRows, read_rows
from rnnforecast.workflow.report_run import RunFiles, data_statement, run_sections


def run_report(
    run: Run, folder: ReadableFolder, data: Sequence[str] | None, listener: ProgressListener
) -> ForecastReport:
    """The page about a run, whose `REPORT_SOURCES` `folder` has: its forecasts of the held-out
    horizon."""
    files = RunFiles.read(folder)
    tested = HoldoutEvaluation.read(folder, run, files.metrics)
    frequency = parse_frequency(run.plan.clean.frequency)
    histories, zone = {}, ""
    claim, rows, names, sections = None, None, [], []
    statements = [data_statement(files)]
    if tested is not None:
        claim, rows, names, sections = tested.claim, tested.rows, tested.names, tested.sections()
        statements = [_figures(claim), tested.coverage, *statements]
        panel = _read_panel(run, data, listener)
        if panel is not None:
            histories = _histories(panel, set(names))
            zone = panel.display_timezone
    size = format_steps(run.horizon, frequency)
    return ForecastReport(
        title=f"Run {files.run_name}",
        subtitle_lines=(f"Forecasts of {size}, tested on the last ones of each series.",),
        headlines=_claims(claim),
        statements=tuple(each for each in statements if each is not None),
        gallery=_windows_gallery(rows, names, run.season, frequency, histories, zone),
        sections=(
            *sections,
            *run_sections(run, files, f"rnnforecast predict {files.run_name}"),
        ),
    )


def _claims(claim: AccuracyClaim | None) -> tuple[str, ...]:
    return () if claim is None else (f"{claim.claim}.",)


def _figures(claim: AccuracyClaim | None) -> Statement | None:
    return None if claim is None else Statement(f"{claim.figures}.", claim.grade)


def backtest_report(folder: ReadableFolder, name: str | None = None) -> ForecastReport:
    """The page about the backtest in `folder`; `name` is that of the folder by default."""
    file = folder.path / "backtest.json"
    stored = read_summary(folder, "backtest.json", BACKTEST_TYPES)
    versions = stored["metadata"].get("versions")
    if not stored["cutoffs"] or not isinstance(versions, dict):
        raise damaged_file(file, "it lacks cutoffs or versions")
    for key in ("baselines", "verdicts"):
        if not all(isinstance(each, dict) for each in stored[key].values()):
            raise damaged_file(file, f"{key} have no content")
    if not all({"outcome", "words"} <= each.keys() for each in stored["verdicts"].values()):
        raise damaged_file(file, "verdicts have no words")
    rows = read_rows(folder, "backtest.parquet", stored["baselines"])
    names: list[str] = []
    spec = RunFiles.read(folder).resolved_spec
    accuracy = accuracy_of_backtest(stored)
    tested_on = count_of(stored["windows"], "window")
    claim: AccuracyClaim | None = None
    statements: list[Statement | None] = []
    sections: list[ReportSection] = []
    if rows is not None:
        tested_on += f" of {stored['horizon']:,} steps"
        is_alone = set(rows.series) == {"series"}  # the label of a series without ids
        names = item_names(rows.series, rows.targets, has_ids=not is_alone)
        claim = compare_with_best(accuracy, tested_on)
        statements = [_figures(claim), coverage_statement(rows)]
        sections = evaluation_sections(
            rows, names, accuracy, tested_on, unseen=not stored["in_sample_windows"]
        )
    facts = {
        "windows": f"{stored['windows']:,}",
        "cutoffs": f"{stored['cutoffs'][0]} to {stored['cutoffs'][-1]}",
        "gap": f"{stored['gap']:,} steps",
        "trainings": f"{stored['trainings']:,}",
        **{name: str(value) for name, value in stored["metadata"].items() if name != "versions"},
        **stored["metadata"]["versions"],
    }
    if stored["in_sample_windows"]:
        numbers = ", ".join(map(str, stored["in_sample_windows"]))
        statements.append(
            Statement(
                f"The model was trained on part of the windows {numbers}: their errors are too "
                "small.",
                "look",
            )
        )
    return ForecastReport(
        title=f"Backtest {name or folder.path.resolve().name}",
        subtitle_lines=(
            f"{stored['series']:,} series, forecast from {count_of(stored['windows'], 'origin')}.",
        ),
        headlines=_claims(claim),
        statements=tuple(each for each in statements if each is not None),
        gallery=_windows_gallery(rows, names, 1, None, {}),
        sections=(
            *sections,
            ReportSection("spec", "Spec", files=(("resolved.yaml", spec),) if spec else ()),
            ReportSection(
                "reproduce",
                "How it was made",
                table=ReportTable((), [list(each) for each in facts.items()]),
            ),
        ),
    )


def _histories(panel: Panel, wanted: set[str]) -> dict[str, tuple[Timestamps, Floats]]:
    """The last timestamps and values of items, by name."""
    n_targets = len(panel.target_names)
    found = {}
    for item, name in enumerate(panel_item_names(panel)):
        if name not in wanted:
            continue
        series, target = divmod(item, n_targets)
        count = int(min(panel.lengths[series], MAX_HISTORY))
        first = panel.lengths[series : series + 1] - count
        rows = slice(panel.offsets[series + 1] - count, panel.offsets[series + 1])
        times = panel.window_timestamps(first, count, np.array([series]))[0]
        found[name] = (times, panel.targets[rows, target])
    return found


def _windows_gallery(
    rows: EvaluationRows | None,
    names: Sequence[str],
    season: int,
    frequency: Frequency | None,
    histories: Mapping[str, tuple[Timestamps, Floats]],
    timezone: str = "",
) -> SeriesGallery:
    """The series of an evaluation, the worst ones always among them."""
    if rows is None:
        budget = PageBudget(0, 0, ())
        labels = TimestampLabels("day")
        return build_gallery((), labels, budget, note="No series was tested.", frequency=None)
    errors = errors_by_item(rows)
    coverages = tuple(rows.intervals())
    budget = plan_page(
        len(names), rows.n_steps, season, coverages, n_windows=min(rows.n_windows, MAX_WINDOWS)
    )
    chosen = choose_items(next(iter(errors.values())), budget.n_items, always=worst_items(errors))
    pictured = pictured_windows(
        rows,
        names,
        chosen,
        budget,
        {item: histories[names[item]] for item in chosen.tolist() if names[item] in histories},
        words={
            item: (text,)
            for item, text in error_words(errors, "the tested steps", chosen.tolist()).items()
        },
        measures=errors,
    )
    labels = (
        row_timestamp_labels(rows) if frequency is None else timestamp_labels(frequency, timezone)
    )
    return build_gallery(
        pictured,
        labels,
        budget,
        note=describe_choice(len(names), len(chosen), "error"),
        frequency=frequency,
        baseline_name=rows.best_baseline,
        n_first=steps_shown_first(rows.n_steps, season) if rows.n_windows == 1 else 0,
    )


def _read_panel(run: Run, data: Sequence[str] | None, listener: ProgressListener) -> Panel | None:
    """The data of the run as they are now, for histories; None if they cannot be read."""
    try:
        return prepare_data(run.plan, data or run.source, horizon=run.horizon).panel
    except DataError as error:
        listener.warning(f"no histories on the page, since the data cannot be read: {error}")
        return None
