"""Checks of time: the age of the data and of the model, and timestamps that cannot be."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnforecast.pipeline.checks.context import Check, CheckContext, Measured
from rnnforecast.pipeline.checks.finding import first_labels
from rnnforecast.pipeline.checks.moments import periods_per_day
from rnnforecast.wording import count_of

SLACK_PERIODS = 3
"""Periods that a delivery may be late without a warning."""
MODEL_DAYS = 180
"""Days after which a model is old."""
UNCHANGED_TOLERANCE = 0.1
"""Share of a period by which a nightly job may start early."""

Level = Literal["warn", "error"]


def _data_age(context: CheckContext, limit: float) -> Measured | None:
    if context.now_period is None:
        return None
    age = max(context.now_period - 1 - context.latest, 0)
    usual = context.age_at_training
    before = f", {usual:,} at the training" if context.run.is_trained else ""
    return Measured(
        age,
        f"the data end on {context.format_ordinal(context.latest)}: "
        f"{count_of(age, 'complete period')} of {context.panel.frequency.alias} since then have no "
        f"data{before}",
        count=age,
    )


def _auto_data_age(context: CheckContext, level: Level) -> float | None:
    if context.age_at_training is None or context.is_historic:
        return None
    slack = max(SLACK_PERIODS, periods_per_day(context.panel))
    if level == "error":
        slack = max(slack, context.run.horizon)
    return context.age_at_training + slack


def _model_age(context: CheckContext, limit: float) -> Measured | None:
    days = (context.now - context.run.trained_at).days
    message = f"the run was trained {days:,} days ago, on {context.run.trained_at:%Y-%m-%d}"
    if context.period is not None:
        later = ((context.latest - context.profile.data_end) * context.period).days
        if later > days:
            days = later
            end = context.format_ordinal(context.profile.data_end)
            message = f"the data end {days:,} days after those of the training, which end on {end}"
    return Measured(max(days, 0), message, count=max(days, 0))


def _auto_model_age(context: CheckContext, level: Level) -> float | None:
    periods = 0 if context.period is None else SLACK_PERIODS * context.period.days
    return max(MODEL_DAYS, periods)


def _ends_before_training(context: CheckContext, limit: float) -> Measured | None:
    missing = context.profile.data_end - context.latest
    end = context.format_ordinal(context.latest)
    message = f"the data end on {end}, {count_of(missing, 'period')} before the training data did"
    return Measured(missing, message, count=missing)


def _unchanged_data(context: CheckContext, limit: float) -> Measured | None:
    previous, period = context.previous, context.period
    if previous is None or period is None or previous.data_sha256 != context.data_sha256:
        return None
    elapsed = (context.now - previous.data_since) / period
    periods = int(max(elapsed + UNCHANGED_TOLERANCE, 0))
    message = (
        "the data are those of an earlier forecast, of "
        f"{previous.data_since:%Y-%m-%d %H:%M} UTC: nothing has changed since"
    )
    return Measured(periods, message, count=periods)


def _auto_unchanged_data(context: CheckContext, level: Level) -> float | None:
    return None if context.is_historic or context.age_at_training is None else 0.0


def _future_timestamps(context: CheckContext, limit: float) -> Measured | None:
    if context.now_period is None:
        return None
    ahead = context.ends - context.now_period
    beyond = ahead > limit
    last = context.format_ordinal(int(context.ends.max()))
    message = f"{beyond.sum():,} of {len(ahead):,} series have values after now, up to {last}"
    return Measured(
        float(ahead.max()), message, int(beyond.sum()), first_labels(context.labels[beyond])
    )


def _auto_future_timestamps(context: CheckContext, level: Level) -> float | None:
    if context.trained_period is None:
        return None
    usual = max(context.profile.data_end - context.trained_period, 0)
    return usual + periods_per_day(context.panel)


def _far_future(context: CheckContext, limit: float) -> Measured | None:
    leads = context.row_leads
    beyond = leads > limit
    labels = context.data.series["label"].to_numpy()[beyond]
    value = int(leads.max(initial=0))
    message = (
        f"{beyond.sum():,} of {len(leads):,} series have a row up to "
        f"{count_of(value, 'period')} after those of the others"
    )
    return Measured(value, message, int(beyond.sum()), first_labels(np.sort(labels)))


def _auto_far_future(context: CheckContext, level: Level) -> float | None:
    return context.far_limit


FRESHNESS_CHECKS = (
    Check(
        "data_age",
        _data_age,
        "periods",
        "see whether the last delivery failed",
        _auto_data_age,
    ),
    Check("model_age", _model_age, "days", "train again", _auto_model_age),
    Check(
        "ends_before_training",
        _ends_before_training,
        "periods",
        "see whether this is an old file, or a part of one",
    ),
    Check(
        "unchanged_data",
        _unchanged_data,
        "periods",
        "see whether the file of the day before was delivered again",
        _auto_unchanged_data,
    ),
    Check(
        "future_timestamps",
        _future_timestamps,
        "periods",
        "correct the timestamps, or the clock of the machine",
        _auto_future_timestamps,
    ),
    Check(
        "far_future",
        _far_future,
        "periods",
        "correct the timestamp",
        _auto_far_future,
    ),
)
