"""`predict`: from a run folder and the data as it is now to a table of forecasts, and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import Cleaned, finish, lay, read_table, treat
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.problems import spoken
from rnnforecast.data.profiling.cleaning_report import changed, percent
from rnnforecast.data.profiling.coverage import behind
from rnnforecast.errors import PartFailed, Problem
from rnnforecast.evaluation.baselines import naive_name, seasonal_naive
from rnnforecast.models.compatibility import LOGS
from rnnforecast.output.atomic_files import whole_folder, write_json
from rnnforecast.output.forecast_table import forecast_frame, table_format, write_forecast
from rnnforecast.pipeline.auto import shortened
from rnnforecast.pipeline.forecasting import (
    Forecasts,
    forecast,
    levels_with_median,
)
from rnnforecast.pipeline.progress import Listener, Silent
from rnnforecast.pipeline.rnn_imputation import estimate_of
from rnnforecast.pipeline.run_folder import Run, load_run
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.workflow.predict_totals import Asked, beside, sample, totals

TABLE, SUMMARY = "forecast.csv", "run.json"
SHOWN = 5
"""Series that are named in a message; the summary names all."""

MOST = 0.5
"""Data of which a smaller share of rows keep the run's frequency probably have another one."""


AS_IN_THE_SPEC = Asked()


@dataclass(frozen=True)
class Predicted:
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
    extra_tables: Asked = AS_IN_THE_SPEC,
    listener: Listener | None = None,
) -> Predicted:
    """Forecasts every series of the data from its end and writes the result to `out`.

    `out` is a folder (surely if it ends in ``/``), a ``.csv`` or ``.parquet`` file, or ``-``.
    `data` are files to read instead of those of the spec. `asked` are totals and paths beside it.
    Raises RunFolderError, DataError, OutputError; and, once the others are written, PartFailed
    where some series could not be forecast.
    """
    listener = listener or Silent()
    into_folder = out != "-" and (out.endswith("/") or not Path(out).suffix)
    if not into_folder:
        table_format(out)
    run = load_run(folder)
    # a run trained on a GPU forecasts on whatever the machine at hand has
    place = device.choose("cpu" if run.facts["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(place)
    steps = horizon or run.architecture.horizon
    wanted_totals, wanted_paths = extra_tables.settled(run, steps, allow_files=out != "-")
    table = read_table(run.plan, data or run.source)
    laid = lay(run.plan, table, skip_faulty=True)
    cleaned = finish(
        run.plan,
        laid,
        treat(run.plan, laid.panel),
        horizon=_in_blocks(steps, run),
        rnn_imputer=estimate_of(run.plan),
        required_steps=steps,
    )
    panel = cleaned.panel
    warnings = tuple(_warnings(run, cleaned, steps))
    for line in warnings:
        listener.warn(line)
    levels = levels_with_median(run.quantiles)
    rules = replace(run.rules, quantiles=levels)
    whole = forecast(run.members, cleaned, panel.lengths, postprocessing=rules, horizon=steps)
    wanted = [levels.index(level) for level in run.quantiles]
    found = Forecasts(whole.yhat, whole.quantiles[..., wanted])
    more = _asked_tables(run, panel, whole, wanted_totals, wanted_paths)
    # whatever is wrong with them, nothing is written
    drawn = _to_draw(run, panel) if plots and into_folder else np.empty(0, dtype=np.int64)
    predicted = _summary(out, cleaned, found, warnings)
    if into_folder:
        with whole_folder(Path(out), replace_if=SUMMARY) as partial:
            _write_table(str(partial / TABLE), run, panel, found)
            _write_asked(lambda name: partial / f"{name}.csv", panel, more)
            drawn_now = _draw(partial / "plots", run, panel, found, drawn)
            predicted = replace(predicted, plots=drawn_now)
            versions = {"run": str(folder.resolve()), **run.facts["versions"]}
            write_json(partial / SUMMARY, versions | asdict(predicted))
    else:
        _write_table(out, run, panel, found)
        _write_asked(lambda name: beside(Path(out), name), panel, more)
    if predicted.failed:
        raise _part_failed(predicted)
    return predicted


def _in_blocks(steps: int, run: Run) -> int:
    """The steps ahead that are looked at: beyond the trained horizon they come in whole ones."""
    trained = run.architecture.horizon
    return -(-steps // trained) * trained


def _summary(out: str, cleaned: Cleaned, forecasts: Forecasts, warnings: tuple[str, ...]) -> Predicted:
    panel, skipped = cleaned.panel, cleaned.changes.skipped
    failed = _failed(cleaned, forecasts)
    stamps = panel.stamps(panel.lengths, forecasts.yhat.shape[1])
    return Predicted(
        out=str(Path(out)),
        series=panel.size,
        horizon=forecasts.yhat.shape[1],
        failed=failed,
        skipped={label: why for label, why in skipped.items() if label not in failed},
        first=spoken(stamps.min(), panel.zone),
        last=spoken(stamps.max(), panel.zone),
        warnings=warnings,
    )


def _write_table(path: str, run: Run, panel: Panel, forecasts: Forecasts) -> None:
    frame = forecast_frame(
        panel.keys,
        panel.stamps(panel.lengths, forecasts.yhat.shape[1]),
        time=run.plan.reading.time,
        targets=panel.targets_names,
        yhat=forecasts.yhat,
        quantiles=forecasts.quantiles,
        levels=run.quantiles,
    )
    daily = panel.frequency.coarser_than_a_day
    write_forecast(
        path,
        frame.dropna(subset="yhat"),
        daily=daily,
        timezone=panel.timezone,
        zone=panel.zone,
    )


def _asked_tables(
    run: Run, panel: Panel, forecasts: Forecasts, total_steps: tuple[int, ...], n_paths: int
) -> dict[str, pd.DataFrame]:
    """Totals and paths, as far as they are asked for, by name."""
    frames = {}
    if total_steps:
        frames["totals"] = totals(run, panel, forecasts, total_steps)
    if n_paths:
        frames["paths"] = sample(run, panel, forecasts, n_paths)
    return frames


def _write_asked(
    path_for: Callable[[str], Path], panel: Panel, frames: Mapping[str, pd.DataFrame]
) -> None:
    """The tables, each in the file that `place` has for its name."""
    daily = panel.frequency.coarser_than_a_day
    for name, frame in frames.items():
        zones = {"timezone": panel.timezone, "zone": panel.zone}
        write_forecast(path_for(name), frame, daily=daily, **zones)


def _draw(folder: Path, run: Run, panel: Panel, forecasts: Forecasts, series: Ints) -> int:
    """Plots of the series `drawn`, beside the seasonal naive; how many, no folder where none."""
    if not len(series):
        return 0
    # matplotlib takes half a second to load: not for those who want no plots
    from rnnforecast.pipeline.series_plots import draw

    chosen = panel.select(np.isin(np.arange(panel.size), series))
    naive = seasonal_naive(
        chosen.targets,
        chosen.offsets,
        season=run.architecture.season,
        horizon=forecasts.yhat.shape[1],
        ends=chosen.offsets[1:],
    )
    folder.mkdir()
    return draw(
        folder,
        panel,
        series,
        panel.lengths,
        forecasts,
        quantiles=run.quantiles,
        max_targets=run.plots,
        naive_forecast=naive,
        baseline_name=naive_name(run.architecture.season),
    )


def _part_failed(result: Predicted) -> PartFailed:
    failed = result.failed
    names = ", ".join(f"{label} ({why})" for label, why in list(failed.items())[:SHOWN])
    more = f" … and {len(failed) - SHOWN:,} more" if len(failed) > SHOWN else ""
    return PartFailed(
        Problem(
            "",
            f"{len(failed):,} series lack a forecast: {names}{more}",
            f"the forecasts of {result.series:,} series were written to {result.out}; "
            "see 'rnnforecast check' for what is wrong with the others",
        )
    )


def _failed(cleaned: Cleaned, forecasts: Forecasts) -> dict[str, str]:
    """The series that cannot be forecast; a series too short by the spec's own rule is none."""
    by_rule = cleaned.changes.series.loc[
        cleaned.changes.series["too_short"] & (cleaned.changes.series["observed"] > 0), "label"
    ]
    short = set(by_rule)
    failed = {label: why for label, why in cleaned.changes.skipped.items() if label not in short}
    unknown = np.asarray(np.isnan(forecasts.yhat).any(axis=1))  # [S, C]
    partly = np.asarray(unknown.any(axis=1))
    names = np.array(cleaned.panel.targets_names)
    whys = (f"no value of {shortened(names[row])}" for row in unknown[partly])
    return failed | dict(zip(cleaned.panel.labels()[partly], whys, strict=True))


def _to_draw(run: Run, panel: Panel) -> Ints:
    """The series drawn at `train` that are still there, filled up with the first others."""
    known = np.isin(panel.labels(), run.plotted)
    order = np.argsort(~known, kind="stable")
    return np.sort(order[: run.plots])


def _warnings(run: Run, cleaned: Cleaned, steps: int) -> Iterator[str]:
    """What cleaning changed, and what is unlike the training, a line each."""
    panel, changes = cleaned.panel, cleaned.changes
    yield from changed(vars(changes))
    if changes.agreement < MOST:
        yield (
            f"only {percent(changes.agreement)} of the rows follow one step of "
            f"{panel.frequency.alias} after another, which the run was trained for"
        )
    if cleaned.outside.any():
        yield (
            f"{cleaned.outside.sum():,} values have no place on the scale of clean.transform and "
            "are taken as missing"
        )
    unseen = cleaned.features.unseen
    if unseen:
        yield f"{unseen:,} cells hold a category that there was none of at training"
    low = cleaned.values[cleaned.counted] <= 0
    if any(m.net.architecture.normalize in LOGS for m in run.members) and low.any():
        yield (
            f"{low.sum():,} values are zero or negative: the model takes logs and reads them as "
            "very small ones; train with model.normalize standard if they are real"
        )
    late = behind(panel)
    if late.any() and panel.times is None:  # rows without a step of their own end anywhere
        first = int(np.argmax(late))
        end = panel.stamps(panel.lengths - 1, 1)[first, 0]
        yield (
            f"{np.count_nonzero(late):,} of {panel.size:,} series end before the latest does, "
            f"{panel.labels()[first]} by {late[first]:,} steps, on {spoken(end, panel.zone)}: each "
            "is forecast from its own end"
        )
    read = min(member.net.architecture.steps_read for member in run.members)
    short = int((2 * panel.lengths < read).sum())
    if 2 * short > panel.size:
        yield (
            f"{short:,} of {panel.size:,} series have less than half of the {read} steps that the "
            "network reads: give it more of the past"
        )
    trained = run.architecture.horizon
    if steps > trained:
        yield (
            f"horizon {steps} is beyond the {trained} steps it was trained for: later steps are "
            "forecast from earlier forecasts, with wider intervals"
        )
