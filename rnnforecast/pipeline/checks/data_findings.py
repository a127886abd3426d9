"""Findings about the data of a forecast: what cleaning changed, and differences from training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.changes import CHANGE_COUNTS, CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.cleaning_report import doubtful_readings, format_share
from rnnforecast.data.profiling.coverage import steps_behind_latest
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.pipeline.checks.finding import Finding, first_labels
from rnnforecast.pipeline.run import Run
from rnnforecast.registry import WINDOW_SCALERS

MIN_FREQUENCY_AGREEMENT = 0.5
"""With a smaller share of regular steps the data probably have another frequency than the run."""


def data_findings(run: Run, cleaned: CleanedData, steps: int) -> Iterator[Finding]:
    """What cleaning changed, and how the data differ from what the run was trained for; `steps` is
    the horizon."""
    panel, changes, trained = cleaned.panel, cleaned.changes, run.config.horizon
    for line in doubtful_readings(cleaned.table, changes):
        yield Finding("doubtful_reading", line)
    yield from _repairs(changes)
    # with a value by rule, series need not have a row at each step
    if changes.agreement < MIN_FREQUENCY_AGREEMENT and not changes.counts["set_steps"]:
        yield Finding(
            "other_frequency",
            f"only {format_share(changes.agreement)} of the steps in the data have the frequency "
            f"{panel.frequency.alias}, which the run was trained for",
            value=changes.agreement,
            threshold=MIN_FREQUENCY_AGREEMENT,
        )
    yield from _value_findings(run, cleaned)
    yield from _length_findings(run, panel)
    if steps > trained:
        yield Finding(
            "beyond_horizon",
            f"horizon {steps} is beyond the {trained} steps the run was trained for: later steps "
            "are forecast from earlier forecasts, with wider intervals",
            count=steps,
            threshold=trained,
        )


def _repairs(changes: CleaningChanges) -> Iterator[Finding]:
    """A finding for each change by cleaning that no key of the spec requests."""
    for change in CHANGE_COUNTS:
        number = changes.counts[change.name]
        if change.phrase and number and not change.is_requested:
            yield Finding(change.name, change.describe(number), count=number)


def _value_findings(run: Run, cleaned: CleanedData) -> Iterator[Finding]:
    n_outside = int(cleaned.outside_domain_count.sum())
    if n_outside:
        yield Finding(
            "outside_domain",
            f"{n_outside:,} values are outside the domain of clean.transform and are taken as "
            "missing",
            count=n_outside,
        )
    n_unseen = cleaned.features.unseen_count
    if n_unseen:
        yield Finding(
            "unseen_category",
            f"cells with a category that was not in the training data: {n_unseen:,}",
            count=n_unseen,
        )
    n_low = int((cleaned.values[cleaned.target_mask] <= 0).sum())
    normalizers = [member.net.config.normalize for member in run.members]
    if n_low and any("log" in WINDOW_SCALERS.traits(name) for name in normalizers):
        yield Finding(
            "not_positive",
            f"{n_low:,} values are zero or negative: the model takes logs and reads them as "
            "very small ones; if they are correct, train with model.normalize: standard",
            count=n_low,
        )


def _length_findings(run: Run, panel: Panel) -> Iterator[Finding]:
    """Findings about series that end early, and about series that are short."""
    behind, labels = steps_behind_latest(panel), panel.labels()
    # in an irregular panel the steps of different series cannot be compared
    if behind.any() and panel.irregular_timestamps is None:
        first, number = int(np.argmax(behind)), int(np.count_nonzero(behind))
        timestamp = panel.window_timestamps(panel.lengths - 1, 1)[first, 0]
        end = format_timestamp(timestamp, panel.display_timezone)
        yield Finding(
            "ends_early",
            f"{number:,} of {panel.n_series:,} series end before the latest does, "
            f"{labels[first]} by {behind[first]:,} steps, on {end}: each is forecast from its own "
            "end",
            count=number,
            series=first_labels(labels[behind > 0]),
        )
    lookback = min(member.net.config.input_length for member in run.members)
    is_short = 2 * panel.lengths < lookback
    n_short = int(is_short.sum())
    if 2 * n_short > panel.n_series:
        yield Finding(
            "short_history",
            f"{n_short:,} of {panel.n_series:,} series have less than half of the {lookback} steps "
            "that the network reads: give a longer history",
            count=n_short,
            series=first_labels(labels[is_short]),
        )
