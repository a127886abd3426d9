"""What the numbers of `inspect` say, one plain sentence each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.forecast_plots import _format_number
from rnnforecast.output.inspection.results import (
    RETENTION_GATE_PREFIXES,
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
)
from rnnforecast.types import Floats

CORRELATION_THRESHOLD = 0.7
"""A unit with so large a correlation with the series, of either sign, follows it."""
MIN_PATCHES = 8
"""Segments that a correlation is taken of."""
INACTIVE_THRESHOLD = 0.05
"""A unit that moves less than this share of what the liveliest does hardly moves."""
VANISHING_RATIO, EXPLODING_RATIO = 0.05, 5.0
"""What the oldest segment's gradient is of the newest's, where it vanishes or explodes."""


def describe_units(inspection: Inspection) -> str:
    """How many units of the uppermost layer follow the series, and how many do nothing."""
    hidden, level = inspection.layers[-1].hidden, patch_means(inspection)
    span = hidden.max(0) - hidden.min(0)
    still = (
        span <= INACTIVE_THRESHOLD * span.max()
        if span.max() > 0
        else np.ones(len(span), dtype=bool)
    )
    many, segments = hidden.shape[1], len(hidden)
    if segments < MIN_PATCHES:
        few = f"{segments:,} segment{_plural_suffix(segments)}"
        return f"{still.sum():,} of the {many:,} units hardly move while {few} are read"
    follows = (np.abs(correlations(hidden, level)) >= CORRELATION_THRESHOLD) & ~still
    layer = f" of {inspection.layers[-1].name}" if len(inspection.layers) > 1 else ""
    return (
        f"{follows.sum():,} of the {many:,} units{layer} follow the series up or down, "
        f"{still.sum():,} hardly move"
    )


def describe_gates(inspection: Inspection) -> str:
    """How long a unit keeps what it holds; of other gates how open they are."""
    shown = layers_with_gates(inspection)[-1]
    keeping = [
        gate for name, gate in shown.gates.items() if name.startswith(RETENTION_GATE_PREFIXES)
    ]
    size = inspection.window.patch_length
    step = "step" if size == 1 else f"segment of {size} steps"
    if not keeping:
        name, gate = next(iter(shown.gates.items()))
        return f"The gate {name} is {_format_percent(gate.mean())} open on average"
    share = float(keeping[0].mean())
    says = (
        f"On average a unit keeps {_format_percent(share)} of its state from one {step} to the next"
    )
    if not 0.5 < share < 1:
        return says
    half = _format_rounded(np.log(0.5) / np.log(share))
    return f"{says}: half of it is gone after {half} {'steps' if size == 1 else 'segments'}"


def layers_with_gates(inspection: Inspection) -> list[LayerActivations]:
    """The layers that have gates."""
    return [one for one in inspection.layers if one.gates]


def half_gradient_lookback(gradient_norm: Floats) -> int:
    """Steps before the origin that hold half of the gradient: `[H, L]`, summed over the horizon."""
    size = np.abs(gradient_norm).sum(0)[::-1]
    total = size.sum()
    return int(np.searchsorted(size.cumsum(), 0.5 * total) + 1) if total > 0 else 0


def describe_gradient(inspection: Inspection) -> str:
    """How far back half of the gradient lies, and whether it vanishes or explodes."""
    steps, whole = (
        half_gradient_lookback(inspection.gradient_norm),
        inspection.gradient_norm.shape[1],
    )
    if not steps:
        return "The forecast does not hang on the past at all"
    recent = f"the last {steps:,}" if steps > 1 else "the last"
    says = f"Half of the gradient lies within {recent} of {whole:,} steps"
    recurrent = (
        inspection.gradient_norm
        if inspection.recurrent_gradient_norm is None
        else inspection.recurrent_gradient_norm
    )
    size, segment = np.abs(recurrent).sum(0), inspection.window.patch_length
    new, old = size[-segment:].mean(), size[:segment].mean()
    if new <= 0 or whole <= segment:
        return says
    part = (
        "without its linear map the network"
        if inspection.recurrent_gradient_norm is not None
        else "the network"
    )
    ratio = old / new
    if ratio < VANISHING_RATIO:
        return (
            f"{says}; {part} has all but forgotten the oldest ({_format_percent(ratio)} of newest)"
        )
    if ratio > EXPLODING_RATIO:
        return (
            f"{says}; {part} feels the oldest {_format_rounded(ratio)} times as much as the newest"
        )
    return f"{says}; {part} still feels the oldest ({_format_percent(ratio)} of the newest)"


def describe_attention(inspection: Inspection) -> str:
    """Where most of the attention goes, beside an even spread."""
    whole = (
        inspection.horizon_attention
        if inspection.horizon_attention is not None
        else inspection.self_attention[-1][-1:]
    )
    weight = whole.mean(0)
    best, even = int(weight.argmax()), 1 / len(weight)
    begin, end = inspection.patch_step_ranges()[best]
    who = "The horizon" if inspection.horizon_attention is not None else "The last segment"
    if weight[best] < 1.5 * even:
        return f"{who} looks at all of the past almost evenly"
    return (
        f"{who} looks most at {_format_step_range(inspection.window, begin, end)}: {_format_percent(weight[best])} of its "
        f"attention, evenly would be {_format_percent(even)}"
    )


def describe_importance(inspection: Inspection) -> str:
    """What matters most, and which covariates do."""
    assert inspection.importance is not None
    bars = inspection.importance.inputs
    best = max(bars, key=lambda bar: bar.mean)
    if not is_significant(best):
        return "Nothing that was shuffled makes the forecast worse"
    name = f"the values {format_lag_range(best.step_range)}" if best.step_range else best.name
    says = (
        f"Most depends on {name}: shuffled between windows, the error grows from "
        f"{_format_rounded(inspection.importance.baseline_error)} % to {_format_rounded(inspection.importance.baseline_error + best.mean)} %"
    )
    covariates = [bar for bar in bars if bar.step_range is None]
    if not covariates or not best.step_range:
        return says
    useful = sorted((bar for bar in covariates if is_significant(bar)), key=lambda bar: -bar.mean)
    if not useful:
        return f"{says}; no covariate matters"
    return f"{says}; of the covariates {useful[0].name} matters most"


def is_significant(importance: InputImportance) -> bool:
    """Whether it is more than two standard errors above nothing."""
    return importance.mean > 2 * importance.std_error and importance.mean > 1e-9


def describe_occlusion(inspection: Inspection) -> str:
    """Which stretch moves the forecast most."""
    size, scene = inspection.occlusion.mean_absolute_change, inspection.window
    best = int(size.argmax())
    if size[best] <= 0:
        return "The forecast stays the same whatever stretch is hidden"
    begin, end = inspection.occlusion.step_ranges[best]
    share = size[best] / max(float(np.abs(scene.forecast).mean()), 1e-300)
    return (
        f"The forecast moves most without {_format_step_range(scene, begin, end)}: by {_format_rounded(size[best])} on "
        f"average, {_format_percent(share)} of its size"
    )


def _format_step_range(window: InspectedWindow, begin: int, end: int) -> str:
    """The steps `begin .. end - 1`, by their stamps."""
    first, last = (format_timestamp(window.timestamp_at(step)) for step in (begin, end - 1))
    return first if first == last else f"{first} to {last}"


def patch_means(inspection: Inspection) -> Floats:
    """`[G]` the mean of the series in each segment, NaN where nothing was observed."""
    past = inspection.window.values[: inspection.window.lookback]
    means = []
    for begin, end in inspection.patch_step_ranges():
        own = past[max(len(past) + begin, 0) : max(len(past) + end, 0)]
        own = own[np.isfinite(own)]
        means.append(own.mean() if len(own) else np.nan)
    return np.array(means)


def correlations(rows: Floats, reference: Floats) -> Floats:
    """Of each column of `rows [G, K]` with `with_ [G]`, 0 where one of them never changes."""
    known = np.isfinite(reference)
    if known.sum() < 3:
        return np.zeros(rows.shape[1])
    x, y = rows[known] - rows[known].mean(0), reference[known] - reference[known].mean()
    size = np.sqrt((x**2).sum(0) * (y**2).sum())
    safe = np.where(size > 0, size, 1.0)
    found: Floats = np.where(size > 0, (x * y[:, None]).sum(0) / safe, 0.0)
    return found


def format_lag_range(step_range: tuple[int, int]) -> str:
    """``1–13 steps back`` of steps before the origin."""
    begin, end = step_range
    newest, oldest = -end + 1, -begin
    if newest == oldest:
        return f"{newest:,} step{_plural_suffix(newest)} back"
    return f"{newest:,}–{oldest:,} steps back"


def timestamp_range(window: InspectedWindow, step_range: tuple[int, int]) -> NDArray[np.generic]:
    """First and last stamp of a stretch."""
    return np.array([window.timestamp_at(step_range[0]), window.timestamp_at(step_range[1] - 1)])


def _format_rounded(value: float) -> str:
    """Two or three digits that matter."""
    if value == 0 or not np.isfinite(value):
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return _format_number(round(float(value), min(digits, 6)) if digits < 7 else float(value))


def _format_percent(share: float) -> str:
    value = 100 * float(share)
    if value == 0:
        return "0 %"
    if value < 0.1:
        return "less than 0.1 %"
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def _plural_suffix(count: float) -> str:
    return "" if round(float(count), 2) == 1 else "s"
