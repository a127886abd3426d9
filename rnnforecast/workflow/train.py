"""`train`: from a spec to a run folder; `fitting` has the fits themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.evaluation.baselines import baseline_name
from rnnforecast.output.atomic_files import write_json, write_text
from rnnforecast.output.forecast_plots import plot_loss
from rnnforecast.pipeline import data_report
from rnnforecast.pipeline.auto import join_names
from rnnforecast.pipeline.prepare import PreparedData, prepare
from rnnforecast.pipeline.progress import NullListener, ProgressListener, RecordingListener
from rnnforecast.pipeline.run_folder import (
    RESOLVED_SPEC_FILE,
    Run,
    create_run_folder,
    load_run,
    write_model,
)
from rnnforecast.pipeline.series_plots import plot_series_forecasts
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.spec.load import dump_spec
from rnnforecast.training import device
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import HistoryRow
from rnnforecast.workflow.train_holdout import evenly_spaced_by_score
from rnnforecast.workflow.train_session import FitResult, TrainingSession

MAX_NAMED_SERIES = 5
"""Series left out that are named in a warning; the log and `check` name all."""


@dataclass(frozen=True)
class TrainResult:
    """What `train` leaves behind, besides the run folder."""

    folder: Path
    ours: dict[str, float]
    seasonal_naive: dict[str, float]
    baseline: str
    """What `seasonal_naive` is called: `naive` without a season, when it repeats the last value."""
    series_tested: int
    """Series that were long enough to be scored."""
    series: int
    interrupted: bool
    """True where training was asked to stop; the best weights so far were kept."""


def train(
    path: Path,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> TrainResult:
    """Trains what the spec at `path` says and writes the run to `folder`.

    `overrides` are `section.key=value`. With `resume` an unfinished training of the same spec and
    data goes on where it stopped. Of a `team` only the first process writes. Raises SpecError,
    DataError, TrainingDiverged, OutputError.
    """
    recorder = RecordingListener(listener or NullListener())
    prepared = prepare(path, overrides)
    session = TrainingSession(prepared, folder, recorder, should_stop, distributed)
    unfinished = session.load_checkpoint() if resume else None
    if resume and unfinished is None:
        finished = _load_finished(folder, session.fingerprint)
        if finished is not None:
            recorder.info(f"{folder} is finished already: nothing to resume")
            return finished
        recorder.info("no unfinished training to resume: starting from the beginning")
    for line in _summary_lines(prepared, session):
        recorder.info(line)
    for line in _warnings(prepared, session):
        recorder.warning(line)
    # first, so that a place that cannot be written fails now
    with create_run_folder(folder) if distributed.is_main else nullcontext() as partial:
        fitted = session.run(unfinished)
        trained = TrainResult(
            folder=folder,
            ours=fitted.evaluation.model_metrics,
            seasonal_naive=fitted.evaluation.naive_metrics,
            baseline=baseline_name(session.season),
            series_tested=len(fitted.evaluation.series),
            series=session.panel.n_series,
            interrupted=fitted.interrupted,
        )
        for line in _baseline_warning(trained):
            recorder.warning(line)
        if partial is not None:
            _write_run(partial, prepared, session, fitted, trained)
            write_text(partial / "log.jsonl", recorder.to_jsonl())
    if distributed.is_main and not trained.interrupted:
        session.checkpoint_file.unlink(missing_ok=True)
    return trained


def _write_run(
    folder: Path,
    prepared: PreparedData,
    session: TrainingSession,
    fit_result: FitResult,
    result: TrainResult,
) -> None:
    spec, panel, scored = session.spec, session.panel, fit_result.evaluation
    shown = evenly_spaced_by_score(scored.smape, int(spec.forecast.plots))
    run = Run(
        plan=prepared.plan,
        members=tuple(fit_result.ensemble.members),
        combiner=fit_result.ensemble.combiner,
        interval_scaling=fit_result.ensemble.interval_scaling,
        error_correlation=fit_result.ensemble.error_correlation,
        smoothed_items=session.smoothed_items,
        quantiles=spec.forecast.quantiles,
        source=prepared.source,
        totals=spec.forecast.totals,
        n_paths=spec.forecast.sample_paths,
        n_plots=int(spec.forecast.plots),
        plotted_series=tuple(panel.labels()[scored.series[shown]]),
        metadata={
            "versions": {"rnnforecast": __version__, "torch": device.TORCH_VERSION},
            "seed": spec.training.seed,
            "device": spec.training.device,
            "identity": session.fingerprint,
            "data_sha256": session.data_hash,
            "interrupted": fit_result.interrupted,
            "parameters": sum(
                part.numel()
                for member in fit_result.ensemble.members
                for part in member.net.parameters()
            ),
        },
    )
    data_report.write_data_report(folder, prepared)
    write_text(folder / "spec.yaml", dump_spec(prepared.given_spec))
    write_text(folder / RESOLVED_SPEC_FILE, dump_spec(spec))
    write_model(folder, run)
    scores = {field.name: getattr(result, field.name) for field in fields(result)}
    del scores["folder"]  # the same run has the same bytes wherever it lies
    write_json(folder / "metrics.json", scores)
    _write_history(folder, fit_result)
    plot_series_forecasts(
        folder / "plots",
        panel,
        scored.series[shown],
        session.split.test_origin,
        fit_result.held_out_forecasts,
        quantiles=run.quantiles,
        max_targets=run.n_plots,
        naive_forecast=scored.naive_forecast[shown],
        baseline_name=result.baseline,
        actual=scored.actual[shown],
        note="held-out horizon",
    )


def _write_history(folder: Path, fit_result: FitResult) -> None:
    """`history.csv` and the plot of the (first network's) loss."""
    # of an ensemble also which network
    names = (
        list(fit_result.history[0])
        if fit_result.history
        else [field.name for field in fields(HistoryRow)]
    )
    lines = [",".join(names)]
    lines += [",".join(f"{row[name]:.9g}" for name in names) for row in fit_result.history]
    write_text(folder / "history.csv", "\n".join(lines) + "\n")
    shown = [row for row in fit_result.history if row.get("member", 1) == 1]
    steps, losses, validated = (
        np.array([row[name] for row in shown], dtype=np.float64)
        for name in ("step", "train_loss", "validation_loss")
    )
    (folder / "plots").mkdir()
    plot_loss(folder / "plots" / "loss", steps, losses, validated, fit_result.best_step or None)


def _baseline_warning(result: TrainResult) -> Iterator[str]:
    """That the simplest forecast was as good, if it was."""
    ours, naive = result.ours["mase"], result.seasonal_naive["mase"]
    if ours >= naive and not result.interrupted:
        yield (
            f"the {result.baseline} forecast was no worse on the held-out horizon (MASE "
            f"{naive:.3f}, ours {ours:.3f}): more history, another horizon or another season may "
            "help; with few series one horizon says little"
        )


def _load_finished(folder: Path, fingerprint: str) -> TrainResult | None:
    """The finished run at `folder`, if it is one of the same spec and data."""
    if not folder.exists():
        return None
    run = load_run(folder)
    if run.metadata["identity"] != fingerprint or run.metadata["interrupted"]:
        return None
    stored = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for name in ("ours", "seasonal_naive"):
        stored[name] = {k: math.nan if v is None else v for k, v in stored[name].items()}
    # a folder may have been written before its metrics held this
    stored["baseline"] = baseline_name(run.config.season)
    return TrainResult(folder=folder, **stored)


def _summary_lines(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """What was read and what was chosen, a line each."""
    panel = session.panel
    yield (
        f"{panel.n_series:,} series, {len(panel.targets):,} steps at {panel.frequency.alias}, "
        f"{join_names(panel.target_names)}; on {device.describe_device(session.device)}"
    )
    for choice in prepared.choices:
        yield f"auto  {choice}"


def _warnings(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """What cleaning changed and whom the scores leave out, a line each."""
    changes, panel = prepared.cleaned.changes, session.panel
    for label, reason in list(changes.skipped.items())[:MAX_NAMED_SERIES]:
        yield f"left out: {label}: {reason}"
    if len(changes.skipped) > MAX_NAMED_SERIES:
        yield f"left out: … and {len(changes.skipped) - MAX_NAMED_SERIES:,} more series"
    short = int((session.split.test_origin < 0).sum())
    if short:
        yield (
            f"{short:,} of {panel.n_series:,} series are too short to be scored; "
            "they are learnt from in the last fit only"
        )
    if not session.split.has_validation.any():
        yield (
            "no series is long enough for validation, so training cannot stop early; a shorter "
            "window.horizon or more history would allow it"
        )
    yield from describe_changes(changes.counts)
    found = int(prepared.cleaned.outliers.flags.sum())
    if found:
        done = {"missing": "taken as missing", "clip": "moved to the edge of the usual range"}
        how = done.get(prepared.plan.outliers.action, "kept as they are")
        yield f"{found:,} outliers: {how}"
    takes_logs = {each.normalize for each in session.configs}.intersection(
        WINDOW_SCALERS.having("log")
    )
    low = int((prepared.cleaned.values[prepared.cleaned.target_mask] <= 0).sum())
    if low and takes_logs:
        names = " and ".join(sorted(takes_logs))
        yield (
            f"{low:,} values are zero or negative, and model.normalize: {names} reads them as very "
            "small ones: set it to auto"
        )
    kept = changes.series["skipped"] == ""
    constant = int((changes.series["constant"][kept] > 0).sum())
    if constant:
        yield f"{constant:,} series never change; their MASE is not defined"
