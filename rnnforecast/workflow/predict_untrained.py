"""Forecasts of `predict` without a training: the data are read, resolved and forecast in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from rnnforecast.data.cleaning_plan import AlignedData, CleanedData, preview_table, read_table
from rnnforecast.errors import DataError, SpecError
from rnnforecast.output.folder_snapshot import FolderFiles
from rnnforecast.pipeline.auto import AutoChoice, resolve_season
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import RESOLVED_SPEC_FILE
from rnnforecast.pipeline.untrained_run import build_untrained_plan, fit_untrained_run
from rnnforecast.pipeline.untrained_spikes import without_spikes
from rnnforecast.spec.load import locate_problems
from rnnforecast.spec.spec import Spec
from rnnforecast.wording import join_names
from rnnforecast.workflow.backtest_data import BacktestData
from rnnforecast.workflow.detection_words import agreement_words, finding_line, role_words
from rnnforecast.workflow.init_horizon import DetectedValue, suggest_horizon
from rnnforecast.workflow.predict_forecast import Prediction, forecast_cleaned, steps_before_origin
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_subject import UntrainedSubject, spec_text

USABLE_CODES = ("", "too_short", "no_values")
"""Codes of series that a training leaves out, or none: their rows are read as they are meant."""
MAX_NAMED_COLUMNS = 8
"""Columns that are named as not used."""


def forecast_untrained(
    subject: UntrainedSubject, request: ForecastRequest
) -> tuple[Run, Prediction]:
    """The forecasts of data without a training, and the run that they are of; errors as in
    `forecast_data`. The horizon is that of the subject."""
    run, cleaned = prepare_untrained(subject, request.origin, request.now, request.listener)
    return run, forecast_cleaned(run, cleaned, replace(request, horizon=None))


def prepare_untrained(
    subject: UntrainedSubject, origin: str | None, now: datetime, listener: ProgressListener
) -> tuple[Run, CleanedData]:
    """The run of data that are forecast without a training, and the data; says what was detected in
    them."""
    try:
        aligned = without_spikes(_read(subject, origin), subject.spec.clean)
        resolved, choices = resolve_season(subject.spec, aligned.panel, held_out=0)
        horizon = None
        if not subject.has_horizon:
            horizon = suggest_horizon(aligned.panel, int(resolved.window.season), (), None)
            window = resolved.window.model_copy(update={"horizon": horizon.value})
            resolved = resolved.model_copy(update={"window": window})
        for line in _detected(subject.spec, aligned, choices, horizon):
            listener.info(line)
        return fit_untrained_run(subject.spec, resolved, aligned, subject.source, now)
    except SpecError as error:  # one that is found only with the data at hand
        if subject.spec_file is None:
            raise
        raise SpecError(*locate_problems(error.problems, subject.spec_file, ())) from None


def files_of_untrained(subject: UntrainedSubject, run: Run) -> FolderFiles:
    """What a page about the forecast quotes of the run."""
    return FolderFiles(subject.path, {RESOLVED_SPEC_FILE: spec_text(run.spec).encode()})


def _read(subject: UntrainedSubject, origin: str | None) -> AlignedData:
    """The data, up to an origin; what is readable of series with an error stays.

    Raises DataError as a training does if most series have one, as then the data are read wrongly,
    unless `forecast.on_series_error` is given.
    """
    plan = build_untrained_plan(subject.spec)
    refuse = "on_series_error" not in subject.spec.forecast.model_fields_set
    table = read_table(
        plan, subject.source, repair_invalid_series=True, refuse_mostly_invalid=refuse
    )
    data = BacktestData.align(plan, table, repair_invalid_series=True)
    is_usable = data.aligned.changes.series["error_code"].isin(USABLE_CODES)
    problems = preview_table(plan, table).problems if refuse and is_usable.mean() < 0.5 else ()
    if problems:
        raise DataError(*problems)
    if origin is None:
        return data.aligned
    return data.known_before(steps_before_origin(data.panel, origin)).aligned


def _detected(
    spec: Spec, aligned: AlignedData, choices: list[AutoChoice], horizon: DetectedValue | None
) -> Iterator[str]:
    """What was not given, and is not read, a line each."""
    roles = aligned.table.roles
    for role, words in role_words(roles).items():
        if roles.reasons[role] != "given":
            yield finding_line(role, words)
    features = spec.features
    others = (*features.past, *features.future, *features.static, *roles.covariates, *roles.unused)
    if others:
        names = join_names(list(dict.fromkeys(others)), MAX_NAMED_COLUMNS)
        yield finding_line("not read", f"{names}: only targets are, without a training")
    if spec.clean.frequency == "auto":
        alias = aligned.panel.frequency.alias
        yield finding_line("frequency", f"{alias}: {agreement_words(aligned.changes)}")
    for choice in choices:
        yield finding_line("season", f"{choice.value}: {choice.reason}")
    if horizon is not None:
        yield finding_line("horizon", f"{horizon}; --horizon N sets it")
