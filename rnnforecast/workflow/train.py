"""`train`: a run folder from a spec."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from rnnforecast import __version__
from rnnforecast.data.profiling.cleaning_report import describe_changes, doubtful_readings
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
from rnnforecast.types import Ints
from rnnforecast.workflow.train_holdout import evenly_spaced_by_score
from rnnforecast.workflow.train_session import FitResult, TrainingSession

METRICS_FILE = "metrics.json"

MAX_NAMED_SERIES = 5
"""Most series left out that warnings name; `check` names all."""


@dataclass(frozen=True)
class TrainResult:
    """The run folder, and the content of `metrics.json`: metrics on the held-out horizon."""

    folder: Path
    model_metrics: dict[str, float]
    baseline_metrics: dict[str, float]
    baseline_name: str
    """`seasonal naive`, or `naive` without a season."""
    series_tested: int
    """Series that were long enough to be scored."""
    series: int
    interrupted: bool
    """Whether `should_stop` ended the training; the best weights so far were kept."""


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
    """Trains the networks of the spec at `path` and writes the run to `folder`.

    Args:
        overrides: ``section.key=value`` each.
        resume: continue an unfinished training of the same spec and data.
        should_stop: polled during training; True ends it early.
        distributed: the processes of this training; the main one writes the run.

    Raises:
        SpecError, DataError, TrainingDiverged, OutputError, UsageError, RunFolderError.
    """
    recorder = RecordingListener(listener or NullListener())
    prepared = prepare(path, overrides)
    session = TrainingSession(prepared, folder, recorder, should_stop, distributed)
    checkpoint = session.checkpoint_file.load() if resume else None
    if resume and checkpoint is None:
        finished = _load_finished(folder, session.fingerprint)
        if finished is not None:
            recorder.info(f"{folder} is finished already: nothing to resume")
            return finished
        recorder.info("no unfinished training to resume: starting from the beginning")
    for line in _summary_lines(prepared, session):
        recorder.info(line)
    for line in _warnings(prepared, session):
        recorder.warning(line)
    # before the fits, so that a folder that cannot be written fails now
    with create_run_folder(folder) if distributed.is_main else nullcontext() as partial:
        fit_result = session.run(checkpoint)
        result = TrainResult(
            folder=folder,
            model_metrics=fit_result.evaluation.model_metrics,
            baseline_metrics=fit_result.evaluation.naive_metrics,
            baseline_name=baseline_name(session.season),
            series_tested=len(fit_result.evaluation.series),
            series=session.panel.n_series,
            interrupted=fit_result.interrupted,
        )
        for line in _baseline_warning(result):
            recorder.warning(line)
        if partial is not None:
            _write_run(partial, prepared, session, fit_result, result)
            write_text(partial / "log.jsonl", recorder.to_jsonl())
    if distributed.is_main and not result.interrupted:
        session.checkpoint_file.remove()
    return result


def _write_run(
    folder: Path,
    prepared: PreparedData,
    session: TrainingSession,
    fit_result: FitResult,
    result: TrainResult,
) -> None:
    evaluation = fit_result.evaluation
    shown = evenly_spaced_by_score(evaluation.smape, int(session.spec.forecast.plots))
    run = _build_run(prepared, session, fit_result, evaluation.series[shown])
    data_report.write_data_report(folder, prepared)
    write_text(folder / "spec.yaml", dump_spec(prepared.given_spec))
    write_text(folder / RESOLVED_SPEC_FILE, dump_spec(session.spec))
    write_model(folder, run)
    stored = asdict(result)
    del stored["folder"]  # the bytes must not depend on the location
    write_json(folder / METRICS_FILE, stored)
    _write_history(folder, fit_result)
    plot_series_forecasts(
        folder / "plots",
        run,
        session.panel,
        evaluation.series[shown],
        session.split.test_origin,
        fit_result.held_out_forecasts,
        actual=evaluation.actual[shown],
        note="held-out horizon",
    )


def _build_run(
    prepared: PreparedData, session: TrainingSession, fit_result: FitResult, plotted: Ints
) -> Run:
    """The run; `plotted` are the indices of the plotted series."""
    spec, ensemble = session.spec, fit_result.ensemble
    return Run(
        plan=prepared.plan,
        members=tuple(ensemble.members),
        combiner=ensemble.combiner,
        interval_scaling=ensemble.interval_scaling,
        error_correlation=ensemble.error_correlation,
        smoothed_items=session.smoothed_items,
        quantiles=spec.forecast.quantiles,
        source=prepared.source,
        totals=spec.forecast.totals,
        n_paths=spec.forecast.sample_paths,
        n_plots=int(spec.forecast.plots),
        plotted_series=tuple(session.panel.labels()[plotted]),
        metadata={
            "versions": {"rnnforecast": __version__, "torch": device.TORCH_VERSION},
            "seed": spec.training.seed,
            "device": spec.training.device,
            "fingerprint": session.fingerprint,
            "data_sha256": session.data_hash,
            "interrupted": fit_result.interrupted,
            "parameters": sum(
                parameter.numel()
                for member in ensemble.members
                for parameter in member.net.parameters()
            ),
        },
    )


def _write_history(folder: Path, fit_result: FitResult) -> None:
    """Writes `history.csv`, and a plot of the losses of the first network."""
    rows = fit_result.history
    names = list(rows[0]) if rows else [field.name for field in fields(HistoryRow)]
    lines = [",".join(names)]
    lines += [",".join(f"{row[name]:.9g}" for name in names) for row in rows]
    write_text(folder / "history.csv", "\n".join(lines) + "\n")
    shown = [row for row in rows if row.get("member", 1) == 1]
    steps, train_loss, validation_loss = (
        np.array([row[name] for row in shown], dtype=np.float64)
        for name in ("step", "train_loss", "validation_loss")
    )
    (folder / "plots").mkdir()
    best_step = fit_result.best_step or None
    plot_loss(folder / "plots" / "loss", steps, train_loss, validation_loss, best_step)


def _baseline_warning(result: TrainResult) -> Iterator[str]:
    """A line if the baseline was at least as good."""
    model, naive = result.model_metrics["mase"], result.baseline_metrics["mase"]
    if model >= naive and not result.interrupted:
        yield (
            f"the {result.baseline_name} forecast was no worse on the held-out horizon (MASE "
            f"{naive:.3f}, ours {model:.3f}): more history, another horizon or another season may "
            "help; with few series, one horizon is weak evidence"
        )


def _load_finished(folder: Path, fingerprint: str) -> TrainResult | None:
    """The finished run at `folder`, if it is of the same spec and data."""
    if not folder.exists():
        return None
    metadata = load_run(folder).metadata
    if metadata["fingerprint"] != fingerprint or metadata["interrupted"]:
        return None
    stored = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    for name in ("model_metrics", "baseline_metrics"):
        stored[name] = {k: math.nan if v is None else v for k, v in stored[name].items()}
    return TrainResult(folder=folder, **stored)


def _summary_lines(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about the size of the data and the automatic values."""
    panel = session.panel
    yield (
        f"{panel.n_series:,} series, {len(panel.targets):,} steps at {panel.frequency.alias}, "
        f"{join_names(panel.target_names)}; on {device.describe_device(session.device)}"
    )
    for choice in prepared.choices:
        yield f"auto  {choice}"


def _warnings(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about what cleaning changed, and about series left out of training or scores."""
    changes, panel = prepared.cleaned.changes, session.panel
    for label, reason in list(changes.skipped.items())[:MAX_NAMED_SERIES]:
        yield f"left out: {label}: {reason}"
    if len(changes.skipped) > MAX_NAMED_SERIES:
        yield f"left out: … and {len(changes.skipped) - MAX_NAMED_SERIES:,} more series"
    too_short = int((session.split.test_origin < 0).sum())
    if too_short:
        yield (
            f"{too_short:,} of {panel.n_series:,} series are too short to be scored; "
            "they are trained on in the final fit only"
        )
    if session.validation is None:
        yield (
            "no series is long enough for validation, so training cannot stop early; a shorter "
            "window.horizon or more history would allow it"
        )
    yield from map(str, prepared.unused_keys)
    yield from doubtful_readings(prepared.cleaned.table, changes)
    yield from describe_changes(changes.counts)
    yield from _value_warnings(prepared, session)


def _value_warnings(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about outliers, values without a logarithm, and constant series."""
    cleaned = prepared.cleaned
    n_outliers = int(cleaned.outliers.flags.sum())
    if n_outliers:
        done = {"missing": "taken as missing", "clip": "moved to the edge of the usual range"}
        how = done.get(prepared.plan.clean.outlier_action, "kept as they are")
        yield f"{n_outliers:,} outlier{'s' * (n_outliers > 1)}: {how}"
    log_normalizers = {config.normalize for config in session.configs}.intersection(
        WINDOW_SCALERS.having("log")
    )
    n_low = int((cleaned.values[cleaned.target_mask] <= 0).sum())
    if n_low and log_normalizers:
        yield (
            f"{n_low:,} values are zero or negative, and model.normalize: "
            f"{' and '.join(sorted(log_normalizers))} reads them as very small ones: set it to auto"
        )
    series = cleaned.changes.series
    n_constant = int((series["constant"][series["skipped"] == ""] > 0).sum())
    if n_constant:
        yield f"{n_constant:,} series never change; their MASE is not defined"
