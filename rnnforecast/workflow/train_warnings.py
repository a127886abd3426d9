"""Warnings of `train`: changes by cleaning, series left out, better baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rnnforecast.data.profiling.cleaning_report import describe_changes, doubtful_readings
from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.wording import count_of, join_words
from rnnforecast.workflow.train_holdout import HoldoutScores
from rnnforecast.workflow.train_session import TrainingSession

MAX_NAMED_SERIES = 5
"""Most series left out, and most targets, that warnings name; `check` and the table name more."""

UNDEFINED_REASONS = {
    "mase": "no two values a season apart differ",
    "wql": "all values are zero",
}
"""Why a metric may have no value."""


def score_warnings(scores: HoldoutScores, by_target: Mapping[str, HoldoutScores]) -> Iterator[str]:
    """Lines about baselines that are at least as good, and about undefined metrics."""
    worse = {
        name: each
        for name, each in by_target.items()
        if each.model_metrics["mase"] >= each.baseline_metrics["mase"]
    }
    advice = (
        "more history, another horizon or another season may help; with few series, one horizon "
        "is weak evidence"
    )
    if worse and len(by_target) == 1:
        yield f"{_describe_better(scores)} on the held-out horizon; {advice}"
    elif worse:
        named = sorted(worse, key=lambda name: _relative_mase(worse[name]))[:MAX_NAMED_SERIES]
        more = len(worse) - len(named)
        lines = [f"{name} ({_describe_better(worse[name])})" for name in named]
        yield (
            f"baselines are better or as good for {len(worse):,} of {len(by_target):,} "
            f"targets on the held-out horizon: {', '.join(lines)}"
            f"{f' … and {more:,} more' if more else ''}; {advice}"
        )
    if math.isnan(scores.model_metrics["smape"]):
        yield "no held-out values to be scored: there are no metrics"
        return
    for metric, reason in UNDEFINED_REASONS.items():
        undefined = [
            name for name, each in by_target.items() if math.isnan(each.model_metrics[metric])
        ]
        if undefined:
            where = "" if len(by_target) == 1 else f" of {len(undefined):,} targets"
            yield f"the metric {metric}{where} is not defined: {reason}"


def _relative_mase(scores: HoldoutScores) -> float:
    model = scores.model_metrics["mase"]
    return scores.baseline_metrics["mase"] / model if model else 1.0


def _describe_better(scores: HoldoutScores) -> str:
    """A clause with both figures and their distance."""
    share = 1 - _relative_mase(scores)
    better = f"{share:.0%} better" if share >= 0.005 else "as good"
    return (
        f"{scores.baseline_name} is {better}: MASE {scores.baseline_metrics['mase']:.3f} against "
        f"{scores.model_metrics['mase']:.3f}"
    )


def training_warnings(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
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
    if problems := prepared.unknown_future_problems():
        yield f"predict needs more than these data: {problems[0]}"
    yield from describe_changes(changes.counts, requested=False)
    yield from _value_warnings(prepared, session)


def _value_warnings(prepared: PreparedData, session: TrainingSession) -> Iterator[str]:
    """Lines about outliers, values without a logarithm, and constant series."""
    cleaned = prepared.cleaned
    n_outliers = int(cleaned.outliers.flags.sum())
    if n_outliers:
        done = {"missing": "taken as missing", "clip": "moved to the edge of the usual range"}
        how = done.get(prepared.plan.clean.outlier_action, "kept as they are")
        yield f"{count_of(n_outliers, 'outlier')}: {how}"
    log_normalizers = {config.normalize for config in session.configs}.intersection(
        WINDOW_SCALERS.having("log")
    )
    n_low = int((cleaned.values[cleaned.target_mask] <= 0).sum())
    if n_low and log_normalizers:
        yield (
            f"{n_low:,} values are zero or negative, and model.normalize: "
            f"{join_words(sorted(log_normalizers))} reads them as very small ones: set it to auto"
        )
    series = cleaned.changes.series
    n_constant = int((series["constant"][series["skipped"] == ""] > 0).sum())
    if n_constant:
        yield f"{n_constant:,} series never change; their MASE is not defined"
