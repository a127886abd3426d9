"""A candidate: a new model in a version of its own, which is promoted or kept aside.

The version is complete before `latest` is moved to it, so an interrupted training, or one that
fails, leaves the current model in place. The decision is in `promotion.json` of the version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rnnforecast.batch.issue import id_of_run
from rnnforecast.batch.ledger.ledger import default_location, recorded_name
from rnnforecast.batch.promotion.comparison import (
    compare_with_current,
    held_out_table,
    implausible_data,
    read_current_inputs,
)
from rnnforecast.batch.promotion.decision import (
    CandidateScores,
    CurrentModel,
    Decision,
    PromotionRule,
    decide,
)
from rnnforecast.batch.promotion.live import LiveForecasts, score_issued
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.datetimes import as_utc
from rnnforecast.errors import RnnForecastError
from rnnforecast.evaluation.verdict import Verdict, compare_forecasts
from rnnforecast.output.json_files import write_json
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import (
    RunVersion,
    latest_version,
    list_versions,
    promote_candidate,
)
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from rnnforecast.workflow.train_output import TrainedRun, TrainResult
from rnnforecast.workflow.train_versions import (
    KEEP_ALL,
    TrainRequest,
    delete_old_versions,
    train_version,
)

PROMOTION_FILE = "promotion.json"
"""The decision, in the folder of the version."""


@dataclass(frozen=True)
class PromotionResult:
    """A trained version, and whether it has become the current one."""

    trained: TrainResult
    version: Path
    """Its folder."""
    previous: Path | None
    """The version that was current before; None without any."""
    decision: Decision

    def summary(self) -> str:
        """One line: ``2026-11-27T02-15-07Z is now the current model: …``."""
        name = self.version.name
        if self.decision.promoted:
            return f"{name} is now the current model: {self.decision.message}"
        current = "no model" if self.previous is None else self.previous.name
        return f"{name} is kept aside, {current} stays current: {self.decision.message}"


def train_candidate(
    request: TrainRequest,
    store: Path,
    rule: PromotionRule,
    *,
    now: datetime,
    ledger: str | None = None,
    alarms: Sequence[str] | None = None,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    distributed: DistributedContext = SINGLE_PROCESS,
    engine: Engine = IN_PROCESS,
) -> PromotionResult:
    """Trains a version in `store`, and moves ``latest`` to it if it is to replace the current one.

    The caller holds the lock of `store`.

    Args:
        now: with a time zone, UTC without one; it names the version.
        ledger: where the forecasts are that the current model issued: a folder, a URL, or ``none``;
            `default_location` of the store by default.
        alarms: codes of the drift alarms of the current model, by `score`; those that the ledger
            shows by default.
        engine: see `workflow.train.train`.

    Raises what `workflow.train.train` raises.
    """
    listener = listener or NullListener()
    now = as_utc(now)
    known = None if alarms is None else tuple(alarms)
    live = LiveForecasts(recorded_name(store), ledger or default_location(store), known, listener)
    # an interrupted training that was not to be kept decides nothing
    decision = Decision(False, "interrupted", "its training was interrupted", rule.margin)
    previous: RunVersion | None = None

    def compare_and_record(folder: Path, candidate: TrainedRun) -> None:
        nonlocal decision, previous
        previous = latest_version(list_versions(store))
        current = None
        if previous is not None:
            current = _current_model(previous, candidate, live, now)
        scores = _scores(candidate)
        decision = decide(scores, current, rule)
        write_json(folder / PROMOTION_FILE, _record(scores, current, decision, previous))

    trained = train_version(
        replace(request, retention=KEEP_ALL),
        store,
        now=now,
        publish=False,
        listener=listener,
        should_stop=should_stop,
        distributed=distributed,
        engine=engine,
        before_publish=compare_and_record,
    )
    version = trained.folder or store
    if distributed.is_main:
        if decision.promoted:
            version = promote_candidate(store, version.name)
        delete_old_versions(store, now, request.retention, listener)
    earlier = None if previous is None else previous.path
    return PromotionResult(replace(trained, folder=version), version, earlier, decision)


def _current_model(
    version: RunVersion, candidate: TrainedRun, live: LiveForecasts, now: datetime
) -> CurrentModel:
    """The current model beside the new one, on the held-out windows of that."""
    table, age = held_out_table(candidate), age_of(version, now)
    panel = candidate.session.panel
    try:
        run = load_run(version.path)
        issued = live.read(id_of_run(run), panel, table)
        cleaned = read_current_inputs(candidate, run)
        compared = compare_with_current(candidate, table, run, cleaned, issued)
    except RnnForecastError as error:
        problem = error.problems[0]
        found = f"{problem.where}: {problem.found}" if problem.where else problem.found
        return CurrentModel("", age, problem=found)
    return CurrentModel(
        trained_until=format_timestamp(run.trained_until, panel.display_timezone),
        age=age,
        implausible_data=implausible_data(run, cleaned, now),
        compared=compared,
        live=score_issued(issued, table, live.find_alarms(run, panel)),
    )


def age_of(version: RunVersion, now: datetime) -> timedelta:
    """Time since the training of a version."""
    return now - version.trained_at


def _scores(trained: TrainedRun) -> CandidateScores:
    """The scores of a new model on its held-out horizon."""
    windows, result = trained.fit_result.evaluation.windows, trained.result
    best = result.baseline_name
    verdict = compare_forecasts(windows, {best: windows.baselines[best]})[best]
    return CandidateScores(
        mase=result.model_metrics["mase"],
        baseline=verdict if verdict.windows else None,
        interrupted=result.interrupted,
    )


def _record(
    scores: CandidateScores,
    current: CurrentModel | None,
    decision: Decision,
    previous: RunVersion | None,
) -> dict[str, Any]:
    """The content of `promotion.json`."""
    baseline = None if scores.baseline is None else _verdict_json(scores.baseline)
    candidate = asdict(scores) | {"baseline": baseline}
    stored: dict[str, Any] = asdict(decision) | {"candidate": candidate, "current": None}
    if current is not None and previous is not None:
        stored["current"] = {
            "version": previous.name,
            "trained_until": current.trained_until,
            "age_days": round(current.age / timedelta(days=1), 3),
            "problem": current.problem,
            "implausible_data": current.implausible_data,
            "comparison": None,
            "live": None if current.live is None else asdict(current.live),
        }
        if current.compared is not None:
            verdict = _verdict_json(current.compared.verdict)
            stored["current"]["comparison"] = asdict(current.compared) | {"verdict": verdict}
    return stored


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict) | {"outcome": verdict.outcome, "words": verdict.words()}
