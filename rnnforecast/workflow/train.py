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
from rnnforecast.data.profiling.cleaning_report import changed
from rnnforecast.evaluation.baselines import naive_name
from rnnforecast.models.compatibility import LOGS
from rnnforecast.output.atomic_files import write_json, write_text
from rnnforecast.output.forecast_plots import plot_loss
from rnnforecast.pipeline import data_report
from rnnforecast.pipeline.auto import shortened
from rnnforecast.pipeline.prepare import Prepared, prepare
from rnnforecast.pipeline.progress import Listener, Recorder, Silent
from rnnforecast.pipeline.run_folder import MARK, Run, load_run, new_run, write_model
from rnnforecast.pipeline.series_plots import draw
from rnnforecast.spec.load import dump
from rnnforecast.training import device
from rnnforecast.training.distributed import ALONE, Team
from rnnforecast.training.trainer import Row
from rnnforecast.workflow.train_evaluation import spread_over
from rnnforecast.workflow.train_session import Fitted, Session

NAMED = 5
"""Series left out that are named in a warning; the log and `check` name all."""


@dataclass(frozen=True)
class Trained:
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
    listener: Listener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: Team = ALONE,
) -> Trained:
    """Trains what the spec at `path` says and writes the run to `folder`.

    `overrides` are `section.key=value`. With `resume` an unfinished training of the same spec and
    data goes on where it stopped. Of a `team` only the first process writes. Raises SpecError,
    DataError, TrainingDiverged, OutputError.
    """
    recorder = Recorder(listener or Silent())
    prepared = prepare(path, overrides)
    session = Session(prepared, folder, recorder, should_stop, distributed)
    unfinished = session.unfinished() if resume else None
    if resume and unfinished is None:
        finished = _finished(folder, session.identity)
        if finished is not None:
            recorder.say(f"{folder} is finished already: nothing to resume")
            return finished
        recorder.say("no unfinished training to resume: starting from the beginning")
    for line in _facts(prepared, session):
        recorder.say(line)
    for line in _warnings(prepared, session):
        recorder.warn(line)
    # first, so that a place that cannot be written fails now
    with new_run(folder) if distributed.leads else nullcontext() as partial:
        fitted = session.run(unfinished)
        trained = Trained(
            folder=folder,
            ours=fitted.scored.ours,
            seasonal_naive=fitted.scored.seasonal_naive,
            baseline=naive_name(session.season),
            series_tested=len(fitted.scored.series),
            series=session.panel.size,
            interrupted=fitted.interrupted,
        )
        for line in _no_better(trained):
            recorder.warn(line)
        if partial is not None:
            _write(partial, prepared, session, fitted, trained)
            write_text(partial / "log.jsonl", recorder.lines())
    if distributed.leads and not trained.interrupted:
        session.checkpoint_file.unlink(missing_ok=True)
    return trained


def _write(
    folder: Path, prepared: Prepared, session: Session, fit_result: Fitted, result: Trained
) -> None:
    spec, panel, scored = session.spec, session.panel, fit_result.scored
    shown = spread_over(scored.smape, int(spec.forecast.plots))
    run = Run(
        plan=prepared.plan,
        members=tuple(fit_result.joined.members),
        combination=fit_result.joined.combination,
        widening=fit_result.joined.widening,
        dependence=fit_result.joined.dependence,
        items=session.items,
        quantiles=spec.forecast.quantiles,
        source=prepared.source,
        totals=spec.forecast.totals,
        paths=spec.forecast.paths,
        plots=int(spec.forecast.plots),
        plotted=tuple(panel.labels()[scored.series[shown]]),
        facts={
            "versions": {"rnnforecast": __version__, "torch": device.TORCH},
            "seed": spec.training.seed,
            "device": spec.training.device,
            "identity": session.identity,
            "data_sha256": session.data_hash,
            "interrupted": fit_result.interrupted,
            "parameters": sum(
                part.numel() for member in fit_result.joined.members for part in member.net.parameters()
            ),
        },
    )
    data_report.write(folder, prepared)
    write_text(folder / "spec.yaml", dump(prepared.given))
    write_text(folder / MARK, dump(spec))
    write_model(folder, run)
    scores = {field.name: getattr(result, field.name) for field in fields(result)}
    del scores["folder"]  # the same run has the same bytes wherever it lies
    write_json(folder / "metrics.json", scores)
    _write_history(folder, fit_result)
    draw(
        folder / "plots",
        panel,
        scored.series[shown],
        session.split.test_origin,
        fit_result.held_out,
        quantiles=run.quantiles,
        max_targets=run.plots,
        naive_forecast=scored.naive[shown],
        baseline_name=result.baseline,
        actual=scored.actual[shown],
        note="held-out horizon",
    )


def _write_history(folder: Path, fit_result: Fitted) -> None:
    """`history.csv` and the plot of the (first network's) loss."""
    # of an ensemble also which network
    names = list(fit_result.rows[0]) if fit_result.rows else [field.name for field in fields(Row)]
    lines = [",".join(names)]
    lines += [",".join(f"{row[name]:.9g}" for name in names) for row in fit_result.rows]
    write_text(folder / "history.csv", "\n".join(lines) + "\n")
    shown = [row for row in fit_result.rows if row.get("member", 1) == 1]
    steps, losses, validated = (
        np.array([row[name] for row in shown], dtype=np.float64)
        for name in ("step", "train_loss", "validation_loss")
    )
    (folder / "plots").mkdir()
    plot_loss(folder / "plots" / "loss", steps, losses, validated, fit_result.best_step or None)


def _no_better(result: Trained) -> Iterator[str]:
    """That the simplest forecast was as good, if it was."""
    ours, naive = result.ours["mase"], result.seasonal_naive["mase"]
    if ours >= naive and not result.interrupted:
        yield (
            f"the {result.baseline} forecast was no worse on the held-out horizon (MASE "
            f"{naive:.3f}, ours {ours:.3f}): more history, another horizon or another season may "
            "help; with few series one horizon says little"
        )


def _finished(folder: Path, fingerprint: str) -> Trained | None:
    """The finished run at `folder`, if it is one of the same spec and data."""
    if not folder.exists():
        return None
    run = load_run(folder)
    if run.facts["identity"] != fingerprint or run.facts["interrupted"]:
        return None
    stored = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for name in ("ours", "seasonal_naive"):
        stored[name] = {k: math.nan if v is None else v for k, v in stored[name].items()}
    # a folder may have been written before its metrics held this
    stored["baseline"] = naive_name(run.architecture.season)
    return Trained(folder=folder, **stored)


def _facts(prepared: Prepared, session: Session) -> Iterator[str]:
    """What was read and what was chosen, a line each."""
    panel = session.panel
    yield (
        f"{panel.size:,} series, {len(panel.targets):,} steps at {panel.frequency.alias}, "
        f"{shortened(panel.targets_names)}; on {device.describe(session.device)}"
    )
    for choice in prepared.choices:
        yield f"auto  {choice}"


def _warnings(prepared: Prepared, session: Session) -> Iterator[str]:
    """What cleaning changed and whom the scores leave out, a line each."""
    changes, panel = prepared.cleaned.changes, session.panel
    for label, reason in list(changes.skipped.items())[:NAMED]:
        yield f"left out: {label}: {reason}"
    if len(changes.skipped) > NAMED:
        yield f"left out: … and {len(changes.skipped) - NAMED:,} more series"
    short = int((session.split.test_origin < 0).sum())
    if short:
        yield (
            f"{short:,} of {panel.size:,} series are too short to be scored; "
            "they are learnt from in the last fit only"
        )
    if not session.split.validated.any():
        yield (
            "no series is long enough for validation, so training cannot stop early; a shorter "
            "window.horizon or more history would allow it"
        )
    yield from changed(vars(changes))
    found = int(prepared.cleaned.outliers.flags.sum())
    if found:
        done = {"missing": "taken as missing", "clip": "moved to the edge of the usual range"}
        how = done.get(prepared.plan.outliers.action, "kept as they are")
        yield f"{found:,} outliers: {how}"
    normalize = {each.normalize for each in session.architectures}
    low = int((prepared.cleaned.values[prepared.cleaned.counted] <= 0).sum())
    if low and normalize.intersection(LOGS):
        names = " and ".join(sorted(normalize.intersection(LOGS)))
        yield (
            f"{low:,} values are zero or negative, and model.normalize: {names} reads them as very "
            "small ones: set it to auto"
        )
    kept = changes.series["skipped"] == ""
    constant = int((changes.series["constant"][kept] > 0).sum())
    if constant:
        yield f"{constant:,} series never change; their MASE is not defined"
