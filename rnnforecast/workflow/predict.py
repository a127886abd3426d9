"""`predict`: from a run folder and the data as it is now to a table of forecasts, and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import (
    CleanedData,
    align_table,
    build_inputs,
    read_table,
    transform_targets,
)
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.cleaning_report import describe_changes, format_percent
from rnnforecast.data.profiling.coverage import steps_behind_latest
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import PartFailed, Problem
from rnnforecast.evaluation.baselines import baseline_name, seasonal_naive
from rnnforecast.output.atomic_files import atomic_folder, write_json
from rnnforecast.output.forecast_table import forecast_frame, table_format, write_forecast
from rnnforecast.pipeline.auto import join_names
from rnnforecast.pipeline.forecasting import (
    Forecasts,
    forecast,
)
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.rnn_imputation import load_rnn_imputer
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.workflow.predict_totals import (
    ExtraTablesRequest,
    paths_table,
    sibling_path,
    totals_table,
)

TABLE_FILE, SUMMARY_FILE = "forecast.csv", "run.json"
MAX_NAMED_SERIES = 5
"""Series that are named in a message; the summary names all."""

MIN_FREQUENCY_AGREEMENT = 0.5
"""Data of which a smaller share of rows keep the run's frequency probably have another one."""


DEFAULT_EXTRA_TABLES = ExtraTablesRequest()


@dataclass(frozen=True)
class PredictResult:
    """What `predict` wrote."""

    out: str
    series: int
    """Series with a forecast, if only of some targets."""
    horizon: int
    failed: dict[str, str]
    """Label -> reason of each series that lacks a forecast, or that of a target."""
    skipped: dict[str, str]
    """Label -> reason of each series that the spec leaves out."""
    first: str
    last: str
    """The earliest and latest stamp that was forecast."""
    plots: int = 0
    warnings: tuple[str, ...] = ()
    """What was said on the way."""


def predict(
    folder: Path,
    out: str,
    *,
    data: Sequence[str] | None = None,
    horizon: int | None = None,
    plots: bool = True,
    extra_tables: ExtraTablesRequest = DEFAULT_EXTRA_TABLES,
    listener: ProgressListener | None = None,
) -> PredictResult:
    """Forecasts every series of the data from its end and writes the result to `out`.

    `out` is a folder (surely if it ends in ``/``), a ``.csv`` or ``.parquet`` file, or ``-``.
    `data` are files to read instead of those of the spec. `asked` are totals and paths beside it.
    Raises RunFolderError, DataError, OutputError; and, once the others are written, PartFailed
    where some series could not be forecast.
    """
    listener = listener or NullListener()
    into_folder = out != "-" and (out.endswith("/") or not Path(out).suffix)
    if not into_folder:
        table_format(out)
    run = load_run(folder)
    # a run trained on a GPU forecasts on whatever the machine at hand has
    place = device.select_device("cpu" if run.metadata["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(place)
    steps = horizon or run.config.horizon
    wanted_totals, wanted_paths = extra_tables.resolve(run, steps, allow_files=out != "-")
    table = read_table(run.plan, data or run.source)
    laid = align_table(run.plan, table, skip_faulty=True)
    cleaned = build_inputs(
        run.plan,
        laid,
        transform_targets(run.plan, laid.panel),
        horizon=_round_up_to_horizon(steps, run),
        rnn_imputer=load_rnn_imputer(run.plan),
        required_steps=steps,
    )
    panel = cleaned.panel
    warnings = tuple(_warnings(run, cleaned, steps))
    for line in warnings:
        listener.warning(line)
    levels = run.levels
    rules = replace(run.postprocessing, quantiles=levels.computed)
    whole = forecast(run.members, cleaned, panel.lengths, postprocessing=rules, horizon=steps)
    found = Forecasts(whole.yhat, levels.select(whole.quantiles))
    more = _build_extra_tables(run, panel, whole, wanted_totals, wanted_paths)
    # whatever is wrong with them, nothing is written
    drawn = _series_to_plot(run, panel) if plots and into_folder else np.empty(0, dtype=np.int64)
    predicted = _build_result(out, cleaned, found, warnings)
    if into_folder:
        with atomic_folder(Path(out), replace_if_contains=SUMMARY_FILE) as partial:
            _write_table(str(partial / TABLE_FILE), run, panel, found)
            _write_extra_tables(lambda name: partial / f"{name}.csv", panel, more)
            drawn_now = _plot_series(partial / "plots", run, panel, found, drawn)
            predicted = replace(predicted, plots=drawn_now)
            versions = {"run": str(folder.resolve()), **run.metadata["versions"]}
            write_json(partial / SUMMARY_FILE, versions | asdict(predicted))
    else:
        _write_table(out, run, panel, found)
        _write_extra_tables(lambda name: sibling_path(Path(out), name), panel, more)
    if predicted.failed:
        raise _part_failed_error(predicted)
    return predicted


def _round_up_to_horizon(steps: int, run: Run) -> int:
    """The steps ahead that are looked at: beyond the trained horizon they come in whole ones."""
    trained = run.config.horizon
    return -(-steps // trained) * trained


def _build_result(
    out: str, cleaned: CleanedData, forecasts: Forecasts, warnings: tuple[str, ...]
) -> PredictResult:
    panel, skipped = cleaned.panel, cleaned.changes.skipped
    failed = _failed_series(cleaned, forecasts)
    stamps = panel.window_timestamps(panel.lengths, forecasts.yhat.shape[1])
    return PredictResult(
        out=str(Path(out)),
        series=panel.n_series,
        horizon=forecasts.yhat.shape[1],
        failed=failed,
        skipped={label: why for label, why in skipped.items() if label not in failed},
        first=format_timestamp(stamps.min(), panel.display_timezone),
        last=format_timestamp(stamps.max(), panel.display_timezone),
        warnings=warnings,
    )


def _write_table(path: str, run: Run, panel: Panel, forecasts: Forecasts) -> None:
    frame = forecast_frame(
        panel.keys,
        panel.window_timestamps(panel.lengths, forecasts.yhat.shape[1]),
        time_column=run.plan.read_options.data.time,
        targets=panel.target_names,
        yhat=forecasts.yhat,
        quantiles=forecasts.quantiles,
        levels=run.quantiles,
    )
    daily = panel.frequency.is_daily_or_coarser
    write_forecast(
        path,
        frame.dropna(subset="yhat"),
        daily=daily,
        timezone=panel.utc_offset,
        zone=panel.display_timezone,
    )


def _build_extra_tables(
    run: Run, panel: Panel, forecasts: Forecasts, total_steps: tuple[int, ...], n_paths: int
) -> dict[str, pd.DataFrame]:
    """Totals and paths, as far as they are asked for, by name."""
    frames = {}
    if total_steps:
        frames["totals"] = totals_table(run, panel, forecasts, total_steps)
    if n_paths:
        frames["paths"] = paths_table(run, panel, forecasts, n_paths)
    return frames


def _write_extra_tables(
    path_for: Callable[[str], Path], panel: Panel, frames: Mapping[str, pd.DataFrame]
) -> None:
    """The tables, each in the file that `place` has for its name."""
    daily = panel.frequency.is_daily_or_coarser
    for name, frame in frames.items():
        zones = {"timezone": panel.utc_offset, "zone": panel.display_timezone}
        write_forecast(path_for(name), frame, daily=daily, **zones)


def _plot_series(folder: Path, run: Run, panel: Panel, forecasts: Forecasts, series: Ints) -> int:
    """Plots of the series `drawn`, beside the seasonal naive; how many, no folder where none."""
    if not len(series):
        return 0
    # matplotlib takes half a second to load: not for those who want no plots
    from rnnforecast.pipeline.series_plots import plot_series_forecasts

    chosen = panel.filter_series(np.isin(np.arange(panel.n_series), series))
    naive = seasonal_naive(
        chosen.targets,
        chosen.offsets,
        season=run.config.season,
        horizon=forecasts.yhat.shape[1],
        ends=chosen.offsets[1:],
    )
    folder.mkdir()
    return plot_series_forecasts(
        folder,
        panel,
        series,
        panel.lengths,
        forecasts,
        quantiles=run.quantiles,
        max_targets=run.n_plots,
        naive_forecast=naive,
        baseline_name=baseline_name(run.config.season),
    )


def _part_failed_error(result: PredictResult) -> PartFailed:
    failed = result.failed
    names = ", ".join(f"{label} ({why})" for label, why in list(failed.items())[:MAX_NAMED_SERIES])
    more = (
        f" … and {len(failed) - MAX_NAMED_SERIES:,} more" if len(failed) > MAX_NAMED_SERIES else ""
    )
    return PartFailed(
        Problem(
            "",
            f"{len(failed):,} series lack a forecast: {names}{more}",
            f"the forecasts of {result.series:,} series were written to {result.out}; "
            "see 'rnnforecast check' for what is wrong with the others",
        )
    )


def _failed_series(cleaned: CleanedData, forecasts: Forecasts) -> dict[str, str]:
    """The series that cannot be forecast; a series too short by the spec's own rule is none."""
    by_rule = cleaned.changes.series.loc[
        cleaned.changes.series["too_short"] & (cleaned.changes.series["observed"] > 0), "label"
    ]
    short = set(by_rule)
    failed = {label: why for label, why in cleaned.changes.skipped.items() if label not in short}
    unknown = np.asarray(np.isnan(forecasts.yhat).any(axis=1))  # [S, C]
    partly = np.asarray(unknown.any(axis=1))
    names = np.array(cleaned.panel.target_names)
    whys = (f"no value of {join_names(names[row])}" for row in unknown[partly])
    return failed | dict(zip(cleaned.panel.labels()[partly], whys, strict=True))


def _series_to_plot(run: Run, panel: Panel) -> Ints:
    """The series drawn at `train` that are still there, filled up with the first others."""
    known = np.isin(panel.labels(), run.plotted_series)
    order = np.argsort(~known, kind="stable")
    return np.sort(order[: run.n_plots])


def _warnings(run: Run, cleaned: CleanedData, steps: int) -> Iterator[str]:
    """What cleaning changed, and what is unlike the training, a line each."""
    panel, changes = cleaned.panel, cleaned.changes
    yield from describe_changes(changes.counts)
    if changes.agreement < MIN_FREQUENCY_AGREEMENT:
        yield (
            f"only {format_percent(changes.agreement)} of the rows follow one step of "
            f"{panel.frequency.alias} after another, which the run was trained for"
        )
    if cleaned.outside_domain_count.any():
        yield (
            f"{cleaned.outside_domain_count.sum():,} values have no place on the scale of clean.transform and "
            "are taken as missing"
        )
    unseen = cleaned.features.unseen_count
    if unseen:
        yield f"{unseen:,} cells hold a category that there was none of at training"
    low = cleaned.values[cleaned.target_mask] <= 0
    if (
        any("log" in WINDOW_SCALERS.traits(m.net.config.normalize) for m in run.members)
        and low.any()
    ):
        yield (
            f"{low.sum():,} values are zero or negative: the model takes logs and reads them as "
            "very small ones; train with model.normalize standard if they are real"
        )
    late = steps_behind_latest(panel)
    if (
        late.any() and panel.irregular_timestamps is None
    ):  # rows without a step of their own end anywhere
        first = int(np.argmax(late))
        end = panel.window_timestamps(panel.lengths - 1, 1)[first, 0]
        yield (
            f"{np.count_nonzero(late):,} of {panel.n_series:,} series end before the latest does, "
            f"{panel.labels()[first]} by {late[first]:,} steps, on {format_timestamp(end, panel.display_timezone)}: each "
            "is forecast from its own end"
        )
    read = min(member.net.config.input_length for member in run.members)
    short = int((2 * panel.lengths < read).sum())
    if 2 * short > panel.n_series:
        yield (
            f"{short:,} of {panel.n_series:,} series have less than half of the {read} steps that the "
            "network reads: give it more of the past"
        )
    trained = run.config.horizon
    if steps > trained:
        yield (
            f"horizon {steps} is beyond the {trained} steps it was trained for: later steps are "
            "forecast from earlier forecasts, with wider intervals"
        )
