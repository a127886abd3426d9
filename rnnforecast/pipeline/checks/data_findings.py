"""Findings about the data of a forecast: what cleaning changed, and differences from training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rnnforecast.data.panel.changes import CHANGE_COUNTS
from rnnforecast.data.profiling.cleaning_report import format_share
from rnnforecast.pipeline.checks.data_counts import DataCounts, shortest_lookback
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.run import Run

MIN_FREQUENCY_AGREEMENT = 0.5
"""With a smaller share of regular steps the data probably have another frequency than the run."""


def data_findings(run: Run, counts: DataCounts, steps: int) -> Iterator[Finding]:
    """What cleaning changed, and how the data differ from what the run was trained for; `steps` is
    the horizon."""
    trained = run.horizon
    for line in counts.readings:
        yield Finding("doubtful_reading", line)
    yield from _repairs(counts.changes)
    # with a value by rule, series need not have a row at each step
    if counts.agreement < MIN_FREQUENCY_AGREEMENT and not counts.changes["set_steps"]:
        yield Finding(
            "other_frequency",
            f"only {format_share(counts.agreement)} of the steps in the data have the frequency "
            f"{run.plan.clean.frequency}, which the run was trained for",
            value=counts.agreement,
            threshold=MIN_FREQUENCY_AGREEMENT,
        )
    yield from _value_findings(counts)
    yield from _length_findings(counts, shortest_lookback(run))
    if steps > trained:
        yield Finding(
            "beyond_horizon",
            f"horizon {steps} is beyond the {trained} steps the run was trained for: later steps "
            "are forecast from earlier forecasts, with wider intervals",
            count=steps,
            threshold=trained,
        )


def _repairs(changes: Mapping[str, int]) -> Iterator[Finding]:
    """A finding for each change by cleaning that no key of the spec requests."""
    for change in CHANGE_COUNTS:
        number = changes[change.name]
        if change.phrase and number and not change.is_requested:
            yield Finding(change.name, change.describe(number), count=number)


def _value_findings(counts: DataCounts) -> Iterator[Finding]:
    if counts.outside_domain:
        yield Finding(
            "outside_domain",
            f"{counts.outside_domain:,} values are outside the domain of clean.transform and are "
            "taken as missing",
            count=counts.outside_domain,
        )
    if counts.unseen:
        yield Finding(
            "unseen_category",
            f"cells with a category that was not in the training data: {counts.unseen:,}",
            count=counts.unseen,
        )
    if counts.not_positive:
        yield Finding(
            "not_positive",
            f"{counts.not_positive:,} values are zero or negative: the model takes logs and reads "
            "them as very small ones; if they are correct, train with model.normalize: standard",
            count=counts.not_positive,
        )


def _length_findings(counts: DataCounts, lookback: int) -> Iterator[Finding]:
    """Findings about series that end early, and about series that are short."""
    ends, latest = counts.ends, counts.ends.latest
    if latest is not None and ends.earliest is not None and ends.earliest[0] < latest:
        number = counts.series - ends.counts[latest]
        first, label, end = ends.earliest
        yield Finding(
            "ends_early",
            f"{number:,} of {counts.series:,} series end before the latest does, "
            f"{label} by {latest - first:,} steps, on {end}: each is forecast from its own end",
            count=number,
            series=ends.labels_behind(),
        )
    if 2 * counts.short > counts.series:
        yield Finding(
            "short_history",
            f"{counts.short:,} of {counts.series:,} series have less than half of the {lookback} "
            "steps that the network reads: give a longer history",
            count=counts.short,
            series=counts.short_series,
        )
