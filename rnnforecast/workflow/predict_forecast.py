"""Forecasts of a run from current data, in memory: what `predict` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnforecast.data.cleaning_plan import CleanedData, build_inputs, prepare_data, read_table
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.timestamps import parse_timestamp, steps_before
from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import PartFailed, Problem, UsageError
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData
from rnnforecast.pipeline.checks.data_counts import DataCounts
from rnnforecast.pipeline.checks.data_findings import data_findings
from rnnforecast.pipeline.checks.finding import Finding, raise_errors
from rnnforecast.pipeline.checks.run_checks import check_findings
from rnnforecast.pipeline.checks.untrained_findings import untrained_findings
from rnnforecast.pipeline.prepare import hash_data
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import SeriesErrors, count_by_status, error_findings
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.wording import join_names, join_words
from rnnforecast.workflow.backtest_data import BacktestData
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_series import forecast_series
from rnnforecast.workflow.predict_size import check_last_timestamp, check_size
from rnnforecast.workflow.predict_tables import forecast_tables, table_series

IN_SAMPLE = Finding(
    "in_sample",
    "the networks were trained on values after this origin: the forecasts are better than they "
    "would have been then; 'rnnforecast backtest' with the spec trains on earlier values alone",
)


@dataclass(frozen=True)
class Prediction:
    """The forecasts of a run from data."""

    cleaned: CleanedData
    forecasts: WindowForecast
    status: NDArray[np.str_]
    """`[S, C]` a `Status` for each series of the panel and target."""
    tables: dict[str, pd.DataFrame]
    """By name: ``forecast``, and ``totals`` and ``paths`` if requested."""
    warnings: tuple[Finding, ...]
    data_sha256: str
    """See `hash_data`."""

    errors: SeriesErrors
    """What is wrong with series that have a simple forecast, or none."""
    exit_on_failed: Literal["never", "skipped", "fallback"] = "skipped"

    @cached_property
    def failed(self) -> dict[str, str]:
        """Reasons by label, of the series because of which `predict` ends with an error."""
        return failed_series(self.errors, self.status, self.exit_on_failed)

    def series_status(self) -> dict[str, int]:
        """Numbers of series by status."""
        return count_by_status(self.status, len(self.errors.left_out))

    def part_failed_error(self, written_to: str = "") -> PartFailed:
        """The error of series without a forecast; `written_to` is the place of the others."""
        failed = [f"{label} ({reason})" for label, reason in self.failed.items()]
        counts = self.series_status()
        n_series = sum(counts.values()) - counts.get("skipped", 0)
        written = f"the forecasts of {n_series:,} series were written to {written_to}; "
        lack = "lack a forecast"
        lack += " by the model" if self.exit_on_failed == "fallback" else ""
        return PartFailed(
            Problem(
                "",
                f"{len(failed):,} series {lack}: {join_names(failed)}",
                (written if written_to else "")
                + "see 'rnnforecast check' for what is wrong with "
                + ("them" if not written_to or self.exit_on_failed == "fallback" else "the others"),
            )
        )


def failed_series(
    errors: SeriesErrors,
    status: NDArray[np.str_],
    exit_on_failed: Literal["never", "skipped", "fallback"],
) -> dict[str, str]:
    """Reasons by label, of the series because of which `predict` ends with an error."""
    if exit_on_failed == "never":
        return {}
    mask = status == "skipped"
    if exit_on_failed == "fallback":
        mask |= status == "fallback"
    return errors.reasons(mask)


def forecast_data(run: Run, source: Sequence[DataSource], request: ForecastRequest) -> Prediction:
    """Forecasts every series of the files or data frames `source` from its end on.

    Raises:
        DataError, also if a series has an error and `forecast.on_series_error` is ``fail``;
        UsageError; StaleInput if a check finds an error.
    """
    place_networks(run)
    steps = request.steps(run)
    _, n_paths = request.extra_tables.resolve(run, steps)
    check_size(run, steps, n_paths)  # of one target, before covariates of all steps are made
    return forecast_cleaned(run, read_data(run, source, steps, request.origin), request)


def forecast_cleaned(run: Run, cleaned: CleanedData, request: ForecastRequest) -> Prediction:
    """As `forecast_data`, for data that were read, up to the origin, and cleaned."""
    panel, steps, listener = cleaned.panel, request.steps(run), request.listener
    totals, n_paths = request.extra_tables.resolve(run, steps)
    check_size(run, steps, n_paths, panel.n_series * len(panel.target_names))
    check_last_timestamp(panel, steps)
    if left_out := request.extra_tables.left_out(run, steps):
        totals_of = join_words([f"{each:,}" for each in left_out])
        listener.info(f"totals of {totals_of} steps are left out: {steps:,} steps are forecast")
    for line in describe_changes(cleaned.changes.counts, requested=True):
        listener.info(line)
    data_sha256 = hash_data(cleaned)
    findings = _findings(run, cleaned, request, data_sha256)
    report_findings(findings, listener)
    found = forecast_series(run, cleaned, steps, engine=request.engine)
    of_series = tuple(error_findings(found.errors.by_code(), run.spec.forecast))
    report_findings(of_series, listener)
    time_column = run.plan.read_options.data.time_name
    rows = table_series(cleaned, found.status, horizon=steps, time_column=time_column)
    return Prediction(
        cleaned,
        found.forecasts,
        found.status,
        forecast_tables(
            run, rows, found.forecasts, found.all_levels, totals=totals, n_paths=n_paths
        ),
        (*findings, *of_series),
        data_sha256,
        found.errors,
        run.spec.forecast.exit_on_failed,
    )


def _findings(
    run: Run, cleaned: CleanedData, request: ForecastRequest, data_sha256: str
) -> list[Finding]:
    """What is found in the data, and by the checks."""
    steps, checks = request.steps(run), request.checks
    findings = list(data_findings(run, DataCounts.of_cleaned(run, cleaned), steps))
    findings += [] if run.is_trained else untrained_findings(cleaned.panel, steps)
    if request.origin is not None:
        return [*findings, IN_SAMPLE] if is_in_sample(run, cleaned.panel) else findings
    if checks is None:
        return findings
    data = CheckedData.of_cleaned(cleaned)
    context = CheckContext(run, data, steps, checks.now, data_sha256, request.previous)
    limits = checks.limits(run.spec.checks)
    return [*findings, *check_findings(context, limits, strict=checks.strict)]


def report_findings(findings: Sequence[Finding], listener: ProgressListener) -> None:
    """Prints the warnings; StaleInput with all errors, if there are any."""
    for finding in findings:
        if finding.level == "warning":
            listener.warning(str(finding))
    raise_errors(findings)


def place_networks(run: Run) -> None:
    """Moves the networks to the device of this machine that they forecast on: one trained on a GPU
    may forecast on a machine without."""
    torch_device = device.select_device("cpu" if run.metadata["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(torch_device)


def read_data(
    run: Run, source: Sequence[DataSource], steps: int, origin: str | None
) -> CleanedData:
    """The cleaned data, with covariates for `steps`, rounded up to whole trained horizons, and with
    what is readable of series that have an error."""
    trained = run.horizon
    horizon = -(-steps // trained) * trained
    if origin is None:
        return prepare_data(
            run.plan, source, horizon=horizon, required_steps=steps, repair_invalid_series=True
        )
    table = read_table(run.plan, source, repair_invalid_series=True)
    data = BacktestData.align(run.plan, table, repair_invalid_series=True)
    aligned = data.known_before(steps_before_origin(data.panel, origin)).aligned
    return build_inputs(
        run.plan, aligned, horizon=horizon, required_steps=steps, required_for_all=False
    )


def is_in_sample(run: Run, panel: Panel) -> bool:
    """Whether a series is forecast from a step that networks of the run were trained on."""
    if not run.is_trained:
        return False
    first = panel.window_timestamps(panel.lengths, 1)
    return bool((first <= run.trained_until).any())


def steps_before_origin(panel: Panel, origin: str) -> Ints:
    """`[S]` steps of each series before a timestamp; UsageError if it is none, or not after the
    first and before the end of any series."""
    try:
        timestamp = parse_timestamp(origin, panel)
    except (ValueError, OverflowError):
        found = "this is no time of the data"
        raise UsageError(
            Problem(f"origin {origin}", found, "give one such as 2024-05-01")
        ) from None
    ends = steps_before(panel, timestamp)
    starts, lasts = panel.start_timestamps(), panel.window_timestamps(panel.lengths - 1, 1)
    first = format_timestamp(starts.min(), panel.display_timezone)
    last = format_timestamp(lasts.max(), panel.display_timezone)
    if not (ends > 0).any() or (ends > panel.lengths).all():
        found = f"the data reach from {first} to {last}"
        cure = "give a time after the first, and at most one step after the last"
        raise UsageError(Problem(f"origin {origin}", found, cure))
    return ends
