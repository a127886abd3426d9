"""What `train` leaves behind: the trained run, its scores, and the files of the run folder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast import __version__
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.json_files import write_json
from rnnforecast.output.loss_plot import plot_loss
from rnnforecast.pipeline import data_report
from rnnforecast.pipeline.evaluation_table import evaluation_table, write_evaluation_table
from rnnforecast.pipeline.fit_profile import fit_profile
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import (
    HOLDOUT_FILE,
    METRICS_FILE,
    RESOLVED_SPEC_FILE,
    SERIES_METRICS_FILE,
    SPEC_FILE,
    write_model,
)
from rnnforecast.pipeline.series_plots import plot_series_forecasts
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.training.fit_state import HistoryRow
from rnnforecast.types import Ints
from rnnforecast.workflow.train_holdout import HoldoutScores, evenly_spaced_by_score
from rnnforecast.workflow.train_session import FitResult, TrainingSession


@dataclass(frozen=True)
class TrainResult:
    """The run folder, and the content of `metrics.json`: metrics on the held-out horizon."""

    folder: Path | None
    """None for a run in memory."""
    model_metrics: dict[str, float]
    """Of one target in its units; of several, means of those metrics that have no unit."""
    baseline_metrics: dict[str, float]
    """The same of the best baseline."""
    baseline_name: str
    """The baseline with the lowest MASE, such as ``seasonal naive with drift`` or ``DOT``."""
    baseline_mase: dict[str, float]
    """MASE of each baseline, by name."""
    targets: dict[str, HoldoutScores]
    """The same of each target, whose best baseline may be another."""
    series_tested: int
    """Series that were long enough to be scored."""
    series: int
    interrupted: bool
    """Whether `should_stop` ended the training; the best weights so far were kept."""
    sampled_from: int
    """Series of the data: more than `series`, and only about as many, if those are a sample."""
    beats_best_baseline: bool = False
    """Whether the model has a lower MASE than the best baseline; sMAPE where no MASE is defined."""
    example_series: dict[str, dict[str, str | float]] = field(default_factory=dict)
    """Label (``series``), ``smape`` and ``mase`` of the ``best``, ``median`` and ``worst`` series
    by sMAPE, where three or more were scored; means over its targets."""

    @property
    def is_beaten(self) -> bool:
        """Whether held-out values were scored, and a baseline is better or as good."""
        return not self.beats_best_baseline and not math.isnan(self.model_metrics["smape"])


@dataclass(frozen=True)
class TrainedRun:
    """A finished training, in memory."""

    session: TrainingSession
    fit_result: FitResult
    result: TrainResult
    trained_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @cached_property
    def plotted(self) -> Ints:
        """Indices of the plotted series among those that were scored."""
        evaluation, spec = self.fit_result.evaluation, self.session.spec
        return evenly_spaced_by_score(evaluation.smape, int(spec.forecast.plots))

    @cached_property
    def run(self) -> Run:
        """The run, as `load_run` reads it."""
        series = self.fit_result.evaluation.windows.series[self.plotted]
        return _build_run(self, series)

    @property
    def spec(self) -> Spec:
        """The resolved spec with the number of networks there are: a stop or a time budget leaves
        fewer."""
        spec = self.session.spec
        members = self.fit_result.ensemble.members
        ensemble = spec.ensemble.model_copy(update={"members": len(members)})
        return spec.model_copy(update={"ensemble": ensemble})


def write_trained_run(folder: Path, trained: TrainedRun, *, reports: bool = True) -> None:
    """Writes the files of a run folder, but for the log and the checksums; without `reports` those
    that `load_run` reads and the metrics."""
    session, fit_result, run = trained.session, trained.fit_result, trained.run
    evaluation, prepared = fit_result.evaluation, session.prepared
    write_text(folder / SPEC_FILE, dump_spec(prepared.given_spec))
    write_text(folder / RESOLVED_SPEC_FILE, dump_spec(trained.spec))
    write_model(folder, run)
    stored = asdict(trained.result)
    del stored["folder"]  # the bytes must not depend on the location
    write_json(folder / METRICS_FILE, stored)
    if not reports:
        return
    data_report.write_data_report(folder, prepared)
    write_text(folder / SERIES_METRICS_FILE, _to_csv(evaluation.by_series))
    table = evaluation_table(session.panel, evaluation.windows)
    write_evaluation_table(folder / HOLDOUT_FILE, table, session.panel)
    _write_history(folder, fit_result)
    shown = evaluation.windows.select(trained.plotted)
    plot_series_forecasts(
        folder / "plots",
        run,
        session.panel,
        shown.series,
        shown.origin,
        shown.forecast,
        actual=shown.actual,
    )


def _build_run(trained: TrainedRun, plotted: Ints) -> Run:
    """The run; `plotted` are the indices of the plotted series."""
    session, fit_result, spec = trained.session, trained.fit_result, trained.spec
    ensemble, prepared = fit_result.ensemble, session.prepared
    return Run(
        plan=prepared.plan,
        members=tuple(ensemble.members),
        combiner=ensemble.combiner,
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
        calibration=ensemble.calibration,
        sampled=session.cleaned.table.sampled,
        trained_until=_trained_until(session, interrupted=fit_result.interrupted),
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
            "trained_at": trained.trained_at.isoformat(),
        },
        spec=spec,
        profile=fit_profile(session.cleaned, spec, prepared.plan.features.future_columns),
    )


def _trained_until(session: TrainingSession, *, interrupted: bool) -> np.datetime64 | np.int64:
    """The latest timestamp of the values that the networks were trained on, or selected by."""
    panel = session.panel
    has_all = session.spec.training.final_fit and not interrupted
    ends = panel.lengths if has_all else np.maximum(session.split.test_origin, 1)
    found: np.datetime64 | np.int64 = panel.window_timestamps(ends - 1, 1).max()
    return found


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


def _to_csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text
