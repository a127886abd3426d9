"""Sentences about the results of an inspection, one for each plot."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.inspection.results import (
    RETENTION_GATE_PREFIXES,
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
)
from rnnforecast.output.style import format_percent, format_rounded
from rnnforecast.types import Floats
from rnnforecast.wording import count_of

CORRELATION_THRESHOLD = 0.7
"""Least absolute correlation of a unit that counts as correlated with the series."""
MIN_PATCHES = 8
"""Fewest patches over which a correlation is computed."""
INACTIVE_THRESHOLD = 0.05
"""A unit is inactive if its range is at most this share of the largest range."""
VANISHING_RATIO, EXPLODING_RATIO = 0.05, 5.0
"""Ratios of the oldest patch's gradient to the newest's: vanishing below, exploding above."""
PEAK_RATIO = 1.5
"""Attention counts as nearly uniform if its largest mean weight is less than this many times
the uniform one."""


MAX_NAMED = 3
"""Most inputs that a sentence names."""


def describe_units(inspection: Inspection) -> str:
    """How many units of the top layer are correlated with the series, and how many inactive."""
    hidden = inspection.layers[-1].hidden
    n_patches, n_units = hidden.shape
    span = hidden.max(0) - hidden.min(0)
    inactive = (span <= INACTIVE_THRESHOLD * span.max()) | (span.max() <= 0)
    if n_patches < MIN_PATCHES:
        patches = f"{n_patches:,} patch{'es' * (n_patches > 1)}"
        return f"{inactive.sum():,} of the {n_units:,} units hardly change over {patches}"
    correlated = np.abs(correlations(hidden, patch_means(inspection))) >= CORRELATION_THRESHOLD
    layer = f" of {inspection.layers[-1].name}" if len(inspection.layers) > 1 else ""
    return (
        f"{(correlated & ~inactive).sum():,} of the {n_units:,} units{layer} are correlated with "
        f"the series, {inactive.sum():,} hardly change"
    )


def describe_gates(inspection: Inspection) -> str:
    """The mean share of the state that the top layer retains; without a gate for that, the mean
    activation of its first gate."""
    gates = layers_with_gates(inspection)[-1].gates
    retaining = [gate for name, gate in gates.items() if name.startswith(RETENTION_GATE_PREFIXES)]
    if not retaining:
        name, gate = next(iter(gates.items()))
        return f"The gate {name} is {format_percent(gate.mean())} open on average"
    size = inspection.window.patch_length
    step, steps = ("step", "steps") if size == 1 else (f"patch of {size} steps", "patches")
    share = float(retaining[0].mean())
    sentence = (
        f"On average a unit keeps {format_percent(share)} of its state from one {step} to the next"
    )
    if not 0.5 < share < 1:
        return sentence
    return f"{sentence}: its half-life is {format_rounded(np.log(0.5) / np.log(share))} {steps}"


def layers_with_gates(inspection: Inspection) -> list[LayerActivations]:
    """The layers that have gates."""
    return [layer for layer in inspection.layers if layer.gates]


def half_gradient_lookback(gradient_norm: Floats) -> int:
    """The number of latest steps with half of the gradient `[H, L]`, summed over the horizon."""
    size = np.abs(gradient_norm).sum(0)[::-1]
    total = size.sum()
    return int(np.searchsorted(size.cumsum(), 0.5 * total) + 1) if total > 0 else 0


def describe_gradient(inspection: Inspection) -> str:
    """How far back half of the gradient reaches, and whether it vanishes or explodes."""
    gradient, lookback = inspection.gradient_norm, inspection.gradient_norm.shape[1]
    steps = half_gradient_lookback(gradient)
    if not steps:
        return "The forecast does not depend on the past"
    recent = f"the last {steps:,}" if steps > 1 else "the last"
    sentence = f"Half of the gradient lies within {recent} of {lookback:,} steps"
    recurrent = inspection.recurrent_gradient_norm
    size = np.abs(gradient if recurrent is None else recurrent).sum(0)
    patch = inspection.window.patch_length
    newest, oldest = size[-patch:].mean(), size[:patch].mean()
    if newest <= 0 or lookback <= patch:
        return sentence
    subject = "the gradient" if recurrent is None else "the gradient without the linear map"
    ratio = oldest / newest
    if ratio < VANISHING_RATIO:
        return (
            f"{sentence}; {subject} nearly vanishes at the oldest patch "
            f"({format_percent(ratio)} of the newest)"
        )
    if ratio > EXPLODING_RATIO:
        return (
            f"{sentence}; {subject} explodes: at the oldest patch it is {format_rounded(ratio)} "
            "times that of the newest"
        )
    return f"{sentence}; {subject} reaches the oldest patch ({format_percent(ratio)} of the newest)"


def describe_attention(inspection: Inspection) -> str:
    """The patch with the largest weight, compared with uniform attention."""
    horizon = inspection.horizon_attention
    weights = inspection.self_attention[-1][-1:] if horizon is None else horizon
    mean = weights.mean(0)
    peak, uniform = int(mean.argmax()), 1 / len(mean)
    query = "the last patch" if horizon is None else "the horizon"
    if mean[peak] < PEAK_RATIO * uniform:
        return f"The attention of {query} is nearly uniform over the past"
    steps = _format_step_range(inspection.window, inspection.patch_step_ranges()[peak])
    return (
        f"The attention of {query} is highest at {steps}: {format_percent(mean[peak])}, "
        f"uniform would be {format_percent(uniform)}"
    )


def describe_importance(inspection: Inspection) -> str:
    """The inputs that the forecast depends on, the most important first, and those that it does not
    depend on."""
    assert inspection.importance is not None
    inputs, error = inspection.importance.inputs, inspection.importance.baseline_error
    important = sorted(filter(is_significant, inputs), key=lambda one: -one.mean)
    if not important:
        return "No shuffled input makes the forecast worse"

    def error_without(one: InputImportance) -> str:
        return f"{format_rounded(error + one.mean)} %"

    best = important[0]
    sentence = (
        f"The forecast depends most on {_input_name(best)}: shuffled between windows, "
        f"{'they raise' if (best.step_range or (0, 0))[0] < -1 else 'it raises'} the error from "
        f"{format_rounded(error)} % to {error_without(best)}"
    )
    others = [f"{_input_name(one)} (to {error_without(one)})" for one in important[1:MAX_NAMED]]
    if others:
        sentence += f"; then on {' and '.join(others)}"
    without = [one.name for one in inputs if one.step_range is None and one not in important]
    if without:
        more = f" and {len(without) - MAX_NAMED:,} more" if len(without) > MAX_NAMED else ""
        sentence += f"; not measurably on {', '.join(without[:MAX_NAMED])}{more}"
    return sentence


def _input_name(one: InputImportance) -> str:
    """An input in words: a covariate, or a range of past values."""
    if one.step_range is None:
        return one.name
    begin, end = one.step_range
    if end == 0:
        return f"the last {-begin:,} values" if begin < -1 else "the last value"
    return f"the values {format_lag_range(one.step_range)}"


def is_significant(importance: InputImportance) -> bool:
    """Whether the error grows by more than two standard errors."""
    return importance.mean > 2 * importance.std_error and importance.mean > 1e-9


def describe_occlusion(inspection: Inspection) -> str:
    """The range whose occlusion changes the forecast most."""
    change, window = inspection.occlusion.mean_absolute_change, inspection.window
    largest = int(change.argmax())
    if change[largest] <= 0:
        return "The forecast stays the same whichever steps are occluded"
    steps = _format_step_range(window, inspection.occlusion.step_ranges[largest])
    share = change[largest] / max(float(np.abs(window.forecast).mean()), 1e-300)
    return (
        f"The forecast changes most without {steps}: by {format_rounded(change[largest])} on "
        f"average, {format_percent(share)} of its size"
    )


def _format_step_range(window: InspectedWindow, step_range: tuple[int, int]) -> str:
    """The first and the last timestamp of a range of steps."""
    begin, end = step_range
    first, last = (format_timestamp(window.timestamp_at(step)) for step in (begin, end - 1))
    return first if first == last else f"{first} to {last}"


def patch_means(inspection: Inspection) -> Floats:
    """`[G]` means of the observed values of each patch, NaN without any."""
    past = inspection.window.values[: inspection.window.lookback]
    means = []
    for begin, end in inspection.patch_step_ranges():
        values = past[max(len(past) + begin, 0) : max(len(past) + end, 0)]
        values = values[np.isfinite(values)]
        means.append(values.mean() if len(values) else np.nan)
    return np.array(means)


def correlations(columns: Floats, reference: Floats) -> Floats:
    """`[K]` correlations of `columns [G, K]` with `reference [G]`; 0 if either is constant, or with
    fewer than three known values."""
    known = np.isfinite(reference)
    if known.sum() < 3:
        return np.zeros(columns.shape[1])
    x, y = columns[known] - columns[known].mean(0), reference[known] - reference[known].mean()
    size = np.sqrt((x**2).sum(0) * (y**2).sum())
    safe = np.where(size > 0, size, 1.0)
    return np.asarray(np.where(size > 0, (x * y[:, None]).sum(0) / safe, 0.0))


def format_lag_range(step_range: tuple[int, int]) -> str:
    """A range of steps before the origin: ``1–13 steps back``."""
    begin, end = step_range
    newest, oldest = -end + 1, -begin
    if newest == oldest:
        return f"{count_of(newest, 'step')} back"
    return f"{newest:,}–{oldest:,} steps back"
