"""`train`: a run folder from a spec."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast import __version__
from rnnforecast.data.panel.panel import describe_size
from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.output.atomic_files import write_json, write_text
from rnnforecast.output.loss_plot import plot_loss
from rnnforecast.pipeline import data_report
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
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.training.fit_state import HistoryRow
from rnnforecast.types import Ints
from rnnforecast.wording import join_names
from rnnforecast.workflow.train_holdout import Scores, evenly_spaced_by_score
from rnnforecast.workflow.train_session import FitResult, TrainingSession
from rnnforecast.workflow.train_warnings import score_warnings, training_warnings

METRICS_FILE, SERIES_METRICS_FILE = "metrics.json", "metrics_by_series.csv"


@dataclass(frozen=True)
class TrainResult:
    """The run folder, and the content of `metrics.json`: metrics on the held-out horizon."""

    folder: Path
    model_metrics: dict[str, float]
    """Of one target in its units; of several, means of those metrics that have no unit."""
    baseline_metrics: dict[str, float]
    """The same of the best baseline."""
    baseline_name: str
    """The baseline with the lowest MASE: ``naive``, ``drift``, ``seasonal naive``, ``seasonal naive
    with drift``, ``theta`` or ``exponential smoothing``."""
    baseline_mase: dict[str, float]
    """MASE of each baseline, by name."""
    targets: dict[str, Scores]
    """The same of each target, whose best baseline may be another."""
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
    for line in training_warnings(prepared, session):
        recorder.warning(line)
    # before the fits, so that a folder that cannot be written fails now
    with create_run_folder(folder) if distributed.is_main else nullcontext() as partial:
        fit_result = session.run(checkpoint)
        result = TrainResult(
            folder=folder,
            **vars(fit_result.evaluation.scores),
            targets=fit_result.evaluation.by_target,
            series_tested=len(fit_result.evaluation.series),
            series=session.panel.n_series,
            interrupted=fit_result.interrupted,
        )
        if not result.interrupted:
            for line in score_warnings(fit_result.evaluation.scores, result.targets):
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
    write_text(folder / RESOLVED_SPEC_FILE, dump_spec(_as_trained(session.spec, run)))
    write_model(folder, run)
    stored = asdict(result)
    del stored["folder"]  # the bytes must not depend on the location
    write_json(folder / METRICS_FILE, stored)
    write_text(folder / SERIES_METRICS_FILE, _to_csv(evaluation.by_series))
    _write_history(folder, fit_result)
    plot_series_forecasts(
        folder / "plots",
        run,
        session.panel,
        evaluation.series[shown],
        session.split.test_origin,
        fit_result.held_out_forecasts,
        actual=evaluation.actual[shown],
    )


def _as_trained(spec: Spec, run: Run) -> Spec:
    """The spec with the number of networks there are: a stop or a time budget leaves fewer."""
    ensemble = spec.ensemble.model_copy(update={"members": len(run.members)})
    return spec.model_copy(update={"ensemble": ensemble})


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
        network_weight=ensemble.network_weight,
        statistical_seasons=session.statistical_seasons,
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


def _load_finished(folder: Path, fingerprint: str) -> TrainResult | None:
    """The finished run at `folder`, if it is of the same spec and data."""
    if not folder.exists():
        return None
    metadata = load_run(folder).metadata
    if metadata["fingerprint"] != fingerprint or metadata["interrupted"]:
        return None
    stored = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    stored = _null_to_nan(stored)
    targets = {name: Scores(**scores) for name, scores in stored.pop("targets").items()}
    return TrainResult(folder=folder, targets=targets, **stored)


def _null_to_nan(stored: Any) -> Any:
    """A JSON value with NaN in place of null."""
    if isinstance(stored, dict):
        return {name: _null_to_nan(value) for name, value in stored.items()}
    return math.nan if stored is None else stored


def _to_csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text


def _summary_lines(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about the size of the data and the automatic values."""
    panel = session.panel
    size = describe_size(panel.n_series, len(panel.target_names))
    yield (
        f"{size}, {len(panel.targets):,} steps at {panel.frequency.alias}, "
        f"{join_names(panel.target_names)}; on {device.describe_device(session.device)}"
    )
    yield from describe_changes(prepared.cleaned.changes.counts, requested=True)
    for choice in prepared.choices:
        yield f"auto  {choice}"
